//! Services: which ports they have and what those mean, and what load balancer leads to them.

use serde::Deserialize;

use super::endpoints::is_tcp;
use super::meta::{Meta, or_default};

/// `v1` Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Name, namespace, labels.
    #[serde(deserialize_with = "or_default")]
    pub metadata: Meta,
    /// What is wanted.
    #[serde(deserialize_with = "or_default")]
    pub spec: Spec,
    /// What has become of it.
    #[serde(deserialize_with = "or_default")]
    pub status: Status,
}

super::kind!(Service: "/api/v1", "services");

/// What is wanted of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// Its ports.
    #[serde(deserialize_with = "or_default")]
    pub ports: Box<[ServicePort]>,
}

/// One port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Its name; empty when it is the only one and has none.
    #[serde(deserialize_with = "or_default")]
    pub name: Box<str>,
    /// Its number.
    pub port: u16,
    /// TCP when absent.
    pub protocol: Option<Box<str>>,
    /// Where the replicas listen; the port itself when absent.
    pub target_port: Option<TargetPort>,
}

impl ServicePort {
    /// Whether requests can be sent there.
    pub fn is_tcp(&self) -> bool {
        is_tcp(self.protocol.as_deref())
    }
}

/// Where the replicas of a Service's port listen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    /// On the same port everywhere.
    Number(u16),
    /// Each on the port it calls so.
    Name(Box<str>),
}

/// What has become of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The load balancer in front of it.
    #[serde(deserialize_with = "or_default")]
    pub load_balancer: LoadBalancer,
}

/// A load balancer in front of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LoadBalancer {
    /// Where it listens.
    #[serde(deserialize_with = "or_default")]
    pub ingress: Box<[Entrance]>,
}

/// One address of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Entrance {
    /// Its IP.
    pub ip: Option<Box<str>>,
    /// Its name.
    pub hostname: Option<Box<str>>,
}
