//! The numbers of one server of a router.

use crate::stats::{Faults, PerWorker, server as idx};
use balance::Nanos;
use std::sync::Arc;
use telemetry::{Block, Scope};

/// A server's statistics: those of its requests are counted by the router, those of its connections are told here by the
/// engine. `worker` is always the number of the calling worker.
pub struct Server {
    pub(crate) block: Block,
    pub(crate) faults: Faults,
    pub(crate) pending: Arc<PerWorker>,
    connections: Arc<PerWorker>,
}

impl Server {
    /// The server `label` (`<ip>/<port>`) in the scope `rt/<label>/server`.
    pub(crate) fn new(label: &str, servers: &Scope) -> Server {
        let scope = servers.scope(label);
        let pending = Arc::new(PerWorker::new(scope.workers()));
        let connections = Arc::new(PerWorker::new(scope.workers()));
        // `load` is what the admin page of old reads.
        for name in ["pending", "load"] {
            let pending = Arc::clone(&pending);
            scope.gauge(name, move || pending.sum());
        }
        let gauge = Arc::clone(&connections);
        scope.gauge("connections", move || gauge.sum());
        Server { block: scope.block(&idx::SPEC), faults: Faults::new(&scope), pending, connections }
    }

    /// A caller's connection was accepted. Each call is followed by one of [`Server::closed`] on the same worker.
    pub fn accepted(&self, worker: usize) {
        self.block.shard(worker).inc(idx::CONNECTS);
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
