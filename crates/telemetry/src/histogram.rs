//! Histograms: exact buckets, cumulative cells, windows of a minute, and a handle with many writers for control.

pub(crate) mod buckets;
pub(crate) mod cells;
mod window;

use std::sync::Arc;

use parking_lot::Mutex;

use cells::{Cells, Reading};
pub use window::Cumulative;
pub use window::Summary;
pub(crate) use window::Window;

/// The upper limits of all buckets but the last (observability.md §2.1): each excluded from the bucket it ends.
pub fn bucket_limits() -> &'static [u32] {
    &buckets::LIMITS
}

/// A histogram any thread may record into (a short lock orders the writers): for the control side.
/// Traffic uses the histograms of a [`Block`](crate::Block).
#[derive(Clone, Debug, Default)]
pub struct Histogram(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    cells: Cells,
    writers: Mutex<()>,
    window: Mutex<Option<Window>>,
}

impl Histogram {
    /// Counts `value`, cut to 2^31 - 1.
    pub fn record(&self, value: u64) {
        let _one_writer = self.0.writers.lock();
        self.0.cells.record(value);
    }

    /// The last window's summary; `None` before the first snapshot.
    pub fn summary(&self) -> Option<Summary> {
        self.0.window.lock().as_ref().map(Window::summary)
    }

    /// Puts all it has ever counted into `out`.
    pub(crate) fn cumulative(&self, reading: &mut Reading, out: &mut Cumulative) {
        reading.clear();
        let window = self.0.window.lock();
        self.0.cells.read(reading);
        out.take(reading, window.as_ref());
    }

    pub(crate) fn snapshot(&self, reading: &mut Reading) {
        reading.clear();
        let mut window = self.0.window.lock();
        self.0.cells.read(reading);
        window.get_or_insert_default().advance(reading);
    }
}
