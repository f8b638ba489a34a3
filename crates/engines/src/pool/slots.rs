//! How many connections an endpoint has, may have, and who waits for one: `hostConnectionPool` in the whole process
//! (dataplane.md §6.2).
//!
//! Connections belong to workers, their number to the endpoint. Each connection, from before it is dialled until it is
//! closed, holds a [`Slot`]. One atomic word counts slots and waiting requests together, so the uncontended path is one
//! compare-and-swap for a *connection*; a request on a pooled connection touches only its worker's own count of idle ones,
//! and that only where `maxSize` is set at all.
//!
//! A request that finds no slot queues, under a lock. Slots and connections that become free go to the head of that
//! queue, never past it, so requests are served in the order in which they came, on whatever worker they are:
//! - a slot (its connection was closed) lets the request dial;
//! - a connection of the same worker is handed over as it is;
//! - a connection of another worker moves: its descriptor leaves that worker's poller and joins the new one's.
//!
//! An idle connection on another worker must not keep a request waiting, nor have it refused: `maxWaiters` counts those for
//! whom no connection idles anywhere. So whoever begins to wait tells the workers that
//! have idle ones to share them ([`Turn::holders`]). "Count as idle, then look for waiting requests" on one side, "count as
//! waiting, then look for idle connections" on the other, all in one order (`SeqCst`): they cannot miss each other.

use super::upstream::{Parcel, Upstream};
use parking_lot::Mutex;
use router::{Endpoint, PoolSettings};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// One waiting request in the high half of the word.
const WAITER: u64 = 1 << 32;

/// The connections of one endpoint.
#[derive(Debug)]
pub(crate) struct Slots {
    max: u32,
    max_waiters: u32,
    /// Open or being opened (low half), waiting requests (high half; changed under the lock only).
    count: AtomicU64,
    /// Idle connections of each worker.
    idle: Box<[AtomicU32]>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiters: VecDeque<Waiter>,
    tickets: u64,
}

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    ticket: u64,
    pub(super) worker: usize,
    answer: oneshot::Sender<Grant>,
}

/// What a waiting request gets.
#[derive(Debug)]
pub(crate) enum Grant {
    /// Leave to dial.
    Dial(Slot),
    /// A connection of its worker.
    Here(Upstream),
    /// A connection of another worker.
    Elsewhere(Box<Parcel>),
}

/// A place among an endpoint's connections; dropping it gives it to the next request.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` when it was given up.
    slots: Option<Arc<Slots>>,
    /// Whether anybody may have to wait for it.
    limited: bool,
    /// The worker it is counted as idle for.
    idle: Option<usize>,
}

/// How a request that needs a connection of its own is received.
pub(crate) enum Entry {
    /// It may dial.
    Slot(Slot),
    /// It has to wait.
    Wait(Turn),
    /// Too many wait already.
    Full,
}

/// A place in the queue; a future of what it brings.
pub(crate) struct Turn {
    slots: Arc<Slots>,
    worker: usize,
    ticket: u64,
    answer: oneshot::Receiver<Grant>,
    /// A connection idles for it on another worker: it has to be fetched, not waited for.
    borrows: bool,
}

fn open(count: u64) -> u32 {
    count as u32
}

fn waiting(count: u64) -> u32 {
    (count >> 32) as u32
}

impl Slots {
    fn new(settings: &PoolSettings, workers: usize) -> Slots {
        Slots {
            max: settings.max,
            max_waiters: settings.max_waiters,
            count: AtomicU64::new(0),
            idle: (0..workers).map(|_| AtomicU32::new(0)).collect(),
            queue: Mutex::default(),
        }
    }

    /// Those of an endpoint; `None` where the number of its connections is nobody's concern.
    pub(crate) fn of(endpoint: &Endpoint, workers: usize) -> Option<Arc<Slots>> {
        let settings = &endpoint.connection().pool;
        let counted = settings.max < PoolSettings::UNLIMITED || settings.idle.is_some();
        counted.then(|| endpoint.shared(|| Arc::new(Slots::new(settings, workers))).clone())
    }

    /// A slot, if one is free and nobody waits.
    fn try_enter(&self) -> bool {
        let next = |count| (waiting(count) == 0 && open(count) < self.max).then_some(count + 1);
        self.count.fetch_update(SeqCst, SeqCst, next).is_ok()
    }

    /// A request of `worker` needs a connection that is not pooled there.
    pub(crate) fn enter(self: &Arc<Self>, worker: usize) -> Entry {
        if self.try_enter() {
            return Entry::Slot(Slot::new(self));
        }
        let mut queue = self.queue.lock();
        let borrows = loop {
            if self.try_enter() {
                return Entry::Slot(Slot::new(self));
            }
            let count = self.count.load(SeqCst);
            if waiting(count) == 0 && open(count) < self.max {
                // One has become free since.
                continue;
            }
            let idle = self.idle.iter().map(|n| n.load(SeqCst)).sum::<u32>();
            if waiting(count) >= self.max_waiters.saturating_add(idle) {
                return Entry::Full;
            }
            if self.count.compare_exchange(count, count + WAITER, SeqCst, SeqCst).is_ok() {
                break waiting(count) < idle;
            }
        };
        let (tell, answer) = oneshot::channel();
        queue.tickets += 1;
        let ticket = queue.tickets;
        queue.waiters.push_back(Waiter { ticket, worker, answer: tell });
        drop(queue);
        Entry::Wait(Turn { slots: self.clone(), worker, ticket, answer, borrows })
    }

    /// The request that has waited longest.
    fn next_waiter(&self) -> Option<Waiter> {
        let mut queue = self.queue.lock();
        let waiter = queue.waiters.pop_front()?;
        self.count.fetch_sub(WAITER, SeqCst);
        Some(waiter)
    }

    /// Takes a request that has lost interest out of the queue.
    fn leave(&self, ticket: u64) {
        let mut queue = self.queue.lock();
        // Tickets are in order.
        if let Ok(at) = queue.waiters.binary_search_by_key(&ticket, |w| w.ticket) {
            queue.waiters.remove(at);
            self.count.fetch_sub(WAITER, SeqCst);
        }
    }

    /// A connection was closed.
    fn release(self: &Arc<Self>) {
        loop {
            let free = |count| (waiting(count) == 0).then(|| count - 1);
            if self.count.fetch_update(SeqCst, SeqCst, free).is_ok() {
                return;
            }
            // Dropping what comes back from a request that is gone would be this very function again.
            if let Some(waiter) = self.next_waiter() {
                match waiter.give(Grant::Dial(Slot::new(self))) {
                    None => return,
                    Some(Grant::Dial(mut slot)) => slot.slots = None,
                    Some(_) => return,
                }
            }
        }
    }
}

impl Waiter {
    /// Gives it what it waits for; comes back when it waits no more.
    pub(super) fn give(self, grant: Grant) -> Option<Grant> {
        self.answer.send(grant).err()
    }
}

impl Grant {
    /// As a connection of `worker`, the caller's; `None` when it is none or could not be moved.
    pub(crate) fn unpack(self, worker: usize) -> Option<Upstream> {
        match self {
            Grant::Here(upstream) => Some(upstream),
            Grant::Elsewhere(parcel) => parcel.unpack(worker),
            Grant::Dial(_) => None,
        }
    }
}

impl Slot {
    fn new(slots: &Arc<Slots>) -> Slot {
        Slot { slots: Some(slots.clone()), limited: slots.max < PoolSettings::UNLIMITED, idle: None }
    }

    /// Counts its connection as an idle one of a worker, or as idle no more.
    pub(super) fn set_idle(&mut self, worker: Option<usize>) {
        let Some(slots) = self.slots.as_ref().filter(|_| self.limited) else { return };
        let was = std::mem::replace(&mut self.idle, worker);
        let cell = |worker: usize| slots.idle.get(worker);
        if let Some(cell) = was.and_then(cell) {
            cell.fetch_sub(1, SeqCst);
        }
        if let Some(cell) = worker.and_then(cell) {
            cell.fetch_add(1, SeqCst);
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        // No look at what all workers write where nobody can be waiting.
        self.limited && self.slots.as_ref().is_some_and(|slots| waiting(slots.count.load(SeqCst)) > 0)
    }

    pub(super) fn next_waiter(&self) -> Option<Waiter> {
        self.slots.as_ref()?.next_waiter()
    }

    /// Gives it up unless so few connections are open that all must stay. Nobody can be waiting for it: then it would not
    /// be idle.
    pub(super) fn give_up_above(&mut self, min: u32) -> bool {
        let Some(slots) = &self.slots else { return false };
        let fewer = |count| (waiting(count) == 0 && open(count) > min).then(|| count - 1);
        if slots.count.fetch_update(SeqCst, SeqCst, fewer).is_err() {
            return false;
        }
        self.set_idle(None);
        self.slots = None;
        true
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.set_idle(None);
        if let Some(slots) = self.slots.take() {
            slots.release();
        }
    }
}

impl Turn {
    /// Whether there is an idle connection for it: then it is none of those that wait, for limits and metrics alike.
    pub(crate) fn borrows(&self) -> bool {
        self.borrows
    }

    /// Workers with idle connections that this request could use.
    pub(crate) fn holders(&self) -> impl Iterator<Item = usize> {
        let idle = self.slots.idle.iter().enumerate();
        idle.filter(|(_, n)| n.load(SeqCst) > 0).map(|(worker, _)| worker)
    }
}

impl Future for Turn {
    /// `None`: nothing came of it.
    type Output = Option<Grant>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Grant>> {
        Pin::new(&mut self.answer).poll(cx).map(Result::ok)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.slots.leave(self.ticket);
        self.answer.close();
        // What was given in the last moment goes to the next one: a connection is closed, which frees its slot.
        // This may be behind the end of the runtime, where nothing can be registered any more.
        match self.answer.try_recv() {
            Ok(Grant::Elsewhere(parcel)) => parcel.discard(self.worker),
            given => drop(given),
        }
    }
}

#[cfg(test)]
mod tests;
