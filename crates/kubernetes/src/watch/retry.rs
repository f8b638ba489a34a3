//! How long to wait after failures (routing.md §2.6, user-demand.md §5).

use std::time::Duration;

/// The shortest and the longest pauses from the fourth failure on.
const SLOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

/// Failures since the last good word.
#[derive(Debug, Default)]
pub(super) struct Failures(u32);

impl Failures {
    pub(super) fn clear(&mut self) {
        self.0 = 0;
    }

    /// Counts one more and says how long to wait: about 1, 10 and 100 ms, then 1 to 2 s and 2 to 4 s. `random` is drawn
    /// evenly from 0 to 1, so that proxies do not come back all at once; with an API that returns, the longest pause and
    /// the list after it stay below 5 s.
    pub(super) fn pause(&mut self, random: f64) -> Duration {
        self.0 = self.0.saturating_add(1);
        let least = match self.0 {
            few @ 1..=3 => Duration::from_millis(10u64.pow(few - 1)),
            4 => SLOW.0,
            _ => SLOW.1 / 2,
        };
        least.mul_f64(1.0 + random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_try_a_second_after_three() {
        for random in [0.0, 0.5, 1.0] {
            let mut failures = Failures::default();
            let pauses: Vec<Duration> = (0..40).map(|_| failures.pause(random)).collect();
            assert!(pauses[0] >= Duration::from_millis(1) && pauses[2] <= Duration::from_millis(200));
            assert!(pauses[3..].iter().all(|pause| (SLOW.0..=SLOW.1).contains(pause)), "{pauses:?}");
            assert!(pauses.is_sorted());
            failures.clear();
            assert_eq!(failures.pause(random), pauses[0]);
        }
    }
}
