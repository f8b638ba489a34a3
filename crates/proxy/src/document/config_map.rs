//! The interpreter whose dtab stands in a ConfigMap (routing.md §6).

use super::checks::is_meant;
use super::{ApiAddress, ExperimentalInterpreter, InterpreterTransformers};
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
    }
    last { api: ApiAddress, changed: InterpreterTransformers, meant: ExperimentalInterpreter }
    rule meant;
}

fn meant(interpreter: &ConfigMapInterpreter, places: Places<'_>, cx: &mut Context) -> Option<()> {
    is_meant(interpreter.meant.experimental, "ConfigMapInterpreter interpreter", places, cx)
}
