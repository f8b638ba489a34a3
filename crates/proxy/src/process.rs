//! A running proxy: started from a document, stopped without losing a request.

use crate::access_logs::AccessLogs;
use crate::administration::serve_admin;
use crate::document as doc;
use crate::sockets::{StartError, listen_all};
use crate::sources::Sources;
use crate::telemeters::Telemeters;
use crate::translate;
use admin::AdminHandle;
use engines::{Clock, Drained, Workers};
use naming::{Binder, BinderSettings};
use router::{ClientFactory, Router, ServerId};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use telemetry::Metrics;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How often histograms are summarised (observability.md §2.1).
const SNAPSHOT: Duration = Duration::from_secs(60);
/// For how much of the grace period answers announce the end before idle connections are closed, at most.
const ANNOUNCE: Duration = Duration::from_millis(500);

/// What the document does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Workers; by default one for each processor the process may use, at most 4 (architecture.md §2).
    pub workers: Option<usize>,
}

/// Most workers that are started without being asked for.
const MOST_WORKERS: usize = 4;

/// A server that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The router's label.
    pub router: String,
    /// Where it listens; the real port where 0 was configured.
    pub address: SocketAddr,
}

/// A running proxy. Dropping it ends it at once; [`Proxy::stop`] ends it well.
pub struct Proxy {
    servers: Vec<Bound>,
    admin: SocketAddr,
    metrics: Metrics,
    workers: Option<Workers>,
    /// Outlives the workers, whose last lines it writes.
    access_logs: AccessLogs,
    grace: Duration,
    shutdown: Arc<Notify>,
    control: JoinSet<()>,
    admin_stop: AdminHandle,
    /// The admin server; ends with the proxy however that ends.
    admin_task: JoinSet<()>,
}

impl Proxy {
    /// Starts everything the document asks for: all sockets are bound before the first is served, so that a port that is
    /// taken leaves nothing half started. Must be called on the control runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub async fn start(document: &doc::Document, options: &Options) -> Result<Proxy, StartError> {
        let clock = Clock::start();
        let count = options.workers.unwrap_or_else(default_workers).max(1);
        let metrics = Metrics::new(count);
        let uptime = move || clock.now().millis() as f64;
        telemetry::process::register(&metrics, (clock.epoch() / 1_000_000) as f64, uptime);
        let listeners = listen_all(document)?;
        let shutdown = Arc::new(Notify::new());
        let mut control = JoinSet::new();
        let mut admin_task = JoinSet::new();
        let sources = Arc::new(Sources::counted(document, &metrics)?);
        let telemeters = Telemeters::start(document, &metrics, &mut control);
        let (admin, admin_stop) =
            serve_admin(document, &metrics, &telemeters, &shutdown, &sources, &mut admin_task).await?;
        let access_logs =
            AccessLogs::start(document, &metrics, clock, &mut control).map_err(StartError::System)?;
        let workers = Workers::start(count, clock, &metrics).map_err(StartError::System)?;
        let common = Common {
            metrics: &metrics,
            workers: &workers,
            sources: &sources,
            access_logs: &access_logs,
            telemeters: &telemeters,
        };
        let mut servers = Vec::new();
        for (router, listeners) in document.routers.iter().zip(listeners) {
            let doc::Router::Http(router) = router;
            serve_router(router, listeners, &common, &mut control, &mut servers)?;
        }
        let snapshots = metrics.clone();
        control.spawn(async move {
            let mut minutes = tokio::time::interval(SNAPSHOT);
            minutes.tick().await;
            loop {
                minutes.tick().await;
                snapshots.snapshot_histograms();
            }
        });
        tracing::info!("initialized");
        Ok(Proxy {
            servers,
            admin,
            metrics,
            workers: Some(workers),
            access_logs,
            grace: document.admin.shutdown_grace(),
            shutdown,
            control,
            admin_stop,
            admin_task,
        })
    }

    /// The servers in the order of the document.
    #[must_use]
    pub fn servers(&self) -> &[Bound] {
        &self.servers
    }

    /// Where the admin server listens.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Resolves when somebody asked for the end through the admin server.
    pub async fn shutdown_asked(&self) {
        self.shutdown.notified().await;
    }

    /// Ends the proxy: no new connections, requests in flight finish within `admin.shutdownGraceMs`
    /// (dataplane.md §1.2), then control and admin end.
    pub async fn stop(mut self) -> Drained {
        let announce = ANNOUNCE.min(self.grace / 2);
        let drained = match self.workers.take() {
            Some(workers) => workers.drain(announce, self.grace).await,
            None => Drained { cut: 0 },
        };
        std::mem::take(&mut self.access_logs).stop().await;
        self.control.shutdown().await;
        self.admin_stop.stop();
        let _ = tokio::time::timeout(Duration::from_secs(1), self.admin_task.join_next()).await;
        drained
    }
}

fn default_workers() -> usize {
    // The standard library knows the quota of control groups.
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// What all routers are built with.
struct Common<'a> {
    metrics: &'a Metrics,
    workers: &'a Workers,
    sources: &'a Sources,
    access_logs: &'a AccessLogs,
    telemeters: &'a Telemeters,
}

fn serve_router(
    from: &doc::HttpRouter,
    listeners: Vec<TcpListener>,
    common: &Common<'_>,
    control: &mut JoinSet<()>,
    servers: &mut Vec<Bound>,
) -> Result<(), StartError> {
    let Common { metrics, workers, sources, access_logs, telemeters } = *common;
    let mut settings = translate::router(from, workers.clock().epoch());
    settings.access_log = access_logs.of(from.label());
    settings.recent = telemeters.recent();
    let factory = ClientFactory::new(&settings, metrics);
    let (binder, task) = Binder::new(sources.of(from), from.dtab.clone(), factory, BinderSettings::default());
    control.spawn(vital(task));
    let label = from.label();
    if from.originator {
        metrics.scope(&["rt", label]).gauge("originator", || 1.0);
    }
    let router = Router::new(settings, binder, metrics, workers.count());
    for (i, listener) in listeners.into_iter().enumerate() {
        let address = listener.local_addr().map_err(StartError::System)?;
        workers
            .serve(listener, &router, ServerId(i), translate::engine(from), &Handle::current())
            .map_err(StartError::System)?;
        tracing::info!("serving {label} on {address}");
        servers.push(Bound { router: label.to_owned(), address });
    }
    Ok(())
}

/// Runs a task the proxy cannot do without. Should it panic, names would stay as they are for ever while everything looks
/// well: half a proxy is worse than a restart.
async fn vital(task: impl Future<Output = ()> + Send + 'static) {
    if tokio::spawn(task).await.is_err_and(|e| e.is_panic()) {
        tracing::error!("the binder failed; the process ends so that it can be started again");
        std::process::abort();
    }
}
