//! What a watch tells of itself: for the admin server and the metrics.

use std::time::Duration;

use naming::json_text;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How one watch is doing.
#[derive(Debug)]
pub(crate) struct Report {
    path: String,
    words: Mutex<Words>,
}

#[derive(Debug)]
struct Words {
    last: Instant,
    heard: bool,
    streaming: bool,
    restarts: u64,
    /// Whether what is known can be asked for at present.
    failing: bool,
    /// What went wrong last, and when.
    error: Option<(String, Instant)>,
}

impl Report {
    pub(super) fn new(path: String) -> Report {
        let now = Instant::now();
        let words =
            Words { last: now, heard: false, streaming: false, restarts: 0, failing: false, error: None };
        Report { path, words: Mutex::new(words) }
    }

    /// The path of the collection with its query.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The API has said something that was understood.
    pub(super) fn heard(&self) {
        let mut words = self.words.lock();
        words.last = Instant::now();
        words.heard = true;
        words.failing = false;
    }

    /// The stream has begun or ended.
    pub(super) fn streams(&self, streaming: bool) {
        let mut words = self.words.lock();
        words.restarts += u64::from(!streaming && words.streaming);
        words.streaming = streaming;
    }

    pub(super) fn failed(&self, error: String) {
        let mut words = self.words.lock();
        words.failing = true;
        words.error = Some((error, Instant::now()));
    }

    /// How long ago the API last said something; since the watch was begun when it never did.
    pub(crate) fn age(&self) -> Duration {
        Instant::now().saturating_duration_since(self.words.lock().last)
    }

    /// Whether what is known cannot be asked for at present.
    pub(crate) fn fails(&self) -> bool {
        self.words.lock().failing
    }

    /// As the admin server shows it (observability.md §6.3): `error` while something is wrong, `lastError` of what no longer is.
    pub(crate) fn json(&self) -> String {
        let now = Instant::now();
        let ago = |then: Instant| now.saturating_duration_since(then).as_millis();
        let words = self.words.lock();
        let error = words.error.as_ref().map(|(error, then)| {
            let name = if words.failing { "error" } else { "lastError" };
            format!(",\"{name}\":{},\"errorMsAgo\":{}", json_text(error), ago(*then))
        });
        format!(
            "{{\"request\":{},\"streaming\":{},\"answered\":{},\"lastWordMsAgo\":{},\"restarts\":{}{}}}",
            json_text(&self.path),
            words.streaming,
            words.heard,
            ago(words.last),
            words.restarts,
            error.unwrap_or_default(),
        )
    }
}
