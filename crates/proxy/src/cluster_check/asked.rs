//! What documents ask of which cluster, and how it is reached.

use super::api::{Api, Reply};
use super::dtab;
use super::needs::{
    ConfigMapNeed, IngressNeed, KubernetesNamer, Needs, ServiceNeed, TransformerNeed, Weight,
};
use crate::document::{self as doc, Document};
use kubernetes::Access;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Host and port of an API as a document names it.
type Address = (String, u16);

/// What documents need of each cluster they name.
pub(super) fn clusters(documents: &[Document]) -> Vec<(Access, Needs)> {
    let mut found = BTreeMap::new();
    for document in documents {
        let mut of = Found { needs: &mut found, namers: namers(document) };
        of.document(document);
    }
    found.into_iter().map(|((host, port), needs): (Address, Needs)| (access(&host, port), needs)).collect()
}

/// The cluster of this pod, else that of the kubeconfig.
pub(super) fn nearest() -> Access {
    access(Access::PROXY.0, Access::PROXY.1)
}

fn access(host: &str, port: u16) -> Access {
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    if (host, port) == Access::PROXY && !in_pod { Access::Nearest } else { Access::address(host, port) }
}

fn address(host: Option<&str>, port: Option<u16>) -> Address {
    (host.unwrap_or(Access::PROXY.0).to_owned(), port.unwrap_or(Access::PROXY.1))
}

struct Found<'a> {
    needs: &'a mut BTreeMap<Address, Needs>,
    namers: Vec<(Address, KubernetesNamer)>,
}

impl Found<'_> {
    fn at(&mut self, host: Option<&str>, port: Option<u16>) -> &mut Needs {
        self.needs.entry(address(host, port)).or_default()
    }

    fn document(&mut self, document: &Document) {
        for namer in &document.namers {
            self.transformers(&format!("namer /#{}", namer.prefix()), namer.transformers());
        }
        for (address, _) in self.namers.clone() {
            self.needs.entry(address).or_default();
        }
        for doc::Router::Http(router) in &document.routers {
            self.router(router);
        }
    }

    fn router(&mut self, router: &doc::HttpRouter) {
        let label = router.label();
        for (address, namers) in self.by_address() {
            let named = dtab::named(&router.dtab, &namers, label);
            self.add(&address, named);
        }
        for identifier in router.identifier.iter() {
            if let doc::Identifier::Ingress(ingress) = identifier {
                self.at(ingress.host.as_deref(), ingress.port).ingresses.insert(IngressNeed {
                    namespace: ingress.namespace.clone(),
                    class: ingress.ingress_class_annotation.clone(),
                    status: ingress.status_address.is_some(),
                });
            }
        }
        self.transformers(&format!("router {label}"), router.interpreter.transformers());
        if let doc::Interpreter::ConfigMap(map) = &router.interpreter {
            let address = address(map.host.as_deref(), map.port);
            let same = self.namers.iter().filter(|(of, _)| *of == address);
            let namers = same.map(|(_, namer)| namer.clone()).collect();
            self.needs.entry(address).or_default().config_maps.push(ConfigMapNeed {
                namespace: map.namespace.clone(),
                name: map.name.clone(),
                key: map.filename.clone(),
                router: label.to_owned(),
                dtab: router.dtab.clone(),
                namers,
            });
        }
    }

    fn transformers(&mut self, by: &str, transformers: &[doc::Transformer]) {
        for transformer in transformers {
            match transformer {
                doc::Transformer::DaemonSet(set) => self.daemon_set(by, set),
                doc::Transformer::LocalNode(node) if !node.host_network => {
                    self.at(None, None).local_net = true;
                }
                _ => {}
            }
        }
    }

    fn daemon_set(&mut self, by: &str, set: &doc::DaemonSetTransformer) {
        let needs = self.at(set.k8s_host.as_deref(), set.k8s_port);
        let (namespace, name) = (set.namespace.to_lowercase(), set.service.to_lowercase());
        needs.transformers.insert(TransformerNeed {
            service: (namespace.clone(), name.clone()),
            host_network: set.host_network,
        });
        needs.services.insert(ServiceNeed {
            namespace,
            name,
            port: set.port.to_lowercase(),
            by: format!("transformer io.l5d.k8s.daemonset of {by}"),
            weight: Weight::Must,
            endpoints: true,
        });
    }

    fn by_address(&self) -> BTreeMap<Address, Vec<KubernetesNamer>> {
        let mut by_address: BTreeMap<Address, Vec<KubernetesNamer>> = BTreeMap::new();
        for (address, namer) in &self.namers {
            by_address.entry(address.clone()).or_default().push(namer.clone());
        }
        by_address
    }

    fn add(&mut self, address: &Address, more: Needs) {
        let needs = self.needs.entry(address.clone()).or_default();
        *needs = std::mem::take(needs).with(more);
    }
}

/// The namers that ask a cluster, in the order of the document.
fn namers(document: &Document) -> Vec<(Address, KubernetesNamer)> {
    let asks = |namer: &doc::Namer| {
        let (host, port, namespace, endpoints) = match namer {
            doc::Namer::Kubernetes(of) => (&of.host, of.port, None, true),
            doc::Namer::External(of) => (&of.host, of.port, None, false),
            // Where the variable is not set the proxy does not start; the document's own check says so.
            doc::Namer::Namespaced(of) => {
                (&of.host, of.port, Some(of.namespace(|name| std::env::var(name).ok()).ok()?), true)
            }
            _ => return None,
        };
        Some((
            address(host.as_deref(), port),
            KubernetesNamer { prefix: namer.prefix().clone(), namespace, endpoints },
        ))
    };
    document.namers.iter().filter_map(asks).collect()
}

/// An API of ours, asked once.
pub(super) struct Asked<'a> {
    pub(super) api: &'a kubernetes::Api,
    /// How it is reached, or why it cannot be.
    pub(super) told: Result<Arc<str>, String>,
}

impl Api for Asked<'_> {
    fn place(&self) -> String {
        self.told.as_ref().map_or_else(|_| self.api.access().to_string(), |told| told.to_string())
    }

    async fn get(&self, path: &str) -> Result<Reply, String> {
        self.told.as_ref().map_err(Clone::clone)?;
        self.api.get_json(path).await.map(|(status, body)| Reply { status, body })
    }

    async fn post(&self, path: &str, body: Value) -> Result<Reply, String> {
        self.told.as_ref().map_err(Clone::clone)?;
        self.api.post_json(path, &body).await.map(|(status, body)| Reply { status, body })
    }
}
