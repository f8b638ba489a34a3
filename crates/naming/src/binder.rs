//! The binder: one task that keeps every bound name true, however many there are (architecture.md §4).
//!
//! Callers put questions into an inbox and go on; the task alone owns the index from live values to the names that
//! depend on them. Nothing here is a task or a timer per name.

mod engine;
mod index;
mod leaves;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use names::{Dtab, Path};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::addr::Addr;
use crate::binding::Binding;
use crate::delegation::Delegation;
use crate::interpreter::Interpreter;
use crate::live::{Hook, SourceId};
use engine::Engine;

/// The router's entry for one bound id (its client). Told of addresses by the binder's task.
pub trait Replicas: Send + Sync + 'static {
    /// The newest addresses. `Pending` is never passed, and `Failed` only while there was never anything better: after
    /// that the last good set stays in use. Must be quick and must not block.
    fn update(&self, addr: &Addr);
}

/// Makes the router's entries.
pub trait ReplicasFactory: Send + Sync + 'static {
    /// The entry of one bound id.
    type Replicas: Replicas;
    /// A new entry for `id`. Must be quick and must not block.
    fn create(&self, id: &Path) -> Arc<Self::Replicas>;
    /// Tells an entry made here the newest addresses ([`Replicas::update`]); a factory whose entries outlive it may know
    /// better.
    fn update(&self, replicas: &Self::Replicas, addr: &Addr) {
        replicas.update(addr);
    }
    /// An update of an entry, or another tree of a name, took effect so long after word of it had come to whoever watches
    /// its source: for metrics. Of changes that came in quick succession and took effect together it is the time of the
    /// first. A first tree is none of them.
    fn took(&self, _: Duration) {}
}

/// How the binder goes about its work.
#[derive(Clone, Debug)]
pub struct BinderSettings {
    /// How long a new tree waits for the addresses of its leaves before it takes effect regardless; 2 s.
    pub make_before_break: Duration,
    /// How long the task works before it lets others run; 1 ms.
    pub slice: Duration,
}

impl Default for BinderSettings {
    fn default() -> Self {
        BinderSettings { make_before_break: Duration::from_secs(2), slice: Duration::from_millis(1) }
    }
}

/// What the binder has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinderStats {
    /// Walks through a dtab since the start.
    pub bind_runs: u64,
    /// Evaluations of an address set since the start.
    pub address_runs: u64,
    /// Bindings known to the task.
    pub bindings: usize,
    /// Entries of the router in use.
    pub leaves: usize,
    /// Live values followed.
    pub watches: usize,
}

#[derive(Default)]
struct Counters {
    bind_runs: AtomicU64,
    address_runs: AtomicU64,
    bindings: AtomicUsize,
    leaves: AtomicUsize,
    watches: AtomicUsize,
}

/// What happened since the task last looked. Everything is coalesced to its newest state.
struct Mail<R> {
    opened: Vec<Weak<Binding<R>>>,
    dropped: Vec<(u64, Path, Dtab)>,
    /// Each with the moment at which the first word came that has not been taken in.
    changed: HashMap<SourceId, Instant>,
    /// With the moment at which the first one came that has not been taken in.
    dtab: Option<(Dtab, Instant)>,
    asked: Vec<Question>,
    census: Vec<oneshot::Sender<Vec<(Path, Addr)>>>,
    closed: bool,
}

/// Somebody wants to know how a name is bound.
struct Question {
    path: Path,
    local: Dtab,
    answer: oneshot::Sender<Delegation>,
}

impl<R> Default for Mail<R> {
    fn default() -> Self {
        let (opened, dropped, changed) = (Vec::new(), Vec::new(), HashMap::new());
        let (asked, census) = (Vec::new(), Vec::new());
        Mail { opened, dropped, changed, dtab: None, asked, census, closed: false }
    }
}

/// Where callers, live values and dying bindings leave word for the task. The lock is held for single pushes only.
pub(crate) struct Inbox<R> {
    mail: Mutex<Mail<R>>,
    bell: Notify,
}

impl<R> Inbox<R> {
    fn put(&self, put: impl FnOnce(&mut Mail<R>)) {
        put(&mut self.mail.lock());
        self.bell.notify_one();
    }

    fn take(&self) -> Mail<R> {
        let mut mail = self.mail.lock();
        let closed = mail.closed;
        let taken = std::mem::take(&mut *mail);
        mail.closed = closed;
        taken
    }

    pub(crate) fn dropped(&self, serial: u64, path: &Path, local: &Dtab) {
        self.put(|mail| mail.dropped.push((serial, path.clone(), local.clone())));
    }
}

impl<R: Send + Sync + 'static> Hook for Inbox<R> {
    fn changed(&self, source: SourceId, heard: Instant) {
        self.put(|mail| {
            mail.changed.entry(source).or_insert(heard);
        });
    }
}

type Table<R> = Mutex<HashMap<(Path, Dtab), Weak<Binding<R>>>>;

/// What callers and the task share.
struct Shared<R> {
    inbox: Arc<Inbox<R>>,
    table: Table<R>,
    counters: Counters,
    dtab: ArcSwap<Dtab>,
    next: AtomicU64,
}

/// Ends the task once the last handle is gone and no binding is left.
struct Handle<R> {
    shared: Arc<Shared<R>>,
}

impl<R> Drop for Handle<R> {
    fn drop(&mut self) {
        self.shared.inbox.put(|mail| mail.closed = true);
    }
}

/// Binds names and keeps them bound. Clones are handles to the same binder; any thread may use them.
pub struct Binder<F: ReplicasFactory> {
    handle: Arc<Handle<F::Replicas>>,
}

impl<F: ReplicasFactory> Clone for Binder<F> {
    fn clone(&self) -> Self {
        Binder { handle: Arc::clone(&self.handle) }
    }
}

impl<F: ReplicasFactory> Binder<F> {
    /// A binder and its task, which the caller spawns on the control runtime. The task ends when all handles and all
    /// bindings are gone.
    pub fn new(
        interpreter: impl Into<Interpreter>,
        base_dtab: Dtab,
        factory: F,
        settings: BinderSettings,
    ) -> (Binder<F>, impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::new(Shared {
            inbox: Arc::new(Inbox { mail: Mutex::default(), bell: Notify::new() }),
            table: Mutex::default(),
            counters: Counters::default(),
            dtab: ArcSwap::from_pointee(base_dtab.clone()),
            next: AtomicU64::new(0),
        });
        let engine = Engine::new(interpreter.into(), base_dtab, factory, settings, Arc::clone(&shared));
        (Binder { handle: Arc::new(Handle { shared }) }, engine.run())
    }

    /// The binding of `path` under the base dtab followed by `local`: an existing one while somebody holds it, else a
    /// new one whose first answer [`Binding::ready`] awaits. Takes a short lock; for cache misses.
    pub fn bind(&self, path: &Path, local: &Dtab) -> Arc<Binding<F::Replicas>> {
        let shared = &self.handle.shared;
        let binding = {
            let mut table = shared.table.lock();
            let slot = table.entry((path.clone(), local.clone())).or_default();
            if let Some(binding) = slot.upgrade() {
                return binding;
            }
            let serial = shared.next.fetch_add(1, Ordering::Relaxed);
            let inbox = Arc::clone(&shared.inbox);
            let binding = Arc::new(Binding::new(serial, path.clone(), local.clone(), inbox));
            *slot = Arc::downgrade(&binding);
            binding
        };
        shared.inbox.put(|mail| mail.opened.push(Arc::downgrade(&binding)));
        binding
    }

    /// Replaces the base dtab; all names are bound again, the busiest first.
    pub fn set_dtab(&self, dtab: Dtab) {
        self.handle.shared.dtab.store(Arc::new(dtab.clone()));
        let now = Instant::now();
        self.handle.shared.inbox.put(|mail| {
            let heard = mail.dtab.take().map_or(now, |(_, heard)| heard);
            mail.dtab = Some((dtab, heard));
        });
    }

    /// How `path` is bound as things are now, under the base dtab followed by `local`: worked out by the task, when it has
    /// nothing better to do. `None` where the interpreter cannot show it, or the task has ended.
    pub fn delegated(
        &self,
        path: &Path,
        local: &Dtab,
    ) -> impl Future<Output = Option<Delegation>> + Send + use<F> {
        let (answer, answered) = oneshot::channel();
        let question = Question { path: path.clone(), local: local.clone(), answer };
        self.handle.shared.inbox.put(|mail| mail.asked.push(question));
        async move { answered.await.ok() }
    }

    /// The ids in use, each with the addresses its entry was last told of, in no order: as the task has them when it gets
    /// to it. `None` when the task has ended.
    pub fn held(&self) -> impl Future<Output = Option<Vec<(Path, Addr)>>> + Send + use<F> {
        let (answer, answered) = oneshot::channel();
        self.handle.shared.inbox.put(|mail| mail.census.push(answer));
        async move { answered.await.ok() }
    }

    /// The base dtab as last set: the same one until it is set again.
    #[must_use]
    pub fn dtab(&self) -> Arc<Dtab> {
        self.handle.shared.dtab.load_full()
    }

    /// What the task has done so far and held after its last turn.
    #[must_use]
    pub fn stats(&self) -> BinderStats {
        let counters = &self.handle.shared.counters;
        BinderStats {
            bind_runs: counters.bind_runs.load(Ordering::Relaxed),
            address_runs: counters.address_runs.load(Ordering::Relaxed),
            bindings: counters.bindings.load(Ordering::Relaxed),
            leaves: counters.leaves.load(Ordering::Relaxed),
            watches: counters.watches.load(Ordering::Relaxed),
        }
    }
}

impl<F: ReplicasFactory> fmt::Debug for Binder<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binder").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
