//! The access logs of a document's routers, and the signal that says their files were moved.

use crate::document as doc;
use engines::Clock;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{AccessLog, AccessLogClocks, AccessLogFile, AccessLogWriter, Metrics, Reopener, RollPolicy};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;

/// How long the last lines may take when the proxy ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// The access logs of all routers; without any, nothing runs.
#[derive(Debug, Default)]
pub(crate) struct AccessLogs {
    logs: Vec<Log>,
}

/// The log of one router.
#[derive(Clone, Debug)]
struct Log {
    label: String,
    file: AccessLogFile,
    log: AccessLog,
    writer: Arc<Shelf>,
}

/// A writer and what listens for its signal. It ends with the last of its logs.
#[derive(Debug)]
struct Shelf {
    writer: parking_lot::Mutex<Option<AccessLogWriter>>,
    signal: Option<AbortHandle>,
}

impl Drop for Shelf {
    fn drop(&mut self) {
        if let Some(signal) = &self.signal {
            signal.abort();
        }
        // Routers that are still busy go on writing to it.
        if let Some(writer) = self.writer.lock().take() {
            writer.detach();
        }
    }
}

impl AccessLogs {
    /// Starts what `document` asks for; a log that is the same in `before` goes on. Must be called on the control runtime.
    pub(crate) fn start(
        document: &doc::Document,
        before: &AccessLogs,
        metrics: &Metrics,
        clock: Clock,
    ) -> std::io::Result<AccessLogs> {
        let (mut logs, mut wanted) = (Vec::new(), Vec::new());
        for doc::Router::Http(router) in &document.routers {
            let Some(mut file) = router.access_log() else { continue };
            let label = router.label();
            match before.logs.iter().find(|log| log.label == label && log.file == file) {
                Some(log) => logs.push(log.clone()),
                None => {
                    let asked = file.clone();
                    // Only a start begins a file anew.
                    file.append |= before.logs.iter().any(|log| log.file.path == file.path);
                    let dropped = metrics.scope(&["rt", label, "access_log"]).counter("dropped");
                    wanted.push((label.to_owned(), asked, (file, dropped)));
                }
            }
        }
        if wanted.is_empty() {
            return Ok(AccessLogs { logs });
        }
        let by_signal = wanted.iter().any(|(_, file, _)| file.policy == RollPolicy::Sighup);
        let (labels, files): (Vec<_>, Vec<_>) =
            wanted.into_iter().map(|(l, asked, file)| ((l, asked), file)).unzip();
        let (writer, started) = AccessLogWriter::start(files, clocks(clock))?;
        let signal = match by_signal {
            true => {
                Some(tokio::spawn(listen(signal(SignalKind::hangup())?, writer.reopener())).abort_handle())
            }
            false => None,
        };
        let writer = Arc::new(Shelf { writer: parking_lot::Mutex::new(Some(writer)), signal });
        let new = labels.into_iter().zip(started);
        logs.extend(new.map(|((label, file), log)| Log { label, file, log, writer: writer.clone() }));
        Ok(AccessLogs { logs })
    }

    /// The log of the router with this label.
    pub(crate) fn of(&self, label: &str) -> Option<AccessLog> {
        self.logs.iter().find(|of| of.label == label).map(|of| of.log.clone())
    }

    /// Whether a router's log is the same as before.
    pub(crate) fn is_same(&self, before: &AccessLogs, label: &str) -> bool {
        let writer = |of: &AccessLogs| {
            of.logs
                .iter()
                .find(|log| log.label == label)
                .map(|log| (Arc::as_ptr(&log.writer), log.file.clone()))
        };
        writer(self) == writer(before)
    }

    /// Writes the last lines; the workers must have ended.
    pub(crate) async fn stop(self) {
        for log in self.logs {
            let Some(mut writer) = log.writer.writer.lock().take() else { continue };
            let stopped = tokio::task::spawn_blocking(move || writer.stop(FAREWELL)).await;
            if !matches!(stopped, Ok(true)) {
                tracing::warn!("the last lines of the access logs could not be written in time");
            }
        }
    }
}

fn clocks(clock: Clock) -> AccessLogClocks {
    AccessLogClocks {
        steady: Arc::new(move || clock.epoch().saturating_add(clock.now().0)),
        system: Arc::new(Clock::wall),
    }
}

async fn listen(mut hangup: tokio::signal::unix::Signal, writer: Reopener) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: opening access logs anew");
        writer.reopen();
    }
}
