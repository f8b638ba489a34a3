//! Where names come from: the namers, interpreters and transformers of a document, built once for all routers. What is the
//! same in the document that follows is used on, so that its watches go on.

use std::path::PathBuf;
use std::sync::Arc;

use crate::StartError;
use crate::document as doc;
use crate::sections;
use discovery::{Dns, DnsHost, DnsSettings, DnsSrvNamer, DtabFile, FsNamer, local_ips};
use names::{Dtab, Path};
use naming::{Change, Interpreter, Live, Namers, Resolver, Rewrite, Transformer};
use telemetry::Metrics;
use tokio::runtime::Handle;

/// The sources of a document. What watches files and servers ends with it.
pub struct Sources {
    bare: Interpreter,
    dns: Arc<dyn Resolver>,
    /// Where namers count.
    metrics: Metrics,
    namers: Arc<Namers>,
    built: Vec<Built>,
    pub(crate) files: Vec<(Path, Arc<FsNamer>)>,
    pub(crate) routers: Vec<Router>,
}

/// A namer as it was built.
#[derive(Clone)]
struct Built {
    namer: Arc<dyn naming::Namer>,
    /// The same, where it follows files.
    files: Option<Arc<FsNamer>>,
}

/// What a router binds names with.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) label: String,
    interpreter: Interpreter,
    pub(crate) dtab: Option<Arc<DtabSource>>,
}

/// The dtab of an interpreter.
#[derive(Debug)]
pub(crate) struct DtabSource {
    pub(crate) path: PathBuf,
    pub(crate) live: Live<Dtab>,
    _file: DtabFile,
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
        let built = namers(document, &dns, metrics, before, &control);
        let same = before.filter(|(before, _)| sections::same_namers(before, document));
        let namers = match same {
            Some((_, before)) => before.namers.clone(),
            None => Arc::new(transformed(document, &built, dns.clone())?),
        };
        let named = document.namers.iter().zip(&built);
        let files = named.filter_map(|(n, built)| Some((n.prefix().clone(), built.files.clone()?))).collect();
        let mut routers = Vec::new();
        for (at, doc::Router::Http(from)) in document.routers.iter().enumerate() {
            let kept = same.and_then(|(before, sources)| {
                let was = sections::same_interpreter(before, document, at)?;
                Some(Router { label: from.label().to_owned(), ..sources.routers[was].clone() })
            });
            routers.push(match kept {
                Some(kept) => kept,
                None => router(from, &namers, before.map(|(_, sources)| sources), &control)?,
            });
        }
        let bare = Interpreter::from(Arc::new(Namers::new(dns.clone())));
        Ok(Sources { bare, dns, metrics: metrics.clone(), namers, built, files, routers })
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

    pub(crate) fn of(&self, router: &doc::HttpRouter) -> Interpreter {
        self.interpreter(router.label()).unwrap_or(&self.bare).clone()
    }
}

/// The namers of a document in its order; those `before` has written the same are its.
fn namers(
    document: &doc::Document,
    dns: &Arc<dyn Resolver>,
    metrics: &Metrics,
    before: Option<(&doc::Document, &Sources)>,
    control: &Handle,
) -> Vec<Built> {
    let kept = |at| {
        let (was, sources) = before?;
        sources.built.get(sections::same_namer(was, document, at)?).cloned()
    };
    let namers = document.namers.iter().enumerate();
    namers.map(|(at, from)| kept(at).unwrap_or_else(|| namer(from, dns, metrics, control))).collect()
}

fn namer(from: &doc::Namer, dns: &Arc<dyn Resolver>, metrics: &Metrics, control: &Handle) -> Built {
    match from {
        doc::Namer::Fs(fs) => {
            let root = fs.root_dir.to_path_buf();
            let namer = Arc::new(FsNamer::new(from.prefix(), root, dns.clone(), control));
            Built { namer: namer.clone(), files: Some(namer) }
        }
        doc::Namer::Rewrite(rewrite) => {
            let namer = Arc::new(Rewrite::new(rewrite.pattern.clone(), &rewrite.name));
            Built { namer, files: None }
        }
        doc::Namer::DnsSrv(srv) => {
            let servers = srv.servers().into_iter().map(|(host, port)| DnsHost { host, port });
            let settings = DnsSettings { servers: servers.collect(), ..DnsSettings::default() };
            let scope = metrics.scope(&["namer", &format!("#{}", from.prefix())]);
            let namer = DnsSrvNamer::new(from.prefix(), settings, srv.refresh(), control.clone(), &scope);
            Built { namer: Arc::new(namer), files: None }
        }
    }
}

fn transformed(
    document: &doc::Document,
    built: &[Built],
    dns: Arc<dyn Resolver>,
) -> Result<Namers, StartError> {
    let mut namers = Namers::new(dns);
    for (from, built) in document.namers.iter().zip(built) {
        let transformers = transformers(from.transformers())?;
        namers = namers.with_transformed(from.prefix(), built.namer.clone(), transformers);
    }
    Ok(namers)
}

fn router(
    from: &doc::HttpRouter,
    namers: &Arc<Namers>,
    before: Option<&Sources>,
    control: &Handle,
) -> Result<Router, StartError> {
    let transformers = transformers(from.interpreter.transformers())?;
    let mut interpreter = Interpreter::from(namers.clone()).with_transformers(transformers);
    let dtab = match &from.interpreter {
        doc::Interpreter::Default(_) => None,
        doc::Interpreter::Fs(fs) => Some(dtab_source(fs.dtab_file.to_path_buf(), before, control)),
    };
    if let Some(dtab) = &dtab {
        interpreter = interpreter.with_dtab(dtab.live.clone());
    }
    Ok(Router { label: from.label().to_owned(), interpreter, dtab })
}

fn dtab_source(path: PathBuf, before: Option<&Sources>, control: &Handle) -> Arc<DtabSource> {
    let mut followed =
        before.into_iter().flat_map(|sources| &sources.routers).filter_map(|r| r.dtab.as_ref());
    if let Some(followed) = followed.find(|dtab| dtab.path == path) {
        return followed.clone();
    }
    let file = DtabFile::new(path.clone(), control);
    Arc::new(DtabSource { path, live: file.live(), _file: file })
}

fn transformers(from: &[doc::Transformer]) -> Result<Vec<Transformer>, StartError> {
    from.iter().map(transformer).collect()
}

fn transformer(from: &doc::Transformer) -> Result<Transformer, StartError> {
    Ok(match from {
        doc::Transformer::Port(from) => {
            let own = || elements(&["io.l5d.port", &from.port.to_string()]);
            Transformer::new(&from.prefix.clone().unwrap_or_else(own), Change::Port(from.port))
        }
        doc::Transformer::Localhost(from) => Transformer::new(&from.prefix, Change::Only(local_ips().into())),
        doc::Transformer::SpecificHost(from) => {
            Transformer::new(&from.prefix, Change::Only([from.host].into()))
        }
        doc::Transformer::LocalNode(from) => local_node(from)?,
        doc::Transformer::Replace(from) => Transformer::new(&from.prefix, Change::Replace(from.path.clone())),
        doc::Transformer::Const(from) => Transformer::new(&from.prefix, Change::Const(from.path.clone())),
    })
}

/// Pods of one node share a /24, or the node's name when they share its network (routing.md §5).
fn local_node(from: &doc::LocalNodeTransformer) -> Result<Transformer, StartError> {
    let missing = |missing: &str| StartError::Environment(missing.to_owned());
    let (value, ip) = from.node(|name| std::env::var(name).ok()).map_err(missing)?;
    let change = ip.map_or_else(|| Change::SameNode(value.clone().into()), Change::SameNet);
    Ok(Transformer::new(&from.prefix.concat(&elements(&[&value])), change))
}

fn elements(of: &[&str]) -> Path {
    Path::from_elems(of.iter().map(|elem| elem.as_bytes()))
}

#[cfg(test)]
mod tests;
