//! Ingress objects, as today's API and the one before it write them, and the classes they are of.

use serde::Deserialize;

use super::meta::{Meta, or_default};
use super::service::Status;

/// `networking.k8s.io/v1` Ingress; bodies of `extensions/v1beta1` are understood.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Ingress {
    /// Name, namespace, class.
    #[serde(deserialize_with = "or_default")]
    pub metadata: IngressMeta,
    /// The rules.
    #[serde(deserialize_with = "or_default")]
    pub spec: IngressSpec,
    /// The address at which it is served.
    #[serde(deserialize_with = "or_default")]
    pub status: Status,
}

super::kind!(Ingress: "/apis/networking.k8s.io/v1", "ingresses");

/// `metadata` of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressMeta {
    /// The name in its namespace.
    pub name: Box<str>,
    /// The namespace.
    #[serde(deserialize_with = "or_default")]
    pub namespace: Box<str>,
    /// The state of the API in which the object got to be as it is.
    #[serde(deserialize_with = "or_default")]
    pub resource_version: Box<str>,
    /// What is looked at of its annotations.
    #[serde(deserialize_with = "or_default")]
    pub annotations: Annotations,
}

/// The annotations of an Ingress that mean something here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Annotations {
    /// The class it is of.
    #[serde(rename = "kubernetes.io/ingress.class")]
    pub class: Option<Box<str>>,
}

/// `spec` of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressSpec {
    /// The class it is of.
    pub ingress_class_name: Option<Box<str>>,
    /// Where requests go that no rule is for.
    #[serde(alias = "backend")]
    pub default_backend: Option<Backend>,
    /// The rules.
    #[serde(deserialize_with = "or_default")]
    pub rules: Box<[Rule]>,
}

/// The rules for a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// The host; all when absent or empty.
    pub host: Option<Box<str>>,
    /// The paths.
    pub http: Option<Http>,
}

/// The paths of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Http {
    /// In the order of the document.
    #[serde(deserialize_with = "or_default")]
    pub paths: Box<[HttpPath]>,
}

/// A path, and where its requests go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpPath {
    /// The path; all when absent or empty.
    #[serde(deserialize_with = "or_default")]
    pub path: Box<str>,
    /// `Exact`, `Prefix` or `ImplementationSpecific`.
    #[serde(deserialize_with = "or_default")]
    pub path_type: Box<str>,
    /// Where to.
    #[serde(deserialize_with = "or_default")]
    pub backend: Backend,
}

/// A port of a Service, in either shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backend {
    service: Option<ServiceBackend>,
    service_name: Option<Box<str>>,
    service_port: Option<NameOrNumber>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct ServiceBackend {
    name: Box<str>,
    #[serde(deserialize_with = "or_default")]
    port: BackendPort,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct BackendPort {
    name: Option<Box<str>>,
    number: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum NameOrNumber {
    Number(u32),
    Name(Box<str>),
}

impl Backend {
    /// Service and port, as text. `None` for what is no Service, or has no port.
    #[must_use]
    pub fn target(&self) -> Option<(String, String)> {
        let (service, port) = match (&self.service, &self.service_name, &self.service_port) {
            (Some(ServiceBackend { name, port }), ..) => {
                let name_of = port.name.as_ref().filter(|name| !name.is_empty());
                let number = || Some(port.number.filter(|number| *number > 0)?.to_string());
                (name, name_of.map(ToString::to_string).or_else(number)?)
            }
            (None, Some(name), Some(NameOrNumber::Number(port))) => (name, port.to_string()),
            (None, Some(name), Some(NameOrNumber::Name(port))) => (name, port.to_string()),
            _ => return None,
        };
        (!service.is_empty() && !port.is_empty()).then(|| (service.to_string(), port))
    }
}

/// `networking.k8s.io/v1` IngressClass. Who may not read them does without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressClass {
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Meta,
    /// Who serves it.
    #[serde(deserialize_with = "or_default")]
    pub spec: IngressClassSpec,
}

super::kind!(IngressClass: "/apis/networking.k8s.io/v1", "ingressclasses", optional true);

/// `spec` of an IngressClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IngressClassSpec {
    /// The program that serves its objects.
    #[serde(deserialize_with = "or_default")]
    pub controller: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_of_both_shapes() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let backend: Backend = serde_json::from_str(text).unwrap();
            let got = backend.target();
            assert_eq!(got.as_ref().map(|(s, p)| (s.as_str(), p.as_str())), expected, "{text}");
        };
        check(r#"{"service":{"name":"web","port":{"name":"http"}}}"#, Some(("web", "http")));
        check(r#"{"service":{"name":"web","port":{"number":80}}}"#, Some(("web", "80")));
        check(r#"{"serviceName":"web","servicePort":"http"}"#, Some(("web", "http")));
        check(r#"{"serviceName":"web","servicePort":80}"#, Some(("web", "80")));
        check(r#"{"resource":{"kind":"StorageBucket","name":"x"}}"#, None);
        check(r#"{"service":{"name":"web","port":{}}}"#, None);
        check("{}", None);
    }

    #[test]
    fn objects_of_both_groups() {
        let new: Ingress = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "a", "namespace": "n", "resourceVersion": "5" },
            "spec": {
                "ingressClassName": "linkerd",
                "defaultBackend": { "service": { "name": "d", "port": { "number": 1 } } },
                "rules": [{ "host": "h", "http": { "paths": [
                    { "path": "/x", "pathType": "Prefix", "backend": { "service": { "name": "s", "port": { "name": "p" } } } },
                ] } }, { "host": "no-http" }],
            },
            "status": { "loadBalancer": { "ingress": [{ "ip": "10.0.0.1" }] } },
        }))
        .unwrap();
        let old: Ingress = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "a", "annotations": { "kubernetes.io/ingress.class": "linkerd", "x": "y" } },
            "spec": {
                "backend": { "serviceName": "d", "servicePort": 1 },
                "rules": [{ "host": "h", "http": { "paths": [
                    { "path": "/x", "backend": { "serviceName": "s", "servicePort": "p" } },
                ] } }],
            },
            "status": null,
        }))
        .unwrap();
        for object in [&new, &old] {
            assert_eq!(object.class(), Some("linkerd"));
            let default = object.spec.default_backend.as_ref().and_then(Backend::target);
            assert_eq!(default, Some(("d".into(), "1".into())));
            let paths = &object.spec.rules[0].http.as_ref().unwrap().paths;
            assert_eq!(paths[0].backend.target(), Some(("s".into(), "p".into())));
        }
        assert_eq!(&*new.spec.rules[0].http.as_ref().unwrap().paths[0].path_type, "Prefix");
        assert_eq!(new.status.load_balancer.ingress[0].ip.as_deref(), Some("10.0.0.1"));
    }
}
