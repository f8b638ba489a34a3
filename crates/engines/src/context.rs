//! What the connections of one worker share. All of it lives on the worker's thread: no lock, no atomic.

use crate::clock::Clock;
use crate::http1::{Compressors, Work};
use crate::pool::Pool;
use crate::worker::Peers;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

/// Bytes read at once. Also the most that is buffered for one direction of an exchange.
pub(crate) const READ_SIZE: usize = 16 << 10;
/// Buffers and work areas kept for the next exchanges; more are freed.
const MOST_SPARE: usize = 64;
/// A buffer that grew beyond this is freed instead of kept.
const MOST_KEPT: usize = 64 << 10;

/// State of one worker.
pub(crate) struct Context {
    pub(crate) clock: Clock,
    pub(crate) worker: usize,
    pub(crate) pool: RefCell<Pool>,
    /// Where bytes are read to; holds nothing from one poll to the next.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    buffers: RefCell<Vec<Vec<u8>>>,
    /// Boxed, because a connection holds its area by one pointer and none while it waits.
    #[expect(clippy::vec_box, reason = "the boxes themselves are what is recycled")]
    works: RefCell<Vec<Box<Work>>>,
    pub(crate) compressors: RefCell<Compressors>,
    pub(crate) connections: Connections,
    pub(crate) peers: Peers,
}

impl Context {
    pub(crate) fn new(clock: Clock, worker: usize, live: Arc<AtomicUsize>, peers: Peers) -> Context {
        Context {
            clock,
            worker,
            peers,
            pool: RefCell::default(),
            scratch: RefCell::new(vec![0; READ_SIZE].into_boxed_slice()),
            buffers: RefCell::default(),
            works: RefCell::default(),
            compressors: RefCell::default(),
            connections: Connections { draining: Cell::new(Draining::No), slots: RefCell::default(), live },
        }
    }

    /// An empty buffer.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a buffer back.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < MOST_SPARE && (1..=MOST_KEPT).contains(&buffer.capacity()) {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// A work area for an exchange.
    pub(crate) fn work(&self) -> Box<Work> {
        self.works.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a work area back.
    pub(crate) fn done(&self, mut work: Box<Work>) {
        work.clear(self);
        let mut works = self.works.borrow_mut();
        if works.len() < MOST_SPARE && work.capacity() <= MOST_KEPT {
            works.push(work);
        }
    }

    /// Frees what is kept for a load that has passed. Run about once a second.
    pub(crate) fn trim(&self) {
        self.buffers.borrow_mut().truncate(MOST_SPARE / 4);
        self.works.borrow_mut().truncate(MOST_SPARE / 4);
        self.compressors.borrow_mut().trim();
    }
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Draining {
    /// Not at all.
    No,
    /// Answers carry `Connection: close`.
    Announce,
    /// Idle connections close as well.
    Close,
}

/// The worker's connections to callers: how many, and how to wake them.
pub(crate) struct Connections {
    draining: Cell<Draining>,
    slots: RefCell<Slots>,
    /// Read by the acceptor, which hands a connection to the worker with the fewest.
    live: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Connections {
    pub(crate) fn draining(&self) -> Draining {
        self.draining.get()
    }

    /// Moves the drain on and wakes all connections, so that idle ones see it.
    pub(crate) fn drain(&self, draining: Draining) {
        self.draining.set(draining.max(self.draining.get()));
        self.wake();
    }

    /// Wakes all connections, so that idle ones look about them.
    pub(crate) fn wake(&self) {
        for waker in self.slots.borrow().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }

    /// Counts a connection that this worker accepted itself.
    pub(crate) fn begin(&self) -> Live {
        Live::begin(&self.live)
    }

    /// Takes a place for the connection whose task `waker` wakes.
    pub(crate) fn enter(&self, waker: Waker) -> usize {
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.free.pop() {
            slots.wakers[slot] = Some(waker);
            return slot;
        }
        slots.wakers.push(Some(waker));
        slots.wakers.len() - 1
    }

    /// Gives the place back.
    pub(crate) fn leave(&self, slot: usize) {
        let mut slots = self.slots.borrow_mut();
        slots.wakers[slot] = None;
        slots.free.push(slot);
        if slots.free.len() == slots.wakers.len() {
            *slots = Slots::default();
        }
    }
}

/// One of a worker's connections, from the moment it was handed over; its drop says that it is gone.
pub(crate) struct Live(Arc<AtomicUsize>);

impl Live {
    pub(crate) fn begin(count: &Arc<AtomicUsize>) -> Live {
        count.fetch_add(1, Ordering::AcqRel);
        Live(count.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
