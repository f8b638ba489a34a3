//! What is counted and logged of the watches of a cluster.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use telemetry::{Counter, Scope};
use tokio::time::Instant;

use super::Shared;

/// At most one line in the log in so long.
const EVERY: Duration = Duration::from_secs(10);

pub(crate) struct Stats {
    /// Streams that have ended, for whatever reason.
    pub(crate) restarts: Counter,
    /// Lists and streams that failed.
    pub(crate) errors: Counter,
    /// Events and bookmarks.
    pub(crate) events: Counter,
    /// Bytes of lists and of streams: what the watches cost the API and us.
    pub(crate) bytes: Counter,
    /// Names and watches that had to wait because there were too many.
    pub(crate) refused: Counter,
}

impl Stats {
    pub(super) fn new(scope: &Scope) -> Stats {
        Stats {
            restarts: scope.counter("watch_restarts_total"),
            errors: scope.counter("watch_errors_total"),
            events: scope.counter("watch_events_total"),
            bytes: scope.counter("watch_bytes_total"),
            refused: scope.counter("watch_refused_total"),
        }
    }
}

/// Shows how many watches there are, how many of them fail at present and the age of the oldest last word, in seconds.
pub(super) fn show(shared: &Arc<Shared>, scope: &Scope) {
    const NAMES: &[&str] = &["watches", "watches_failing", "watch_age_seconds"];
    let shared: Weak<Shared> = Arc::downgrade(shared);
    scope.gauges(NAMES, move |at| {
        let reports = shared.upgrade().map(|shared| shared.reports()).unwrap_or_default();
        let count = |number: usize| u32::try_from(number).map_or(f64::INFINITY, f64::from);
        match at {
            0 => count(reports.len()),
            1 => count(reports.iter().filter(|report| report.fails()).count()),
            _ => reports.iter().map(|report| report.age()).max().unwrap_or_default().as_secs_f64(),
        }
    });
}

/// Lets one in so long through, and counts the others.
#[derive(Default)]
pub(super) struct Sample(Mutex<(Option<Instant>, u64)>);

impl Sample {
    /// How many were held back since the last one that was let through, if this one is.
    pub(super) fn take(&self) -> Option<u64> {
        let now = Instant::now();
        let (last, held) = &mut *self.0.lock();
        if last.is_some_and(|last| now < last + EVERY) {
            *held += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_in_ten_seconds() {
        let sample = Sample::default();
        assert_eq!(sample.take(), Some(0));
        assert_eq!((sample.take(), sample.take()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!(sample.take(), Some(2));
    }
}
