//! What a policy remembers of an endpoint's results.

use super::AccrualPolicy;
use crate::Nanos;
use crate::stamped::{Reading, Stamp, Stamped, weight};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The memory of one endpoint, shared by all workers.
///
/// In steady health a success finds its mark already made and writes nothing; an average over time moves its moment, once
/// a millisecond.
#[derive(Debug)]
pub(super) struct History {
    /// Failures in a row, for the policy that counts those.
    in_a_row: AtomicU64,
    /// The share of successes. What is kept beside it is the number of results seen (up to the window) where the window
    /// is one of requests, the moment of the last result where it is one of time.
    rate: Stamped,
    /// The first result the average knows of, in milliseconds; 0 is none.
    since: AtomicU64,
}

impl History {
    pub(super) const fn new() -> History {
        History { in_a_row: AtomicU64::new(0), rate: Stamped::new(), since: AtomicU64::new(0) }
    }

    /// Notes a success.
    #[inline]
    pub(super) fn success(&self, policy: &AccrualPolicy, now: Nanos) {
        match *policy {
            AccrualPolicy::ConsecutiveFailures { .. } => {
                if self.in_a_row.load(Relaxed) != 0 {
                    self.in_a_row.store(0, Relaxed);
                }
            }
            AccrualPolicy::SuccessRate { requests, .. } => drop(self.count(1.0, requests)),
            AccrualPolicy::SuccessRateWindowed { window, .. } => drop(self.average(1.0, window, now)),
            AccrualPolicy::None => {}
        }
    }

    /// Notes a failure; whether it is one too many.
    pub(super) fn failure(&self, policy: &AccrualPolicy, now: Nanos) -> bool {
        match *policy {
            AccrualPolicy::ConsecutiveFailures { failures, .. } => {
                self.in_a_row.fetch_add(1, Relaxed) + 1 >= u64::from(failures)
            }
            AccrualPolicy::SuccessRate { rate, requests, .. } => {
                let (average, seen) = self.count(0.0, requests);
                seen >= requests && f64::from(average) < rate
            }
            AccrualPolicy::SuccessRateWindowed { rate, window, .. } => {
                let (average, observed) = self.average(0.0, window, now);
                observed >= window && f64::from(average) < rate
            }
            AccrualPolicy::None => false,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.in_a_row.store(0, Relaxed);
        self.rate.clear();
        self.since.store(0, Relaxed);
    }

    /// A result for the average over requests: the average and how many results it has seen, at most `window`.
    fn count(&self, result: f32, window: u32) -> (f32, u32) {
        let mut last = self.rate.read();
        loop {
            let seen = last.stamp.0.saturating_add(1).min(window.max(1));
            let next = step(last, result, if window == 0 { f32::INFINITY } else { 1.0 / window as f32 });
            if next.to_bits() == last.value.to_bits() && seen == last.stamp.0 {
                return (next, seen);
            }
            match self.rate.replace(last, next, Stamp(seen)) {
                Ok(()) => return (next, seen),
                Err(found) => last = found,
            }
        }
    }

    /// A result for the average over time: the average and for how long results have been seen. Of the results of one
    /// millisecond the first stands for all.
    fn average(&self, result: f32, window: Nanos, now: Nanos) -> (f32, Nanos) {
        let mut last = self.rate.read();
        // A word of zeroes means that nothing was seen, so no result is of millisecond 0.
        let stamp = Stamp(Stamp::of(now).0.max(1));
        let observed = self.observed(now);
        loop {
            let elapsed = last.stamp.elapsed(now);
            if elapsed == 0 && !last.is_empty() && window.0 > 0 {
                return (last.value, observed);
            }
            let share = if window.0 == 0 { f32::INFINITY } else { elapsed as f32 / window.millis() as f32 };
            let next = step(last, result, share);
            match self.rate.replace(last, next, stamp) {
                Ok(()) => return (next, observed),
                Err(found) => last = found,
            }
        }
    }

    /// The time since the first result; the first one begins it.
    fn observed(&self, now: Nanos) -> Nanos {
        let millis = now.millis().max(1);
        let since = match self.since.load(Relaxed) {
            0 => {
                self.since.compare_exchange(0, millis, Relaxed, Relaxed).map_or_else(|seen| seen, |_| millis)
            }
            since => since,
        };
        Nanos::from_millis(millis.saturating_sub(since))
    }
}

/// The average after another result, `share` windows after the one before; the first result is the average.
fn step(last: Reading, result: f32, share: f32) -> f32 {
    if last.is_empty() {
        return result;
    }
    let kept = weight(share);
    result * (1.0 - kept) + last.value * kept
}
