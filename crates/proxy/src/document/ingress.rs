//! The identifier of Kubernetes' Ingress objects (routing.md §4).

use super::ApiAddress;
use config::config;

config! {
    /// The name is the port and Service, below their namespace, that Kubernetes' Ingress objects have for the request's host
    /// and path: `/<namespace>/<port>/<service>`.
    pub struct IngressIdentifier {
        /// The namespace whose objects count; those of all when absent.
        namespace "namespace": Option<String>, example "default";
        /// The class whose objects count: in the annotation `kubernetes.io/ingress.class` or in `ingressClassName`. Objects
        /// without a class count, too, and those of classes whose controller is `wayleave.io/ingress-controller`.
        ingress_class_annotation "ingressClassAnnotation": String = "linkerd", example "internal";
        /// Whether requests that no rule is for stay without a name, instead of going to a default backend.
        ignore_default_backends "ignoreDefaultBackends": bool = "false", example "true";
        /// The address, IP or host name, that is written into the status of the objects; nothing is when absent. Needs the
        /// right to patch `ingresses/status`.
        status_address "statusAddress": Option<String>, check address, example "203.0.113.7";
    }
    first { api: ApiAddress }
}

fn address(text: &Option<String>) -> Result<(), String> {
    let fits = |text: &String| {
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        !text.is_empty() && text.chars().all(is_host)
    };
    match text {
        Some(text) if !fits(text) => Err(format!("`{text}` is neither an IP nor a host name")),
        _ => Ok(()),
    }
}
