//! Namers as a document has them become those that names are looked up with (routing.md §2).

use super::Sources;
use super::clusters::Clusters;
use crate::StartError;
use crate::document as doc;
use crate::sections;
use discovery::{DnsHost, DnsSettings, DnsSrvNamer, FsNamer};
use kubernetes::{Cluster, ExternalNamer, KubernetesNamer};
use names::Path;
use naming::{Resolver, Rewrite};
use std::sync::Arc;
use telemetry::Metrics;
use tokio::runtime::Handle;

/// A namer as it was built.
#[derive(Clone)]
pub(crate) struct Built {
    pub(crate) namer: Arc<dyn naming::Namer>,
    /// The same, where it tells what it knows.
    pub(crate) told: Option<Arc<dyn Told>>,
}

/// What namers with a state tell the admin server (observability.md §6.3). May block.
pub(crate) trait Told: Send + Sync {
    /// The names it knows of.
    fn list(&self) -> Vec<Path>;
    /// What it knows of the names in use, as JSON.
    fn state_json(&self) -> String;
}

impl Told for FsNamer {
    fn list(&self) -> Vec<Path> {
        FsNamer::list(self)
    }

    fn state_json(&self) -> String {
        FsNamer::state_json(self)
    }
}

impl Told for KubernetesNamer {
    fn list(&self) -> Vec<Path> {
        KubernetesNamer::list(self)
    }

    fn state_json(&self) -> String {
        KubernetesNamer::state_json(self)
    }
}

/// What namers are built with.
pub(super) struct Parts<'a> {
    pub(super) dns: &'a Arc<dyn Resolver>,
    pub(super) clusters: &'a Clusters,
    pub(super) metrics: &'a Metrics,
    pub(super) control: &'a Handle,
}

/// The namers of a document in its order; those `before` has written the same are its.
pub(super) fn namers(
    document: &doc::Document,
    before: Option<(&doc::Document, &Sources)>,
    parts: &Parts<'_>,
) -> Result<Vec<Built>, StartError> {
    let kept = |at| {
        let (was, sources) = before?;
        sources.built.get(sections::same_namer(was, document, at)?).cloned()
    };
    let namers = document.namers.iter().enumerate();
    namers.map(|(at, from)| kept(at).map_or_else(|| namer(from, parts), Ok)).collect()
}

fn namer(from: &doc::Namer, parts: &Parts<'_>) -> Result<Built, StartError> {
    let (prefix, dns) = (from.prefix(), parts.dns.clone());
    let cluster = |api: &doc::ApiAddress| parts.clusters.of(&api.access());
    Ok(match from {
        doc::Namer::Fs(fs) => told(FsNamer::new(prefix, fs.root_dir.to_path_buf(), dns, parts.control)),
        doc::Namer::Rewrite(rewrite) => silent(Rewrite::new(rewrite.pattern.clone(), &rewrite.name)),
        doc::Namer::DnsSrv(srv) => silent(dns_srv(srv, parts)),
        doc::Namer::Kubernetes(from) => {
            let cluster = cluster(&from.api);
            told(KubernetesNamer::new(prefix, cluster, None, from.label_selector.as_deref()))
        }
        doc::Namer::Namespaced(own) => told(namespaced(own, cluster(&own.api))?),
        doc::Namer::External(from) => {
            let cluster = cluster(&from.api);
            silent(ExternalNamer::new(prefix, cluster, from.label_selector.as_deref(), dns))
        }
    })
}

fn told(namer: impl naming::Namer + Told + 'static) -> Built {
    let namer = Arc::new(namer);
    Built { namer: namer.clone(), told: Some(namer) }
}

fn silent(namer: impl naming::Namer + 'static) -> Built {
    Built { namer: Arc::new(namer), told: None }
}

fn dns_srv(from: &doc::DnsSrvNamer, parts: &Parts<'_>) -> DnsSrvNamer {
    let servers = from.servers().into_iter().map(|(host, port)| DnsHost { host, port });
    let settings = DnsSettings { servers: servers.collect(), ..DnsSettings::default() };
    let scope = parts.metrics.scope(&["namer", &format!("#{}", from.prefix)]);
    DnsSrvNamer::new(&from.prefix, settings, from.refresh(), parts.control.clone(), &scope)
}

fn namespaced(from: &doc::NamespacedNamer, cluster: Cluster) -> Result<KubernetesNamer, StartError> {
    let namespace = from.namespace(|name| std::env::var(name).ok()).map_err(StartError::Environment)?;
    let label = from.label_selector.as_deref();
    // Namespaces are in lower case; what is folded in names is folded here.
    Ok(KubernetesNamer::new(&from.prefix, cluster, Some(&namespace.to_ascii_lowercase()), label))
}
