//! Endpoints: the replicas of a Service as old clusters, and people, write them.

use serde::Deserialize;

use super::meta::{Meta, or_default};

/// `v1` Endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// Name, namespace, labels.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Meta,
    /// Replicas and the ports that all of them have.
    #[serde(deserialize_with = "or_default")]
    pub subsets: Box<[Subset]>,
}

// Whatever an old role lets us read of the two kinds of endpoints has to do.
super::kind!(Endpoints: "/api/v1", "endpoints", optional true);

/// Replicas with the same ports. Those that are not ready are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Subset {
    /// Those that are ready.
    #[serde(deserialize_with = "or_default")]
    pub addresses: Box<[Replica]>,
    /// The ports of each.
    #[serde(deserialize_with = "or_default")]
    pub ports: Box<[Port]>,
}

/// One replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Replica {
    /// Its IP.
    pub ip: Box<str>,
    /// The node it runs on.
    pub node_name: Option<Box<str>>,
}

/// One port of replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Port {
    /// The name of the Service's port it belongs to; empty when that has none.
    #[serde(deserialize_with = "or_default")]
    pub name: Box<str>,
    /// Where the replicas listen; absent in an EndpointSlice: on any.
    pub port: Option<u16>,
    /// TCP when absent.
    pub protocol: Option<Box<str>>,
}

impl Port {
    /// Whether requests can be sent there.
    pub fn is_tcp(&self) -> bool {
        is_tcp(self.protocol.as_deref())
    }
}

/// Whether a protocol, as the API writes it, is TCP: so it is when nobody says.
pub(super) fn is_tcp(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|protocol| protocol.eq_ignore_ascii_case("TCP"))
}
