//! One watch: lists a collection, follows its events, and begins again whenever there is the least doubt that it hears
//! all (user-demand.md §2.1, D1 to D3).
//!
//! What is known stays published through every failure; only the API's own word changes it.

mod event;
mod known;
mod report;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use naming::{Publisher, State};
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::{Refusal, unreadable};
use crate::cluster::Shared;
use crate::kind::Kind;
use event::{Event, Lines};
use known::Known;
pub(crate) use report::Report;
use retry::Failures;

/// A stream that has lasted so long was a good one, even without a word.
const STEADY: Duration = Duration::from_secs(5);

/// How long a watch outlives its last reader: long enough for a reader that follows on another. Names that are used are
/// kept longer by whoever reads the watch.
pub(crate) const IDLE: Duration = Duration::from_millis(100);

/// Why a stream is not read any more.
enum End {
    /// The API has closed it, as it does every few minutes.
    Closed,
    /// It cannot be gone on with.
    Broken(Refusal),
}

/// A watch and what it publishes.
pub(crate) struct Watch<K, T> {
    cluster: Arc<Shared>,
    publisher: Publisher<T>,
    /// What the objects are to those who read them.
    shape: fn(&[Arc<K>]) -> T,
    /// The path of the collection.
    collection: String,
    /// Which objects of it, as a query; may be empty.
    selector: String,
    report: Arc<Report>,
}

impl<K: Kind, T: Clone + PartialEq + Send + Sync + 'static> Watch<K, T> {
    /// A watch that has not begun.
    pub(crate) fn new(
        cluster: Arc<Shared>,
        (collection, selector): (String, String),
        shape: fn(&[Arc<K>]) -> T,
    ) -> Watch<K, T> {
        let report = Arc::new(Report::new(path(&collection, &[&selector])));
        Watch { cluster, publisher: Publisher::default(), shape, collection, selector, report }
    }

    pub(crate) fn publisher(&self) -> &Publisher<T> {
        &self.publisher
    }

    pub(crate) fn report(&self) -> &Arc<Report> {
        &self.report
    }

    /// Goes on until nobody has read for a while what it publishes.
    pub(crate) async fn run(self) {
        tokio::select! {
            () = self.unused() => {}
            () = self.keep() => {}
        }
    }

    async fn unused(&self) {
        loop {
            self.publisher.closed(IDLE).await;
            let idle = || self.publisher.idle_for().is_some_and(|idle| idle >= IDLE);
            if self.cluster.close(self.report.path(), idle) {
                return;
            }
        }
    }

    async fn keep(&self) {
        // While there is no place for it, readers are told so.
        let crowded = |why: String| self.publisher.set(State::failed(why));
        let _place = self.cluster.place_of_watch(self.report.path(), crowded).await;
        let (mut failures, mut known) = (Failures::default(), Known::default());
        loop {
            let begun = Instant::now();
            match self.list(&mut known).await {
                Ok(heard) => self.publish(&known, heard),
                Err(refusal) => {
                    self.refused(&refusal);
                    pause(&mut failures, begun).await;
                    continue;
                }
            }
            self.follow(&mut known, &mut failures).await;
        }
    }

    fn publish(&self, known: &Known<K>, heard: Instant) {
        self.publisher.set_heard(State::Ok((self.shape)(known.items())), heard);
    }

    /// Asks for all objects at once; when they had arrived.
    async fn list(&self, known: &mut Known<K>) -> Result<Instant, Refusal> {
        let _turn = self.cluster.turn().await;
        let text = self.cluster.api.text(self.report.path()).await?;
        let received = Instant::now();
        self.received(text.len());
        known.list(serde_json::from_slice(&text).map_err(|error| unreadable(&error))?);
        self.report.heard();
        Ok(received)
    }

    /// Follows the events after a list until it is time for another one.
    async fn follow(&self, known: &mut Known<K>, failures: &mut Failures) {
        let relist = Instant::now() + self.cluster.settings.relist.mul_f64(0.8 + 0.4 * fastrand::f64());
        loop {
            let begun = Instant::now();
            let ended = timeout_at(relist, self.stream(known)).await;
            self.report.streams(false);
            // One that says a word and ends, again and again, would be asked for without a pause.
            let steady = begun.elapsed() >= STEADY;
            if steady {
                failures.clear();
            }
            let Ok(end) = ended else { return };
            self.cluster.stats.restarts.inc();
            match end {
                End::Closed if steady => {}
                End::Closed => pause(failures, begun).await,
                End::Broken(refusal) => {
                    if !refusal.is_gone() {
                        self.note(&refusal);
                    }
                    pause(failures, begun).await;
                    return;
                }
            }
        }
    }

    /// Reads one stream of events to its end.
    async fn stream(&self, known: &mut Known<K>) -> End {
        match self.events(known).await {
            Ok(()) => End::Closed,
            Err(refusal) => End::Broken(refusal),
        }
    }

    async fn events(&self, known: &mut Known<K>) -> Result<(), Refusal> {
        let settings = &self.cluster.settings;
        // A server that forgets its streams must not do so later than we ask anew.
        let lasts = format!("timeoutSeconds={}", settings.relist.mul_f64(1.25).as_secs() + 1);
        let from = format!("resourceVersion={}", known.version());
        let query = ["watch=true", "allowWatchBookmarks=true", &lasts, &from, &self.selector];
        let mut body = self.cluster.api.stream(&path(&self.collection, &query)).await?;
        self.report.streams(true);
        self.report.heard();
        let mut lines = Lines::default();
        loop {
            let frame = timeout(settings.stale, body.frame()).await;
            let silent = || Refusal::Broken(format!("not a word for {:?}", settings.stale));
            let Some(frame) = frame.map_err(|_| silent())? else { break };
            let frame = frame.map_err(|error| Refusal::Broken(format!("the stream broke off: {error}")))?;
            let Some(data) = frame.data_ref() else { continue };
            let received = Instant::now();
            self.received(data.len());
            lines.push(data).map_err(Refusal::Broken)?;
            self.take(&mut lines, known, received)?;
            lines.rest();
        }
        if lines.is_half() {
            Err(Refusal::Broken("the stream ended within a line".to_owned()))
        } else {
            Ok(())
        }
    }

    /// Takes in all events that have arrived whole; readers hear once of what came together.
    fn take(&self, lines: &mut Lines, known: &mut Known<K>, received: Instant) -> Result<(), Refusal> {
        let mut result = Ok(());
        let (mut heard, mut changed) = (false, false);
        while let Some(line) = lines.next() {
            match event::event(line).map_err(Refusal::Broken) {
                Ok(Event::Error(code, message)) => {
                    result = Err(Refusal::Status(code, message));
                    break;
                }
                Ok(event) => {
                    heard = true;
                    self.cluster.stats.events.inc();
                    changed |= known.apply(event);
                }
                Err(refusal) => {
                    result = Err(refusal);
                    break;
                }
            }
        }
        if heard {
            self.report.heard();
        }
        if changed {
            self.publish(known, received);
        }
        result
    }

    fn received(&self, bytes: usize) {
        self.cluster.stats.bytes.add(bytes as u64);
    }

    /// A list was not given: what is known stays, in doubt.
    fn refused(&self, refusal: &Refusal) {
        self.note(refusal);
        let state = self.publisher.get();
        if state.is_pending() && K::OPTIONAL && refusal.is_final() {
            self.publisher.set(State::failed(format!("{}: {refusal}", self.report.path())));
        } else if !state.is_pending() {
            self.publisher.doubt();
        }
    }

    fn note(&self, refusal: &Refusal) {
        self.cluster.stats.errors.inc();
        let text = refusal.to_string();
        self.cluster.log_sample(self.report.path(), &text);
        self.report.failed(text);
    }
}

/// Waits before the next attempt: since the last one was `begun`, so that one that took long to fail, as they do while the
/// network is cut, does not keep the next one waiting.
async fn pause(failures: &mut Failures, begun: Instant) {
    tokio::time::sleep_until(begun + failures.pause(fastrand::f64())).await;
}

/// A path with the parts of its query that are not empty.
pub(crate) fn path(collection: &str, query: &[&str]) -> String {
    let query: Vec<&str> = query.iter().copied().filter(|part| !part.is_empty()).collect();
    if query.is_empty() { collection.to_owned() } else { format!("{collection}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests;
