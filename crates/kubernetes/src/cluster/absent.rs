//! Names of nothing that are followed all the same, so that what comes to stand for them is known at once: only so many,
//! because callers can think of any number of them (user-demand.md §2.1, D6).

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The names of nothing of an API, the one that has been for longest first, each with what sends it to rest.
pub(crate) struct Absent {
    limit: usize,
    all: Mutex<VecDeque<Arc<Notify>>>,
}

impl Absent {
    pub(super) fn new(limit: usize) -> Absent {
        Absent { limit, all: Mutex::default() }
    }

    /// A place for one more. Where there are too many, the one that came first loses its own.
    pub(crate) fn enter(&self) -> Place<'_> {
        let own = Arc::new(Notify::new());
        let mut all = self.all.lock();
        all.push_back(Arc::clone(&own));
        if all.len() > self.limit
            && let Some(first) = all.pop_front()
        {
            first.notify_one();
        }
        Place { of: self, own }
    }
}

/// A place among them, given back when it is dropped.
pub(crate) struct Place<'a> {
    of: &'a Absent,
    own: Arc<Notify>,
}

impl Place<'_> {
    /// Waits until the place is lost to another.
    pub(crate) async fn lost(&self) {
        self.own.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.of.all.lock().retain(|other| !Arc::ptr_eq(other, &self.own));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Duration, timeout};

    #[tokio::test(start_paused = true)]
    async fn the_last_one_in_sends_the_first_one_out() {
        let absent = Absent::new(2);
        let lost = async |place: &Place<'_>| timeout(Duration::from_millis(1), place.lost()).await.is_ok();
        let (first, second) = (absent.enter(), absent.enter());
        assert!(!lost(&first).await && !lost(&second).await);
        let third = absent.enter();
        assert!(lost(&first).await && !lost(&second).await);
        drop((first, second));
        // A place that was given back is free.
        let fourth = absent.enter();
        assert!(!lost(&third).await);
        let _fifth = absent.enter();
        assert!(lost(&third).await && !lost(&fourth).await);
    }
}
