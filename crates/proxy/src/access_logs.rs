//! The access logs of a document's routers, and the signal that says their files were moved.

use crate::document as doc;
use engines::Clock;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{AccessLog, AccessLogClocks, AccessLogFile, AccessLogWriter, Metrics, Reopener, RollPolicy};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// How long the last lines may take when the proxy ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// The access logs of all routers; without any, nothing runs.
#[derive(Debug, Default)]
pub(crate) struct AccessLogs {
    logs: Vec<(String, AccessLog)>,
    writer: Option<AccessLogWriter>,
}

impl AccessLogs {
    /// Starts what `document` asks for. Must be called on the control runtime; what listens for signals goes to `control`.
    pub(crate) fn start(
        document: &doc::Document,
        metrics: &Metrics,
        clock: Clock,
        control: &mut JoinSet<()>,
    ) -> std::io::Result<AccessLogs> {
        let (mut labels, mut files) = (Vec::new(), Vec::new());
        for doc::Router::Http(router) in &document.routers {
            let Some(file) = router.access_log() else { continue };
            let dropped = metrics.scope(&["rt", router.label(), "access_log"]).counter("dropped");
            labels.push(router.label().to_owned());
            files.push((file, dropped));
        }
        if files.is_empty() {
            return Ok(AccessLogs::default());
        }
        let by_signal = files.iter().any(|(file, _): &(AccessLogFile, _)| file.policy == RollPolicy::Sighup);
        let clocks = AccessLogClocks {
            steady: Arc::new(move || clock.epoch().saturating_add(clock.now().0)),
            system: Arc::new(Clock::wall),
        };
        let (writer, logs) = AccessLogWriter::start(files, clocks)?;
        if by_signal {
            control.spawn(listen(signal(SignalKind::hangup())?, writer.reopener()));
        }
        Ok(AccessLogs { logs: labels.into_iter().zip(logs).collect(), writer: Some(writer) })
    }

    /// The log of the router with this label.
    pub(crate) fn of(&self, label: &str) -> Option<AccessLog> {
        self.logs.iter().find(|(of, _)| of == label).map(|(_, log)| log.clone())
    }

    /// Writes the last lines; the workers must have ended.
    pub(crate) async fn stop(self) {
        let Some(mut writer) = self.writer else { return };
        let stopped = tokio::task::spawn_blocking(move || writer.stop(FAREWELL)).await;
        if !matches!(stopped, Ok(true)) {
            tracing::warn!("the last lines of the access logs could not be written in time");
        }
    }
}

async fn listen(mut hangup: tokio::signal::unix::Signal, writer: Reopener) {
    while hangup.recv().await.is_some() {
        tracing::info!("SIGHUP: opening access logs anew");
        writer.reopen();
    }
}
