//! How busy and how slow an endpoint is, as all workers together see it (dataplane.md §6.3).

use crate::Nanos;
use crate::stamped::{Stamp, Stamped, weight};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Load of an endpoint nobody has measured yet but somebody waits for: it is asked only when all others look worse.
const PENALTY: f64 = (1u64 << 47) as f64;

/// A step smaller than this share of the average (16 units of an `f32`'s last place) waits for more time to have passed.
const NOTICEABLE: f32 = 1.0 / (1 << 20) as f32;

/// What one outstanding request adds to the word that counts them, and what it adds besides until its answer begins.
const ONE: u64 = 1;
const UNANSWERED: u64 = 1 << 32;

/// Stands where a newcomer has the moment it was met.
const SETTLED: u32 = u32::MAX;

/// Outstanding requests and the peak-sensitive moving average of round-trip times of one endpoint.
///
/// The average in nanoseconds and the moment of its last change share one word (an endpoint idle for 49 days may look
/// measured more recently than it was, for one request). A step too small for the precision of an `f32` is not taken, and
/// the moment stays too, so the passage of time is never rounded away.
///
/// An average knows of an answer only when it is there. An endpoint that stops answering would look as quick as ever until
/// the first request to it is given up, so the time since its last sign of life counts too, as soon as it is longer than
/// the average. Only requests whose answer has not begun wait for a sign of life: a download that goes on for an hour is
/// outstanding, but says nothing about how quick the endpoint is.
#[derive(Debug)]
pub struct Load {
    average: Stamped,
    /// Requests sent and not yet ended; above bit 32 those of them without an answer.
    requests: AtomicU64,
    /// The last answer, or when the first of the unanswered requests was sent, whichever is later; milliseconds.
    alive: AtomicU32,
    /// 1 / decay time in milliseconds; 0 when round trips are not measured.
    inverse_decay: f32,
    /// When [`Load::known_for`] was first asked; milliseconds, 0 for never, [`SETTLED`] for an endpoint that never was new.
    met: AtomicU32,
}

impl Load {
    /// Load whose average forgets with this time constant (`decayTimeMs`, at least 1 ms).
    #[must_use]
    pub fn measured(decay: Nanos) -> Load {
        let millis = (decay.0 as f64 / 1e6).max(1.0);
        Load { inverse_decay: (1.0 / millis) as f32, ..Load::counted() }
    }

    /// Load that counts outstanding requests only: [`Load::answered`] does nothing.
    #[must_use]
    pub const fn counted() -> Load {
        let (average, requests) = (Stamped::new(), AtomicU64::new(0));
        Load { average, requests, alive: AtomicU32::new(0), inverse_decay: 0.0, met: AtomicU32::new(0) }
    }

    /// A request is being sent. Each call is followed by exactly one [`Load::end`] or [`Load::give_up`].
    #[inline]
    pub fn begin(&self, now: Nanos) {
        let before = self.requests.fetch_add(UNANSWERED + ONE, Relaxed);
        if before < UNANSWERED && self.is_measured() {
            self.alive.store(Stamp::of(now).0, Relaxed);
        }
    }

    /// The answer to a request begins, this long after the request was sent. At most once between [`Load::begin`] and
    /// [`Load::end`], which must be told.
    #[inline]
    pub fn answered(&self, rtt: Nanos, now: Nanos) {
        if self.is_measured() {
            self.requests.fetch_sub(UNANSWERED, Relaxed);
            self.alive.store(Stamp::of(now).0, Relaxed);
            self.measure(rtt, now);
        }
    }

    /// A request ended. `answered` tells whether [`Load::answered`] was called; where not (never sent, cancelled early),
    /// there is nothing to learn from it.
    #[inline]
    pub fn end(&self, answered: bool) {
        let unanswered = if answered && self.is_measured() { 0 } else { UNANSWERED };
        let before = self.requests.fetch_sub(unanswered + ONE, Relaxed);
        debug_assert!(before as u32 > 0 && before >= unanswered + ONE, "end without begin");
    }

    /// A request without an answer was given up after having waited so long: it would have taken longer still, so that
    /// counts when it is more than the average, and otherwise says nothing.
    pub fn give_up(&self, waited: Nanos, now: Nanos) {
        self.end(false);
        if self.is_measured() && waited.0 as f64 > self.cost(now) {
            self.measure(waited, now);
        }
    }

    #[inline]
    fn is_measured(&self) -> bool {
        self.inverse_decay > 0.0
    }

    /// This endpoint is no newcomer: it is one of the first of its set, and nobody can tell how long it has been there.
    pub fn settle(&self) {
        self.met.store(SETTLED, Relaxed);
    }

    /// For how many milliseconds the endpoint has been a candidate: since this was first asked, not since discovery named it,
    /// so that one that nobody wanted is as new as it looks.
    pub(crate) fn known_for(&self, now: Nanos) -> u32 {
        // A millisecond more or less does not matter.
        let this = Stamp::of(now).0.clamp(1, SETTLED - 1);
        let first = match self.met.load(Relaxed) {
            0 => self.met.compare_exchange(0, this, Relaxed, Relaxed).map_or_else(|other| other, |_| this),
            SETTLED => return SETTLED,
            first => first,
        };
        Stamp(first).elapsed(now)
    }

    /// Requests sent and not yet ended.
    #[inline]
    pub fn outstanding(&self) -> u32 {
        self.requests.load(Relaxed) as u32
    }

    /// The average in nanoseconds as of `now`, decayed since the last measurement; 0 when there was none.
    #[inline]
    pub fn cost(&self, now: Nanos) -> f64 {
        let last = self.average.read();
        if last.value == 0.0 { 0.0 } else { f64::from(last.value * weight(self.share(last.stamp, now))) }
    }

    /// What the `ewma` balancer compares: cost × (outstanding + 1), or a very large penalty plus the outstanding requests
    /// for an endpoint that was never measured and has some without an answer. The cost is the average or, when that is
    /// longer, the time requests have been waiting without any answer.
    #[inline]
    pub fn score(&self, now: Nanos) -> f64 {
        let (cost, requests) = (self.cost(now), self.requests.load(Relaxed));
        let outstanding = f64::from(requests as u32);
        if requests < UNANSWERED {
            return cost * (outstanding + 1.0);
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
