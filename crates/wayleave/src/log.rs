//! The log: lines on standard error or in a file.

use std::fs::File;
use std::sync::Mutex;
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

/// Sends everything of at least `level` to standard error.
pub(crate) fn begin(level: Level) {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_max_level(level)
        .finish();
    // An error means that the log has begun already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Sends everything of at least `level` to a file.
pub(crate) fn begin_in(level: Level, file: File) {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(Mutex::new(file))
        .with_ansi(false)
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .with_max_level(level)
        .finish();
    // An error means that the log has begun already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
