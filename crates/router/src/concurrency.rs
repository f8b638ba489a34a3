//! `maxConcurrentRequests`: how many requests of one server may wait for their answer at a time (dataplane.md §3.1).
//!
//! One count for the whole process, whichever worker a request is on. As in Linkerd a request counts until its answer
//! begins: a long download, or a stream of events, takes no room from others.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Room for so many requests.
#[derive(Debug)]
pub(crate) struct Concurrency {
    most: u32,
    running: AtomicU32,
}

impl Concurrency {
    pub(crate) fn new(most: u32) -> Concurrency {
        Concurrency { most, running: AtomicU32::new(0) }
    }

    /// How many it is room for.
    pub(crate) fn most(&self) -> u32 {
        self.most
    }

    /// Takes a place; false when there is none. Each place taken must be given back by [`Concurrency::leave`].
    pub(crate) fn enter(&self) -> bool {
        self.running.fetch_update(Relaxed, Relaxed, |n| (n < self.most).then_some(n + 1)).is_ok()
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.running.fetch_sub(1, Relaxed);
    }

    /// Requests under way.
    pub(crate) fn running(&self) -> u32 {
        self.running.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering::SeqCst;

    #[test]
    fn places_are_taken_and_given_back() {
        let room = Concurrency::new(2);
        assert_eq!([room.enter(), room.enter(), room.enter()], [true, true, false]);
        assert_eq!(room.running(), 2);
        room.leave();
        assert!(room.enter() && !room.enter());
    }

    /// However many threads push, never more than the limit are inside, and in the end nobody is.
    #[test]
    fn the_limit_is_the_processs() {
        let (room, inside, broken) = (Concurrency::new(3), AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    for _ in 0..20_000 {
                        if room.enter() {
                            broken.fetch_or(inside.fetch_add(1, SeqCst) >= 3, SeqCst);
                            inside.fetch_sub(1, SeqCst);
                            room.leave();
                        }
                    }
                });
            }
        });
        assert!(!broken.load(SeqCst), "more than three at a time");
        assert_eq!((room.running(), room.enter()), (0, true));
    }
}
