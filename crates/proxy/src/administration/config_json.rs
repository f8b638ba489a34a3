//! `/config.json`: the configuration as it was read (observability.md §6.2), and where each value came from.
//!
//! As Linkerd writes it: the keys that were given, every `kind`, dtabs in one line, and `localhost` for 127.0.0.1.

use crate::document::{Document, Linkerd};
use config::{Declared, FamilyMeta, KeyMeta, Node, ObjectMeta, Scalar, Source, Style, Type, Value};
use names::Dtab;
use serde_json::{Map, Value as Json, json};
use std::fmt;

/// The kind of `client` and `service` that names none.
const GLOBAL: &str = "io.l5d.global";

/// Where keys stand in Linkerd's text: these before and behind all others, which are in the order of their declarations.
const FIRST: [&str; 2] = ["protocol", "namers"];
const LAST: [&str; 10] = [
    "client",
    "servers",
    "dtab",
    "label",
    "admin",
    "usage",
    "kind",
    "prefix",
    "transformers",
    "experimental",
];

/// The keys that were given, as JSON in Linkerd's order.
pub(super) fn given(document: &Document) -> String {
    object(&document.tree, Linkerd::META).to_string()
}

/// JSON whose keys stand in an order of their own.
enum Ordered {
    Leaf(Json),
    List(Vec<Ordered>),
    Object(Vec<(String, Ordered)>),
}

impl fmt::Display for Ordered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ordered::Leaf(value) => write!(f, "{value}"),
            Ordered::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "[" } else { "," })?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Ordered::Object(keys) => {
                for (index, (key, value)) in keys.iter().enumerate() {
                    write!(f, "{}{}:{value}", if index == 0 { "{" } else { "," }, Json::from(key.as_str()))?;
                }
                f.write_str(if keys.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

/// An object with its keys in Linkerd's order.
fn sorted(mut keys: Vec<(String, Ordered)>) -> Ordered {
    keys.sort_by_key(|(key, _)| match FIRST.iter().position(|first| first == key) {
        Some(at) => at,
        None => FIRST.len() + LAST.iter().position(|last| last == key).map_or(0, |at| at + 1),
    });
    Ordered::Object(keys)
}

/// Every value in effect by its place, such as `routers[0].dtab`, each with `from`: `FILE:LINE:COLUMN`, or `default`.
pub(super) fn with_origins(document: &Document) -> Json {
    let mut all = Origins { source: Some(document.warnings.source().clone()), found: Map::new() };
    all.object("", Some(&document.tree), Linkerd::META);
    all.found.into()
}

fn object(node: &Node, meta: &ObjectMeta) -> Ordered {
    sorted(keys(node, meta))
}

fn keys(node: &Node, meta: &ObjectMeta) -> Vec<(String, Ordered)> {
    let keys = meta.keys.iter().map(|key| (key.key, key.ty));
    let only = meta.only.iter().map(|only| (only.key, only.ty));
    let given = |(key, ty): (&str, fn() -> Type)| Some((key.to_owned(), value(node.get(key)?, ty())));
    keys.chain(only).filter_map(given).collect()
}

fn value(node: &Node, ty: Type) -> Ordered {
    match ty {
        Type::Object(meta) => object(node, meta),
        Type::Family(family) => one_of(node, family),
        Type::Scopes(meta) => scopes(node, meta),
        Type::List(item) => list(node, |node| value(node, item())),
        Type::OneOrMore(item) if node.list().is_some() => list(node, |node| value(node, item())),
        Type::OneOrMore(item) => value(node, item()),
        scalar => Ordered::Leaf(leaf(node, scalar)),
    }
}

fn items(node: &Node) -> impl Iterator<Item = &Node> {
    node.list().unwrap_or_default().iter()
}

fn list(node: &Node, each: impl Fn(&Node) -> Ordered) -> Ordered {
    Ordered::List(items(node).map(each).collect())
}

/// The object of the kind a node names, and that kind.
fn kind_of<'n>(node: &'n Node, family: &'n FamilyMeta) -> (&'n str, Option<&'static ObjectMeta>) {
    let named = node.get(family.discriminator).and_then(Node::text);
    let kind = named.or(family.default).unwrap_or_default();
    (kind, family.kinds.iter().find(|known| known.kind == kind).map(|known| known.object))
}

fn one_of(node: &Node, family: &FamilyMeta) -> Ordered {
    let (kind, meta) = kind_of(node, family);
    let mut all = meta.map(|meta| keys(node, meta)).unwrap_or_default();
    all.push((family.discriminator.to_owned(), Ordered::Leaf(kind.into())));
    sorted(all)
}

fn scopes(node: &Node, meta: &ObjectMeta) -> Ordered {
    let kind = node.get("kind").and_then(Node::text).unwrap_or(GLOBAL);
    let mut all = match node.get("configs") {
        None => keys(node, meta),
        Some(configs) => vec![("configs".to_owned(), list(configs, |of| scope(of, meta)))],
    };
    all.push(("kind".to_owned(), Ordered::Leaf(kind.into())));
    sorted(all)
}

/// One of several settings, with the prefix they are for.
fn scope(node: &Node, meta: &ObjectMeta) -> Ordered {
    let mut all = keys(node, meta);
    if let Some(prefix) = node.get("prefix").and_then(Node::text) {
        all.push(("prefix".to_owned(), Ordered::Leaf(prefix.into())));
    }
    sorted(all)
}

fn leaf(node: &Node, ty: Type) -> Json {
    let Some(text) = node.text() else { return node.to_json() };
    match ty {
        Type::Bool | Type::Int { .. } | Type::Port => plain(text),
        Type::Number => plain(text).as_f64().map_or_else(|| text.into(), Json::from),
        Type::Ip if text == "127.0.0.1" => "localhost".into(),
        Type::Dtab => text.parse::<Dtab>().map_or_else(|_| text.into(), |dtab| dtab.to_string().into()),
        _ => text.into(),
    }
}

/// A value that may stand in quotes although it is a number.
fn plain(text: &str) -> Json {
    let value = Value::Scalar(Scalar { text: text.to_owned(), style: Style::Plain });
    Node { span: config::Span::NOWHERE, value }.to_json()
}

/// Collects values and where they came from.
struct Origins {
    /// The document's text; none while defaults are looked at.
    source: Option<Source>,
    found: Map<String, Json>,
}

impl Origins {
    fn object(&mut self, at: &str, node: Option<&Node>, meta: &ObjectMeta) {
        for key in meta.keys {
            let place = if at.is_empty() { key.key.to_owned() } else { format!("{at}.{}", key.key) };
            self.key(&place, node.and_then(|node| node.get(key.key)), key);
        }
    }

    fn key(&mut self, at: &str, node: Option<&Node>, key: &KeyMeta) {
        match (node, key.default) {
            (Some(node), _) => self.value(at, node, (key.ty)()),
            (None, Some(default)) => {
                // A test holds every default to its key's type. Documents are objects.
                let text = format!("value: {default}");
                let Ok(document) = config::Document::parse("default", text.as_bytes()) else { return };
                let Some(value) = document.root.get("value") else { return };
                let source = self.source.take();
                self.value(at, value, (key.ty)());
                self.source = source;
            }
            (None, None) => {
                if let Type::Scopes(meta) = (key.ty)() {
                    let source = self.source.take();
                    self.object(at, None, meta);
                    self.source = source;
                }
            }
        }
    }

    fn value(&mut self, at: &str, node: &Node, ty: Type) {
        match ty {
            Type::Object(meta) => self.object(at, Some(node), meta),
            Type::Family(family) => {
                let (kind, meta) = kind_of(node, family);
                let named = node.get(family.discriminator);
                self.put(&format!("{at}.{}", family.discriminator), &kind.into(), named);
                if let Some(meta) = meta {
                    self.object(at, Some(node), meta);
                }
            }
            Type::Scopes(meta) => match node.get("configs") {
                None => self.object(at, Some(node), meta),
                Some(configs) => self.each(&format!("{at}.configs"), configs, Type::Object(meta)),
            },
            Type::List(item) => self.each(at, node, item()),
            Type::OneOrMore(item) if node.list().is_some() => self.each(at, node, item()),
            Type::OneOrMore(item) => self.value(at, node, item()),
            scalar => self.put(at, &leaf(node, scalar), Some(node)),
        }
    }

    fn each(&mut self, at: &str, list: &Node, ty: Type) {
        if items(list).next().is_none() {
            self.put(at, &json!([]), Some(list));
        }
        for (index, node) in items(list).enumerate() {
            let at = format!("{at}[{index}]");
            if let Some(prefix) = node.get("prefix").filter(|_| matches!(ty, Type::Object(_))) {
                self.put(&format!("{at}.prefix"), &prefix.to_json(), Some(prefix));
            }
            self.value(&at, node, ty);
        }
    }

    fn put(&mut self, at: &str, value: &Json, node: Option<&Node>) {
        let from = match (&self.source, node.filter(|node| !node.span.is_nowhere())) {
            (Some(source), Some(node)) => {
                let place = source.position(node.span.start);
                format!("{}:{}:{}", source.name(), place.line, place.column)
            }
            _ => "default".to_owned(),
        };
        self.found.insert(at.to_owned(), json!({ "value": value, "from": from }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    const TEXT: &str = "\
admin: {ip: 127.0.0.1, workerThreads: '3'}
routers:
- protocol: http
  label: 7
  dtab: |
    /svc => /#/io.l5d.fs;
    /svc/dead => /$/inet/127.1/1;
  interpreter: {transformers: [{kind: io.l5d.specificHost, host: 1.2.3.4}]}
  service: {kind: io.l5d.static, configs: [{prefix: /svc/a, retries: {budget: {percentCanRetry: 1}}}]}
  client: {failureAccrual: {kind: none}}
  servers: [{port: 4140, ip: 127.0.0.1}]
usage: {enabled: false}
";

    /// §9 row 13.
    #[test]
    fn row_13_what_was_given() {
        let document = document::load("l.yaml", TEXT.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
        let expected = concat!(
            r#"{"routers":[{"protocol":"http","#,
            r#""interpreter":{"kind":"default","transformers":[{"host":"1.2.3.4","kind":"io.l5d.specificHost"}]},"#,
            r#""service":{"configs":[{"retries":{"budget":{"percentCanRetry":1.0}},"prefix":"/svc/a"}],"#,
            r#""kind":"io.l5d.static"},"client":{"failureAccrual":{"kind":"none"},"kind":"io.l5d.global"},"#,
            r##""servers":[{"port":4140,"ip":"localhost"}],"dtab":"/svc=>/#/io.l5d.fs;/svc/dead=>/$/inet/127.1/1","##,
            r#""label":"7"}],"admin":{"ip":"localhost","workerThreads":3},"usage":{"enabled":false}}"#,
        );
        assert_eq!(given(&document), expected);
    }

    #[test]
    fn where_values_came_from() {
        let document = document::load("l.yaml", TEXT.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
        let all = with_origins(&document);
        let check = |at: &str, value: Json, from: &str| {
            assert_eq!(all[at], json!({ "value": value, "from": from }), "{at}");
        };
        check("admin.workerThreads", json!(3), "l.yaml:1:39");
        check("admin.shutdownGraceMs", json!(10000), "default");
        check("admin.security.uiEnabled", json!(true), "default");
        check("routers[0].label", json!("7"), "l.yaml:4:10");
        check("routers[0].protocol", json!("http"), "l.yaml:3:13");
        check("routers[0].dstPrefix", json!("/svc"), "default");
        check("routers[0].interpreter.kind", json!("default"), "default");
        check("routers[0].servers[0].ip", json!("localhost"), "l.yaml:11:30");
        check("routers[0].servers[0].clearContext", json!(false), "default");
        check("routers[0].service.configs[0].prefix", json!("/svc/a"), "l.yaml:9:53");
        check("routers[0].client.failureAccrual.kind", json!("none"), "l.yaml:10:35");
        check("routers[0].identifier.kind", json!("io.l5d.header.token"), "default");
        check("namers", json!([]), "default");
    }
}
