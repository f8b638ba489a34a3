//! A running proxy: started from a document, changed by others while it runs, stopped without losing a request.

use crate::administration::live_numbers;
use crate::document as doc;
use crate::ending::{Cause, Ending, Shutdown};
use crate::health::Health;
use crate::reload::{self, Book, ReloadSource, Reloaded, Reloads};
use crate::running::{Lasting, Running};
use crate::sockets::{Sockets, StartError};
use engines::{Clock, Drained};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Metrics;
use tokio::task::JoinSet;

/// How often histograms are summarised (observability.md §2.1).
const SNAPSHOT: Duration = Duration::from_secs(60);

/// What the document does not say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Workers; by default one for each processor the process may use, at most 4 (architecture.md §2).
    pub workers: Option<usize>,
    /// Where another document comes from while the proxy runs; by default from nowhere but [`Proxy::reload`].
    pub reload: Option<ReloadSource>,
    /// What `/logging.json` shows and sets; by default nothing can be set.
    pub loggers: Option<Arc<dyn admin::Loggers>>,
    /// Where sockets that listen already are found, and those that are opened are remembered. By default there are none.
    pub sockets: Arc<Sockets>,
    /// How long accepting goes on after SIGTERM where `admin.drainDelayMs` does not say; by default not at all.
    pub drain_delay: Duration,
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
    metrics: Metrics,
    shutdown: Shutdown,
    health: Health,
    drain_delay: Duration,
    state: Arc<State>,
    control: JoinSet<()>,
}

/// What the proxy and those who change it share.
pub(crate) struct State {
    /// Held while the configuration changes; empty once the proxy ends.
    running: tokio::sync::Mutex<Option<Running>>,
    shown: parking_lot::Mutex<Shown>,
    book: Arc<Book>,
}

/// What can be asked at any time.
#[derive(Clone)]
struct Shown {
    servers: Vec<Bound>,
    admin: SocketAddr,
    /// The drain delay, where the document says it, and the grace period.
    patience: (Option<Duration>, Duration),
}

impl Shown {
    fn of(running: &Running) -> Shown {
        Shown { servers: running.servers(), admin: running.admin(), patience: running.patience() }
    }
}

impl State {
    /// Goes on with `document`, and keeps the books about it.
    pub(crate) async fn reload(&self, document: doc::Document) -> Result<Reloaded, String> {
        let mut running = self.running.lock().await;
        let outcome = match running.as_mut() {
            None => Err("the proxy is ending".to_owned()),
            Some(running) => {
                let outcome = running.reload(document).await.map_err(|error| error.to_string());
                *self.shown.lock() = Shown::of(running);
                outcome
            }
        };
        drop(running);
        self.book.note(&outcome);
        outcome
    }

    /// Another document could not be had.
    pub(crate) fn refuse(&self, why: String) -> Result<Reloaded, String> {
        let outcome = Err(why);
        self.book.note(&outcome);
        outcome
    }
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
        let (shutdown, health) = (Shutdown::new(), Health::new());
        let book = Book::new(&metrics);
        let (reloads, asked) = Reloads::new(&book);
        let (events, numbers) = live_numbers(&metrics);
        let lasting = Lasting {
            metrics: metrics.clone(),
            clock,
            shutdown: shutdown.clone(),
            health: health.clone(),
            sockets: options.sockets.clone(),
            reloads: reloads.clone(),
            loggers: options.loggers.clone(),
            events,
        };
        let running = Running::start(document.clone(), count, lasting)?;
        let shown = parking_lot::Mutex::new(Shown::of(&running));
        let state = Arc::new(State { running: tokio::sync::Mutex::new(Some(running)), shown, book });
        let mut control = JoinSet::new();
        control.spawn(snapshots(metrics.clone()));
        control.spawn(numbers);
        let source = options.reload.clone();
        if let Some(source) = &source {
            reload::heed(source, document, &reloads, &mut control).map_err(StartError::System)?;
        }
        control.spawn(reload::serve(asked, source, state.clone()));
        tracing::info!("initialized");
        Ok(Proxy { metrics, shutdown, health, drain_delay: options.drain_delay, state, control })
    }

    /// Goes on with another document: no request fails and no connection is lost by it, and what is written the same goes
    /// on as it is. Once this has resolved, every request goes by the new document but those that had begun.
    ///
    /// # Errors
    /// Why the document cannot be served; everything is as it was.
    pub async fn reload(&self, document: doc::Document) -> Result<Reloaded, String> {
        self.state.reload(document).await
    }

    /// The servers in the order of the document.
    #[must_use]
    pub fn servers(&self) -> Vec<Bound> {
        self.state.shown.lock().servers.clone()
    }

    /// Where the admin server listens.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.state.shown.lock().admin
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Resolves when somebody asked for the end through the admin server: [`Cause::Asked`].
    pub async fn shutdown_asked(&self) -> Cause {
        self.shutdown.asked().await
    }

    /// How the configuration wants it to end for that reason.
    #[must_use]
    pub fn ending(&self, cause: Cause) -> Ending {
        let (delay, grace) = self.state.shown.lock().patience;
        Ending::new(cause, delay.unwrap_or(self.drain_delay), grace)
    }

    /// Ends the proxy without delay, requests in flight finish within `admin.shutdownGraceMs`.
    pub async fn stop(self) -> Drained {
        let ending = self.ending(Cause::Interrupted);
        self.end(ending).await
    }

    /// Ends the proxy: readiness fails, after the delay no new connections are accepted, requests in flight finish within
    /// the grace period (dataplane.md §1.2), then control and admin end.
    pub async fn end(mut self, ending: Ending) -> Drained {
        self.health.draining();
        let running = self.state.running.lock().await.take();
        let drained = match running {
            Some(running) => running.end(ending).await,
            None => Drained { cut: 0 },
        };
        self.control.shutdown().await;
        drained
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Whoever changes the configuration at this moment holds it, and ends with the tasks.
        if let Ok(mut running) = self.state.running.try_lock() {
            drop(running.take());
        }
    }
}

async fn snapshots(metrics: Metrics) {
    let mut minutes = tokio::time::interval(SNAPSHOT);
    minutes.tick().await;
    loop {
        minutes.tick().await;
        metrics.snapshot_histograms();
    }
}

fn default_workers() -> usize {
    // The standard library knows the quota of control groups.
    std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

/// Runs a task the proxy cannot do without. Should it panic, names would stay as they are for ever while everything looks
/// well: half a proxy is worse than a restart.
pub(crate) async fn vital(task: impl Future<Output = ()> + Send + 'static) {
    if tokio::spawn(task).await.is_err_and(|e| e.is_panic()) {
        tracing::error!("the binder failed; the process ends so that it can be started again");
        std::process::abort();
    }
}
