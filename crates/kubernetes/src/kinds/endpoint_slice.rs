//! EndpointSlices: the replicas of a Service, in parts, as the control plane writes them today.

use serde::Deserialize;

use super::endpoints::Port;
use super::meta::{Meta, or_default};

/// `discovery.k8s.io/v1` EndpointSlice. Its addresses are IPs of one family, or host names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EndpointSlice {
    /// Name, namespace, labels.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Meta,
    /// The replicas.
    #[serde(deserialize_with = "or_default")]
    pub endpoints: Box<[SliceReplica]>,
    /// The ports of each.
    #[serde(deserialize_with = "or_default")]
    pub ports: Box<[Port]>,
}

super::kind!(EndpointSlice: "/apis/discovery.k8s.io/v1", "endpointslices", optional true);

impl EndpointSlice {
    /// Whether the control plane makes it of the pods there are.
    pub fn is_of_pods(&self) -> bool {
        self.is_managed_by("endpointslice-controller.k8s.io")
    }

    /// Whether the control plane makes it of an Endpoints object.
    pub fn is_mirror(&self) -> bool {
        self.is_managed_by("endpointslicemirroring-controller.k8s.io")
    }

    fn is_managed_by(&self, whom: &str) -> bool {
        let by = self.metadata.labels.get("endpointslice.kubernetes.io/managed-by");
        by.is_some_and(|by| &**by == whom)
    }
}

/// One replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SliceReplica {
    /// Its addresses, which all lead to it.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Box<[Box<str>]>,
    /// Whether it wants requests.
    #[serde(deserialize_with = "or_default")]
    conditions: Conditions,
    /// The node it runs on.
    pub node_name: Option<Box<str>>,
}

/// What is not said counts as the API defines: ready unless said otherwise, serving as ready, not terminating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

impl SliceReplica {
    /// Whether it wants new requests.
    pub fn is_ready(&self) -> bool {
        self.conditions.ready.unwrap_or(true)
    }

    /// Whether it is about to end and still answers.
    pub fn is_ending(&self) -> bool {
        self.conditions.terminating.unwrap_or(false) && self.conditions.serving.unwrap_or(self.is_ready())
    }
}
