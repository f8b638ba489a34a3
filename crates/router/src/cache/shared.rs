//! The cache all workers share. It alone decides what exists: entries, their services and, through the bindings they hold,
//! the clients.

use crate::client::Client;
use crate::client::ClientFactory;
use crate::entry::{Entry, Oneshot};
use crate::service::Service;
use crate::settings::{CacheSettings, RouterSettings};
use crate::stats::CacheStats;
use balance::Nanos;
use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashSet};
use names::{Dtab, Path};
use naming::{Binder, BoundTree, slim};
use std::cmp::Reverse;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use telemetry::{Histogram, Scope};

/// No room, and no one-shot left: the request is answered 503.
#[derive(Debug)]
pub(crate) struct Full;

/// How often idle entries are looked for.
const SWEEP: Nanos = Nanos::from_secs(1);

/// All entries of a router.
pub(crate) struct Caches {
    /// Names without a local dtab.
    plain: HashMap<Path, Arc<Entry>, RandomState>,
    /// Names with one.
    overrides: HashMap<(Path, Dtab), Arc<Entry>, RandomState>,
    /// Leaves seen, for the statistics of the bound cache only.
    bounds: HashSet<(Path, Path), RandomState>,
    oneshots: Arc<AtomicU32>,
    swept: Nanos,
    limits: CacheSettings,
    path_stats: CacheStats,
    /// From the first request for a name until it is bound, in microseconds.
    bind_latency: Histogram,
    tree_stats: CacheStats,
    bound_stats: CacheStats,
    services_scope: Scope,
}

impl Caches {
    pub(crate) fn new(limits: CacheSettings, router: &Scope) -> Caches {
        Caches {
            plain: HashMap::default(),
            overrides: HashMap::default(),
            bounds: HashSet::default(),
            oneshots: Arc::default(),
            swept: Nanos(0),
            limits,
            path_stats: CacheStats::new(router, "path"),
            bind_latency: router.scope("bindcache").scope("path").histogram("bind_latency_us"),
            tree_stats: CacheStats::new(router, "tree"),
            bound_stats: CacheStats::new(router, "bound"),
            services_scope: router.scope("service"),
        }
    }

    /// The entry of a name and the dtab of its requests, made if need be.
    pub(crate) fn entry(
        &mut self,
        path: &Path,
        local: Dtab,
        settings: &RouterSettings,
        binder: &Binder<ClientFactory>,
        now: Nanos,
    ) -> Result<Arc<Entry>, Full> {
        let found = if local.is_empty() {
            self.plain.get(path)
        } else {
            self.overrides.get(&(path.clone(), local.clone()))
        };
        if let Some(entry) = found {
            entry.last_used.fetch_max(now.0, Relaxed);
            return Ok(Arc::clone(entry));
        }
        self.path_stats.misses.inc();
        let room = if local.is_empty() {
            make_room(&mut self.plain, self.limits.paths, &self.path_stats)
        } else {
            make_room(&mut self.overrides, self.limits.overrides, &self.path_stats)
        };
        let oneshot = if room { None } else { Some(self.oneshot()?) };
        let (binding, service) = (binder.bind(path, &local), self.service(path, settings));
        let cached = oneshot.is_none();
        let entry = Entry::new(service, local.clone(), binding, oneshot, now);
        // A one-shot is retired from the start, so that no worker keeps it.
        entry.retired.store(!cached, Relaxed);
        if cached {
            self.keep(path.clone(), local, &entry);
        }
        Ok(entry)
    }

    /// All entries, the one used last first.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.plain.values().chain(self.overrides.values()).cloned().collect();
        all.sort_by_key(|entry| Reverse(entry.last_used.load(Relaxed)));
        all
    }

    /// An entry for the name of one of an earlier router, if there is none yet and there is room for it. Nobody has asked
    /// for it, so that no miss is counted.
    pub(crate) fn inherit(
        &mut self,
        old: &Entry,
        settings: &RouterSettings,
        binder: &Binder<ClientFactory>,
    ) -> Option<Arc<Entry>> {
        let (path, local) = (old.binding.path(), &old.local);
        let key = (path.clone(), local.clone());
        let (there, room) = match local.is_empty() {
            true => (self.plain.contains_key(path), self.plain.len() < self.limits.paths),
            false => (self.overrides.contains_key(&key), self.overrides.len() < self.limits.overrides),
        };
        if there || !room {
            return None;
        }
        let last_used = Nanos(old.last_used.load(Relaxed));
        let (service, binding) = (self.service(path, settings), binder.bind(path, local));
        let entry = Entry::new(service, local.clone(), binding, None, last_used);
        entry.proven.store(old.proven.load(Relaxed), Relaxed);
        entry.counted.store(old.counted.load(Relaxed), Relaxed);
        self.keep(key.0, key.1, &entry);
        Some(entry)
    }

    fn keep(&mut self, path: Path, local: Dtab, entry: &Arc<Entry>) {
        match local.is_empty() {
            true => drop(self.plain.insert(path, Arc::clone(entry))),
            false => drop(self.overrides.insert((path, local), Arc::clone(entry))),
        }
    }

    /// Lets go of everything: no request comes any more. What is under way holds what it needs.
    pub(crate) fn clear(&mut self) {
        let (plain, overrides) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.overrides));
        plain.values().chain(overrides.values()).for_each(|entry| entry.retired.store(true, Relaxed));
        self.bounds.clear();
    }

    fn oneshot(&self) -> Result<Oneshot, Full> {
        let claimed = Oneshot::claim(&self.oneshots, self.limits.oneshots).ok_or(Full)?;
        self.path_stats.oneshots.inc();
        Ok(claimed)
    }

    /// Entries of one name share its service.
    fn service(&self, path: &Path, settings: &RouterSettings) -> Arc<Service> {
        let own = settings.service(path);
        let make = || Service::new(path, own, settings, &self.services_scope);
        settings.heritage.service(path, &own, make)
    }

    /// Counts the first tree of an entry.
    pub(crate) fn count_tree(&mut self, entry: &Entry, tree: &BoundTree<Client>, now: Nanos) {
        if entry.counted.swap(true, Relaxed) {
            return;
        }
        self.tree_stats.misses.inc();
        self.bind_latency.record(now.since(entry.made).0 / 1000);
        for leaf in tree.leaves() {
            if self.bounds.len() >= 4 * self.limits.paths.max(1) {
                self.bounds.clear();
            }
            if self.bounds.insert((leaf.id.clone(), leaf.residual.clone())) {
                self.bound_stats.misses.inc();
            }
        }
    }

    /// Lets go of what nobody has used for long, at most once a second.
    pub(crate) fn sweep(&mut self, now: Nanos) {
        if now.since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        let ttl = self.limits.idle_ttl;
        let gone = expire(&mut self.plain, now, ttl) + expire(&mut self.overrides, now, ttl);
        self.path_stats.expires.add(gone);
        self.tree_stats.expires.add(gone);
        if self.plain.is_empty() && self.overrides.is_empty() {
            self.bounds.clear();
        }
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.plain.len(), self.overrides.len())
    }
}

/// Requests under way on an entry, besides the workers' caches and the shared one.
fn busy(entry: &Arc<Entry>) -> bool {
    Arc::strong_count(entry) > 1 + entry.holders.load(Relaxed) as usize
}

/// Frees a place if none is free: of the entries without a request under way, first those used only once, then the one
/// unused for longest. `false` when all are busy.
fn make_room<K: Hash + Eq + Clone>(
    map: &mut HashMap<K, Arc<Entry>, RandomState>,
    capacity: usize,
    stats: &CacheStats,
) -> bool {
    if map.len() < capacity {
        return true;
    }
    let age = |entry: &Entry| (entry.proven.load(Relaxed), entry.last_used.load(Relaxed));
    let victim = map.iter().filter(|(_, entry)| !busy(entry)).min_by_key(|(_, entry)| age(entry));
    let Some(key) = victim.map(|(key, _)| key.clone()) else { return false };
    if let Some(entry) = map.remove(&key) {
        entry.retired.store(true, Relaxed);
        stats.evicts.inc();
    }
    true
}

/// Removes idle entries except the one used last; how many there were. What discovery cannot say at present is kept: bound
/// anew after an outage began, the name would lead nowhere (architecture.md §4).
fn expire<K: Hash + Eq>(map: &mut HashMap<K, Arc<Entry>, RandomState>, now: Nanos, ttl: Nanos) -> u64 {
    let newest = map.values().max_by_key(|entry| entry.last_used.load(Relaxed)).map(Arc::as_ptr);
    let before = map.len();
    map.retain(|_, entry| {
        let used = entry.last_used.load(Relaxed);
        let held = busy(entry) || entry.holders.load(Relaxed) > 0;
        let stays = held
            || newest == Some(Arc::as_ptr(entry))
            || now.since(Nanos(used)) <= ttl
            || !entry.binding.is_sound();
        if !stays {
            entry.retired.store(true, Relaxed);
        }
        stays
    });
    slim(map);
    (before - map.len()) as u64
}
