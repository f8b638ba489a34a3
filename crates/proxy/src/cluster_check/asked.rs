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

/// What documents need of each API they name. Where the proxy does not run, the default address means the API of the
/// kubeconfig.
pub(super) fn clusters(documents: &[Document]) -> BTreeMap<Access, Needs> {
    let mut found = BTreeMap::new();
    for document in documents {
        let mut of = Found { needs: &mut found, namers: namers(document) };
        of.document(document);
    }
    found
}

struct Found<'a> {
    needs: &'a mut BTreeMap<Access, Needs>,
    namers: Vec<(Access, KubernetesNamer)>,
}

impl Found<'_> {
    fn at(&mut self, access: Access) -> &mut Needs {
        self.needs.entry(access.from_elsewhere()).or_default()
    }

    fn document(&mut self, document: &Document) {
        for namer in &document.namers {
            self.transformers(&format!("namer /#{}", namer.prefix()), namer.transformers());
        }
        for (access, _) in &self.namers {
            self.needs.entry(access.clone()).or_default();
        }
        for doc::Router::Http(router) in &document.routers {
            self.router(router);
        }
    }

    fn router(&mut self, router: &doc::HttpRouter) {
        let label = router.label();
        for (access, namers) in self.by_access() {
            let needs = self.needs.entry(access).or_default();
            *needs = std::mem::take(needs).with(dtab::named(&router.dtab, &namers, label));
        }
        for identifier in router.identifier.iter() {
            if let doc::Identifier::Ingress(ingress) = identifier {
                self.at(ingress.api.access()).ingresses.insert(IngressNeed {
                    namespace: ingress.namespace.clone(),
                    class: ingress.ingress_class_annotation.clone(),
                    status: ingress.status_address.is_some(),
                });
            }
        }
        self.transformers(&format!("router {label}"), router.interpreter.transformers());
        if let doc::Interpreter::ConfigMap(map) = &router.interpreter {
            let access = map.api.access().from_elsewhere();
            let same = self.namers.iter().filter(|(of, _)| *of == access);
            let namers = same.map(|(_, namer)| namer.clone()).collect();
            self.needs.entry(access).or_default().config_maps.push(ConfigMapNeed {
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
                    self.at(Access::Nearest).local_net = true;
                }
                _ => {}
            }
        }
    }

    fn daemon_set(&mut self, by: &str, set: &doc::DaemonSetTransformer) {
        let needs = self.at(set.access());
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

    fn by_access(&self) -> BTreeMap<Access, Vec<KubernetesNamer>> {
        let mut by_access: BTreeMap<Access, Vec<KubernetesNamer>> = BTreeMap::new();
        for (access, namer) in &self.namers {
            by_access.entry(access.clone()).or_default().push(namer.clone());
        }
        by_access
    }
}

/// The namers that ask a cluster, in the order of the document.
fn namers(document: &Document) -> Vec<(Access, KubernetesNamer)> {
    let asks = |namer: &doc::Namer| {
        let (api, namespace, endpoints) = match namer {
            doc::Namer::Kubernetes(of) => (&of.api, None, true),
            doc::Namer::External(of) => (&of.api, None, false),
            // Where the variable is not set the proxy does not start; the document's own check says so.
            doc::Namer::Namespaced(of) => {
                (&of.api, Some(of.namespace(|name| std::env::var(name).ok()).ok()?), true)
            }
            _ => return None,
        };
        Some((
            api.access().from_elsewhere(),
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
