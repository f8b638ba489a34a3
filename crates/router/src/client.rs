//! A client: the live replicas of one bound id, their balancer, their requeue budget and their numbers. Its settings come
//! from the `client` scopes, its addresses from the binder.

mod replicas;

use crate::authority;
use crate::connection::SessionCounters;
use crate::endpoint::{ClientStats, Endpoint};
use crate::settings::{ClientSettings, RouterSettings};
use crate::stats::{CacheStats, FailFastStats, Faults, PerWorker, client as idx};
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use balance::{Balancer, Budget, Nanos, Node as _};
use foldhash::quality::FixedState;
use names::Path;
use naming::{Addr, AddrSet, Replicas, ReplicasFactory};
use parking_lot::Mutex;
use replicas::Member;
use std::collections::HashMap;
use std::future::Future;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use telemetry::{Counter, Histogram, Metrics, Scope};

pub(crate) use replicas::{Picked, ReplicaSet};

/// What is known of a client's addresses.
#[derive(Debug)]
pub(crate) enum Members {
    /// Nothing yet.
    Pending,
    /// Why nothing is known.
    Failed(Arc<str>),
    /// These, possibly none.
    Known(ReplicaSet),
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
    /// The status every request is answered with here, of ids that lead to no replicas but to that.
    pub(crate) status: Option<u16>,
    /// How its replicas want to be called, and whether they do.
    authority: ArcSwapOption<Arc<str>>,
    renamed: AtomicBool,
    members: ArcSwap<Members>,
    /// Held while the set is replaced.
    changing: Mutex<()>,
    /// Who waits for the first set; held only as long as a waker is put in or taken out.
    waiting: Mutex<Waiting>,
    changes: Changes,
    /// Mixed into the places of endpoints, so that each proxy has an order of its own.
    salt: u64,
    me: Weak<Client>,
    /// The generation of the router whose binder tells it of addresses: an earlier one has no say any more.
    teller: AtomicU64,
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
    "loadbalancer/num_weight_classes",
    "loadbalancer/busy_weight_classes",
    "pool_size",
    "pool_cached",
    "pool_waiters",
    "tls/connections",
];

/// Gauges of a client whose balancer is `aperture`, in the order of [`Client::read_aperture`].
const APERTURE_GAUGES: &[&str] = &[
    "loadbalancer/logical_aperture",
    "loadbalancer/physical_aperture",
    "loadbalancer/loadband/offered_load_ema",
];

impl Client {
    /// The endpoints as of now.
    #[inline]
    pub(crate) fn members(&self) -> Guard<Arc<Members>> {
        self.members.load()
    }

    /// Whether its replicas want to be called by another `Host`.
    #[inline]
    pub(crate) fn is_renamed(&self) -> bool {
        self.renamed.load(Relaxed)
    }

    /// The `Host` its replicas want.
    pub(crate) fn authority(&self) -> Option<Arc<str>> {
        self.authority.load().as_deref().map(Arc::clone)
    }

    fn rename(&self, set: &AddrSet) {
        let authority = set.meta.get("authority").filter(|authority| authority::usable(authority)).cloned();
        self.renamed.store(authority.is_some(), Relaxed);
        self.authority.store(authority.map(Arc::new));
    }

    /// Whether some replica is fit: without one nothing is sent again.
    pub(crate) fn is_open(&self, now: Nanos) -> bool {
        match &**self.members() {
            Members::Known(set) => set.endpoints().iter().any(|e| e.is_available(now)),
            Members::Pending | Members::Failed(_) => false,
        }
    }

    /// The addresses, for messages.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        match &**self.members() {
            Members::Known(set) => set.addresses(),
            Members::Pending | Members::Failed(_) => Vec::new(),
        }
    }

    /// Waits until the addresses are known.
    pub(crate) fn known(self: &Arc<Self>) -> impl Future<Output = ()> + Send + use<> {
        Known { client: Arc::clone(self), ticket: None }
    }

    fn is_pending(&self) -> bool {
        matches!(**self.members(), Members::Pending)
    }

    /// The new set: endpoints that stay keep their state. Namers may name an address several times (weights, metadata);
    /// it is one endpoint, with the largest of its weights.
    fn merge(&self, set: &AddrSet) -> ReplicaSet {
        let guard = self.members();
        let none = ReplicaSet::default();
        let before = if let Members::Known(set) = &**guard { set } else { &none };
        let mut known: HashMap<SocketAddr, Member> =
            before.members().map(|m| (m.endpoint.address, m)).collect();
        let mut named: Vec<(SocketAddr, f64)> =
            set.addresses.iter().map(|a| (a.socket, sane(a.weight))).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        named.dedup_by_key(|(address, _)| *address);
        let mut members: Vec<Member> = Vec::with_capacity(named.len());
        for (address, weight) in named {
            let endpoint = match known.remove(&address) {
                Some(kept) => kept.endpoint,
                None => self.add(address),
            };
            endpoint.set_probation(false);
            if before.endpoints().is_empty() {
                endpoint.load.settle();
            }
            members.push(Member { endpoint, weight });
        }
        members.extend(known.into_values().filter(|gone| self.stays(&gone.endpoint)));
        ReplicaSet::new(members, before, &self.settings)
    }

    /// Whether an endpoint that discovery names no longer goes on being used (`enableProbation`).
    fn stays(&self, gone: &Endpoint) -> bool {
        let stays = self.settings.probation && gone.is_alive();
        if stays {
            gone.set_probation(true);
        } else {
            self.remove(gone);
        }
        stays
    }

    fn add(&self, address: SocketAddr) -> Arc<Endpoint> {
        self.changes.adds.inc();
        let place = FixedState::with_seed(self.salt).hash_one(address);
        Arc::new(Endpoint::new(address, place, &self.settings, &self.stats, &self.me))
    }

    fn remove(&self, gone: &Endpoint) {
        gone.remove();
        self.changes.removes.inc();
    }

    /// An endpoint on probation has failed: out with it. Called where requests are judged, once in its life.
    #[cold]
    pub(crate) fn dismiss(&self, id: u64) {
        let _changing = self.changing.lock();
        let guard = self.members();
        let Members::Known(before) = &**guard else { return };
        let (gone, members): (Vec<_>, Vec<_>) = before.members().partition(|m| {
            // Discovery may have brought it back meanwhile, or another worker may have been here first.
            m.endpoint.id == id && m.endpoint.is_on_probation()
        });
        let Some(gone) = gone.first() else { return };
        self.remove(&gone.endpoint);
        self.changes.rebuilds.inc();
        self.members.store(Arc::new(Members::Known(ReplicaSet::new(members, before, &self.settings))));
    }

    /// Connections in use, and of the idle ones those `minSize` keeps: what Linkerd calls the pool; the rest is its cache.
    fn pool_size(&self, connections: f64, load: f64, endpoints: usize) -> f64 {
        let used = (load - self.stats.waiters.sum()).clamp(0.0, connections);
        let kept = f64::from(self.settings.connection.pool.min) * endpoints as f64;
        used + kept.min(connections - used)
    }

    fn read_gauge(&self, at: usize, now: Nanos) -> f64 {
        let guard = self.members();
        let none = ReplicaSet::default();
        let set = if let Members::Known(set) = &**guard { set } else { &none };
        let all = set.endpoints();
        let available = || all.iter().filter(|e| e.is_available(now)).count() as f64;
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
            "loadbalancer/meanweight" => set.mean_weight(),
            "loadbalancer/num_weight_classes" => set.count_groups(now).0 as f64,
            "loadbalancer/busy_weight_classes" => set.count_groups(now).1 as f64,
            "pool_size" => self.pool_size(connections, load(), all.len()),
            "pool_cached" => connections - self.pool_size(connections, load(), all.len()),
            "pool_waiters" => self.stats.waiters.sum(),
            _ => 0.0,
        }
    }

    fn read_aperture(&self, at: usize) -> f64 {
        match &**self.members() {
            Members::Known(set) if at < 2 => set.aperture().0,
            Members::Known(set) => set.aperture().1,
            Members::Pending | Members::Failed(_) => 0.0,
        }
    }
}

/// A weight that can be drawn by: what is no number, negative or endless is no share at all.
fn sane(weight: f64) -> f64 {
    if weight.is_finite() { weight.max(0.0) } else { 0.0 }
}

impl Replicas for Client {
    fn update(&self, addr: &Addr) {
        let _changing = self.changing.lock();
        let next = match addr {
            Addr::Pending => return,
            Addr::Neg => Members::Known(self.merge(&AddrSet::default())),
            Addr::Bound(set) => {
                self.rename(set);
                Members::Known(self.merge(set))
            }
            // What worked before goes on working.
            Addr::Failed(_) if matches!(**self.members(), Members::Known(_)) => return,
            Addr::Failed(why) => Members::Failed(Arc::clone(why)),
        };
        self.changes.updates.inc();
        self.changes.rebuilds.inc();
        self.members.store(Arc::new(next));
        let woken = std::mem::take(&mut self.waiting.lock().wakers);
        woken.into_values().for_each(Waker::wake);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Nobody will ever choose them again. Idle connections would otherwise keep the endpoints, and those the metrics.
        if let Members::Known(set) = &**self.members() {
            set.endpoints().iter().for_each(|endpoint| endpoint.remove());
        }
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

/// Wakers by ticket.
#[derive(Default)]
struct Waiting {
    wakers: HashMap<u64, Waker>,
    next: u64,
}

/// Ends when a client's addresses are known.
struct Known {
    client: Arc<Client>,
    /// Of its waker, once it waits.
    ticket: Option<u64>,
}

impl Future for Known {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let client = Arc::clone(&self.client);
        let mut waiting = client.waiting.lock();
        // Asked under the lock: who comes with a set takes the wakers after it has put the set there.
        if !client.is_pending() {
            return Poll::Ready(());
        }
        let ticket = self.ticket.unwrap_or(waiting.next);
        if self.ticket.replace(ticket).is_none() {
            waiting.next += 1;
        }
        let before = waiting.wakers.insert(ticket, cx.waker().clone());
        // Whatever a waker does when it is dropped, it does without the lock.
        drop(waiting);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waker = self.client.waiting.lock().wakers.remove(&ticket);
            drop(waker);
        }
    }
}

/// Makes the clients of one router.
pub struct ClientFactory {
    settings: RouterSettings,
    scope: Scope,
    stats: CacheStats,
    /// From word of new replicas, or of what binds a name to others, until every worker's next request goes by it, in
    /// microseconds.
    update_latency: Histogram,
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
            update_latency: router.scope("bindcache").scope("client").histogram("update_latency_us"),
        }
    }

    fn stats(&self, id: &Path, shown: &str, settings: &ClientSettings) -> ClientStats {
        let ClientSettings { fail_fast, connection, .. } = *settings;
        let label = shown.trim_start_matches('/');
        let series = self.settings.series.clone();
        let (place, name) = series.place(label);
        let scope = self.scope.lease(name);
        ClientStats {
            id: id.clone(),
            label: label.into(),
            block: scope.block(&idx::SPEC),
            faults: Faults::new(&scope),
            fail_fast: fail_fast.then(|| FailFastStats::new(&scope)),
            connections: PerWorker::new(scope.workers()),
            pending: PerWorker::new(scope.workers()),
            connection,
            sessions: SessionCounters::new(&connection.session, &scope),
            waiters: PerWorker::new(scope.workers()),
            scope,
            place,
            series,
        }
    }

    fn register(&self, me: &Weak<Client>, scope: &Scope, balancer: &Balancer) {
        let (client, clock) = (Weak::clone(me), self.settings.clock.clone());
        scope.gauges(GAUGES, move |at| client.upgrade().map_or(0.0, |c| c.read_gauge(at, clock.now())));
        // The client of an id may be made anew with another one.
        let client = Weak::clone(me);
        let alive = move || if client.strong_count() > 0 { 1.0 } else { 0.0 };
        scope.gauge(&format!("loadbalancer/algorithm/{}", balancer.algorithm()), alive);
        if matches!(balancer, Balancer::Aperture(_)) {
            let client = Weak::clone(me);
            let read = move |at| client.upgrade().map_or(0.0, |c| c.read_aperture(at));
            scope.gauges(APERTURE_GAUGES, read);
        }
    }
}

impl ReplicasFactory for ClientFactory {
    type Replicas = Client;

    fn create(&self, id: &Path) -> Arc<Client> {
        let settings = self.settings.client(id);
        let heritage = &self.settings.heritage;
        let (client, inherited) = heritage.client(id, &settings, || self.make(id, settings));
        if inherited {
            client.teller.fetch_max(heritage.generation(), Relaxed);
        }
        client
    }

    fn update(&self, client: &Client, addr: &Addr) {
        if client.teller.load(Relaxed) == self.settings.heritage.generation() {
            client.update(addr);
        }
    }

    fn took(&self, since_word: Duration) {
        self.update_latency.record(u64::try_from(since_word.as_micros()).unwrap_or(u64::MAX));
    }
}

impl ClientFactory {
    fn make(&self, id: &Path, settings: ClientSettings) -> Arc<Client> {
        self.stats.misses.inc();
        let shown: Box<str> = id.to_string().into();
        let stats = Arc::new(self.stats(id, &shown, &settings));
        let balancer = stats.scope.scope("loadbalancer");
        let changes = Changes {
            adds: balancer.counter("adds"),
            removes: balancer.counter("removes"),
            updates: balancer.counter("updates"),
            rebuilds: balancer.counter("rebuilds"),
        };
        Arc::new_cyclic(|weak| {
            // Several that are counted together have no gauges: one's would hide the other's.
            if stats.place.is_some() {
                self.register(weak, &stats.scope, &settings.balancer);
            }
            Client {
                serial: NEXT_SERIAL.fetch_add(1, Relaxed),
                settings,
                stats,
                shown,
                budget: Budget::new(settings.requeue_budget),
                status: naming::fixed_status(id),
                authority: ArcSwapOption::empty(),
                renamed: AtomicBool::new(false),
                members: ArcSwap::from_pointee(Members::Pending),
                changing: Mutex::default(),
                waiting: Mutex::default(),
                changes,
                salt: self.settings.sample_salt,
                me: Weak::clone(weak),
                teller: AtomicU64::new(self.settings.heritage.generation()),
                expires: self.stats.expires.clone(),
            }
        })
    }
}
