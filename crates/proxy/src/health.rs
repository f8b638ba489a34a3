//! Readiness and liveness, answered from the traffic side (`/admin/ready`, `/admin/live`).
//!
//! *Ready*: traffic may be sent here. Everything is served, the end has not begun, and every worker answers when it is asked.
//! *Live*: a restart would not help. No worker has stood still for long. A proxy that drains, or whose back ends are all
//! gone, is live.

use admin::{Method, Response, Routes, StatusCode, status, text};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long workers may take to answer.
const ANSWER: Duration = Duration::from_secs(1);
/// How long somebody who asks during the start is kept waiting for its end before the answer is "not ready".
const START: Duration = Duration::from_secs(1);

const GET: &[Method] = &[Method::GET, Method::HEAD];

#[derive(Clone, Debug)]
enum Phase {
    Starting,
    Serving(engines::Health),
    Draining(engines::Health),
}

/// How a proxy is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health(Arc<watch::Sender<Phase>>);

impl Health {
    pub(crate) fn new() -> Health {
        Health(Arc::new(watch::Sender::new(Phase::Starting)))
    }

    /// Everything is served, by these workers.
    pub(crate) fn serving(&self, workers: engines::Health) {
        self.0.send_replace(Phase::Serving(workers));
    }

    /// The end has begun.
    pub(crate) fn draining(&self) {
        self.0.send_modify(|phase| {
            if let Phase::Serving(workers) = phase {
                *phase = Phase::Draining(workers.clone());
            }
        });
    }

    /// Whether traffic may be sent here: every worker is asked.
    ///
    /// # Errors
    /// Why not, for people.
    pub async fn ready(&self) -> Result<(), String> {
        let mut phase = self.0.subscribe();
        let begun = timeout(START, phase.wait_for(|phase| !matches!(phase, Phase::Starting)));
        let phase = match begun.await {
            Ok(Ok(phase)) => phase.clone(),
            _ => Phase::Starting,
        };
        match phase {
            Phase::Starting => Err("starting\n".to_owned()),
            Phase::Draining(_) => Err("draining\n".to_owned()),
            Phase::Serving(workers) => said(&workers.ask(ANSWER).await),
        }
    }

    /// Whether no worker stands still.
    ///
    /// # Errors
    /// Which ones do, and for how long, for people.
    pub fn live(&self) -> Result<(), String> {
        match &*self.0.borrow() {
            Phase::Starting => Ok(()),
            Phase::Serving(workers) | Phase::Draining(workers) => said(&workers.stuck()),
        }
    }

    /// Keeps a worker from doing anything until the guard is dropped. For tests of what notices that.
    #[doc(hidden)]
    #[must_use]
    pub fn stall(&self, worker: usize) -> Option<engines::StallGuard> {
        match &*self.0.borrow() {
            Phase::Serving(workers) => Some(workers.stall(worker)),
            _ => None,
        }
    }
}

fn said(silent: &[engines::Silent]) -> Result<(), String> {
    if silent.is_empty() {
        return Ok(());
    }
    Err(silent.iter().fold(String::new(), |mut all, one| {
        let _ = writeln!(all, "{one}");
        all
    }))
}

/// Adds `/admin/ready` and `/admin/live`: 200, or 503 with the reason.
pub(crate) fn add(routes: Routes, health: &Health) -> Routes {
    let (ready, live) = (health.clone(), health.clone());
    routes
        .route_async("/admin/ready", GET, move |_| {
            let health = ready.clone();
            async move { answer(health.ready().await, "ready\n") }
        })
        .get("/admin/live", move |_| answer(live.live(), "live\n"))
}

fn answer(result: Result<(), String>, good: &'static str) -> Response {
    match result {
        Ok(()) => text(good),
        Err(why) => status(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}
