//! The interpreter whose dtab stands in a ConfigMap (routing.md §6).

use super::Transformer;
use super::checks::is_meant;
use config::{Context, Places, config};

config! {
    /// A dtab in a ConfigMap, watched for changes, before that of the router; and the namers of this document. Where there
    /// is no such ConfigMap or key, the dtab is empty; a text that is no dtab changes nothing.
    pub struct ConfigMapInterpreter {
        /// The ConfigMap.
        name "name": String, example "dtabs";
        /// The key under which the dtab stands in it.
        filename "filename": String, example "web.dtab";
        /// The namespace of the ConfigMap.
        namespace "namespace": String = "default", example "mesh";
        /// Host of the Kubernetes API in plain HTTP, as `kubectl proxy` serves it. Without it and without `port` the nearest
        /// API: that of the pod's service account, else of the kubeconfig, else `localhost:8001`.
        host "host": Option<String>, example "localhost";
        /// Port of the Kubernetes API; 8001 where only the host is given.
        port "port": Option<u16>, example "8001";
        /// What changes bound names on their way to the router, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Has to be `true`: this interpreter is experimental.
        experimental "experimental": bool = "false", example "true";
    }
    rule meant;
}

fn meant(interpreter: &ConfigMapInterpreter, places: Places<'_>, cx: &mut Context) -> Option<()> {
    is_meant(interpreter.experimental, "ConfigMapInterpreter interpreter", places, cx)
}
