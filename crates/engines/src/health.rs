//! Whether the workers turn: each leaves the time of its last beat behind, and answers when it is asked.
//!
//! Two questions, because they differ: a worker that has been silent for long is *stuck*, and only a restart helps; one that
//! answers *now* can be sent traffic. Traffic pays nothing for either.

use crate::clock::Clock;
use crate::worker::Command;
use balance::Nanos;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// Silence after which a worker is stuck. A beat comes each 250 ms, so that a stall is noticed within 2 s of its beginning.
const STUCK: Duration = Duration::from_millis(1_700);
/// The time of the last beat of a worker that has ended on purpose.
const ENDED: u64 = u64::MAX;

/// When a worker beat last. Written by the worker only.
#[derive(Clone, Debug)]
pub(crate) struct LastBeat(Arc<AtomicU64>);

impl LastBeat {
    pub(crate) fn new(now: Nanos) -> LastBeat {
        LastBeat(Arc::new(AtomicU64::new(now.0)))
    }

    pub(crate) fn note(&self, now: Nanos) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(ENDED, Ordering::Relaxed);
    }

    /// How long it has been silent; `None` for one that has ended.
    fn silence(&self, now: Nanos) -> Option<Duration> {
        let last = self.0.load(Ordering::Relaxed);
        (last != ENDED).then(|| Duration::from_nanos(now.0.saturating_sub(last)))
    }
}

/// A worker from which nothing is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silent {
    /// Its number.
    pub worker: usize,
    /// For how long.
    pub since: Duration,
}

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} has not turned for {} ms", self.worker, self.since.as_millis())
    }
}

/// How the workers are. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    clock: Clock,
    workers: Arc<[(mpsc::UnboundedSender<Command>, LastBeat)]>,
}

impl Health {
    pub(crate) fn new(clock: Clock, workers: Vec<(mpsc::UnboundedSender<Command>, LastBeat)>) -> Health {
        Health { clock, workers: workers.into() }
    }

    /// The workers that are stuck: silent for so long that it shows within 2 s of the beginning. Workers that have ended are
    /// not among them.
    #[must_use]
    pub fn stuck(&self) -> Vec<Silent> {
        let now = self.clock.now();
        let silent = self.workers.iter().enumerate().filter_map(|(worker, (_, last))| {
            let since = last.silence(now).filter(|since| *since >= STUCK)?;
            Some(Silent { worker, since })
        });
        silent.collect()
    }

    /// Asks every worker and waits for the answers, at most for `patience`: all that was told them before is done by then.
    /// Returns the workers that have not answered.
    pub async fn ask(&self, patience: Duration) -> Vec<Silent> {
        let until = Instant::now() + patience;
        let mut answers = Vec::with_capacity(self.workers.len());
        for (commands, _) in self.workers.iter() {
            let (question, answer) = oneshot::channel();
            // A worker that is gone drops the question, and so does this: nobody answers.
            let _ = commands.send(Command::Settle(question));
            answers.push(answer);
        }
        let mut silent = Vec::new();
        for (worker, answer) in answers.into_iter().enumerate() {
            if !matches!(timeout_at(until, answer).await, Ok(Ok(()))) {
                let since = self.workers[worker].1.silence(self.clock.now()).unwrap_or_default();
                silent.push(Silent { worker, since });
            }
        }
        silent
    }

    /// Keeps a worker from doing anything until the guard is dropped. For tests of what notices that.
    #[doc(hidden)]
    #[must_use]
    pub fn stall(&self, worker: usize) -> StallGuard {
        let (guard, stall) = std::sync::mpsc::channel();
        if let Some((commands, _)) = self.workers.get(worker) {
            let _ = commands.send(Command::Stall(Stall(stall)));
        }
        StallGuard { _held: guard }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

/// What a worker is to wait for without doing anything else.
pub(crate) struct Stall(std::sync::mpsc::Receiver<()>);

impl Stall {
    pub(crate) fn hold(self) {
        // Nothing is ever sent: this returns when the guard is gone.
        let _ = self.0.recv();
    }
}

/// Holds a worker up for as long as it lives.
#[doc(hidden)]
#[derive(Debug)]
pub struct StallGuard {
    _held: std::sync::mpsc::Sender<()>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Workers;
    use telemetry::Metrics;
    use testkit::{PATIENCE, eventually};

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_worker_that_stalls_is_noticed_within_two_seconds_and_forgiven() {
        let clock = Clock::start();
        let workers = Workers::start(3, clock, &Metrics::new(3)).unwrap();
        let health = workers.health();
        assert_eq!((health.ask(PATIENCE).await, health.stuck()), (vec![], vec![]));
        let begun = clock.now();
        let guard = health.stall(1);
        let silent = health.ask(Duration::from_millis(50)).await;
        assert_eq!(silent.iter().map(|s| s.worker).collect::<Vec<_>>(), [1]);
        eventually(PATIENCE, "the worker is stuck", || async { !health.stuck().is_empty() }).await;
        let took = Duration::from(clock.now()) - Duration::from(begun);
        assert!(took <= Duration::from_secs(2), "{took:?}");
        let stuck = health.stuck();
        assert!(stuck.len() == 1 && stuck[0].worker == 1 && stuck[0].since >= STUCK, "{stuck:?}");
        drop(guard);
        assert_eq!(health.ask(PATIENCE).await, []);
        eventually(PATIENCE, "the worker beats again", || async { health.stuck().is_empty() }).await;
        workers.drain(Duration::ZERO, Duration::ZERO).await;
        assert_eq!(health.ask(PATIENCE).await.len(), 3, "those that have ended answer no more");
        assert!(health.workers.iter().all(|(_, last)| last.silence(clock.now()).is_none()));
    }
}
