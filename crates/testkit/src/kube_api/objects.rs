//! The objects of the scripted API, and everything that has happened to them.

use serde_json::{Value, json};

/// Objects in the order of their creation, and the lines that streams are told.
#[derive(Default)]
pub(super) struct Objects {
    version: u64,
    all: Vec<(String, Value)>,
    /// Collection and object of an event, or a line for everybody, each with its version.
    pub(super) history: Vec<(u64, Told)>,
}

/// What streams are told.
pub(super) enum Told {
    /// An event of an object in this collection.
    Event(String, Value),
    /// A line for all.
    Line(String),
}

/// The path of the collection without its namespace, such as `/api/v1/endpoints`.
fn collection(object: &Value) -> String {
    let text = |key: &str| object[key].as_str().unwrap_or_else(|| panic!("an object has {key}: {object}"));
    let (version, kind) = (text("apiVersion"), text("kind").to_lowercase());
    let plural = match kind.as_str() {
        "endpoints" => kind,
        "ingress" | "ingressclass" => format!("{kind}es"),
        _ => format!("{kind}s"),
    };
    let root = if version.contains('/') { "/apis" } else { "/api" };
    format!("{root}/{version}/{plural}")
}

fn is_same(a: &Value, b: &Value) -> bool {
    ["name", "namespace"].iter().all(|key| a["metadata"][key] == b["metadata"][key])
}

/// RFC 7396.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        into.clone_from(patch);
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        merge(&mut into[key], value);
    }
}

impl Objects {
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn put(&mut self, object: Value) -> u64 {
        let (collection, kind, object) = self.store(object);
        let event = json!({"type": kind, "object": object});
        self.history.push((self.version, Told::Event(collection, event)));
        self.version
    }

    /// Merges `patch` into the object at `path`, of which a sub-resource may be named; false when there is none.
    pub(super) fn patch(&mut self, path: &str, patch: &Value) -> bool {
        let at = |(collection, object): &&(String, Value)| {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let (group, plural) = collection.rsplit_once('/').unwrap_or_default();
            let own = format!("{group}/namespaces/{namespace}/{plural}/{name}");
            path.strip_prefix(&own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let Some((_, object)) = self.all.iter().find(at) else { return false };
        let mut object = object.clone();
        merge(&mut object, patch);
        self.put(object);
        true
    }

    pub(super) fn put_unseen(&mut self, object: Value) {
        self.store(object);
    }

    fn store(&mut self, mut object: Value) -> (String, &'static str, Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let collection = collection(&object);
        let known =
            self.all.iter_mut().find(|(known, other)| *known == collection && is_same(other, &object));
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        match known {
            Some(known) => known.1 = object.clone(),
            None => self.all.push((collection.clone(), object.clone())),
        }
        (collection, kind, object)
    }

    pub(super) fn delete(&mut self, object: &Value) {
        let collection = collection(object);
        let at = self.all.iter().position(|(known, other)| *known == collection && is_same(other, object));
        let Some((_, mut object)) = at.map(|at| self.all.remove(at)) else { return };
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let event = json!({"type": "DELETED", "object": object});
        self.history.push((self.version, Told::Event(collection, event)));
    }

    pub(super) fn say(&mut self, line: &str) {
        self.history.push((self.version, Told::Line(line.to_owned())));
    }

    /// What a list answers.
    pub(super) fn list(&self, wanted: &Wanted) -> Value {
        let items: Vec<&Value> =
            self.all.iter().filter(|(of, object)| wanted.is(of, object)).map(|(_, object)| object).collect();
        json!({"kind": "List", "metadata": {"resourceVersion": self.version.to_string()}, "items": items})
    }
}

/// Which objects a request is about.
pub(super) struct Wanted {
    collection: String,
    namespace: Option<String>,
    name: Option<String>,
    labels: Vec<(String, String)>,
    pub(super) watch: bool,
    pub(super) from: u64,
}

impl Wanted {
    /// Of a path with its query, such as `/api/v1/namespaces/x/endpoints?fieldSelector=metadata.name%3Dweb`.
    pub(super) fn parse(target: &str) -> Wanted {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (root, rest) = path.split_once("/namespaces/").unwrap_or((path, ""));
        let (namespace, plural) = rest.split_once('/').unwrap_or_default();
        let collection = if rest.is_empty() { path.to_owned() } else { format!("{root}/{plural}") };
        let mut wanted = Wanted {
            collection,
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: None,
            labels: Vec::new(),
            watch: false,
            from: 0,
        };
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = value.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/");
            let pairs = || value.split(',').filter_map(|pair| pair.split_once('='));
            match key {
                "watch" => wanted.watch = value == "true",
                "resourceVersion" => wanted.from = value.parse().unwrap_or_default(),
                "fieldSelector" => wanted.name = pairs().next().map(|(_, name)| name.to_owned()),
                "labelSelector" => {
                    wanted.labels = pairs().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
                }
                _ => {}
            }
        }
        wanted
    }

    /// Whether it is about the collection with this name.
    pub(super) fn is_of(&self, plural: &str) -> bool {
        self.collection.rsplit('/').next() == Some(plural)
    }

    pub(super) fn is(&self, collection: &str, object: &Value) -> bool {
        let meta = &object["metadata"];
        let says = |key: &str, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| meta[key].as_str() == Some(wanted))
        };
        collection == self.collection
            && says("namespace", &self.namespace)
            && says("name", &self.name)
            && self.labels.iter().all(|(key, value)| meta["labels"][key].as_str() == Some(value))
    }
}
