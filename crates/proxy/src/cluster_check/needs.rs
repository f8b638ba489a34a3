//! What a document needs of a cluster.

use names::{Dtab, Path};
use std::collections::BTreeSet;

/// How much depends on a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// There are alternatives to it.
    May,
    /// Requests fail without it.
    Must,
}

/// A Service a document names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceNeed {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its port, by name or by number.
    pub port: String,
    /// Who names it: `dtab of outgoing, /host/world => /srv/world-v1`.
    pub by: String,
    /// How much depends on it.
    pub weight: Weight,
    /// Whether its endpoints are asked for; those of the external namer are its load balancer's.
    pub endpoints: bool,
}

/// A transformer that looks for the proxies of the other nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransformerNeed {
    /// The namespace and the name of the Service of the proxies.
    pub service: (String, String),
    /// Whether it goes by names of nodes and not by a /24.
    pub host_network: bool,
}

/// An ingress identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IngressNeed {
    /// The namespace it is limited to.
    pub namespace: Option<String>,
    /// The class it is for.
    pub class: String,
    /// Whether it writes the status of Ingresses.
    pub status: bool,
}

/// A namer that asks a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct KubernetesNamer {
    /// What its names begin with after `/#`.
    pub prefix: Path,
    /// The one namespace it looks in; otherwise names tell it.
    pub namespace: Option<String>,
    /// Whether it asks for endpoints; the external one asks for load balancers.
    pub endpoints: bool,
}

/// A dtab in a ConfigMap.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigMapNeed {
    /// The namespace of the ConfigMap.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The key the dtab is at.
    pub key: String,
    /// The label of the router whose interpreter it is.
    pub router: String,
    /// The router's own dtab, which comes behind it.
    pub dtab: Dtab,
    /// The namers its names may lead to.
    pub namers: Vec<KubernetesNamer>,
}

/// What a document needs of one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Services that are named.
    pub services: BTreeSet<ServiceNeed>,
    /// Namespaces whose Services can be asked for; `None` stands for all of them.
    pub namespaces: BTreeSet<Option<String>>,
    /// Transformers that look for proxies.
    pub transformers: BTreeSet<TransformerNeed>,
    /// Whether a transformer keeps the addresses of the own /24 only.
    pub local_net: bool,
    /// Ingress identifiers.
    pub ingresses: BTreeSet<IngressNeed>,
    /// Dtabs in ConfigMaps.
    pub config_maps: Vec<ConfigMapNeed>,
}

impl Needs {
    /// These, and more.
    #[must_use]
    pub fn with(mut self, more: Needs) -> Needs {
        self.services.extend(more.services);
        self.namespaces.extend(more.namespaces);
        self.transformers.extend(more.transformers);
        self.local_net |= more.local_net;
        self.ingresses.extend(more.ingresses);
        self.config_maps.extend(more.config_maps);
        self
    }

    /// Whether nothing is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Needs::default()
    }
}
