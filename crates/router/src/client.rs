//! A client: the live replicas of one bound id, their balancer, their requeue budget and their numbers. Its settings come
//! from the `client` scopes, its addresses from the binder.

use crate::connection::{ConnectionSettings, SessionCounters};
use crate::endpoint::{ClientStats, Endpoint};
use crate::settings::{ClientSettings, RouterSettings};
use crate::stats::{CacheStats, Faults, PerWorker, client as idx};
use arc_swap::{ArcSwap, Guard};
use balance::{Accrual, Budget, Choice, Nanos, Node as _};
use names::Path;
use naming::{Addr, AddrSet, Replicas, ReplicasFactory};
use parking_lot::Mutex;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use telemetry::{Counter, Metrics, Scope};

/// What is known of a client's addresses.
#[derive(Debug)]
pub(crate) enum Members {
    /// Nothing yet.
    Pending,
    /// Why nothing is known.
    Failed(Arc<str>),
    /// These, possibly none; sorted by address, each once.
    Known(Box<[Arc<Endpoint>]>),
}

/// The live replicas of one bound id. Made by [`ClientFactory`], told of addresses by the binder.
pub struct Client {
    /// Unique in the process.
    pub(crate) serial: u64,
    pub(crate) settings: ClientSettings,
    pub(crate) stats: Arc<ClientStats>,
    /// The id's show form, the value of `l5d-dst-client`.
    pub(crate) shown: Box<str>,
    pub(crate) budget: Budget,
    members: ArcSwap<Members>,
    /// Held while the set is replaced; who waits for the first one.
    waiting: Mutex<Vec<Waker>>,
    changes: Changes,
    expires: Counter,
}

/// Counters of changes of the set.
struct Changes {
    adds: Counter,
    removes: Counter,
    updates: Counter,
    rebuilds: Counter,
}

/// Gauges of a client, in the order of [`read_gauge`].
const GAUGES: &[&str] = &[
    "connections",
    "pending",
    "available",
    "retries/budget",
    "loadbalancer/size",
    "loadbalancer/available",
    "loadbalancer/busy",
    "loadbalancer/closed",
    "loadbalancer/load",
    "loadbalancer/meanweight",
    "pool_size",
    "pool_cached",
    "pool_waiters",
];

impl Client {
    /// The endpoints as of now.
    #[inline]
    pub(crate) fn members(&self) -> Guard<Arc<Members>> {
        self.members.load()
    }

    /// Chooses a replica: any that is not in `tried` while there is an available one, else any at all.
    pub(crate) fn choose(
        &self,
        members: &[Arc<Endpoint>],
        tried: &[u64],
        now: Nanos,
        rng: &mut fastrand::Rng,
    ) -> Option<(Arc<Endpoint>, Choice)> {
        if tried.is_empty() {
            let choice = self.settings.balancer.choose(members, now, rng)?;
            return Some((Arc::clone(&members[choice.index]), choice));
        }
        let fresh = |e: &&Arc<Endpoint>| !tried.contains(&e.id) && e.accrual.is_available(now);
        let others: Vec<Arc<Endpoint>> = members.iter().filter(fresh).cloned().collect();
        let from = if others.is_empty() { members } else { others.as_slice() };
        let choice = self.settings.balancer.choose(from, now, rng)?;
        Some((Arc::clone(&from[choice.index]), choice))
    }

    /// Whether some replica is fit: without one nothing is sent again.
    pub(crate) fn is_open(&self, now: Nanos) -> bool {
        match &**self.members() {
            Members::Known(all) => all.iter().any(|e| e.accrual.is_available(now)),
            Members::Pending | Members::Failed(_) => false,
        }
    }

    /// The addresses, for messages.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        match &**self.members() {
            Members::Known(all) => all.iter().map(|e| e.address).collect(),
            Members::Pending | Members::Failed(_) => Vec::new(),
        }
    }

    /// Waits until the addresses are known.
    pub(crate) fn known(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        Known(Arc::clone(self))
    }

    fn is_pending(&self) -> bool {
        matches!(**self.members(), Members::Pending)
    }

    /// The new set: endpoints that stay keep their state. Namers may name an address several times (weights, metadata);
    /// it is one endpoint.
    fn merge(&self, set: &AddrSet) -> Box<[Arc<Endpoint>]> {
        let guard = self.members();
        let old: &[Arc<Endpoint>] = if let Members::Known(all) = &**guard { all } else { &[] };
        let mut addresses: Vec<SocketAddr> = set.addresses.iter().map(|a| a.socket).collect();
        addresses.sort_unstable();
        addresses.dedup();
        for gone in old.iter().filter(|e| addresses.binary_search(&e.address).is_err()) {
            gone.remove();
            self.changes.removes.inc();
        }
        let kept = |address| old.binary_search_by_key(&address, |e| e.address).ok().map(|at| &old[at]);
        addresses.iter().map(|&address| kept(address).map_or_else(|| self.add(address), Arc::clone)).collect()
    }

    fn add(&self, address: SocketAddr) -> Arc<Endpoint> {
        self.changes.adds.inc();
        let ClientSettings { balancer, accrual, .. } = self.settings;
        Arc::new(Endpoint::new(address, balancer.new_load(), Accrual::new(accrual), Arc::clone(&self.stats)))
    }

    /// Connections in use, and of the idle ones those `minSize` keeps: what Linkerd calls the pool; the rest is its cache.
    fn pool_size(&self, connections: f64, load: f64, endpoints: usize) -> f64 {
        let used = (load - self.stats.waiters.sum()).clamp(0.0, connections);
        let kept = f64::from(self.settings.connection.pool.min) * endpoints as f64;
        used + kept.min(connections - used)
    }

    fn read_gauge(&self, at: usize, now: Nanos) -> f64 {
        let guard = self.members();
        let all: &[Arc<Endpoint>] = if let Members::Known(all) = &**guard { all } else { &[] };
        let available = || all.iter().filter(|e| e.accrual.is_available(now)).count() as f64;
        let load = || all.iter().map(|e| f64::from(e.load().outstanding())).sum::<f64>();
        let connections = self.stats.connections.sum();
        match GAUGES[at] {
            "connections" => connections,
            "pending" => self.stats.pending.sum(),
            "available" => f64::from(u8::from(available() > 0.0)),
            "retries/budget" => self.budget.balance(now) as f64,
            "loadbalancer/size" => all.len() as f64,
            "loadbalancer/available" => available(),
            "loadbalancer/busy" => all.len() as f64 - available(),
            "loadbalancer/load" => load(),
            "loadbalancer/meanweight" => f64::from(u8::from(!all.is_empty())),
            "pool_size" => self.pool_size(connections, load(), all.len()),
            "pool_cached" => connections - self.pool_size(connections, load(), all.len()),
            "pool_waiters" => self.stats.waiters.sum(),
            _ => 0.0,
        }
    }
}

impl Replicas for Client {
    fn update(&self, addr: &Addr) {
        let mut waiting = self.waiting.lock();
        let next = match addr {
            Addr::Pending => return,
            Addr::Neg => Members::Known(self.merge(&AddrSet::default())),
            Addr::Bound(set) => Members::Known(self.merge(set)),
            // What worked before goes on working.
            Addr::Failed(_) if matches!(**self.members(), Members::Known(_)) => return,
            Addr::Failed(why) => Members::Failed(Arc::clone(why)),
        };
        self.changes.updates.inc();
        self.changes.rebuilds.inc();
        self.members.store(Arc::new(next));
        let waiting = std::mem::take(&mut *waiting);
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.expires.inc();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.shown)
            .field("members", &self.members())
            .finish_non_exhaustive()
    }
}

/// Ends when a client's addresses are known.
struct Known(Arc<Client>);

impl Future for Known {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.0.waiting.lock();
        if !self.0.is_pending() {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|w| w.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// Makes the clients of one router.
pub struct ClientFactory {
    settings: RouterSettings,
    scope: Scope,
    stats: CacheStats,
}

static NEXT_SERIAL: AtomicU64 = AtomicU64::new(1);

impl ClientFactory {
    /// The factory for the router of these settings.
    #[must_use]
    pub fn new(settings: &RouterSettings, metrics: &Metrics) -> ClientFactory {
        let router = metrics.scope(&["rt", &settings.label]);
        ClientFactory {
            settings: settings.clone(),
            scope: router.scope("client"),
            stats: CacheStats::new(&router, "client"),
        }
    }

    fn stats(&self, id: &Path, shown: &str, connection: ConnectionSettings) -> ClientStats {
        let label = shown.trim_start_matches('/');
        let scope = self.scope.lease(label);
        ClientStats {
            id: id.clone(),
            label: label.into(),
            block: scope.block(&idx::SPEC),
            faults: Faults::new(&scope),
            connections: PerWorker::new(scope.workers()),
            pending: PerWorker::new(scope.workers()),
            connection,
            sessions: SessionCounters::new(&connection.session, &scope),
            waiters: PerWorker::new(scope.workers()),
            scope,
        }
    }

    fn register(&self, client: &Weak<Client>, scope: &Scope, algorithm: &str) {
        let (client, clock) = (Weak::clone(client), self.settings.clock.clone());
        scope.gauges(GAUGES, move |at| client.upgrade().map_or(0.0, |c| c.read_gauge(at, clock.now())));
        scope.gauge(&format!("loadbalancer/algorithm/{algorithm}"), || 1.0);
    }
}

impl ReplicasFactory for ClientFactory {
    type Replicas = Client;

    fn create(&self, id: &Path) -> Arc<Client> {
        self.stats.misses.inc();
        let settings = self.settings.client(id);
        let shown: Box<str> = id.to_string().into();
        let stats = Arc::new(self.stats(id, &shown, settings.connection));
        let balancer = stats.scope.scope("loadbalancer");
        let changes = Changes {
            adds: balancer.counter("adds"),
            removes: balancer.counter("removes"),
            updates: balancer.counter("updates"),
            rebuilds: balancer.counter("rebuilds"),
        };
        Arc::new_cyclic(|weak| {
            self.register(weak, &stats.scope, settings.balancer.algorithm());
            Client {
                serial: NEXT_SERIAL.fetch_add(1, Relaxed),
                settings,
                stats,
                shown,
                budget: Budget::new(settings.requeue_budget),
                members: ArcSwap::from_pointee(Members::Pending),
                waiting: Mutex::default(),
                changes,
                expires: self.stats.expires.clone(),
            }
        })
    }
}
