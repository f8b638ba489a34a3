//! What is different between two documents, key by key, for people: which line of the new one says it.

use crate::document::Document;
use crate::sections::{keys, same};
use config::{Node, Source, Value};
use std::fmt;

/// Longer values are not shown.
const SHOWN: usize = 60;

/// What is different in a document that follows on another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What sort of difference.
    pub kind: ChangeKind,
    /// The key, such as `routers[out].client.loadBalancer.kind`. Elements of lists go by what they are called by: routers
    /// by their label, servers by their address, namers by their kind and prefix; others by their number from 0.
    pub path: String,
    /// `file:line:column`, in the document where it is written: of what was removed the former one.
    pub place: String,
    /// The values, where they are short.
    pub values: Option<String>,
}

/// Sorts of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// It has another value, or another order.
    Changed,
}

impl Diff {
    /// What is different in `after`.
    #[must_use]
    pub fn between(before: &Document, after: &Document) -> Diff {
        let (old, new) = (before.warnings.source(), after.warnings.source());
        let mut walk = Walk { old, new, changes: Vec::new() };
        walk.compare("", &before.tree, &after.tree);
        Diff { changes: walk.changes }
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The differences, in the order of the new document; what was removed comes last within its mapping or list.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes.iter().try_for_each(|change| writeln!(f, "{change}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { kind, path, place, values } = self;
        let (verb, was) = match kind {
            ChangeKind::Added => ("added", ""),
            ChangeKind::Removed => ("removed", "was "),
            ChangeKind::Changed => ("changed", ""),
        };
        write!(f, "{verb} {path}")?;
        if let Some(values) = values {
            write!(f, ": {values}")?;
        }
        write!(f, " ({was}{place})")
    }
}

struct Walk<'a> {
    old: &'a Source,
    new: &'a Source,
    changes: Vec<Change>,
}

impl Walk<'_> {
    fn compare(&mut self, path: &str, old: &Node, new: &Node) {
        match (&old.value, &new.value) {
            _ if same(old, new) => {}
            (Value::Object(_), Value::Object(_)) => self.objects(path, old, new),
            (Value::List(a), Value::List(b)) => self.lists(path, a, b, new),
            _ => {
                let values = shown(old).zip(shown(new)).map(|(old, new)| format!("{old} -> {new}"));
                self.note(ChangeKind::Changed, path, new, values);
            }
        }
    }

    fn objects(&mut self, path: &str, old: &Node, new: &Node) {
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        for key in keys(new) {
            match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => self.compare(&below(key), old, new),
                (None, Some(new)) => self.note(ChangeKind::Added, &below(key), new, shown(new)),
                _ => {}
            }
        }
        for (key, old) in keys(old).filter_map(|key| Some((key, old.get(key)?))) {
            if new.get(key).is_none() {
                self.note(ChangeKind::Removed, &below(key), old, shown(old));
            }
        }
    }

    fn lists(&mut self, path: &str, old: &[Node], new: &[Node], whole: &Node) {
        let (was, is) = (names(path, old), names(path, new));
        let find = |names: &[String], name: &String| names.iter().position(|of| of == name);
        for (name, node) in is.iter().zip(new) {
            let path = format!("{path}[{name}]");
            match find(&was, name) {
                Some(at) => self.compare(&path, &old[at], node),
                None => self.note(ChangeKind::Added, &path, node, shown(node)),
            }
        }
        for (name, node) in was.iter().zip(old) {
            if find(&is, name).is_none() {
                self.note(ChangeKind::Removed, &format!("{path}[{name}]"), node, shown(node));
            }
        }
        let common = |of: &[String], other: &[String]| -> Vec<String> {
            of.iter().filter(|name| other.contains(name)).cloned().collect()
        };
        if common(&is, &was) != common(&was, &is) {
            self.note(ChangeKind::Changed, path, whole, Some("another order".to_owned()));
        }
    }

    fn note(&mut self, kind: ChangeKind, path: &str, node: &Node, values: Option<String>) {
        let source = if kind == ChangeKind::Removed { self.old } else { self.new };
        let at = source.position(node.span.start);
        let place = format!("{}:{}:{}", source.name(), at.line, at.column);
        self.changes.push(Change { kind, path: path.to_owned(), place, values });
    }
}

/// A short value of one line.
fn shown(node: &Node) -> Option<String> {
    let text = node.text()?;
    let short = text.len() <= SHOWN && !text.contains(char::is_control);
    short.then(|| text.to_owned())
}

/// What the elements of a list are called by. Two of one name are told apart by a number.
fn names(path: &str, of: &[Node]) -> Vec<String> {
    let list = path.rsplit('.').next().unwrap_or_default();
    let mut names: Vec<String> = Vec::with_capacity(of.len());
    for (at, node) in of.iter().enumerate() {
        let name = name(list, node).unwrap_or_else(|| at.to_string());
        let twin = names.iter().filter(|n| **n == name || n.starts_with(&format!("{name}#"))).count();
        names.push(if twin == 0 { name } else { format!("{name}#{}", twin + 1) });
    }
    names
}

fn name(list: &str, node: &Node) -> Option<String> {
    let text = |key| node.get(key).and_then(Node::text);
    let of = match list {
        "routers" => text("label").or_else(|| text("protocol"))?.to_owned(),
        "servers" => format!("{}:{}", text("ip").unwrap_or("127.0.0.1"), text("port").unwrap_or("4140")),
        "namers" => [text("kind"), text("prefix")].into_iter().flatten().collect::<Vec<_>>().join(" "),
        "telemetry" => text("kind")?.to_owned(),
        "configs" => text("prefix")?.to_owned(),
        _ => return None,
    };
    Some(of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document;

    const BEFORE: &str = "\
namers:
- {kind: io.l5d.fs, rootDir: /tmp}
- {kind: io.l5d.fs, prefix: /other, rootDir: /tmp}
routers:
- protocol: http
  label: out
  dtab: /svc => /#/io.l5d.fs
  client: {requestAttemptTimeoutMs: 100, failFast: true}
  servers: [{port: 4140}, {port: 4141}]
- protocol: http
  label: in
  servers: [{port: 4142}]
";

    fn check(after: &str, expected: &[&str]) {
        let load = |name, text: &str| document::load(name, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
        let diff = Diff::between(&load("old.yaml", BEFORE), &load("new.yaml", after));
        let lines: Vec<_> = diff.changes().iter().map(ToString::to_string).collect();
        assert_eq!(lines, expected, "{after}");
        assert_eq!(diff.is_empty(), expected.is_empty());
    }

    fn changed(from: &str, to: &str, expected: &[&str]) {
        assert!(BEFORE.contains(from), "{from}");
        check(&BEFORE.replace(from, to), expected);
    }

    #[test]
    fn keys_are_told_with_their_lines() {
        changed(
            "TimeoutMs: 100",
            "TimeoutMs: 200",
            &["changed routers[out].client.requestAttemptTimeoutMs: 100 -> 200 (new.yaml:8:37)"],
        );
        changed(", failFast: true", "", &["removed routers[out].client.failFast: true (was old.yaml:8:52)"]);
        changed(
            "  label: in\n",
            "  label: in\n  originator: true\n",
            &["added routers[in].originator: true (new.yaml:12:15)"],
        );
    }

    #[test]
    fn elements_of_lists_go_by_their_names() {
        changed("{port: 4140}, ", "", &["removed routers[out].servers[127.0.0.1:4140] (was old.yaml:9:13)"]);
        changed(
            "label: in",
            "label: inn",
            &["added routers[inn] (new.yaml:10:3)", "removed routers[in] (was old.yaml:10:3)"],
        );
        changed(
            "prefix: /other",
            "prefix: /another",
            &[
                "added namers[io.l5d.fs /another] (new.yaml:3:3)",
                "removed namers[io.l5d.fs /other] (was old.yaml:3:3)",
            ],
        );
    }

    #[test]
    fn an_order_is_a_value() {
        changed(
            "[{port: 4140}, {port: 4141}]",
            "[{port: 4141}, {port: 4140}]",
            &["changed routers[out].servers: another order (new.yaml:9:12)"],
        );
    }

    /// What is only written otherwise is the same; nothing depends on where it stands.
    #[test]
    fn comments_and_lines_are_no_difference() {
        check(BEFORE, &[]);
        check(&format!("# a comment\n\n{BEFORE}\n\n"), &[]);
        changed(
            "  label: out\n",
            "",
            &["added routers[http] (new.yaml:5:3)", "removed routers[out] (was old.yaml:5:3)"],
        );
        changed(
            "{requestAttemptTimeoutMs: 100, failFast: true}",
            "{failFast: true, requestAttemptTimeoutMs: 100}",
            &[],
        );
        changed("label: in\n", "label: 'in'\n", &["changed routers[in].label: in -> in (new.yaml:11:10)"]);
    }
}
