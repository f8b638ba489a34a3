//! Where names come from: the namers, interpreters and transformers of a document, built once for all routers.

use std::path::PathBuf;
use std::sync::Arc;

use crate::StartError;
use crate::document as doc;
use discovery::{Dns, DnsHost, DnsSettings, DnsSrvNamer, DtabFile, FsNamer, local_ips};
use names::{Dtab, Path};
use naming::{Change, Interpreter, Live, Namers, Resolver, Rewrite, Transformer};
use telemetry::Metrics;
use tokio::runtime::Handle;

/// The sources of a document. What watches files and servers ends with it.
#[derive(Debug)]
pub struct Sources {
    bare: Interpreter,
    pub(crate) files: Vec<(Path, Arc<FsNamer>)>,
    pub(crate) routers: Vec<Router>,
}

/// What a router binds names with.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) label: String,
    interpreter: Interpreter,
    pub(crate) dtab: Option<DtabSource>,
}

/// The dtab of an interpreter.
#[derive(Debug)]
pub(crate) struct DtabSource {
    pub(crate) path: PathBuf,
    pub(crate) live: Live<Dtab>,
    _file: DtabFile,
}

impl Sources {
    /// The sources of `document`, whose numbers nobody wants. See [`Sources::counted`].
    ///
    /// # Errors
    /// As [`Sources::counted`].
    pub fn new(document: &doc::Document) -> Result<Sources, StartError> {
        Sources::counted(document, &Metrics::new(1))
    }

    /// The sources of `document`, counted in `metrics` under `namer`; nothing is watched before it is asked for. Must be called on the control runtime.
    ///
    /// # Errors
    /// When a transformer needs an environment variable that is not set.
    pub fn counted(document: &doc::Document, metrics: &Metrics) -> Result<Sources, StartError> {
        let control = Handle::current();
        let dns: Arc<dyn Resolver> = Arc::new(Dns::new(control.clone(), DnsSettings::default()));
        let mut namers = Namers::new(dns.clone());
        let mut files = Vec::new();
        for namer in &document.namers {
            let (prefix, transformers) = (namer.prefix(), transformers(namer.transformers())?);
            let namer: Arc<dyn naming::Namer> = match namer {
                doc::Namer::Fs(fs) => {
                    let root = fs.root_dir.to_path_buf();
                    let namer = Arc::new(FsNamer::new(prefix, root, dns.clone(), &control));
                    files.push((prefix.clone(), namer.clone()));
                    namer
                }
                doc::Namer::Rewrite(rewrite) => {
                    Arc::new(Rewrite::new(rewrite.pattern.clone(), &rewrite.name))
                }
                doc::Namer::DnsSrv(srv) => {
                    let servers = srv.servers().into_iter().map(|(host, port)| DnsHost { host, port });
                    let settings = DnsSettings { servers: servers.collect(), ..DnsSettings::default() };
                    let label = format!("#{prefix}");
                    let scope = metrics.scope(&["namer", &label]);
                    Arc::new(DnsSrvNamer::new(prefix, settings, srv.refresh(), control.clone(), &scope))
                }
            };
            namers = namers.with_transformed(prefix, namer, transformers);
        }
        let namers = Arc::new(namers);
        let routers = document.routers.iter().map(|doc::Router::Http(from)| router(from, &namers, &control));
        let routers = routers.collect::<Result<_, _>>()?;
        Ok(Sources { bare: Interpreter::from(Arc::new(Namers::new(dns))), files, routers })
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

fn router(from: &doc::HttpRouter, namers: &Arc<Namers>, control: &Handle) -> Result<Router, StartError> {
    let transformers = transformers(from.interpreter.transformers())?;
    let mut interpreter = Interpreter::from(namers.clone()).with_transformers(transformers);
    let dtab = match &from.interpreter {
        doc::Interpreter::Default(_) => None,
        doc::Interpreter::Fs(fs) => {
            let path = fs.dtab_file.to_path_buf();
            let file = DtabFile::new(path.clone(), control);
            Some(DtabSource { path, live: file.live(), _file: file })
        }
    };
    if let Some(dtab) = &dtab {
        interpreter = interpreter.with_dtab(dtab.live.clone());
    }
    Ok(Router { label: from.label().to_owned(), interpreter, dtab })
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
    const NO_NAME: &str = "NODE_NAME env variable must be set to the node's name";
    const NO_IP: &str = "POD_IP env variable must be set to the pod's IP";
    let set = |name: &str, missing| std::env::var(name).map_err(|_| StartError::Environment(missing));
    let (value, change) = if from.host_network {
        let name = set("NODE_NAME", NO_NAME)?;
        (name.clone(), Change::SameNode(name.into()))
    } else {
        let ip = set("POD_IP", NO_IP)?;
        let parsed = ip.parse().map_err(|_| StartError::Environment(NO_IP))?;
        (ip, Change::SameNet(parsed))
    };
    Ok(Transformer::new(&from.prefix.concat(&elements(&[&value])), change))
}

fn elements(of: &[&str]) -> Path {
    Path::from_elems(of.iter().map(|elem| elem.as_bytes()))
}
