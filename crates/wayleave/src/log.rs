//! The log: lines on standard error or in a file, as text or JSON, by level of each logger, without floods.
//!
//! A logger is a room of the house (`engines`), or a module of one (`engines::accept`); what has no level of its own has its
//! parent's, at last the root's. Levels can be changed while the process runs. Spans are ignored: nothing here uses them.

mod levels;
mod record;
mod repeats;

pub(crate) use levels::{Levels, Setting};
pub(crate) use record::Format;

use record::Record;
use repeats::{Repeats, Verdict};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as SpanValues};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// How often messages that were kept back are counted out.
const COUNT_OUT: Duration = Duration::from_secs(10);

/// Where lines go.
type Out = Box<dyn Write + Send>;

/// The log of the process.
pub(crate) struct Log {
    levels: RwLock<Levels>,
    repeats: Mutex<Repeats>,
    format: Format,
    colours: bool,
    out: Mutex<Out>,
    begun: Instant,
}

/// Sends what `levels` let pass to standard error.
pub(crate) fn begin(levels: Levels, format: Format) -> Arc<Log> {
    let colours = format == Format::Text && std::io::IsTerminal::is_terminal(&std::io::stderr());
    install(Log::new(levels, format, colours, Box::new(std::io::stderr())))
}

/// Sends what `levels` let pass to a file.
pub(crate) fn begin_in(levels: Levels, file: File) -> Arc<Log> {
    install(Log::new(levels, Format::Text, false, Box::new(file)))
}

fn install(log: Log) -> Arc<Log> {
    let log = Arc::new(log);
    // An error means that the log has begun already.
    let _ = tracing::subscriber::set_global_default(log.clone());
    log
}

impl Log {
    fn new(levels: Levels, format: Format, colours: bool, out: Out) -> Log {
        let (levels, out) = (RwLock::new(levels), Mutex::new(out));
        Log { levels, repeats: Mutex::default(), format, colours, out, begun: Instant::now() }
    }

    /// Says from time to time how often messages came that were kept back. Never ends.
    pub(crate) async fn count_out(&self) {
        loop {
            tokio::time::sleep(COUNT_OUT).await;
            self.write_due(self.begun.elapsed());
        }
    }

    /// Says the last of what was kept back.
    pub(crate) fn finish(&self) {
        self.write_due(Duration::MAX);
    }

    fn write_due(&self, now: Duration) {
        for record in held(&self.repeats).due(now) {
            self.write(&record);
        }
    }

    fn write(&self, record: &Record) {
        let line = record.line(self.format, self.colours);
        // Nobody is left to tell when the log cannot be written.
        let _ = held(&self.out).write_all(line.as_bytes());
    }

    fn allows(&self, of: &Metadata<'_>) -> bool {
        let levels = self.levels.read().unwrap_or_else(PoisonError::into_inner);
        of.is_event() && *of.level() <= levels.of(of.target())
    }
}

/// A panic while it was held leaves a line half written at worst.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriber for Log {
    fn register_callsite(&self, of: &'static Metadata<'static>) -> Interest {
        // Asked anew when a level changes, so that a line nobody wants costs nothing.
        if self.allows(of) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, of: &Metadata<'_>) -> bool {
        self.allows(of)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.levels.read().unwrap_or_else(PoisonError::into_inner).most())
    }

    fn event(&self, event: &Event<'_>) {
        let record = Record::of(event);
        let verdict = held(&self.repeats).judge(&record, self.begun.elapsed());
        match verdict {
            Verdict::Say => self.write(&record),
            Verdict::SayAfter(count) => {
                self.write(&count);
                self.write(&record);
            }
            Verdict::Keep => {}
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanValues<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl admin::Loggers for Log {
    fn levels(&self) -> Vec<(String, String)> {
        self.levels.read().unwrap_or_else(PoisonError::into_inner).list()
    }

    fn set(&self, logger: &str, level: &str) {
        let Ok(setting) = Setting::new(logger, level) else { return };
        self.levels.write().unwrap_or_else(PoisonError::into_inner).set(setting);
        tracing::callsite::rebuild_interest_cache();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("levels", &self.levels)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
