//! Kubernetes Services as discovery (routing.md §2.6).

use super::checks::is_meant;
use super::{ApiAddress, ExperimentalNamer, NamerTransformers, StableNamer};
use config::{Context, Fault, Places, config};
use names::Path;

config! {
    /// The ports of Kubernetes Services as names, `/<namespace>/<port>/<service>`: their replicas as the cluster knows them.
    pub struct KubernetesNamer {
        /// A label. Names then end with a value, and only Services with that value are found.
        label_selector "labelSelector": Option<String>, example "version";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.k8s", example "/k8s";
    }
    first { api: ApiAddress }
    last { changed: NamerTransformers, meant: StableNamer }
}

config! {
    /// The ports of the Kubernetes Services of one namespace as names, `/<port>/<service>`.
    pub struct NamespacedNamer {
        /// The environment variable that says the namespace.
        env_var "envVar": String = "POD_NAMESPACE", example "TEAM_NAMESPACE";
        /// A label. Names then end with a value, and only Services with that value are found.
        label_selector "labelSelector": Option<String>, example "version";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.k8s.ns", example "/own";
    }
    first { api: ApiAddress }
    last { changed: NamerTransformers, meant: StableNamer }
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
        /// A label. Names then end with a value, and only Services with that value are found.
        label_selector "labelSelector": Option<String>, example "version";
        /// What its names begin with after `/#`.
        prefix "prefix": Path = "/io.l5d.k8s.external", example "/outside";
    }
    first { api: ApiAddress }
    last { changed: NamerTransformers, meant: ExperimentalNamer }
    rule external;
}

fn external(from: &ExternalNamer, places: Places<'_>, cx: &mut Context) -> Option<()> {
    is_meant(from.meant.experimental, &format!("/#{} namer", from.prefix), places, cx)
}
