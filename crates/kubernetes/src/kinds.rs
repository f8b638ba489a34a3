//! The kinds of objects that are read, each with the parts that matter to routing.

mod config_map;
mod endpoint_slice;
mod endpoints;
mod ingress;
mod meta;
mod service;

pub use config_map::ConfigMap;
pub use endpoint_slice::{EndpointSlice, SliceReplica};
pub use endpoints::{Endpoints, Port, Replica, Subset};
pub use ingress::{Annotations, Backend, Ingress, IngressClass, IngressMeta};
pub use meta::Meta;
pub use service::{Service, ServicePort, TargetPort};

/// Declares that a structure with a field `metadata: Meta` is a kind.
macro_rules! kind {
    ($name:ty: $api:literal, $plural:literal $(, optional $optional:literal)?) => {
        impl crate::kind::Kind for $name {
            const API: &'static str = $api;
            const PLURAL: &'static str = $plural;
            $(const OPTIONAL: bool = $optional;)?

            fn name(&self) -> &str {
                &self.metadata.name
            }

            fn namespace(&self) -> &str {
                &self.metadata.namespace
            }

            fn version(&self) -> &str {
                &self.metadata.resource_version
            }
        }
    };
}
pub(crate) use kind;
