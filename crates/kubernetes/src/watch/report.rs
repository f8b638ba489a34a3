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
    error: Option<String>,
}

impl Report {
    pub(super) fn new(path: String) -> Report {
        let words = Words { last: Instant::now(), heard: false, streaming: false, restarts: 0, error: None };
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
        words.error = None;
    }

    /// The stream has begun or ended.
    pub(super) fn streams(&self, streaming: bool) {
        let mut words = self.words.lock();
        words.restarts += u64::from(!streaming && words.streaming);
        words.streaming = streaming;
    }

    pub(super) fn failed(&self, error: String) {
        self.words.lock().error = Some(error);
    }

    /// How long ago the API last said something; since the watch was begun when it never did.
    pub(crate) fn age(&self) -> Duration {
        Instant::now().saturating_duration_since(self.words.lock().last)
    }

    /// Whether what is known can be asked for at present.
    pub(crate) fn fails(&self) -> bool {
        self.words.lock().error.is_some()
    }

    /// As the admin server shows it (observability.md §6.3).
    pub(crate) fn json(&self) -> String {
        let age = self.age().as_millis();
        let words = self.words.lock();
        let error = words.error.as_deref().map(|error| format!(",\"error\":{}", json_text(error)));
        format!(
            "{{\"request\":{},\"streaming\":{},\"answered\":{},\"lastWordMsAgo\":{age},\"restarts\":{}{}}}",
            json_text(&self.path),
            words.streaming,
            words.heard,
            words.restarts,
            error.unwrap_or_default(),
        )
    }
}
