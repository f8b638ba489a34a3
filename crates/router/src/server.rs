//! The numbers of one server of a router.

use crate::concurrency::Concurrency;
use crate::connection::{SessionCounters, SessionEnd, SessionSettings, SocketSettings};
use crate::heritage::{Heritage, Traffic};
use crate::settings::ServerSettings;
use crate::stats::{Faults, PerWorker, server as idx};
use balance::Nanos;
use std::sync::Arc;
use telemetry::{Block, Lease, Scope};

/// A server's statistics: those of its requests are counted by the router, those of its connections are told here by the
/// engine. `worker` is always the number of the calling worker.
pub struct Server {
    pub(crate) block: Block,
    pub(crate) faults: Faults,
    pub(crate) pending: Arc<PerWorker>,
    pub(crate) settings: ServerSettings,
    concurrency: Option<Arc<Concurrency>>,
    connections: Arc<PerWorker>,
    sessions: Option<SessionCounters>,
    _traffic: Arc<Traffic>,
    _scope: Lease,
}

impl Server {
    /// The server of these settings in the scope `rt/<label>/server`, which goes on counting where an earlier generation's
    /// is.
    pub(crate) fn new(settings: &ServerSettings, servers: &Scope, heritage: &Heritage) -> Server {
        let scope = servers.lease(&settings.label);
        let traffic = heritage.traffic(&settings.label, scope.workers());
        let (pending, connections) = (Arc::clone(&traffic.pending), Arc::clone(&traffic.connections));
        // `load` is what the admin page of old reads.
        for name in ["pending", "load"] {
            let pending = Arc::clone(&pending);
            scope.gauge(name, move || pending.sum());
        }
        let gauge = Arc::clone(&connections);
        scope.gauge("connections", move || gauge.sum());
        // Callers that come with TLS are refused so far.
        scope.gauge("tls/connections", || 0.0);
        let concurrency = settings.max_concurrent.map(|most| traffic.room(most));
        if let Some(concurrency) = concurrency.as_ref().map(Arc::downgrade) {
            let running = move || concurrency.upgrade().map_or(0.0, |room| f64::from(room.running()));
            scope.gauge("request_concurrency", running);
            // Nobody ever waits: what is too much is refused at once.
            scope.gauge("request_queue_size", || 0.0);
        }
        Server {
            block: scope.block(&idx::SPEC),
            faults: Faults::new(&scope),
            pending,
            sessions: SessionCounters::new(&settings.session, &scope),
            settings: settings.clone(),
            concurrency,
            connections,
            _traffic: traffic,
            _scope: scope,
        }
    }

    /// How long callers' connections may live.
    #[must_use]
    pub fn session(&self) -> &SessionSettings {
        &self.settings.session
    }

    /// Options of callers' connections.
    #[must_use]
    pub fn socket(&self) -> &SocketSettings {
        &self.settings.socket
    }

    /// A place for a request: `None` when all are taken, else whether one was taken that must be given back.
    #[inline]
    pub(crate) fn enter(&self) -> Option<bool> {
        self.concurrency.as_ref().map_or(Some(false), |room| room.enter().then_some(true))
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        if let Some(room) = &self.concurrency {
            room.leave();
        }
    }

    /// A caller's connection was accepted. Each call is followed by one of [`Server::closed`] on the same worker.
    pub fn accepted(&self, worker: usize) {
        self.block.shard(worker).inc(idx::CONNECTS);
        self.connections.add(worker, 1);
    }

    /// A connection that `before` has accepted is this server's from now on: the configuration has changed.
    pub fn takes_over(&self, worker: usize, before: &Server) {
        before.connections.add(worker, -1);
        self.connections.add(worker, 1);
    }

    /// A caller's connection ended: its age, the requests it brought, the bytes read from it and written to it.
    pub fn closed(&self, worker: usize, age: Nanos, requests: u64, received: u64, sent: u64) {
        let shard = self.block.shard(worker);
        shard.record(idx::CONNECTION_DURATION, age.millis());
        shard.record(idx::CONNECTION_REQUESTS, requests);
        shard.record(idx::CONNECTION_RECEIVED, received);
        shard.record(idx::CONNECTION_SENT, sent);
        shard.add(idx::RECEIVED, received);
        shard.add(idx::SENT, sent);
        self.connections.add(worker, -1);
    }

    /// This proxy decides to end a connection (`closes`); told before [`Server::closed`].
    pub fn closing(&self, worker: usize) {
        self.block.shard(worker).inc(idx::CLOSES);
    }

    /// A connection is closed because of its age or idleness; told besides [`Server::closing`].
    pub fn session_ended(&self, end: SessionEnd) {
        if let Some(sessions) = &self.sessions {
            sessions.count(end);
        }
    }

    /// A connection was closed because nothing came (`read_timeout`).
    pub fn read_timeout(&self, worker: usize) {
        self.block.shard(worker).inc(idx::READ_TIMEOUT);
    }

    /// A connection was closed because nothing was taken (`write_timeout`).
    pub fn write_timeout(&self, worker: usize) {
        self.block.shard(worker).inc(idx::WRITE_TIMEOUT);
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("pending", &self.pending.sum()).finish_non_exhaustive()
    }
}
