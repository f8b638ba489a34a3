//! Manifests of Linkerd 1.x's time for today's API server: the old API groups are gone, what they said is not.
//!
//! Objects whose groups are still there (ConfigMaps, Services, ReplicationControllers, Jobs) stay as they are.

use config::Document;
use serde_json::{Map, Value, json};

/// The objects of a YAML text with any number of documents, as one JSON `List` in today's API groups.
///
/// # Panics
/// When a document cannot be read, with its faults.
#[must_use]
pub fn convert(text: &str) -> String {
    let objects: Vec<Value> = documents(text).into_iter().map(today).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

/// The objects of a YAML text with any number of documents, as they are.
///
/// # Panics
/// When a document cannot be read, with its faults.
#[must_use]
pub fn documents(text: &str) -> Vec<Value> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        // Inside a block it would be indented.
        if line == "---" || line.starts_with("--- ") {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push_str(&with_decimal_mode(line));
            part.push('\n');
        }
    }
    let says = |part: &String| part.lines().any(|l| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
    let read = |part: &String| {
        let document =
            Document::parse("manifest", part.as_bytes()).unwrap_or_else(|faults| panic!("{faults}\n{part}"));
        document.root.to_json()
    };
    parts.iter().filter(|p| says(p)).map(read).collect()
}

/// Kubernetes reads file modes with a leading 0 as YAML 1.1 has them, in eights; our own documents know no such numbers.
fn with_decimal_mode(line: &str) -> String {
    let Some((key, text)) = line.split_once("ode: 0").filter(|(k, _)| k.ends_with('m') || k.ends_with('M'))
    else {
        return line.to_owned();
    };
    u32::from_str_radix(text.trim(), 8).map_or_else(|_| line.to_owned(), |mode| format!("{key}ode: {mode}"))
}

fn today(mut object: Value) -> Value {
    let word = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    let (group, kind) = (word("apiVersion"), word("kind"));
    match (group.as_str(), kind.as_str()) {
        ("extensions/v1beta1", "ThirdPartyResource") => return of_third_party(&object),
        ("extensions/v1beta1" | "networking.k8s.io/v1beta1", "Ingress") => ingress(&mut object),
        ("extensions/v1beta1" | "apps/v1beta1" | "apps/v1beta2", _) => workload(&mut object),
        ("rbac.authorization.k8s.io/v1beta1" | "rbac.authorization.k8s.io/v1alpha1", _) => {
            object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
        }
        ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition") => definition(&mut object),
        _ => {}
    }
    object
}

/// DaemonSets and Deployments: the selector was taken from the template.
fn workload(object: &mut Value) {
    object["apiVersion"] = json!("apps/v1");
    if object["spec"]["selector"].is_null() {
        object["spec"]["selector"] = json!({"matchLabels": object["spec"]["template"]["metadata"]["labels"]});
    }
}

fn ingress(object: &mut Value) {
    object["apiVersion"] = json!("networking.k8s.io/v1");
    if let Some(backend) = object["spec"].as_object_mut().and_then(|spec| spec.remove("backend")) {
        object["spec"]["defaultBackend"] = service(&backend);
    }
    for rule in object["spec"]["rules"].as_array_mut().into_iter().flatten() {
        for path in rule["http"]["paths"].as_array_mut().into_iter().flatten() {
            path["backend"] = service(&path["backend"]);
            if path["pathType"].is_null() {
                path["pathType"] = json!("ImplementationSpecific");
            }
        }
    }
}

fn service(backend: &Value) -> Value {
    let port = match &backend["servicePort"] {
        Value::Number(number) => json!({"number": number}),
        name => json!({"name": name}),
    };
    json!({"service": {"name": backend["serviceName"], "port": port}})
}

/// Its one version becomes a list, and fields without a schema are kept.
fn definition(object: &mut Value) {
    object["apiVersion"] = json!("apiextensions.k8s.io/v1");
    let spec = object["spec"].as_object_mut().expect("a definition has a spec");
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |name: &Value| json!({"name": name, "served": true, "storage": true, "schema": schema});
    if let Some(name) = spec.remove("version").filter(|_| !spec.contains_key("versions")) {
        spec.insert("versions".to_owned(), json!([version(&name)]));
    }
    for version in spec["versions"].as_array_mut().into_iter().flatten().filter(|v| v["schema"].is_null()) {
        version["schema"] = schema.clone();
    }
}

/// `d-tab.l5d.io` named the kind `DTab` of the group `l5d.io`: each part of the name began with a capital.
fn of_third_party(object: &Value) -> Value {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let (words, group) = name.split_once('.').unwrap_or((name, ""));
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let kind: String = words.split('-').filter(|w| !w.is_empty()).map(capital).collect();
    let (singular, plural) = (kind.to_lowercase(), format!("{}s", kind.to_lowercase()));
    let mut made = Map::new();
    made.insert("apiVersion".to_owned(), json!("apiextensions.k8s.io/v1beta1"));
    made.insert("kind".to_owned(), json!("CustomResourceDefinition"));
    made.insert("metadata".to_owned(), json!({"name": format!("{plural}.{group}")}));
    let names = json!({"kind": kind, "singular": singular, "plural": plural});
    let version = &object["versions"][0]["name"];
    made.insert(
        "spec".to_owned(),
        json!({"group": group, "version": version, "scope": "Namespaced", "names": names}),
    );
    today(Value::Object(made))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Value {
        let list: Value = serde_json::from_str(&convert(text)).unwrap();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
        list["items"][0].clone()
    }

    #[test]
    fn a_daemonset_gets_the_selector_it_had_by_default() {
        let text = "---\nkind: DaemonSet\napiVersion: extensions/v1beta1\nspec:\n  template:\n    metadata:\n      labels: {app: l5d}\n";
        let made = one(text);
        assert_eq!(made["apiVersion"], "apps/v1");
        assert_eq!(made["spec"]["selector"], json!({"matchLabels": {"app": "l5d"}}));
    }

    #[test]
    fn an_ingress_says_the_same_in_new_words() {
        let text = "apiVersion: extensions/v1beta1\nkind: Ingress\nspec:\n  backend: {serviceName: a, servicePort: http}\n  rules:\n  - host: h\n    http:\n      paths:\n      - backend: {serviceName: b, servicePort: 80}\n";
        let expected = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {
            "defaultBackend": {"service": {"name": "a", "port": {"name": "http"}}},
            "rules": [{"host": "h", "http": {"paths": [{"pathType": "ImplementationSpecific",
                "backend": {"service": {"name": "b", "port": {"number": 80}}}}]}}],
        }});
        assert_eq!(one(text), expected);
    }

    #[test]
    fn a_third_party_resource_becomes_the_definition_of_the_same_kind() {
        let text = "kind: ThirdPartyResource\napiVersion: extensions/v1beta1\nmetadata: {name: d-tab.l5d.io}\nversions:\n- name: v1alpha1\n";
        let made = one(text);
        assert_eq!(
            (&made["metadata"]["name"], &made["spec"]["names"]["kind"]),
            (&json!("dtabs.l5d.io"), &json!("DTab"))
        );
        assert_eq!(made["spec"]["versions"][0]["name"], "v1alpha1");
        assert!(made["spec"].get("version").is_none(), "{made}");
    }

    #[test]
    fn modes_are_read_in_eights() {
        let made = one("kind: Job\nspec:\n  defaultMode: 0755\n  mode: 0644\n  node: 0755\n");
        assert_eq!(made["spec"], json!({"defaultMode": 0o755, "mode": 0o644, "node": 755}));
    }

    #[test]
    fn what_is_still_there_stays_as_it_is() {
        let text = "# a note\n---\napiVersion: v1\nkind: ConfigMap\ndata:\n  config.yaml: |-\n    a: 1\n    ---x\n---\n# nothing\n---\n";
        let expected =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"config.yaml": "a: 1\n---x"}});
        assert_eq!(one(text), expected);
    }
}
