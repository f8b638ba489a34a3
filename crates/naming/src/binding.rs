//! What traffic holds of a name: the last good tree, readable at any time by any thread without a lock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use names::{Dtab, NameTree, Path};
use tokio::sync::Notify;

use crate::binder::Inbox;

/// One way a request can go.
#[derive(Debug)]
pub struct Leaf<R> {
    /// Names the replica set.
    pub id: Path,
    /// What the namer left of the path.
    pub residual: Path,
    /// The router's entry for the replica set, one for all leaves with this id.
    pub replicas: Arc<R>,
    /// False while discovery cannot say more of the addresses than they were.
    pub(crate) sound: Arc<AtomicBool>,
}

/// A bound tree, simplified and without `Alt`.
pub type BoundTree<R> = NameTree<Arc<Leaf<R>>>;

/// What a name is bound to.
#[derive(Debug)]
pub enum Bound<R> {
    /// Where requests go.
    Tree(BoundTree<R>),
    /// Why the name could not be bound; only before the first tree.
    Failed(Arc<str>),
}

/// A path and the dtab of its requests, bound for as long as somebody holds this.
///
/// Remembers the last good tree: whatever happens to discovery after that, traffic goes on as before.
pub struct Binding<R> {
    pub(crate) serial: u64,
    path: Path,
    local: Dtab,
    cell: ArcSwapOption<Bound<R>>,
    bell: Notify,
    heat: AtomicU64,
    sound: AtomicBool,
    inbox: Arc<Inbox<R>>,
}

impl<R> Binding<R> {
    pub(crate) fn new(serial: u64, path: Path, local: Dtab, inbox: Arc<Inbox<R>>) -> Binding<R> {
        Binding {
            serial,
            path,
            local,
            cell: ArcSwapOption::empty(),
            bell: Notify::new(),
            heat: AtomicU64::new(0),
            sound: AtomicBool::new(true),
            inbox,
        }
    }

    /// The name that is bound.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The dtab of its requests, which follows the base dtab.
    pub fn local(&self) -> &Dtab {
        &self.local
    }

    /// What the name is bound to; `None` until the first answer.
    pub fn current(&self) -> Option<Arc<Bound<R>>> {
        self.cell.load_full()
    }

    /// The same without a reference count, for the request path.
    pub fn load(&self) -> Guard<Option<Arc<Bound<R>>>> {
        self.cell.load()
    }

    /// Adds to the heat by which the binder chooses what to bind first. Called about once a second by each worker with
    /// the number of requests since.
    pub fn touch(&self, hits: u64) {
        self.heat.fetch_add(hits, Ordering::Relaxed);
    }

    /// Whether discovery stands behind what the name is bound to. While it does not, because a namer or an address
    /// source has failed or cannot be asked, what is held here is the last that was known and could not be had again.
    /// Looks at every leaf, so not for the request path.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let leaves_are = match self.load().as_deref() {
            Some(Bound::Tree(tree)) => tree.leaves().all(|leaf| leaf.sound.load(Ordering::Relaxed)),
            _ => true,
        };
        leaves_are && self.sound.load(Ordering::Relaxed)
    }

    pub(crate) fn set_sound(&self, sound: bool) {
        self.sound.store(sound, Ordering::Relaxed);
    }

    pub(crate) fn heat(&self) -> u64 {
        self.heat.load(Ordering::Relaxed)
    }

    /// Lets older requests count less. A hit between the two steps may be lost; only the order depends on it.
    pub(crate) fn cool(&self) {
        self.heat.store(self.heat() / 2, Ordering::Relaxed);
    }

    pub(crate) fn store(&self, bound: Bound<R>) {
        self.cell.store(Some(Arc::new(bound)));
        self.bell.notify_waiters();
    }
}

impl<R: Send + Sync + 'static> Binding<R> {
    /// Waits until [`Binding::current`] is `Some`. May be awaited on any runtime; holds the binding meanwhile.
    pub fn ready(self: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let binding = Arc::clone(self);
        Box::pin(async move {
            loop {
                let rung = binding.bell.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                if binding.load().is_some() {
                    return;
                }
                rung.await;
            }
        })
    }
}

impl<R> Drop for Binding<R> {
    fn drop(&mut self) {
        self.inbox.dropped(self.serial, &self.path, &self.local);
    }
}

impl<R> fmt::Debug for Binding<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("path", &self.path)
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}
