//! What wakes those who go by live values, and tells them when word of a change came.

use naming::{Hook, SourceId};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Rings when one of the values it hangs on has changed.
#[derive(Default)]
pub(crate) struct Bell {
    rung: Notify,
    /// When word of the first change came that has not been taken in.
    heard: Mutex<Option<Instant>>,
}

impl Bell {
    /// Waits until it rings; at once if it has since the last time.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }

    /// When word of the first change came since the last time this was asked, if there was one.
    pub(crate) fn take(&self) -> Option<Instant> {
        self.heard.lock().take()
    }
}

impl Hook for Bell {
    fn changed(&self, _: SourceId, heard: Instant) {
        self.heard.lock().get_or_insert(heard);
        self.rung.notify_one();
    }
}
