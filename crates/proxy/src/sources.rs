//! Where names come from: the namers, interpreters and transformers of a document, built once for all routers. What is the
//! same in the document that follows is used on, so that its watches go on.

mod clusters;
mod dtabs;
mod ingress;
mod namers;
mod transformers;

use std::sync::Arc;

use crate::StartError;
use crate::document as doc;
use crate::sections;
use clusters::Clusters;
use discovery::{Dns, DnsSettings};
use ingress::IngressSource;
use namers::{Built, Parts, Told};
use names::Path;
use naming::{Interpreter, Namers, Resolver};
use router::IngressRules;
use telemetry::Metrics;
use tokio::runtime::Handle;
use transformers::transformers;

pub(crate) use dtabs::DtabSource;

/// The sources of a document. What watches files and servers ends with it.
pub struct Sources {
    bare: Interpreter,
    dns: Arc<dyn Resolver>,
    /// The Kubernetes APIs that the process talks to.
    pub(crate) clusters: Arc<Clusters>,
    /// Where namers count.
    metrics: Metrics,
    namers: Arc<Namers>,
    built: Vec<Built>,
    /// The namers that tell what they know, by prefix.
    pub(crate) told: Vec<(Path, Arc<dyn Told>)>,
    pub(crate) routers: Vec<Router>,
}

/// What a router binds names with.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) label: String,
    interpreter: Interpreter,
    pub(crate) dtab: Option<Arc<DtabSource>>,
    /// The rules of its identifiers of the kind `io.l5d.ingress`, in their order.
    ingress: Vec<Arc<IngressSource>>,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("namers", &self.namers).finish_non_exhaustive()
    }
}

impl Sources {
    /// The sources of `document`, whose numbers nobody wants. See [`Sources::counted`].
    ///
    /// # Errors
    /// As [`Sources::counted`].
    pub fn new(document: &doc::Document) -> Result<Sources, StartError> {
        Sources::counted(document, &Metrics::new(1))
    }

    /// The sources of `document`, counted in `metrics` under `namer`; nothing is watched before it is asked for. Must be
    /// called on the control runtime.
    ///
    /// # Errors
    /// When a transformer needs an environment variable that is not set.
    pub fn counted(document: &doc::Document, metrics: &Metrics) -> Result<Sources, StartError> {
        let dns: Arc<dyn Resolver> = Arc::new(Dns::new(Handle::current(), DnsSettings::default()));
        Sources::build(document, dns, metrics, None).map_err(|error| error.placed(document))
    }

    /// The sources of `document`, which follows on `before`, whose sources these are. Namers that are written the same, and
    /// dtabs in the same files, are the same ones.
    ///
    /// # Errors
    /// As [`Sources::counted`].
    pub(crate) fn succeed(
        &self,
        before: &doc::Document,
        document: &doc::Document,
    ) -> Result<Sources, StartError> {
        let built = Sources::build(document, self.dns.clone(), &self.metrics, Some((before, self)));
        built.map_err(|error| error.placed(document))
    }

    fn build(
        document: &doc::Document,
        dns: Arc<dyn Resolver>,
        metrics: &Metrics,
        before: Option<(&doc::Document, &Sources)>,
    ) -> Result<Sources, StartError> {
        let control = Handle::current();
        let clusters = before.map(|(_, sources)| sources.clusters.clone());
        let clusters = clusters.unwrap_or_else(|| Arc::new(Clusters::new(&control, metrics)));
        let parts = Parts { dns: &dns, clusters: &clusters, metrics, control: &control };
        let built = namers::namers(document, before, &parts)?;
        let same = before.filter(|(before, _)| sections::same_namers(before, document));
        let namers = match same {
            Some((_, before)) => before.namers.clone(),
            None => Arc::new(transformed(document, &built, dns.clone(), &clusters)?),
        };
        let named = document.namers.iter().zip(&built);
        let told = named.filter_map(|(n, built)| Some((n.prefix().clone(), built.told.clone()?))).collect();
        let mut routers = Vec::new();
        for (at, doc::Router::Http(from)) in document.routers.iter().enumerate() {
            let kept = same.and_then(|(before, sources)| {
                let was = sections::same_interpreter(before, document, at)?;
                Some(Router { label: from.label().to_owned(), ..sources.routers[was].clone() })
            });
            let last = before.map(|(_, sources)| sources);
            let router = match kept {
                Some(kept) => kept,
                None => router(from, &namers, last, &parts)?,
            };
            let known = last.map_or(&[][..], |last| &last.routers).iter().chain(&routers);
            let ingress = ingress(from, &known, &parts);
            routers.push(Router { ingress, ..router });
        }
        let bare = Interpreter::from(Arc::new(Namers::new(dns.clone())));
        Ok(Sources { bare, dns, clusters, metrics: metrics.clone(), namers, built, told, routers })
    }

    /// The interpreter of the router with this label.
    #[must_use]
    pub fn interpreter(&self, label: &str) -> Option<&Interpreter> {
        self.routers.iter().find(|router| router.label == label).map(|router| &router.interpreter)
    }

    /// The interpreter without configured namers, which answers for no router in particular.
    #[must_use]
    pub fn bare(&self) -> &Interpreter {
        &self.bare
    }

    /// The rules of a router's identifiers of the kind `io.l5d.ingress`, in their order.
    pub(crate) fn rules(&self, label: &str) -> Vec<Arc<IngressRules>> {
        let router = self.routers.iter().find(|router| router.label == label);
        router.iter().flat_map(|router| &router.ingress).map(|source| source.rules.clone()).collect()
    }

    /// The rules of a router are served from now on. Must be called on the control runtime.
    pub(crate) fn serve(&self, label: &str) {
        let router = self.routers.iter().find(|router| router.label == label);
        router.iter().flat_map(|router| &router.ingress).for_each(|source| source.serve());
    }

    pub(crate) fn of(&self, router: &doc::HttpRouter) -> Interpreter {
        self.interpreter(router.label()).unwrap_or(&self.bare).clone()
    }
}

fn transformed(
    document: &doc::Document,
    built: &[Built],
    dns: Arc<dyn Resolver>,
    clusters: &Clusters,
) -> Result<Namers, StartError> {
    let mut namers = Namers::new(dns);
    for (from, built) in document.namers.iter().zip(built) {
        let transformers = transformers(from.transformers(), clusters)?;
        namers = namers.with_transformed(from.prefix(), built.namer.clone(), transformers);
    }
    Ok(namers)
}

fn router(
    from: &doc::HttpRouter,
    namers: &Arc<Namers>,
    before: Option<&Sources>,
    parts: &Parts<'_>,
) -> Result<Router, StartError> {
    let transformers = transformers(from.interpreter.transformers(), parts.clusters)?;
    let mut interpreter = Interpreter::from(namers.clone()).with_transformers(transformers);
    let dtab = DtabSource::of(&from.interpreter, before, parts);
    if let Some(dtab) = &dtab {
        interpreter = interpreter.with_dtab(dtab.live.clone());
    }
    Ok(Router { label: from.label().to_owned(), interpreter, dtab, ingress: Vec::new() })
}

/// The rules for a router's identifiers; those that are configured the same as one of a router in `known` are the same.
fn ingress<'a>(
    from: &doc::HttpRouter,
    known: &(impl Iterator<Item = &'a Router> + Clone),
    parts: &Parts<'_>,
) -> Vec<Arc<IngressSource>> {
    let known = || known.clone().flat_map(|router| &router.ingress);
    let source = |identifier: &doc::Identifier| {
        let doc::Identifier::Ingress(settings) = identifier else { return None };
        let same = known().find(|source| source.settings == *settings).cloned();
        let new = || {
            let cluster = parts.clusters.of(&settings.api.access());
            Arc::new(IngressSource::new(settings, &cluster, parts.metrics, parts.control))
        };
        Some(same.unwrap_or_else(new))
    };
    from.identifier.iter().filter_map(source).collect()
}

#[cfg(test)]
mod tests;
