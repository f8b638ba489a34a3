//! Keys that several declarations have: declared once, so that they read the same everywhere.

use super::Transformer;
use config::config;
use kubernetes::Access;

config! {
    /// Where a Kubernetes API is.
    pub struct ApiAddress {
        /// Host of the Kubernetes API in plain HTTP, as `kubectl proxy` serves it. Without it and without `port` the nearest
        /// API: that of the pod's service account, else of the kubeconfig, else `localhost:8001`.
        host "host": Option<String>, example "localhost";
        /// Port of the Kubernetes API; 8001 where only the host is given.
        port "port": Option<u16>, example "8001";
    }
}

impl ApiAddress {
    /// The API that is meant.
    pub fn access(&self) -> Access {
        Access::of(self.host.as_deref(), self.port)
    }
}

config! {
    /// What namers have that are not experimental.
    pub struct NamerKeys {
        /// What changes the names it binds, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Accepted without effect: this namer is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// What experimental namers have.
    pub struct ExperimentalNamerKeys {
        /// What changes the names it binds, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Has to be `true`: this namer is experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// What interpreters have that are not experimental.
    pub struct InterpreterKeys {
        /// What changes bound names on their way to the router, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Accepted without effect: this interpreter is not experimental.
        experimental "experimental": bool = "false", example "true";
    }
}

config! {
    /// What experimental interpreters have.
    pub struct ExperimentalInterpreterKeys {
        /// What changes bound names on their way to the router, the first one first.
        transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
        /// Has to be `true`: this interpreter is experimental.
        experimental "experimental": bool = "false", example "true";
    }
}
