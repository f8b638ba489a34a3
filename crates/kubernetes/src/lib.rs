//! Discovery through a Kubernetes API: one watch engine for every kind of object, the namers over it, dtabs in ConfigMaps,
//! ingress rules. The only room that knows kube.
//!
//! A [`Cluster`] is one API as a process sees it. Whoever wants an object or a list takes a live value of it; the watch
//! behind it is shared by all who want the same and closes when nobody does.

mod access;
mod api;
mod bell;
mod cluster;
mod config_map;
mod ingress;
mod kind;
mod kinds;
mod namer;
mod watch;

pub use access::Access;
pub use api::{Api, Refusal};
pub use cluster::{Cluster, Settings};
pub use config_map::{ConfigMapDtab, DtabKey};
pub use ingress::CONTROLLER;
pub use kind::{Kind, Selector};
pub use kinds::{
    Annotations, Backend, ConfigMap, EndpointSlice, Endpoints, Ingress, IngressClass, IngressMeta, Meta,
    Port, Replica, Service, ServicePort, SliceReplica, Subset, TargetPort,
};
pub use namer::{ExternalNamer, KubernetesNamer};
