//! A worker's idle connections to back ends: most recent first, none of them dead, none older than it may be.

mod slots;
mod upstream;

pub(crate) use slots::{Entry, Grant, Slot, Slots};
pub(crate) use upstream::Upstream;

use balance::Nanos;
use router::Endpoint;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Endpoint ids are unique numbers already.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Spread consecutive ids over the high bits, which choose the group in the table.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Idle connections by endpoint.
#[derive(Default)]
pub(crate) struct Pool {
    idle: HashMap<u64, Vec<Upstream>, BuildHasherDefault<IdHasher>>,
}

impl Pool {
    /// The connection used last that is still open and not too old.
    pub(crate) fn take(&mut self, endpoint: u64, now: Nanos) -> Option<Upstream> {
        let idle = self.idle.get_mut(&endpoint)?;
        while let Some(mut upstream) = idle.pop() {
            upstream.wake();
            if upstream.is_quiet() && !upstream.is_over(now) {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose exchange has ended cleanly, or gives it to whoever waits for one.
    pub(crate) fn put(&mut self, mut upstream: Upstream, now: Nanos) {
        if upstream.is_over(now) {
            return;
        }
        if let Some(upstream) = upstream.offer() {
            self.idle.entry(upstream.endpoint().id).or_default().push(upstream);
        }
    }

    /// Closes the idle connections of an endpoint: none of them is trusted.
    pub(crate) fn forget(&mut self, endpoint: &Endpoint) {
        for mut upstream in self.idle.remove(&endpoint.id).unwrap_or_default() {
            upstream.wake();
            upstream.close();
        }
    }

    /// Gives idle connections of an endpoint to those who wait for one, on whatever worker.
    pub(crate) fn share(&mut self, endpoint: u64) {
        if let Some(idle) = self.idle.get_mut(&endpoint) {
            share(idle);
        }
    }

    /// Closes connections that ended, are too old, or whose endpoint discovery has dropped. Run about once a second.
    pub(crate) fn sweep(&mut self, now: Nanos) {
        self.idle.retain(|_, idle| {
            idle.retain_mut(|upstream| {
                let kept = upstream.is_wanted() && upstream.is_quiet() && !upstream.is_over(now);
                if !kept {
                    upstream.wake();
                }
                kept
            });
            share(idle);
            if idle.capacity() > 2 * idle.len() + 16 {
                idle.shrink_to_fit();
            }
            !idle.is_empty()
        });
    }
}

fn share(idle: &mut Vec<Upstream>) {
    while idle.last().is_some_and(Upstream::is_awaited)
        && let Some(mut upstream) = idle.pop()
    {
        upstream.wake();
        if !upstream.is_quiet() {
            continue;
        }
        if let Some(upstream) = upstream.offer() {
            idle.push(upstream);
            return;
        }
    }
}
