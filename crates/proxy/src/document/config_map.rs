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
        /// Host of the Kubernetes API, as `kubectl proxy` serves it. Where nobody listens at the default address, a pod uses
        /// its service account.
        host "host": String = "localhost", example "10.0.0.1";
        /// Port of the Kubernetes API.
        port "port": u16 = "8001", example "8080";
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
