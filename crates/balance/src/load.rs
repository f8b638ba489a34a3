//! How busy and how slow an endpoint is, as all workers together see it (dataplane.md §6.3).

use crate::Nanos;
use crate::stamped::{Stamp, Stamped, weight};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Load of an endpoint nobody has measured yet but somebody waits for: it is asked only when all others look worse.
const PENALTY: f64 = (1u64 << 47) as f64;

/// A step smaller than this share of the average (16 units of an `f32`'s last place) waits for more time to have passed.
const NOTICEABLE: f32 = 1.0 / (1 << 20) as f32;

/// Outstanding requests and the peak-sensitive moving average of round-trip times of one endpoint.
///
/// The average in nanoseconds and the moment of its last change share one word (an endpoint idle for 49 days may look
/// measured more recently than it was, for one request). A step too small for the precision of an `f32` is not taken, and
/// the moment stays too, so the passage of time is never rounded away.
///
/// An average knows of an answer only when it is there. An endpoint that stops answering would look as quick as ever until
/// the first request to it is given up, so the time since its last sign of life counts too, as soon as it is longer than
/// the average.
#[derive(Debug)]
pub struct Load {
    average: Stamped,
    outstanding: AtomicU32,
    /// The last answer, or when the first of the outstanding requests was sent, whichever is later; milliseconds.
    alive: AtomicU32,
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
        let (average, outstanding, alive) = (Stamped::new(), AtomicU32::new(0), AtomicU32::new(0));
        Load { average, outstanding, alive, inverse_decay: 0.0 }
    }

    /// A request is being sent. Each call is followed by exactly one [`Load::end`] or [`Load::give_up`].
    #[inline]
    pub fn begin(&self, now: Nanos) {
        let before = self.outstanding.fetch_add(1, Relaxed);
        if before == 0 && self.is_measured() {
            self.alive.store(Stamp::of(now).0, Relaxed);
        }
    }

    /// A request ended. `rtt` is the time to its answer; `None` when there is nothing to learn from (never sent, cancelled
    /// early).
    #[inline]
    pub fn end(&self, rtt: Option<Nanos>, now: Nanos) {
        self.leave();
        if let Some(rtt) = rtt
            && self.is_measured()
        {
            self.alive.store(Stamp::of(now).0, Relaxed);
            self.measure(rtt, now);
        }
    }

    /// A request was given up after having waited so long for its answer: it would have taken longer still, so that counts
    /// when it is more than the average, and otherwise says nothing.
    pub fn give_up(&self, waited: Nanos, now: Nanos) {
        self.leave();
        if self.is_measured() && waited.0 as f64 > self.cost(now) {
            self.measure(waited, now);
        }
    }

    #[inline]
    fn leave(&self) {
        let before = self.outstanding.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "end without begin");
    }

    #[inline]
    fn is_measured(&self) -> bool {
        self.inverse_decay > 0.0
    }

    /// Requests sent and not yet ended.
    #[inline]
    pub fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// The average in nanoseconds as of `now`, decayed since the last measurement; 0 when there was none.
    #[inline]
    pub fn cost(&self, now: Nanos) -> f64 {
        let last = self.average.read();
        if last.value == 0.0 { 0.0 } else { f64::from(last.value * weight(self.share(last.stamp, now))) }
    }

    /// What the `ewma` balancer compares: cost × (outstanding + 1), or a very large penalty plus the outstanding requests
    /// for an endpoint that was never measured and has some. The cost is the average or, when that is longer, the time
    /// outstanding requests have been waiting without any answer.
    #[inline]
    pub fn score(&self, now: Nanos) -> f64 {
        let (cost, outstanding) = (self.cost(now), f64::from(self.outstanding()));
        if outstanding == 0.0 {
            return cost;
        }
        if cost == 0.0 { PENALTY + outstanding } else { cost.max(self.silence(now)) * (outstanding + 1.0) }
    }

    /// For how long the endpoint has not answered, rounded down; nanoseconds.
    #[inline]
    fn silence(&self, now: Nanos) -> f64 {
        let elapsed = Stamp(self.alive.load(Relaxed)).elapsed(now);
        // The begun millisecond at either end may hold hardly any time.
        f64::from(elapsed.saturating_sub(1)) * 1e6
    }

    /// A slower answer than the average counts in full; a faster one pulls the average towards itself, the more the longer
    /// ago the last one was. Lost races lose one sample among many, except a peak, which tries again.
    fn measure(&self, rtt: Nanos, now: Nanos) {
        let rtt = rtt.0.max(1) as f32;
        let mut last = self.average.read();
        loop {
            let next = if rtt >= last.value {
                rtt
            } else {
                let share = self.share(last.stamp, now);
                let step = (last.value - rtt) * (1.0 - weight(share));
                if step < last.value * NOTICEABLE && share < 1.0 / 256.0 {
                    return;
                }
                last.value - step
            };
            match self.average.replace(last, next, Stamp::of(now)) {
                Ok(()) => return,
                Err(seen) if rtt >= last.value => last = seen,
                Err(_) => return,
            }
        }
    }

    /// The time since `stamp` in decay times.
    #[inline]
    fn share(&self, stamp: Stamp, now: Nanos) -> f32 {
        stamp.elapsed(now) as f32 * self.inverse_decay
    }
}

#[cfg(test)]
mod tests;
