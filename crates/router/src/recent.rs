//! The latest requests, for the page `/requests` (observability.md §6.4): a few of the requests, in a ring for each worker.
//!
//! Costs one comparison where it is not configured, and for requests that are not sampled one more.

use crate::exchange::Exchange;
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One request that a back end answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// When it came, nanoseconds since the Unix epoch.
    pub at: u64,
    /// The caller.
    pub source: IpAddr,
    /// The server it came to, as configured: `0.0.0.0/4140`.
    pub server: String,
    /// The router's label.
    pub router: String,
    /// The service: `/svc/web`.
    pub service: String,
    /// The bound id: `/#/io.l5d.fs/web`.
    pub client: String,
    /// The replica.
    pub destination: SocketAddr,
}

/// The requests that are remembered. Clones are the same memory.
#[derive(Clone, Debug)]
pub struct RecentRequests(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Trace ids below this are taken.
    below: u64,
    capacity: usize,
    /// One for each worker: its lock is contended only while the page is made, and then the request is left out.
    rings: Box<[Mutex<Ring>]>,
}

#[derive(Debug, Default)]
struct Ring {
    list: Vec<Recent>,
    /// The oldest, once the list is full.
    next: usize,
}

impl RecentRequests {
    /// Remembers the last `capacity` (at least 1) of that part of the requests (0 to 1) that `rate` says.
    #[must_use]
    pub fn new(workers: usize, capacity: usize, rate: f64) -> RecentRequests {
        // All bits of a trace id are random; a rate of 1 takes every one.
        let below = if rate >= 1.0 { u64::MAX } else { (rate.max(0.0) * u64::MAX as f64) as u64 };
        let rings = (0..workers).map(|_| Mutex::default()).collect();
        RecentRequests(Arc::new(Shared { below, capacity: capacity.max(1), rings }))
    }

    /// The newest first, at most as many as are to be shown.
    #[must_use]
    pub fn list(&self) -> Vec<Recent> {
        let mut all: Vec<Recent> = self.0.rings.iter().flat_map(|ring| ring.lock().list.clone()).collect();
        all.sort_by_key(|recent| std::cmp::Reverse(recent.at));
        all.truncate(self.0.capacity);
        all
    }

    /// A request has ended; `arrived` is its wall time. Those that no replica answered are left out.
    #[inline]
    pub(crate) fn note(&self, ex: &Exchange, router: &str, arrived: u64) {
        let takes = self.0.below == u64::MAX || spread(ex.trace.trace) < self.0.below;
        if takes {
            self.take(ex, router, arrived);
        }
    }

    #[cold]
    fn take(&self, ex: &Exchange, router: &str, arrived: u64) {
        let (Some(entry), Some(attempt)) = (&ex.entry, &ex.attempt) else { return };
        let Some(mut ring) = self.0.rings.get(ex.worker).and_then(Mutex::try_lock) else { return };
        let slot = ring.slot(self.0.capacity);
        slot.at = arrived;
        slot.source = ex.peer;
        slot.destination = attempt.endpoint.address;
        let texts = [
            (&mut slot.server, &*ex.server.settings.label),
            (&mut slot.router, router),
            (&mut slot.service, &*entry.service.shown),
            (&mut slot.client, &*attempt.client().shown),
        ];
        for (into, text) in texts {
            into.clear();
            into.push_str(text);
        }
    }
}

impl Ring {
    /// The place of the next request: a new one, or that of the oldest.
    fn slot(&mut self, capacity: usize) -> &mut Recent {
        let at = if self.list.len() < capacity {
            let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
            let [server, router, service, client] = Default::default();
            let (at, source, destination) = (0, nobody.ip(), nobody);
            self.list.push(Recent { at, source, server, router, service, client, destination });
            self.list.len() - 1
        } else {
            let oldest = self.next;
            self.next = (oldest + 1) % self.list.len();
            oldest
        };
        &mut self.list[at]
    }
}

/// Ids that callers make up need not be random: spreads them over all numbers.
fn spread(id: u64) -> u64 {
    let mixed = (id ^ (id >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_holds_the_newest() {
        let recent = RecentRequests::new(2, 3, 1.0);
        for at in 1..=8 {
            let mut ring = recent.0.rings[at % 2].lock();
            ring.slot(3).at = at as u64;
        }
        let ats: Vec<u64> = recent.list().iter().map(|r| r.at).collect();
        assert_eq!(ats, [8, 7, 6]);
    }

    #[test]
    fn rates_take_their_part_of_consecutive_ids() {
        for rate in [0.0, 0.25, 0.9] {
            let below = RecentRequests::new(1, 1, rate).0.below;
            let taken = (0..10_000u64).filter(|id| spread(*id) < below).count() as f64;
            assert!((taken / 10_000.0 - rate).abs() < 0.03, "{rate}: {taken}");
        }
        assert_eq!(RecentRequests::new(1, 1, 1.0).0.below, u64::MAX);
    }
}
