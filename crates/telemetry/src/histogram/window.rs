//! From cumulative counts to the summary of one minute, by difference with the counts of the minute before.

use super::buckets::midpoint;
use super::cells::{CHUNK, Reading};

/// What one window of a histogram held (observability.md §2.1). All values are zero when `count` is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Number of samples, exact.
    pub count: u64,
    /// Midpoint of the smallest sample's bucket.
    pub min: u64,
    /// Midpoint of the largest sample's bucket.
    pub max: u64,
    /// Sum of the samples (each cut to whole numbers up to 2^31 - 1), exact.
    pub sum: u64,
    /// 50th percentile: midpoint of the bucket that reaches `round(0.5 * count)`.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 95th percentile.
    pub p95: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p9990: u64,
    /// 99.99th percentile.
    pub p9999: u64,
}

impl Summary {
    /// Mean of the samples; 0 when there are none.
    pub fn avg(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// Summary of `(bucket, samples)` pairs in ascending order, each with at least one sample.
    fn of(samples: &[(usize, u32)], sum: u64) -> Summary {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Summary::default() };
        let count = samples.iter().map(|&(_, n)| u64::from(n)).sum();
        let percentile = |p: f64| percentile(samples, (p * count as f64 + 0.5).floor() as u64);
        Summary {
            count,
            min: midpoint(first.0),
            max: midpoint(last.0),
            sum,
            p50: percentile(0.5),
            p90: percentile(0.9),
            p95: percentile(0.95),
            p99: percentile(0.99),
            p9990: percentile(0.999),
            p9999: percentile(0.9999),
        }
    }
}

fn percentile(samples: &[(usize, u32)], target: u64) -> u64 {
    let mut reached = 0;
    for &(bucket, n) in samples {
        reached += u64::from(n);
        if reached >= target {
            return midpoint(bucket);
        }
    }
    0
}

/// The counts at the last snapshot and the summary made then.
#[derive(Debug, Default)]
pub(crate) struct Window {
    sum: u64,
    seen: Vec<(u8, Box<[u32; CHUNK]>)>,
    summary: Summary,
}

impl Window {
    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    /// Ends the window: everything in `now` that was not there last time becomes the summary.
    pub(crate) fn advance(&mut self, now: &Reading) {
        let mut samples = Vec::new();
        for chunk in now.touched_chunks() {
            let seen = self.seen(chunk);
            for (i, (&now, seen)) in now.counts[chunk].iter().zip(seen.iter_mut()).enumerate() {
                let new = now.wrapping_sub(*seen);
                if new > 0 {
                    samples.push((chunk * CHUNK + i, new));
                }
                *seen = now;
            }
        }
        self.summary = Summary::of(&samples, now.sum.wrapping_sub(self.sum));
        // A torn reading may have a sum without its count: leave it for the window that gets the count.
        if self.summary.count > 0 {
            self.sum = now.sum;
        }
    }

    fn seen(&mut self, chunk: usize) -> &mut [u32; CHUNK] {
        let chunk = chunk as u8;
        let at = match self.seen.binary_search_by_key(&chunk, |s| s.0) {
            Ok(at) => at,
            Err(at) => {
                self.seen.reserve_exact(1);
                self.seen.insert(at, (chunk, Box::new([0; CHUNK])));
                at
            }
        };
        &mut self.seen[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::super::cells::Cells;
    use super::*;

    fn summary_of(values: &[u64]) -> Summary {
        let cells = Cells::default();
        values.iter().for_each(|&v| cells.record(v));
        let mut reading = Reading::new();
        cells.read(&mut reading);
        let mut window = Window::default();
        window.advance(&reading);
        window.summary()
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(summary_of(&[]), Summary::default());
    }

    #[test]
    fn summaries() {
        // count, min, max, sum, p50, p90, p95, p99, p9990, p9999
        let check = |values: &[u64], e: [u64; 10]| {
            let s = summary_of(values);
            let got = [s.count, s.min, s.max, s.sum, s.p50, s.p90, s.p95, s.p99, s.p9990, s.p9999];
            assert_eq!(got, e, "{values:?}");
        };
        check(&[1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        check(&[1, 2], [2, 1, 2, 3, 1, 2, 2, 2, 2, 2]);
        check(&[0, 0, 7], [3, 0, 7, 7, 0, 7, 7, 7, 7, 7]);
        let hundred: Vec<u64> = (1..=100).collect();
        check(&hundred, [100, 1, 100, 5050, 50, 90, 95, 99, 100, 100]);
        // Above 2^31 - 1 a value counts as that.
        check(&[u64::MAX], {
            let top = i32::MAX as u64;
            [1, top, top, top, top, top, top, top, top, top]
        });
    }

    #[test]
    fn sum_is_exact_where_buckets_are_not() {
        let s = summary_of(&[1_000_003, 1_000_007]);
        assert_eq!((s.count, s.sum, s.avg()), (2, 2_000_010, 1_000_005.0));
        assert!(s.p50.abs_diff(1_000_003) <= 5_000 && s.p50 == s.max);
    }

    #[test]
    fn each_sample_is_in_one_window() {
        let cells = Cells::default();
        let mut window = Window::default();
        let mut reading = Reading::new();
        for minute in 0..5u64 {
            for i in 0..minute {
                cells.record(i * 1000);
            }
            reading.clear();
            cells.read(&mut reading);
            window.advance(&reading);
            let s = window.summary();
            assert_eq!((s.count, s.sum), (minute, (0..minute).map(|i| i * 1000).sum()));
        }
    }
}
