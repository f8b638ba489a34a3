//! How busy and how slow an endpoint is, as all workers together see it (dataplane.md §6.3).

use crate::Nanos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Load of an endpoint nobody has measured yet but somebody waits for: it is asked only when all others look worse.
const PENALTY: f64 = (1u64 << 47) as f64;

/// A step smaller than this share of the average (16 units of an `f32`'s last place) waits for more time to have passed.
const NOTICEABLE: f32 = 1.0 / (1 << 20) as f32;

/// Outstanding requests and the peak-sensitive moving average of round-trip times of one endpoint.
///
/// Cost and the moment of its last change share one word: the upper half is the cost in nanoseconds as `f32` (0 = never
/// measured), the lower half the moment in milliseconds, wrapping after 49 days (an endpoint idle for longer than that may
/// look measured more recently than it was, for one request). A step too small for the precision of an `f32` is not taken,
/// and the moment stays too, so the passage of time is never rounded away.
#[derive(Debug)]
pub struct Load {
    cell: AtomicU64,
    outstanding: AtomicU32,
    /// 1 / decay time in milliseconds; 0 when round trips are not measured.
    inverse_decay: f32,
}

impl Load {
    /// Load whose average forgets with this time constant (`decayTimeMs`, at least 1 ms).
    #[must_use]
    pub fn measured(decay: Nanos) -> Load {
        let millis = (decay.0 as f64 / 1e6).max(1.0);
        Load { inverse_decay: (1.0 / millis) as f32, ..Load::counted() }
    }

    /// Load that counts outstanding requests only: `end` skips the average.
    #[must_use]
    pub const fn counted() -> Load {
        Load { cell: AtomicU64::new(0), outstanding: AtomicU32::new(0), inverse_decay: 0.0 }
    }

    /// A request is being sent. Each call is followed by exactly one [`Load::end`].
    #[inline]
    pub fn begin(&self) {
        self.outstanding.fetch_add(1, Relaxed);
    }

    /// A request ended. `rtt` is the time to its answer; `None` when there was none to learn from (never sent, cancelled).
    #[inline]
    pub fn end(&self, rtt: Option<Nanos>, now: Nanos) {
        let before = self.outstanding.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "end without begin");
        if let Some(rtt) = rtt
            && self.inverse_decay > 0.0
        {
            self.measure(rtt, now);
        }
    }

    /// Requests sent and not yet ended.
    #[inline]
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// The average in nanoseconds as of `now`, decayed since the last measurement; 0 when there was none.
    #[inline]
    pub fn cost(&self, now: Nanos) -> f64 {
        let (cost, stamp) = unpack(self.cell.load(Relaxed));
        if cost == 0.0 { 0.0 } else { f64::from(cost * weight(self.share(stamp, now))) }
    }

    /// What the `ewma` balancer compares: cost × (outstanding + 1), or a very large penalty plus the outstanding requests
    /// for an endpoint that was never measured and has some.
    #[inline]
    pub fn score(&self, now: Nanos) -> f64 {
        let (cost, outstanding) = (self.cost(now), f64::from(self.outstanding()));
        if cost == 0.0 && outstanding > 0.0 { PENALTY + outstanding } else { cost * (outstanding + 1.0) }
    }

    /// A slower answer than the average counts in full; a faster one pulls the average towards itself, the more the longer
    /// ago the last one was. Lost races lose one sample among many, except a peak, which tries again.
    fn measure(&self, rtt: Nanos, now: Nanos) {
        let rtt = rtt.0.max(1) as f32;
        let mut word = self.cell.load(Relaxed);
        loop {
            let (cost, stamp) = unpack(word);
            let next = if rtt >= cost {
                rtt
            } else {
                let share = self.share(stamp, now);
                let step = (cost - rtt) * (1.0 - weight(share));
                if step < cost * NOTICEABLE && share < 1.0 / 256.0 {
                    return;
                }
                cost - step
            };
            match self.cell.compare_exchange_weak(word, pack(next, stamp_of(now)), Relaxed, Relaxed) {
                Ok(_) => return,
                Err(seen) if rtt >= cost => word = seen,
                Err(_) => return,
            }
        }
    }

    /// The time since `stamp` in decay times.
    #[inline]
    fn share(&self, stamp: u32, now: Nanos) -> f32 {
        // Workers read their clocks at different moments: a stamp a little ahead of `now` is "just now", not 49 days ago.
        let elapsed = stamp_of(now).wrapping_sub(stamp);
        let elapsed = if elapsed > u32::MAX - 60_000 { 0 } else { elapsed };
        elapsed as f32 * self.inverse_decay
    }
}

/// e^(−x), what is left of the old average after `x` decay times.
#[inline]
fn weight(x: f32) -> f32 {
    if x < 1.0 / 16.0 {
        // The usual case without a call: the next term is below what an f32 can tell.
        1.0 - x * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 24.0))))
    } else {
        (-x).exp()
    }
}

#[inline]
fn stamp_of(now: Nanos) -> u32 {
    now.millis() as u32
}

#[inline]
fn pack(cost: f32, stamp: u32) -> u64 {
    u64::from(cost.to_bits()) << 32 | u64::from(stamp)
}

#[inline]
fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

#[cfg(test)]
mod tests;
