//! A small timing harness: batches long enough for the clock, the best and the median batch as the result.
//!
//! The best batch is the robust figure on a machine that does other things too; the median says how far to trust it.

use std::fmt;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long one batch should take at least.
const BATCH: Duration = Duration::from_millis(2);
/// Batches of each measurement.
const BATCHES: usize = 31;

#[expect(clippy::disallowed_methods, reason = "what is measured here is real time")]
fn now() -> Instant {
    Instant::now()
}

/// How long `work` takes.
pub fn time(work: impl FnOnce()) -> Duration {
    let start = now();
    work();
    start.elapsed()
}

/// One line of a table.
#[derive(Debug)]
struct Row {
    name: String,
    best: f64,
    median: f64,
    bar: Option<f64>,
}

impl Row {
    fn is_over(&self) -> bool {
        self.bar.is_some_and(|bar| self.best > bar)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<58}{:>14.1}{:>14.1}", self.name, self.best, self.median)?;
        match self.bar {
            Some(bar) => write!(f, "{bar:>14.0}  {}", if self.is_over() { "OVER" } else { "ok" }),
            None => Ok(()),
        }
    }
}

/// A table of measurements, in nanoseconds.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new() -> Table {
        Table::default()
    }

    /// Measures one call of `work`; `bar` is what it may cost at most, in nanoseconds.
    pub fn row<T>(&mut self, name: &str, bar: Option<f64>, mut work: impl FnMut() -> T) {
        let size = batch_size(&mut work);
        let batch = |_| {
            let took = time(|| {
                for _ in 0..size {
                    black_box(work());
                }
            });
            took.as_nanos() as f64 / size as f64
        };
        self.samples(name, bar, (0..BATCHES).map(batch).collect());
    }

    /// Adds what was measured elsewhere: the cost of each batch, in nanoseconds.
    ///
    /// # Panics
    /// Without any sample.
    pub fn samples(&mut self, name: &str, bar: Option<f64>, mut samples: Vec<f64>) {
        samples.sort_by(f64::total_cmp);
        let row = Row { name: name.to_owned(), best: samples[0], median: samples[samples.len() / 2], bar };
        self.rows.push(row);
    }

    /// Whether every bar holds, by the best batch.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.rows.iter().any(Row::is_over)
    }

    /// Prints the table; fails when a bar does not hold.
    #[expect(clippy::print_stdout, reason = "the table is what a benchmark is for")]
    #[must_use]
    pub fn finish(self) -> ExitCode {
        println!("\n{:<58}{:>14}{:>14}{:>14}", "", "best, ns", "median, ns", "bar, ns");
        self.rows.iter().for_each(|row| println!("{row}"));
        if self.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// So many calls that the clock's own cost does not show. Warms up on the way.
fn batch_size<T>(work: &mut impl FnMut() -> T) -> usize {
    let mut size = 1;
    loop {
        let took = time(|| {
            for _ in 0..size {
                black_box(work());
            }
        });
        if took >= BATCH {
            return size;
        }
        size *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_batch_decides() {
        let check = |samples: &[f64], bar, holds| {
            let mut table = Table::new();
            table.samples("x", bar, samples.to_vec());
            assert_eq!(table.holds(), holds, "{samples:?} {bar:?}");
        };
        check(&[30.0, 10.0, 20.0], Some(10.0), true);
        check(&[30.0, 11.0, 20.0], Some(10.0), false);
        check(&[30.0, 11.0, 20.0], None, true);
    }

    #[test]
    fn rows_show_best_and_median() {
        let mut table = Table::new();
        table.samples("x", Some(10.0), vec![30.0, 11.0, 20.0]);
        let shown = table.rows[0].to_string();
        assert!(shown.contains("11.0") && shown.contains("20.0") && shown.ends_with("OVER"), "{shown}");
    }

    #[test]
    fn work_takes_time() {
        let mut table = Table::new();
        table.row("a thousand steps", None, || (0..1_000u64).fold(0, |sum, n| black_box(sum ^ n)));
        assert!(table.rows[0].best > 0.0 && table.rows[0].best <= table.rows[0].median);
    }
}
