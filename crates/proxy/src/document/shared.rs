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

/// A group with the one key `transformers`, in the words of each family.
macro_rules! transformers {
    ($($(#[doc = $doc:literal])* $name:ident: $does:literal;)*) => {
        $(config! {
            $(#[doc = $doc])*
            pub struct $name {
                #[doc = $does]
                transformers "transformers": Vec<Transformer> = "[]", example "[{kind: io.l5d.port, port: 4140}]";
            }
        })*
    };
}

transformers! {
    /// What may change the names that a namer binds.
    NamerTransformers: " What changes the names it binds, the first one first.";
    /// What a namer whose names are bound again says of transformers.
    NoTransformers: " What changes the names it binds: none, because names that are bound again are not changed.";
    /// What may change the names that an interpreter binds.
    InterpreterTransformers: " What changes bound names on their way to the router, the first one first.";
}

/// A group with the one key `experimental`, in the words of each family.
macro_rules! experimental {
    ($($(#[doc = $doc:literal])* $name:ident: $does:literal;)*) => {
        $(config! {
            $(#[doc = $doc])*
            pub struct $name {
                #[doc = $does]
                experimental "experimental": bool = "false", example "true";
            }
        })*
    };
}

experimental! {
    /// Of a namer that is what it will be.
    StableNamer: " Accepted without effect: this namer is not experimental.";
    /// Of a namer that has to be asked for.
    ExperimentalNamer: " Has to be `true`: this namer is experimental.";
    /// Of an interpreter that is what it will be.
    StableInterpreter: " Accepted without effect: this interpreter is not experimental.";
    /// Of an interpreter that has to be asked for.
    ExperimentalInterpreter: " Has to be `true`: this interpreter is experimental.";
}
