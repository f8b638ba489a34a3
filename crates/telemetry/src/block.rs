//! Blocks: the counters and histograms of one scope, declared as a list and written by index.
//!
//! The request path holds a [`Block`] per stack and writes `shard.inc(REQUESTS)`: no name, no map, no shared cache line.

mod shard;
mod status;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::histogram::cells::Reading;
use crate::histogram::{Cumulative, Summary, Window};
pub use shard::Shard;

/// What a block holds. Names are relative to its scope; `/` separates levels (`retries/total`).
/// A metric is addressed by its position in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSpec {
    /// Names of the counters.
    pub counters: &'static [&'static str],
    /// Names of the histograms.
    pub histograms: &'static [&'static str],
    /// Whether the block counts response codes: `status/<code>` as they are met, `status/1XX` to `status/5XX` always.
    pub status: bool,
    /// A histogram nobody records, because others have each of its samples already.
    pub total: Option<Total>,
}

impl BlockSpec {
    /// The first and the last of the histograms whose samples histogram `i` has.
    fn parts(&self, i: usize) -> (usize, usize) {
        let total = self.total.filter(|total| usize::from(total.at) == i);
        total.map_or((i, i), |total| (total.of.0.into(), total.of.1.into()))
    }
}

/// A histogram that is made of others when it is read: what it would cost to record each sample twice is not spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// Its position in the list.
    pub at: u8,
    /// The first and the last of those whose samples it has.
    pub of: (u8, u8),
}

/// The counters and histograms of one scope, one shard per worker. Cheap to clone.
///
/// A block outlives the pruning of its scope: late writers write into memory nobody exports.
#[derive(Clone, Debug)]
pub struct Block(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: BlockSpec,
    shards: Box<[Shard]>,
    windows: Mutex<Windows>,
}

/// The summaries of a block's histograms. Empty before the first snapshot; `None` for what nobody ever recorded.
#[derive(Debug, Default)]
struct Windows {
    summarised: bool,
    list: Box<[Option<Box<Window>>]>,
}

/// The names of the class counters, by the code's first digit less one.
pub(crate) const STATUS_CLASSES: [&str; 5] =
    ["status/1XX", "status/2XX", "status/3XX", "status/4XX", "status/5XX"];

impl PartialEq for Block {
    /// Whether both are the same block.
    fn eq(&self, other: &Block) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Block {
    pub(crate) fn new(spec: BlockSpec, workers: usize) -> Block {
        let shards = (0..workers).map(|_| Shard::new(&spec)).collect();
        Block(Arc::new(Inner { spec, shards, windows: Mutex::default() }))
    }

    /// The shard of one worker, for that worker alone to write.
    ///
    /// # Panics
    /// When there are not that many workers (see [`Metrics::new`](crate::Metrics::new)).
    #[inline]
    pub fn shard(&self, worker: usize) -> &Shard {
        &self.0.shards[worker]
    }

    /// Counter `i` summed over all workers.
    pub fn counter_sum(&self, i: usize) -> u64 {
        self.0.shards.iter().map(|s| s.counter(i)).sum()
    }

    /// How often `status(code)` has been counted, over all workers.
    pub fn status_sum(&self, code: u16) -> u64 {
        let mut sum = 0;
        self.visit_status(&mut |seen, n| sum += if seen == code { n } else { 0 });
        sum
    }

    /// The last window's summary of histogram `i`; `None` before the first snapshot.
    pub fn summary(&self, i: usize) -> Option<Summary> {
        self.0.windows.lock().summary(i)
    }

    /// Calls `each` with the summary of every histogram, by position; not at all before the first snapshot.
    pub(crate) fn visit_summaries(&self, each: &mut impl FnMut(usize, Option<Summary>)) {
        // Copied, so that what `each` does (rendering) holds up no snapshot.
        let summaries: Vec<_> = {
            let windows = self.0.windows.lock();
            (0..self.0.spec.histograms.len()).map(|i| windows.summary(i)).collect()
        };
        summaries.into_iter().enumerate().for_each(|(i, summary)| each(i, summary));
    }

    pub(crate) fn spec(&self) -> &BlockSpec {
        &self.0.spec
    }

    /// The status codes met so far and their counts, ascending.
    pub(crate) fn status_codes(&self) -> Vec<(u16, u64)> {
        let mut codes: Vec<(u16, u64)> = Vec::new();
        self.visit_status(&mut |code, n| match codes.binary_search_by_key(&code, |c| c.0) {
            Ok(at) => codes[at].1 += n,
            Err(at) => codes.insert(at, (code, n)),
        });
        codes
    }

    fn visit_status(&self, each: &mut impl FnMut(u16, u64)) {
        self.0.shards.iter().for_each(|s| s.visit_status(each));
    }

    /// Puts all that histogram `i` has ever counted into `out`.
    pub(crate) fn cumulative(&self, i: usize, reading: &mut Reading, out: &mut Cumulative) {
        // Held, so that no snapshot comes between the reading and the window.
        let windows = self.0.windows.lock();
        self.read(i, reading);
        out.take(reading, windows.list.get(i).and_then(Option::as_deref));
    }

    /// Reads histogram `i` over all shards.
    fn read(&self, i: usize, reading: &mut Reading) {
        reading.clear();
        let (first, last) = self.0.spec.parts(i);
        for shard in &self.0.shards {
            (first..=last).for_each(|part| shard.read_histogram(part, reading));
        }
    }

    pub(crate) fn snapshot(&self, reading: &mut Reading) {
        let count = self.0.spec.histograms.len();
        if count == 0 {
            return;
        }
        let mut windows = self.0.windows.lock();
        windows.summarised = true;
        for i in 0..count {
            self.read(i, reading);
            if reading.touched != 0 {
                windows.window(i, count).advance(reading);
            }
        }
    }
}

impl Windows {
    fn summary(&self, i: usize) -> Option<Summary> {
        let window = self.list.get(i).and_then(Option::as_ref);
        self.summarised.then(|| window.map_or_else(Summary::default, |w| w.summary()))
    }

    fn window(&mut self, i: usize, count: usize) -> &mut Window {
        if self.list.is_empty() {
            self.list = (0..count).map(|_| None).collect();
        }
        self.list[i].get_or_insert_default()
    }
}
