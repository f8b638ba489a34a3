//! One address of a replica set: its load, its fitness, its connections.

use crate::client::Client;
use crate::connection::{ConnectionSettings, SessionCounters, SessionEnd};
use crate::series::{Place, Series};
use crate::settings::ClientSettings;
use crate::stats::{FailFastStats, Faults, PerWorker, client as idx};
use balance::{Accrual, AccrualPolicy, Change, Load, Nanos, Node, Probe};
use names::Path;
use std::any::Any;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use telemetry::{Block, Lease};

/// What a client and its endpoints count.
pub(crate) struct ClientStats {
    pub(crate) id: Path,
    /// The id without its first slash, the client's name in metrics and messages.
    pub(crate) label: Box<str>,
    pub(crate) block: Block,
    pub(crate) faults: Faults,
    /// Only with `failFast`.
    pub(crate) fail_fast: Option<FailFastStats>,
    pub(crate) connections: PerWorker,
    pub(crate) pending: PerWorker,
    /// What its endpoints' connections are like.
    pub(crate) connection: ConnectionSettings,
    pub(crate) sessions: Option<SessionCounters>,
    /// Requests that wait for a connection.
    pub(crate) waiters: PerWorker,
    pub(crate) scope: Lease,
    /// `None`: its numbers are counted together with those of others.
    pub(crate) place: Option<Place>,
    /// For the scopes below it.
    pub(crate) series: Series,
}

/// One address of a replica set, shared by all workers for as long as discovery names it (and a little longer: requests
/// under way keep it).
pub struct Endpoint {
    /// Unique in the process; connection pools go by it, so that an address that left and came back starts afresh.
    pub id: u64,
    /// Where to connect to.
    pub address: SocketAddr,
    pub(crate) load: Load,
    pub(crate) accrual: Accrual,
    /// Whether connects succeed (`failFast`); `None` when nobody asks.
    pub(crate) reach: Option<Accrual>,
    /// Its place among the others: a random number that is the same each time the address joins.
    pub(crate) place: u64,
    pub(crate) stats: Arc<ClientStats>,
    owner: Weak<Client>,
    removed: AtomicBool,
    /// Discovery has removed it, and it stays until it fails (`enableProbation`).
    probation: AtomicBool,
    shared: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// Process-wide as the serials of clients are, so that ids are unique across routers and proxies; nothing else is made of
/// it.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Endpoint {
    /// An endpoint nobody knows anything of, of the client `owner` with these settings.
    pub(crate) fn new(
        address: SocketAddr,
        place: u64,
        settings: &ClientSettings,
        stats: &Arc<ClientStats>,
        owner: &Weak<Client>,
    ) -> Endpoint {
        Endpoint {
            id: NEXT_ID.fetch_add(1, Relaxed),
            address,
            load: settings.balancer.new_load(),
            accrual: Accrual::new(settings.accrual),
            reach: settings.fail_fast.then(|| Accrual::new(AccrualPolicy::FAIL_FAST)),
            place,
            stats: Arc::clone(stats),
            owner: Weak::clone(owner),
            removed: AtomicBool::new(false),
            probation: AtomicBool::new(false),
            shared: OnceLock::new(),
        }
    }

    /// Whether discovery no longer names this address. Idle connections to it need not be kept.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.removed.load(Relaxed)
    }

    pub(crate) fn remove(&self) {
        self.removed.store(true, Relaxed);
    }

    /// Discovery names it no longer (`true`), or again.
    pub(crate) fn set_probation(&self, on: bool) {
        self.probation.store(on, Relaxed);
    }

    pub(crate) fn is_on_probation(&self) -> bool {
        self.probation.load(Relaxed)
    }

    /// Neither its answers nor its connects speak against it.
    pub(crate) fn is_alive(&self) -> bool {
        self.accrual.is_alive() && !self.is_marked_down()
    }

    /// Whether a request must not even try to connect: the last connect failed, and it is not time to try again or
    /// somebody else does.
    #[inline]
    pub(crate) fn is_marked_down(&self) -> bool {
        self.reach.as_ref().is_some_and(|reach| !reach.is_alive())
    }

    /// The bound id it belongs to.
    #[must_use]
    pub fn client(&self) -> &Path {
        &self.stats.id
    }

    /// What its connections are like.
    #[must_use]
    pub fn connection(&self) -> &ConnectionSettings {
        &self.stats.connection
    }

    /// What the engines of all workers share about this endpoint, made by whoever asks first. Every call must name the
    /// same type.
    ///
    /// # Panics
    /// When it was made as another type.
    pub fn shared<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> &T {
        let shared = self.shared.get_or_init(|| Box::new(make()));
        shared.downcast_ref().expect("one engine, one type")
    }

    /// A request begins (1) or ceases (-1) to wait for a connection.
    pub fn waiting(&self, worker: usize, n: i64) {
        if n > 0 {
            self.stats.block.shard(worker).inc(idx::POOL_WAITED);
        }
        self.stats.waiters.add(worker, n);
    }

    /// A request may not even wait for a connection; told besides [`crate::seam::Failure::TooManyWaiters`].
    pub fn too_many_waiters(&self, worker: usize) {
        self.stats.block.shard(worker).inc(idx::POOL_REFUSED);
    }

    /// A connection is closed because of its age or idleness; told besides [`Endpoint::closing`].
    pub fn session_ended(&self, end: SessionEnd) {
        if let Some(sessions) = &self.stats.sessions {
            sessions.count(end);
        }
    }

    /// A connection is given up because nothing came (`read_timeout`).
    pub fn read_timeout(&self, worker: usize) {
        self.stats.block.shard(worker).inc(idx::READ_TIMEOUT);
    }

    /// A connection is given up because nothing was taken (`write_timeout`).
    pub fn write_timeout(&self, worker: usize) {
        self.stats.block.shard(worker).inc(idx::WRITE_TIMEOUT);
    }

    /// A connection was made after so long. `worker` is the caller's number.
    pub fn connected(&self, worker: usize, latency: Nanos) {
        let shard = self.stats.block.shard(worker);
        shard.inc(idx::CONNECTS);
        shard.record(idx::CONNECT_LATENCY, latency.millis());
        self.stats.connections.add(worker, 1);
        self.reached();
    }

    /// A connection was made, or an answer came: whichever tells first.
    #[inline]
    fn reached(&self) {
        // That policy counts connects, so the moment of a success says nothing.
        if let Some(reach) = &self.reach
            && reach.success(Nanos(0)) == Change::Revived
            && let Some(stats) = &self.stats.fail_fast
        {
            stats.marked_available.inc();
        }
    }

    /// A connection could not be made; told besides [`crate::seam::Failure::Connect`].
    pub fn connect_failed(&self, worker: usize, latency: Nanos) {
        let shard = self.stats.block.shard(worker);
        shard.inc(idx::CLOSES);
        shard.record(idx::FAILED_CONNECT_LATENCY, latency.millis());
    }

    /// A connection is being made for a request that is gone.
    pub fn connect_cancelled(&self, worker: usize) {
        self.stats.block.shard(worker).inc(idx::CANCELLED_CONNECTS);
    }

    /// A connection ended: its age, the requests it carried, the bytes written to it and read from it.
    pub fn closed(&self, worker: usize, age: Nanos, requests: u64, sent: u64, received: u64) {
        let shard = self.stats.block.shard(worker);
        shard.record(idx::CONNECTION_DURATION, age.millis());
        shard.record(idx::CONNECTION_REQUESTS, requests);
        shard.record(idx::CONNECTION_SENT, sent);
        shard.record(idx::CONNECTION_RECEIVED, received);
        shard.add(idx::SENT, sent);
        shard.add(idx::RECEIVED, received);
        self.stats.connections.add(worker, -1);
    }

    /// This proxy decides to end a connection (`closes`); told before [`Endpoint::closed`].
    pub fn closing(&self, worker: usize) {
        self.stats.block.shard(worker).inc(idx::CLOSES);
    }

    /// A request to this endpoint ended with a result the accrual policy judges.
    pub(crate) fn judge(&self, worker: usize, success: bool, now: Nanos, rng: &mut fastrand::Rng) {
        let change = if success { self.accrual.success(now) } else { self.accrual.failure(now, rng) };
        if change != Change::None {
            self.count_change(worker, change);
        }
        if success {
            self.reached();
        }
    }

    /// A connection could not be made for a request.
    pub(crate) fn refused(&self, worker: usize, now: Nanos, rng: &mut fastrand::Rng) {
        self.judge(worker, false, now, rng);
        let marked = self.reach.as_ref().map(|reach| reach.failure(now, rng));
        if let (Some(Change::Removed(_)), Some(stats)) = (marked, &self.stats.fail_fast) {
            stats.marked_dead.inc();
        }
        // Gone from discovery and from the network: no policy need be asked.
        self.end_probation();
    }

    /// Lets go of an endpoint that stayed only for as long as it was healthy.
    #[cold]
    fn end_probation(&self) {
        if self.probation.load(Relaxed)
            && let Some(client) = self.owner.upgrade()
        {
            client.dismiss(self.id);
        }
    }

    #[cold]
    fn count_change(&self, worker: usize, change: Change) {
        let shard = self.stats.block.shard(worker);
        match change {
            Change::None | Change::ProbeAgain => {}
            Change::Removed(span) => {
                shard.inc(idx::REMOVALS);
                shard.add(idx::REMOVED_FOR, span.millis());
                self.end_probation();
            }
            Change::StillDead(span) => shard.add(idx::REMOVED_FOR, span.millis()),
            Change::Revived => shard.inc(idx::REVIVALS),
        }
    }

    /// A request takes the probe of this endpoint.
    pub(crate) fn count_probe(&self, worker: usize) {
        self.stats.block.shard(worker).inc(idx::PROBES);
    }

    /// Gives back probes whose request ended without a result. Without effect on those that had one.
    pub(crate) fn release(&self, probe: Option<Probe>, reconnect: Option<Probe>) {
        if let Some(probe) = probe {
            self.accrual.release(probe);
        }
        if let (Some(probe), Some(reach)) = (reconnect, &self.reach) {
            reach.release(probe);
        }
    }
}

impl Node for Endpoint {
    fn load(&self) -> &Load {
        &self.load
    }

    fn accrual(&self) -> &Accrual {
        &self.accrual
    }

    fn reach(&self) -> Option<&Accrual> {
        self.reach.as_ref()
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({} {} of {})", self.id, self.address, self.stats.id)
    }
}
