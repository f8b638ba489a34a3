//! Kubernetes Services as discovery (routing.md §2.6).

use super::Transformer;
use super::checks::is_meant;
use config::{Context, Fault, Places, config};
use names::Path;

config! {
    /// The ports of Kubernetes Services as names, `/<namespace>/<port>/<service>`: their replicas as the cluster knows them.
    pub struct KubernetesNamer {
        /// Host of the Kubernetes API in plain HTTP, as `kubectl proxy` serves it. Without it and without `port` the nearest
        /// API: that of the pod's service account, else of the kubeconfig, else `localhost:8001`.
        host "host": Option<String>, example "localhost";
        /// Port of the Kubernetes API; 8001 where only the host is given.
        port "port": Option<u16>, example "8001";
        /// A label. Names then end with a value, and only Services with that value are found.
        label_selector "labelSelector": Option<String>, example "version";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.k8s", example "/k8s";
        /// What changes the names it binds, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Accepted without effect: this namer is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// The ports of the Kubernetes Services of one namespace as names, `/<port>/<service>`.
    pub struct NamespacedNamer {
        /// Host of the Kubernetes API in plain HTTP, as `kubectl proxy` serves it. Without it and without `port` the nearest
        /// API: that of the pod's service account, else of the kubeconfig, else `localhost:8001`.
        host "host": Option<String>, example "localhost";
        /// Port of the Kubernetes API; 8001 where only the host is given.
        port "port": Option<u16>, example "8001";
        /// The environment variable that says the namespace.
        env_var "envVar": String = "POD_NAMESPACE", example "TEAM_NAMESPACE";
        /// A label. Names then end with a value, and only Services with that value are found.
        label_selector "labelSelector": Option<String>, example "version";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.k8s.ns", example "/own";
        /// What changes the names it binds, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Accepted without effect: this namer is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
    rule namespace_is_known;
}

impl NamespacedNamer {
    /// The namespace.
    ///
    /// # Errors
    /// When the environment does not say it.
    pub fn namespace(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let text = || format!("could not find namespace for envVar {}", self.env_var);
        variable(&self.env_var).filter(|namespace| !namespace.is_empty()).ok_or_else(text)
    }
}

/// A document may be checked somewhere else than where it runs; there, this keeps it from starting.
fn namespace_is_known(from: &NamespacedNamer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    if let Err(missing) = from.namespace(|name| cx.variable(name)) {
        let fault = Fault::new(places.of("envVar"), missing);
        cx.fault(fault.expected("it to be set where the proxy runs, or it does not start").warning());
    }
    Some(())
}

config! {
    /// The ports of Kubernetes Services as names, `/<namespace>/<port>/<service>`: the load balancers in front of them.
    pub struct ExternalNamer {
        /// Host of the Kubernetes API in plain HTTP, as `kubectl proxy` serves it. Without it and without `port` the nearest
        /// API: that of the pod's service account, else of the kubeconfig, else `localhost:8001`.
        host "host": Option<String>, example "localhost";
        /// Port of the Kubernetes API; 8001 where only the host is given.
        port "port": Option<u16>, example "8001";
        /// A label. Names then end with a value, and only Services with that value are found.
        label_selector "labelSelector": Option<String>, example "version";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.k8s.external", example "/outside";
        /// What changes the names it binds, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Has to be `true`: this namer is experimental.
        experimental "experimental": bool = "false", example "true";
    }
    rule external;
}

fn external(from: &ExternalNamer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    is_meant(from.experimental, &format!("/#{} namer", from.prefix), places, cx)
}
