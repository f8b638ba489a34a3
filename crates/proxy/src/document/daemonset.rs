//! The transformer that sends traffic through the proxy on the node of each replica (routing.md §5).

use config::config;
use kubernetes::Access;
use names::Path;

config! {
    /// Every address becomes that of the member of a Kubernetes Service, one on each node, that is on its node.
    pub struct DaemonSetTransformer {
        /// The namespace of the Service.
        namespace "namespace": String, example "default";
        /// The Service of the DaemonSet.
        service "service": String, example "l5d";
        /// Its port, by name or number.
        port "port": String, example "incoming";
        /// Host of the Kubernetes API in plain HTTP, as `kubectl proxy` serves it. Without it and without `k8sPort` the nearest
        /// API: that of the pod's service account, else of the kubeconfig, else `localhost:8001`.
        k8s_host "k8sHost": Option<String>, example "localhost";
        /// Port of the Kubernetes API; 8001 where only the host is given.
        k8s_port "k8sPort": Option<u16>, example "8001";
        /// Whether pods share the network of their node, so that the name of the node decides; otherwise the first three
        /// bytes of the address do.
        host_network "hostNetwork": bool = "false", example "true";
        /// What the ids of changed names begin with after `/%`; `/io.l5d.k8s.daemonset`, namespace, port and service when
        /// absent.
        prefix "prefix": Option<Path>, example "/gateway";
    }
}

impl DaemonSetTransformer {
    /// The API that knows the Service.
    pub fn access(&self) -> Access {
        Access::of(self.k8s_host.as_deref(), self.k8s_port)
    }

    /// What the `io.l5d.k8s` namer is asked for: `/<namespace>/<port>/<service>`.
    pub fn name(&self) -> Path {
        Path::from_elems([&self.namespace, &self.port, &self.service])
    }

    /// What ids begin with after `/%`.
    pub fn prefix(&self) -> Path {
        let own = || Path::from_elems(["io.l5d.k8s.daemonset"]).concat(&self.name());
        self.prefix.clone().unwrap_or_else(own)
    }
}
