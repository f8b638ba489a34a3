//! How long to wait before the next try (dataplane.md §5.3 and the default of §6.4).

use crate::Nanos;
use fastrand::Rng;

/// A kind of back-off with its numbers. The sequence of delays never ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// Always the same delay.
    Constant(Nanos),
    /// Decorrelated jitter (`kind: jittered`): first `min`, then evenly between the delay before and three times it,
    /// never above `max`.
    DecorrelatedJitter {
        /// First delay.
        min: Nanos,
        /// Upper bound.
        max: Nanos,
    },
    /// Equal jitter: first `min`, then `h` plus a random part below `h`, with `h` = `min` doubled each time.
    /// Once that reaches `max` it is `max` for good.
    EqualJitter {
        /// First delay and first `h`.
        min: Nanos,
        /// Upper bound.
        max: Nanos,
    },
}

/// Where a sequence of delays stands. [`Default`] is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackoffState(u64);

/// The state of an equal-jitter sequence that has reached its bound.
const AT_MAX: u64 = u64::MAX;

impl BackoffState {
    /// The state as a number, for keeping it in an atomic.
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    /// The state of that number.
    pub(crate) const fn from_bits(bits: u64) -> BackoffState {
        BackoffState(bits)
    }
}

impl Backoff {
    /// No delay: the default between retries (dataplane.md §5.1).
    pub const NONE: Backoff = Backoff::Constant(Nanos(0));

    /// The next delay; `state` moves on.
    pub fn next(&self, state: &mut BackoffState, rng: &mut Rng) -> Nanos {
        match *self {
            Backoff::Constant(delay) => delay,
            Backoff::DecorrelatedJitter { min, max } => decorrelated(min.0, max.0, state, rng),
            Backoff::EqualJitter { min, max } => equal(min.0, max.0, state, rng),
        }
    }
}

/// The state is the delay before; none is 0, which begins again at `min` (a sequence that starts at 0 stays there).
fn decorrelated(min: u64, max: u64, state: &mut BackoffState, rng: &mut Rng) -> Nanos {
    let before = state.0;
    let delay = if before == 0 {
        min.min(max)
    } else {
        let upper = before.saturating_mul(3).min(max);
        if before < upper { rng.u64(before..upper) } else { before }
    };
    state.0 = delay;
    Nanos(delay)
}

/// The state counts the delays given so far.
fn equal(min: u64, max: u64, state: &mut BackoffState, rng: &mut Rng) -> Nanos {
    let given = state.0;
    if given == AT_MAX {
        return Nanos(max);
    }
    let delay = if given == 0 { min } else { jittered(min, given, rng) };
    state.0 = if delay >= max { AT_MAX } else { given + 1 };
    Nanos(delay.min(max))
}

/// `h + random[0, h)` for the `given`-th delay after the first.
fn jittered(min: u64, given: u64, rng: &mut Rng) -> u64 {
    let doublings = u32::try_from(given - 1).unwrap_or(u32::MAX);
    let half = min.saturating_mul(1u64.checked_shl(doublings).unwrap_or(u64::MAX));
    if half == 0 { 0 } else { half.saturating_add(rng.u64(0..half)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(kind: Backoff, n: usize, seed: u64) -> Vec<u64> {
        let (mut state, mut rng) = (BackoffState::default(), Rng::with_seed(seed));
        (0..n).map(|_| kind.next(&mut state, &mut rng).millis()).collect()
    }

    #[test]
    fn constant_never_changes() {
        assert_eq!(delays(Backoff::Constant(Nanos::from_millis(7)), 3, 1), [7, 7, 7]);
        assert_eq!(delays(Backoff::NONE, 3, 1), [0, 0, 0]);
    }

    #[test]
    fn equal_jitter_doubles_up_to_the_bound() {
        let kind = Backoff::EqualJitter { min: Nanos::from_secs(5), max: Nanos::from_secs(300) };
        for seed in 0..200 {
            let got = delays(kind, 12, seed);
            assert_eq!(got[0], 5_000);
            let mut capped = false;
            for (i, delay) in got[1..].iter().enumerate() {
                let half = 5_000 << i;
                capped |= *delay == 300_000;
                if capped {
                    assert_eq!(*delay, 300_000, "seed {seed}: the bound is for good: {got:?}");
                } else {
                    assert!((half..2 * half).contains(delay), "seed {seed}, delay {i}: {got:?}");
                }
            }
            assert_eq!(got[7..], [300_000; 5], "seed {seed}");
            assert!(got.is_sorted(), "seed {seed}: {got:?}");
        }
    }

    #[test]
    fn equal_jitter_varies() {
        let kind = Backoff::EqualJitter { min: Nanos::from_secs(5), max: Nanos::from_secs(300) };
        assert_ne!(delays(kind, 4, 1)[1], delays(kind, 4, 2)[1]);
    }

    #[test]
    fn decorrelated_stays_in_its_bounds() {
        let kind = Backoff::DecorrelatedJitter { min: Nanos::from_millis(10), max: Nanos::from_millis(500) };
        for seed in 0..200 {
            let got = delays(kind, 30, seed);
            assert_eq!(got[0], 10);
            for pair in got.windows(2) {
                assert!(pair[1] >= pair[0] && pair[1] <= (3 * pair[0] + 3).min(500), "seed {seed}: {got:?}");
            }
            assert!(got[29] > 400, "seed {seed} never came near the bound: {got:?}");
        }
    }

    #[test]
    fn degenerate_bounds_do_not_panic() {
        let (zero, one) = (Nanos(0), Nanos::from_millis(1));
        assert_eq!(delays(Backoff::DecorrelatedJitter { min: zero, max: zero }, 3, 1), [0, 0, 0]);
        assert_eq!(delays(Backoff::DecorrelatedJitter { min: one, max: one }, 3, 1), [1, 1, 1]);
        assert_eq!(delays(Backoff::EqualJitter { min: zero, max: one }, 200, 1), [0; 200]);
        assert_eq!(delays(Backoff::EqualJitter { min: one, max: zero }, 3, 1), [0, 0, 0]);
        let huge = Nanos(u64::MAX);
        assert_eq!(delays(Backoff::EqualJitter { min: one, max: huge }, 200, 1)[199], huge.millis());
    }
}
