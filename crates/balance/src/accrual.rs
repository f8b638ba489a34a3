//! Whether an endpoint is fit for traffic, judged by how its requests end (dataplane.md §6.4).

mod history;

use crate::{Backoff, BackoffState, Nanos};
use fastrand::Rng;
use history::History;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// When an endpoint counts as dead, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AccrualPolicy {
    /// `io.l5d.consecutiveFailures`: so many failures in a row (0 is as 1).
    ConsecutiveFailures {
        /// Failures in a row.
        failures: u32,
        /// How long it is left alone each time it dies without having lived in between.
        backoff: Backoff,
    },
    /// `io.l5d.successRate`: the moving average of successes falls below a rate.
    SuccessRate {
        /// The least rate that is let pass, from 0 to 1; above 1 every failure is one too many.
        rate: f64,
        /// Window of the average, in requests, and how many must have been seen before anything is judged.
        requests: u32,
        /// As above.
        backoff: Backoff,
    },
    /// `io.l5d.successRateWindowed`: the same over time.
    SuccessRateWindowed {
        /// As above.
        rate: f64,
        /// Window of the average, and for how long results must have been seen before anything is judged.
        window: Nanos,
        /// As above.
        backoff: Backoff,
    },
    /// `none`: never.
    None,
}

impl AccrualPolicy {
    /// The back-off of endpoints unless configured otherwise: 5 s to 300 s with equal jitter.
    pub const BACKOFF: Backoff =
        Backoff::EqualJitter { min: Nanos::from_secs(5), max: Nanos::from_secs(300) };

    /// `failFast`, judged by connects instead of answers: one that fails is enough; 1 s to 32 s with equal jitter
    /// (dataplane.md §6.2).
    pub const FAIL_FAST: AccrualPolicy = AccrualPolicy::ConsecutiveFailures {
        failures: 1,
        backoff: Backoff::EqualJitter { min: Nanos::from_secs(1), max: Nanos::from_secs(32) },
    };

    const fn backoff(&self) -> Option<Backoff> {
        match *self {
            AccrualPolicy::ConsecutiveFailures { backoff, .. }
            | AccrualPolicy::SuccessRate { backoff, .. }
            | AccrualPolicy::SuccessRateWindowed { backoff, .. } => Some(backoff),
            AccrualPolicy::None => None,
        }
    }
}

impl Default for AccrualPolicy {
    /// 5 failures; 5 s to 300 s with equal jitter.
    fn default() -> AccrualPolicy {
        AccrualPolicy::ConsecutiveFailures { failures: 5, backoff: AccrualPolicy::BACKOFF }
    }
}

/// What a result changed, for the counters `failure_accrual/*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// Alive before, now dead for so long (`removals`, `removed_for_ms`).
    Removed(Nanos),
    /// The probe failed; dead for so long again (`removed_for_ms`).
    StillDead(Nanos),
    /// The probe failed, but successes since the death spoke for the endpoint: it may be probed again at once.
    ProbeAgain,
    /// The probe succeeded (`revivals`).
    Revived,
}

/// The right to send the one request that finds out whether a dead endpoint is back.
///
/// Ends with the first [`Accrual::success`] or [`Accrual::failure`]; a request that ends without a result (cancelled, never
/// sent) must give it back with [`Accrual::release`], from its `Drop`, or the endpoint would wait for ever.
#[derive(Debug)]
#[must_use = "an unused probe must be released"]
pub struct Probe {
    word: u64,
}

/// The word all workers share: 2 bits of state, 22 bits counting probes, 40 bits with the end of the back-off in
/// milliseconds. Alive is 0 in the upper two bits, so the check on the request path is one load and one comparison.
const DEAD: u64 = 1 << 62;
const PROBING: u64 = 2 << 62;
const STATE: u64 = 3 << 62;
const PROBE_ONE: u64 = 1 << 40;
const UNTIL: u64 = PROBE_ONE - 1;
const PROBES: u64 = !STATE & !UNTIL;

/// Failure accrual of one endpoint, shared by all workers.
///
/// Alive → dead until the back-off ends → open for one probe → (its success) alive or (its failure) dead again. Requests
/// that reach a dead endpoint all the same (the balancer fails open) change nothing, except that their successes are
/// remembered.
#[derive(Debug)]
pub struct Accrual {
    word: AtomicU64,
    history: History,
    /// Where the back-off stands; written by whoever won the change to dead or alive.
    delays: AtomicU64,
    policy: AccrualPolicy,
}

impl Accrual {
    /// An endpoint nothing is known of: alive.
    #[must_use]
    pub const fn new(policy: AccrualPolicy) -> Accrual {
        Accrual { word: AtomicU64::new(0), history: History::new(), delays: AtomicU64::new(0), policy }
    }

    /// Alive, so no probe is needed.
    #[inline]
    pub fn is_alive(&self) -> bool {
        self.word.load(Relaxed) & STATE == 0
    }

    /// Whether a balancer may choose it: alive, or its back-off is over and nobody probes it yet.
    #[inline]
    pub fn is_available(&self, now: Nanos) -> bool {
        let word = self.word.load(Relaxed);
        word & STATE == 0 || due(word, now)
    }

    /// Claims the probe of the process. `None` when the endpoint is alive, still in its back-off, or being probed.
    #[must_use]
    pub fn begin_probe(&self, now: Nanos) -> Option<Probe> {
        let word = self.word.load(Acquire);
        if !due(word, now) {
            return None;
        }
        let claimed = PROBING | (word + PROBE_ONE) & PROBES | word & UNTIL;
        self.exchange(word, claimed).then_some(Probe { word: claimed })
    }

    /// Gives a probe back that brought no result: the next request may claim it. Does nothing if a result came meanwhile.
    #[allow(clippy::needless_pass_by_value, reason = "a probe is given back once")]
    pub fn release(&self, probe: Probe) {
        self.exchange(probe.word, DEAD | probe.word & !STATE);
    }

    /// A request to this endpoint succeeded.
    #[inline]
    pub fn success(&self, now: Nanos) -> Change {
        self.history.success(&self.policy, now);
        let word = self.word.load(Acquire);
        if word & STATE != PROBING {
            return Change::None;
        }
        self.revive(word)
    }

    /// A request to this endpoint failed, as the service's classifier sees it, or could not connect.
    pub fn failure(&self, now: Nanos, rng: &mut Rng) -> Change {
        let Some(backoff) = self.policy.backoff() else { return Change::None };
        let word = self.word.load(Acquire);
        let state = word & STATE;
        if state == DEAD {
            return Change::None;
        }
        if !self.history.failure(&self.policy, now) {
            return if state == PROBING { self.reopen(word) } else { Change::None };
        }
        let mut delays = BackoffState::from_bits(self.delays.load(Relaxed));
        let delay = backoff.next(&mut delays, rng);
        let until = (now + delay).0.div_ceil(1_000_000).min(UNTIL);
        if !self.exchange(word, DEAD | word & PROBES | until) {
            return Change::None;
        }
        self.delays.store(delays.bits(), Release);
        if state == PROBING { Change::StillDead(delay) } else { Change::Removed(delay) }
    }

    #[cold]
    fn revive(&self, word: u64) -> Change {
        if !self.exchange(word, word & PROBES) {
            return Change::None;
        }
        self.history.clear();
        self.delays.store(BackoffState::default().bits(), Release);
        Change::Revived
    }

    /// The policy has nothing against the endpoint although its probe failed.
    #[cold]
    fn reopen(&self, word: u64) -> Change {
        if self.exchange(word, DEAD | word & !STATE) { Change::ProbeAgain } else { Change::None }
    }

    fn exchange(&self, from: u64, to: u64) -> bool {
        self.word.compare_exchange(from, to, AcqRel, Relaxed).is_ok()
    }
}

/// Dead, and the back-off is over.
#[inline]
fn due(word: u64, now: Nanos) -> bool {
    word & STATE == DEAD && word & UNTIL <= now.millis()
}

#[cfg(test)]
mod tests;
