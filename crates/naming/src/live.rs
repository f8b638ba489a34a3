//! Live values: the newest state of something that changes, shared between whoever watches it and whoever reads it.
//!
//! A watch (a file, a DNS name, an API object) owns a [`Publisher`]; readers own [`Live`] handles. Holding a handle *is*
//! the observation: when the last one has been gone for the linger time, the watch may close. Only the newest state is
//! kept. A [`Hook`] lets one consumer follow thousands of values without a task for each.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a watch outlives its last reader.
pub const LINGER: Duration = Duration::from_secs(30);

/// What is known of a value: not yet, this, or why not. A failure is shown as it is; whoever wants to keep the last good
/// value does so itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State<T> {
    /// Nothing is known yet.
    Pending,
    /// The newest value.
    Ok(T),
    /// Why there is no value now.
    Failed(Arc<str>),
}

impl<T> State<T> {
    /// A failure with its text.
    pub fn failed(text: impl Into<Arc<str>>) -> State<T> {
        State::Failed(text.into())
    }

    /// The same state of another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> State<U> {
        match self {
            State::Pending => State::Pending,
            State::Ok(value) => State::Ok(f(value)),
            State::Failed(text) => State::Failed(text),
        }
    }

    /// The value, when there is one.
    pub fn ok(self) -> Option<T> {
        match self {
            State::Ok(value) => Some(value),
            _ => None,
        }
    }

    /// True until something is known.
    pub const fn is_pending(&self) -> bool {
        matches!(self, State::Pending)
    }
}

/// Names one live value for as long as somebody holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(usize);

/// Told that a value has changed. Called on the thread that published, under no lock; must be quick.
pub trait Hook: Send + Sync + 'static {
    /// `source` has a newer state than any read before this call; word of it came at `heard`.
    fn changed(&self, source: SourceId, heard: Instant);
}

/// A live value whatever its type: what a reader notes down as a dependency.
pub trait Source: Send + Sync {
    /// Its name, valid while a [`Subscription`] or [`Live`] of it exists.
    fn id(&self) -> SourceId;
    /// Observes the value and calls `hook` at every change from now on, until the subscription is dropped. A state read
    /// after this call is either the newest or `hook` will be called.
    fn subscribe(&self, hook: Arc<dyn Hook>) -> Subscription;
    /// False while the state is a failure, or what was known before whoever is asked for it stopped to answer
    /// ([`Publisher::doubt`]). A value that was never known is sound: nothing is lost with it.
    fn is_sound(&self) -> bool;
}

struct Inner<T> {
    state: State<T>,
    /// The state is the last known one; it cannot be asked for at present.
    doubtful: bool,
    version: u64,
    readers: usize,
    idle_since: Instant,
    next_hook: u64,
    hooks: Vec<(u64, Arc<dyn Hook>)>,
}

struct Cell<T> {
    inner: Mutex<Inner<T>>,
    bell: Notify,
}

impl<T> Cell<T> {
    fn id(self: &Arc<Self>) -> SourceId {
        SourceId(Arc::as_ptr(self).cast::<()>() as usize)
    }

    fn enter(&self) {
        self.inner.lock().readers += 1;
    }

    fn leave(&self) {
        let last = {
            let mut inner = self.inner.lock();
            inner.readers -= 1;
            if inner.readers == 0 {
                inner.idle_since = Instant::now();
            }
            inner.readers == 0
        };
        if last {
            self.bell.notify_waiters();
        }
    }
}

/// The writing end, owned by the watch behind the value.
pub struct Publisher<T> {
    cell: Arc<Cell<T>>,
}

impl<T> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Publisher { cell: Arc::clone(&self.cell) }
    }
}

impl<T: Clone + PartialEq + Send + 'static> Default for Publisher<T> {
    fn default() -> Self {
        Publisher::new(State::Pending)
    }
}

impl<T: Clone + PartialEq + Send + 'static> Publisher<T> {
    /// A value that nobody reads yet.
    #[must_use]
    pub fn new(state: State<T>) -> Publisher<T> {
        let inner = Inner {
            state,
            doubtful: false,
            version: 0,
            readers: 0,
            idle_since: Instant::now(),
            next_hook: 0,
            hooks: Vec::new(),
        };
        Publisher { cell: Arc::new(Cell { inner: Mutex::new(inner), bell: Notify::new() }) }
    }

    /// Makes `state` the newest, beyond doubt. Readers hear of it only when it differs from the one before.
    pub fn set(&self, state: State<T>) {
        self.set_heard(state, Instant::now());
    }

    /// The same with the moment at which word of it came, where that was earlier: hooks are told, so that whoever puts the
    /// state to use knows how long that took.
    pub fn set_heard(&self, state: State<T>, heard: Instant) {
        self.update(heard, |inner| {
            let sounder = std::mem::take(&mut inner.doubtful);
            if inner.state == state {
                return (sounder, false);
            }
            inner.state = state;
            inner.version += 1;
            (true, true)
        });
    }

    /// Notes that the state cannot be asked for at present, so that it is only the last one known. It stays as it is;
    /// the next [`Publisher::set`] ends the doubt. Hooks hear of it, waiting readers do not.
    pub fn doubt(&self) {
        self.update(Instant::now(), |inner| (!std::mem::replace(&mut inner.doubtful, true), false));
    }

    /// Changes the cell; `change` tells whether hooks are called and whether waiting readers are woken.
    fn update(&self, heard: Instant, change: impl FnOnce(&mut Inner<T>) -> (bool, bool)) {
        let (hooks, wake): (Vec<Arc<dyn Hook>>, bool) = {
            let mut inner = self.cell.inner.lock();
            let (call, wake) = change(&mut inner);
            let hooks = inner.hooks.iter().filter(|_| call).map(|(_, hook)| Arc::clone(hook)).collect();
            (hooks, wake)
        };
        let id = self.cell.id();
        for hook in hooks {
            hook.changed(id, heard);
        }
        if wake {
            self.cell.bell.notify_waiters();
        }
    }

    /// The newest state.
    pub fn get(&self) -> State<T> {
        self.cell.inner.lock().state.clone()
    }

    /// A reading handle; from now on the value is observed.
    #[must_use]
    pub fn live(&self) -> Live<T> {
        self.cell.enter();
        Live { seen: self.cell.inner.lock().version, cell: Arc::clone(&self.cell) }
    }

    /// True while a reader or a subscription exists.
    pub fn is_observed(&self) -> bool {
        self.cell.inner.lock().readers > 0
    }

    /// Since how long nobody has read the value; `None` while somebody does. A value that was never read is idle since
    /// it was made.
    pub fn idle_for(&self) -> Option<Duration> {
        let inner = self.cell.inner.lock();
        (inner.readers == 0).then(|| Instant::now().saturating_duration_since(inner.idle_since))
    }

    /// Waits until nobody has read the value for `linger`. The owner of the watch then takes the value out of its table
    /// under the table's lock, asking [`Publisher::idle_for`] once more there, because a reader may just have come.
    pub async fn closed(&self, linger: Duration) {
        loop {
            let rung = self.cell.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            match self.idle_for() {
                None => rung.await,
                Some(idle) if idle >= linger => return,
                Some(idle) => tokio::time::sleep(linger - idle).await,
            }
        }
    }
}

/// The reading end. Cloning it observes once more; dropping it stops that observation.
pub struct Live<T> {
    cell: Arc<Cell<T>>,
    seen: u64,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        self.cell.enter();
        Live { cell: Arc::clone(&self.cell), seen: self.seen }
    }
}

impl<T> Drop for Live<T> {
    fn drop(&mut self) {
        self.cell.leave();
    }
}

impl<T: Clone> Live<T> {
    /// The newest state, at once.
    pub fn get(&self) -> State<T> {
        self.cell.inner.lock().state.clone()
    }

    /// Waits for a state newer than the one this handle last returned from here (or than the one at its creation), and
    /// returns the newest. States in between are skipped. Cancel-safe.
    pub async fn changed(&mut self) -> State<T> {
        loop {
            let rung = self.cell.bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            {
                let inner = self.cell.inner.lock();
                if inner.version != self.seen {
                    self.seen = inner.version;
                    return inner.state.clone();
                }
            }
            rung.await;
        }
    }
}

impl<T: Send + 'static> Source for Live<T> {
    fn id(&self) -> SourceId {
        self.cell.id()
    }

    fn subscribe(&self, hook: Arc<dyn Hook>) -> Subscription {
        let id = {
            let mut inner = self.cell.inner.lock();
            inner.readers += 1;
            let id = inner.next_hook;
            inner.next_hook += 1;
            inner.hooks.push((id, hook));
            id
        };
        Subscription { cell: Arc::clone(&self.cell) as Arc<dyn Hooked>, id }
    }

    fn is_sound(&self) -> bool {
        let inner = self.cell.inner.lock();
        !inner.doubtful && !matches!(inner.state, State::Failed(_))
    }
}

/// What a subscription needs of its cell, without the type of the value.
trait Hooked: Send + Sync {
    fn unhook(&self, id: u64);
}

impl<T: Send> Hooked for Cell<T> {
    fn unhook(&self, id: u64) {
        let hook = {
            let mut inner = self.inner.lock();
            let at = inner.hooks.iter().position(|(other, _)| *other == id);
            at.map(|at| inner.hooks.swap_remove(at))
        };
        drop(hook);
        self.leave();
    }
}

/// An observation with a hook; both end when it is dropped.
pub struct Subscription {
    cell: Arc<dyn Hooked>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.cell.unhook(self.id);
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Live").field(&self.cell.inner.lock().state).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.cell.inner.lock().state).finish()
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
