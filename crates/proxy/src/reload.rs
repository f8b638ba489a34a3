//! Changing the configuration of a running proxy: who may ask for it, one change at a time, and what is told of it
//! (docs/adr/0003).
//!
//! SIGHUP, `POST /admin/reload` and a file that has changed all leave word in one queue. What has gathered there is
//! answered by one reading of the configuration.

mod diff;
pub(crate) mod route;
mod watch;

pub use diff::{Change, ChangeKind, Diff};

use crate::document::Document;
use crate::process::State;
use engines::Clock;
use parking_lot::Mutex;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use telemetry::{Counter, Metrics};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Reads the configuration again, or says why it cannot be used: all of its faults, with their lines. May block.
pub type Load = Arc<dyn Fn() -> Result<Document, String> + Send + Sync>;

/// Is told of a reload's beginning and end. Must not block.
pub type Progress = Arc<dyn Fn(bool) + Send + Sync>;

/// Where another configuration comes from while a proxy runs.
#[derive(Clone)]
pub struct ReloadSource {
    /// Reads it.
    pub load: Load,
    /// Whether SIGHUP asks for it.
    pub on_hangup: bool,
    /// The file that is looked at, where a change of it is to ask for it.
    pub watch: Option<PathBuf>,
    /// Who is told when a reload begins (`true`) and when it is over, whatever became of it.
    pub progress: Option<Progress>,
}

impl fmt::Debug for ReloadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReloadSource { on_hangup, watch, .. } = self;
        f.debug_struct("ReloadSource").field("on_hangup", on_hangup).field("watch", watch).finish()
    }
}

/// What a new configuration has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Nothing: it is written the same.
    Unchanged,
    /// This.
    Changed {
        /// Key by key.
        diff: Diff,
        /// What was asked for and only a restart can give.
        notes: Vec<String>,
    },
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reloaded::Unchanged => f.write_str("nothing has changed\n"),
            Reloaded::Changed { diff, notes } => {
                write!(f, "{diff}")?;
                notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
            }
        }
    }
}

/// What became of an attempt.
type Outcome = Result<Reloaded, String>;

/// The queue's end for those who ask. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reloads {
    asks: mpsc::UnboundedSender<Ask>,
    book: Arc<Book>,
}

/// Somebody asks for a reload.
pub(crate) struct Ask {
    why: &'static str,
    answer: Option<oneshot::Sender<Outcome>>,
}

impl Reloads {
    /// A queue and its other end.
    pub(crate) fn new(book: &Arc<Book>) -> (Reloads, mpsc::UnboundedReceiver<Ask>) {
        let (asks, asked) = mpsc::unbounded_channel();
        (Reloads { asks, book: book.clone() }, asked)
    }

    /// Asks, and does not wait.
    fn leave_word(&self, why: &'static str) {
        // Fails when the proxy ends.
        let _ = self.asks.send(Ask { why, answer: None });
    }

    /// Asks, and waits for what becomes of it.
    async fn ask(&self, why: &'static str) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let _ = self.asks.send(Ask { why, answer: Some(answer) });
        answered.await.unwrap_or_else(|_| Err("the proxy is ending".to_owned()))
    }
}

/// What is remembered of attempts: `config/reloads/success` and `config/reloads/failure`, `config/loaded_at_ms` (when the
/// configuration that is in use was last found good, milliseconds since the Unix epoch) and `config/refused` (1 while the
/// last attempt has failed, so that the file and the proxy are not of one mind).
pub(crate) struct Book {
    success: Counter,
    failure: Counter,
    loaded_at: AtomicU64,
    refused: AtomicBool,
    last: Mutex<Option<Outcome>>,
}

impl Book {
    pub(crate) fn new(metrics: &Metrics) -> Arc<Book> {
        let config = metrics.scope(&["config"]);
        let book = Arc::new(Book {
            success: config.counter("reloads/success"),
            failure: config.counter("reloads/failure"),
            loaded_at: AtomicU64::new(now()),
            refused: AtomicBool::new(false),
            last: Mutex::default(),
        });
        let of = Arc::downgrade(&book);
        config.gauge("loaded_at_ms", move || of.upgrade().map_or(0.0, |b| b.loaded_at.load(Relaxed) as f64));
        let of = Arc::downgrade(&book);
        config.gauge("refused", move || {
            of.upgrade().map_or(0.0, |b| f64::from(u8::from(b.refused.load(Relaxed))))
        });
        book
    }

    /// Counts and logs what became of an attempt.
    pub(crate) fn note(&self, outcome: &Outcome) {
        self.refused.store(outcome.is_err(), Relaxed);
        *self.last.lock() = Some(outcome.clone());
        match outcome {
            Ok(reloaded) => {
                self.success.inc();
                self.loaded_at.store(now(), Relaxed);
                match reloaded {
                    Reloaded::Unchanged => tracing::info!("reload: nothing has changed"),
                    Reloaded::Changed { .. } => {
                        tracing::info!("reloaded:\n{}", reloaded.to_string().trim_end());
                    }
                }
            }
            Err(why) => {
                self.failure.inc();
                tracing::error!("not reloaded, the configuration before stays in use:\n{}", why.trim_end());
            }
        }
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    Clock::wall() / 1_000_000
}

/// Begins to heed what `source` says may ask for a reload. `document` is what was read from it so far.
pub(crate) fn heed(
    source: &ReloadSource,
    document: &Document,
    reloads: &Reloads,
    tasks: &mut JoinSet<()>,
) -> std::io::Result<()> {
    if source.on_hangup {
        let (mut hangup, reloads) = (signal(SignalKind::hangup())?, reloads.clone());
        tasks.spawn(async move {
            while hangup.recv().await.is_some() {
                reloads.leave_word("SIGHUP");
            }
        });
    }
    if let Some(path) = &source.watch {
        let read = document.warnings.source().text().as_bytes().to_vec();
        tasks.spawn(watch::watch(path.clone(), read, reloads.clone()));
    }
    Ok(())
}

/// Answers those who ask, one reading for all that ask meanwhile.
pub(crate) async fn serve(
    mut asked: mpsc::UnboundedReceiver<Ask>,
    source: Option<ReloadSource>,
    state: Arc<State>,
) {
    while let Some(first) = asked.recv().await {
        let mut asks = vec![first];
        while let Ok(another) = asked.try_recv() {
            asks.push(another);
        }
        let mut why: Vec<_> = asks.iter().map(|ask| ask.why).collect();
        why.dedup();
        tracing::info!("reload asked for by {}", why.join(", "));
        let progress = |begins: bool| {
            if let Some(tell) = source.as_ref().and_then(|source| source.progress.as_ref()) {
                tell(begins);
            }
        };
        progress(true);
        let outcome = match load(source.as_ref()).await {
            Ok(document) => change(&state, document).await,
            Err(faults) => state.refuse(faults),
        };
        progress(false);
        for answer in asks.into_iter().filter_map(|ask| ask.answer) {
            // Who asked may have gone.
            let _ = answer.send(outcome.clone());
        }
    }
}

/// A fault in the midst of it must not be the last that is heard of reloads.
async fn change(state: &Arc<State>, document: Document) -> Outcome {
    let of = state.clone();
    let changed = tokio::spawn(async move { of.reload(document).await }).await;
    changed.unwrap_or_else(|_| {
        state.refuse("the reload broke off, which is a fault of Wayleave: restart the process".to_owned())
    })
}

async fn load(source: Option<&ReloadSource>) -> Result<Document, String> {
    let Some(ReloadSource { load, .. }) = source.cloned() else {
        return Err("this process does not know where its configuration came from".to_owned());
    };
    let read = tokio::task::spawn_blocking(move || load()).await;
    let document = read.unwrap_or_else(|_| Err("reading the configuration failed".to_owned()))?;
    if !document.warnings.is_empty() {
        tracing::warn!("{}", document.warnings);
    }
    Ok(document)
}
