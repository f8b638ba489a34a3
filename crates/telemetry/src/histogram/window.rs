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

/// Everything a histogram has ever counted, by bucket: never reset, unlike [`Summary`]. Reused from histogram to histogram.
#[derive(Debug, Default)]
pub struct Cumulative {
    /// Buckets that hold anything, ascending, and their samples.
    pub(crate) samples: Vec<(u16, u64)>,
    /// Sum of the samples.
    pub(crate) sum: u64,
}

impl Cumulative {
    /// Takes what `now` has counted. `window` is that of the same histogram, and no snapshot may come between the two.
    pub(crate) fn take(&mut self, now: &Reading, window: Option<&Window>) {
        self.sum = now.sum;
        self.samples.clear();
        for chunk in now.touched_chunks() {
            for (i, &n) in now.counts[chunk].iter().enumerate() {
                let bucket = chunk * CHUNK + i;
                let total = u64::from(n) + (window.map_or(0, |w| w.wraps(bucket, n)) << 32);
                if total > 0 {
                    self.samples.push((bucket as u16, total));
                }
            }
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
    /// A bucket for each time its count passed 2^32: four thousand million samples apart, so nearly always empty.
    wraps: Vec<u16>,
    summary: Summary,
}

impl Window {
    pub(crate) fn summary(&self) -> Summary {
        self.summary
    }

    /// Ends the window: everything in `now` that was not there last time becomes the summary.
    pub(crate) fn advance(&mut self, now: &Reading) {
        let (mut samples, mut wrapped) = (Vec::new(), Vec::new());
        for chunk in now.touched_chunks() {
            let seen = self.seen(chunk);
            for (i, (&now, seen)) in now.counts[chunk].iter().zip(seen.iter_mut()).enumerate() {
                let new = now.wrapping_sub(*seen);
                if new > 0 {
                    samples.push((chunk * CHUNK + i, new));
                }
                if now < *seen {
                    wrapped.push((chunk * CHUNK + i) as u16);
                }
                *seen = now;
            }
        }
        self.wraps.extend(wrapped);
        self.summary = Summary::of(&samples, now.sum.wrapping_sub(self.sum));
        // A torn reading may have a sum without its count: leave it for the window that gets the count.
        if self.summary.count > 0 {
            self.sum = now.sum;
        }
    }

    /// How often the count of a bucket that shows `count` now has passed 2^32.
    fn wraps(&self, bucket: usize, count: u32) -> u64 {
        let chunk = (bucket / CHUNK) as u8;
        let at = self.seen.binary_search_by_key(&chunk, |s| s.0);
        let lately = at.is_ok_and(|at| count < self.seen[at].1[bucket % CHUNK]);
        let before = self.wraps.iter().filter(|wrapped| usize::from(**wrapped) == bucket).count();
        before as u64 + u64::from(lately)
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

    /// A bucket's count is 32 bits wide; what Prometheus is shown is not.
    #[test]
    fn counts_beyond_32_bits() {
        let mut window = Window::default();
        let mut now = Reading::new();
        now.touched = 1;
        let mut total = |count: u32, window: &Window| {
            now.counts[0][3] = count;
            let mut all = Cumulative::default();
            all.take(&now, Some(window));
            (now.clone(), all.samples.iter().map(|(_, n)| n).sum::<u64>())
        };
        for (count, want) in [
            (5, 5),
            (u32::MAX, u64::from(u32::MAX)),
            (4, (1 << 32) + 4),
            (9, (1 << 32) + 9),
            (u32::MAX, (2 << 32) - 1),
            (0, 2 << 32),
        ] {
            let (reading, before) = total(count, &window);
            assert_eq!(before, want, "before the snapshot");
            window.advance(&reading);
            assert_eq!(total(count, &window).1, want, "after it");
        }
    }
}
