//! The router: what its workers share.

mod succession;

use crate::answer;
use crate::cache::{Caches, Full};
use crate::client::{Client, ClientFactory};
use crate::entry::Entry;
use crate::server::Server;
use crate::settings::{RouterSettings, ServerId};
use crate::worker::WorkerRouter;
use arc_swap::ArcSwapOption;
use balance::Nanos;
use names::{Dtab, Path};
use naming::{Binder, BoundTree};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use telemetry::{Lease, Metrics};

pub use succession::Succession;

/// One router: its names, its services, its servers' numbers. Shared by all workers; the request path only reads it.
pub struct Router {
    pub(crate) settings: RouterSettings,
    pub(crate) binder: Binder<ClientFactory>,
    servers: Vec<Arc<Server>>,
    caches: Mutex<Caches>,
    base: ArcSwapOption<Shown>,
    _scope: Lease,
}

/// A dtab and the lines that messages show it in.
struct Shown {
    dtab: Arc<Dtab>,
    lines: Arc<str>,
}

impl Router {
    /// A router that binds its names through `binder`, whose factory must have been made from the same settings and
    /// metrics. `metrics` must have at least `workers` shards.
    #[must_use]
    pub fn new(
        settings: RouterSettings,
        binder: Binder<ClientFactory>,
        metrics: &Metrics,
        workers: usize,
    ) -> Arc<Router> {
        debug_assert!(workers <= metrics.workers(), "{workers} workers, {} shards", metrics.workers());
        let scope = metrics.scope(&["rt"]).lease(&settings.label);
        settings.series.show(&scope);
        let all = scope.scope("server");
        let servers = settings.servers.iter();
        let servers = servers.map(|s| Arc::new(Server::new(s, &all, &settings.heritage))).collect();
        let caches = Mutex::new(Caches::new(settings.cache, &scope));
        Arc::new(Router { settings, binder, servers, caches, base: ArcSwapOption::empty(), _scope: scope })
    }

    /// The router's hand in one worker, for requests of one server. `worker` numbers the workers from 0; `seed` starts its
    /// random numbers and must differ between workers.
    ///
    /// # Panics
    /// When the settings have no such server.
    #[must_use]
    pub fn worker(self: &Arc<Self>, server: ServerId, worker: usize, seed: u64) -> WorkerRouter {
        WorkerRouter::new(Arc::clone(self), server, worker, seed)
    }

    /// The statistics of a server, for the engine to tell of connections.
    ///
    /// # Panics
    /// When the settings have no such server.
    #[must_use]
    pub fn server(&self, server: ServerId) -> &Arc<Server> {
        &self.servers[server.0]
    }

    /// What it was built from.
    #[must_use]
    pub fn settings(&self) -> &RouterSettings {
        &self.settings
    }

    /// The binder of its names.
    #[must_use]
    pub fn binder(&self) -> &Binder<ClientFactory> {
        &self.binder
    }

    /// The entry of a name; a miss in a worker's own cache comes here.
    pub(crate) fn entry(&self, path: &Path, local: Dtab, now: Nanos) -> Result<Arc<Entry>, Full> {
        self.caches.lock().entry(path, local, &self.settings, &self.binder, now)
    }

    /// The lines of the base dtab, made once for each that is set: names that lead nowhere may be asked for often.
    pub(crate) fn base_lines(&self) -> Arc<str> {
        let dtab = self.binder.dtab();
        if let Some(shown) = self.base.load().as_ref().filter(|shown| Arc::ptr_eq(&shown.dtab, &dtab)) {
            return Arc::clone(&shown.lines);
        }
        let lines: Arc<str> = answer::dtab_lines(&dtab).into();
        self.base.store(Some(Arc::new(Shown { dtab, lines: Arc::clone(&lines) })));
        lines
    }

    /// Counts the first tree of an entry.
    #[inline]
    pub(crate) fn count_tree(&self, entry: &Entry, tree: &BoundTree<Client>, now: Nanos) {
        if !entry.counted.load(Relaxed) {
            self.caches.lock().count_tree(entry, tree, now);
        }
    }

    /// Once a second from each worker; one of them does the work.
    pub(crate) fn tick(&self, now: Nanos) {
        self.settings.clock.advance(now);
        if let Some(mut caches) = self.caches.try_lock() {
            caches.sweep(now);
            drop(caches);
            self.settings.heritage.tidy();
        }
    }

    /// Entries without and with a local dtab, services.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let (plain, overrides) = self.caches.lock().sizes();
        (plain, overrides, self.settings.heritage.services())
    }
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("label", &self.settings.label).finish_non_exhaustive()
    }
}
