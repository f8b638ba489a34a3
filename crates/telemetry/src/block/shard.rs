//! One worker's share of a block: written by that worker alone, read by anybody.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::BlockSpec;
use super::status::StatusCells;
use crate::histogram::cells::{Cells, Reading};

const LINE: usize = 8;

/// A cache line of counters, so that no two workers ever write the same line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; LINE]);

/// One worker's counters and histograms of a [`Block`](super::Block).
///
/// Only one thread at a time may write (`inc`, `add`, `record`, `status`); a second one would lose counts, nothing
/// worse. Each part is allocated when it is first written, so that a shard nobody uses costs some 70 bytes.
#[derive(Debug)]
pub struct Shard {
    counters: u16,
    histogram_count: u16,
    lines: OnceLock<Box<[Line]>>,
    histograms: OnceLock<Box<[OnceLock<Box<Cells>>]>>,
    status: OnceLock<Box<StatusCells>>,
}

impl Shard {
    pub(super) fn new(spec: &BlockSpec) -> Shard {
        let short = |n: usize| u16::try_from(n).expect("a block's lists are written by hand and short");
        Shard {
            counters: short(spec.counters.len()),
            histogram_count: short(spec.histograms.len()),
            lines: OnceLock::new(),
            histograms: OnceLock::new(),
            status: OnceLock::new(),
        }
    }

    /// Adds one to counter `i` of the specification.
    ///
    /// # Panics
    /// When the specification has no counter `i`.
    #[inline]
    pub fn inc(&self, i: usize) {
        self.add(i, 1);
    }

    /// Adds `n` to counter `i` of the specification.
    ///
    /// # Panics
    /// When the specification has no counter `i`.
    #[inline]
    pub fn add(&self, i: usize, n: u64) {
        let lines = self.lines.get_or_init(|| self.new_lines());
        let cell = &lines[i / LINE].0[i % LINE];
        cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Records `value` in histogram `i` of the specification; values above 2^31 - 1 count as that.
    ///
    /// # Panics
    /// When the specification has no histogram `i`.
    #[inline]
    pub fn record(&self, i: usize, value: u64) {
        let histograms = self.histograms.get_or_init(|| self.new_histograms());
        histograms[i].get_or_init(Box::default).record(value);
    }

    /// Counts a response status: `status/<code>` and, when read, the code's class. Code 0 is not counted.
    #[inline]
    pub fn status(&self, code: u16) {
        if code != 0 {
            self.status.get_or_init(Box::default).inc(code);
        }
    }

    #[cold]
    fn new_lines(&self) -> Box<[Line]> {
        (0..usize::from(self.counters).div_ceil(LINE)).map(|_| Line::default()).collect()
    }

    #[cold]
    fn new_histograms(&self) -> Box<[OnceLock<Box<Cells>>]> {
        (0..self.histogram_count).map(|_| OnceLock::new()).collect()
    }

    pub(super) fn counter(&self, i: usize) -> u64 {
        self.lines.get().map_or(0, |lines| lines[i / LINE].0[i % LINE].load(Relaxed))
    }

    pub(super) fn read_histogram(&self, i: usize, reading: &mut Reading) {
        if let Some(cells) = self.histograms.get().and_then(|h| h[i].get()) {
            cells.read(reading);
        }
    }

    pub(super) fn visit_status(&self, each: &mut impl FnMut(u16, u64)) {
        if let Some(status) = self.status.get() {
            status.visit(each);
        }
    }
}
