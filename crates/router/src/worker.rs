//! The router's hand in one worker: takes the engine's news and answers with the next step.

mod access;
mod attempt;
mod end;
mod failure;
mod head;
mod local;
mod response;
mod unnamed;

use crate::answer::{self, Fault, Limits};
use crate::cache::Local;
use crate::classify::Class;
use crate::exchange::{Exchange, Phase, Verdict};
use crate::forwarded::Forwarded;
use crate::router::Router;
use crate::seam::{RequestHead, Step};
use crate::server::Server;
use crate::settings::{ServerId, ServerSettings};
use balance::Nanos;
use fastrand::Rng;
use names::{Path, PathBuilder};
use std::sync::Arc;
use telemetry::{AccessLog, Lines};

pub(crate) use unnamed::Unnamed;

/// Exchanges kept for the next requests.
const FREE: usize = 256;

/// The router as one worker sees it, for the requests of one server. Belongs to the worker's thread; so do the exchanges it
/// gives out.
pub struct WorkerRouter {
    router: Arc<Router>,
    server: Arc<Server>,
    /// What the server's configuration says of requests that come in there.
    entrance: ServerSettings,
    worker: usize,
    rng: Rng,
    /// Entries of names without a local dtab, by the name's bytes.
    paths: Local<Path>,
    /// Entries of names with one, by name and dtab headers as they came.
    overrides: Local<Box<[u8]>>,
    name: PathBuilder,
    key: Vec<u8>,
    scratch: Vec<u8>,
    log: Option<Lines>,
    #[allow(clippy::vec_box, reason = "the box is what is given out and comes back")]
    free: Vec<Box<Exchange>>,
}

impl WorkerRouter {
    pub(crate) fn new(router: Arc<Router>, server: ServerId, worker: usize, seed: u64) -> WorkerRouter {
        let cache = router.settings.cache;
        WorkerRouter {
            server: Arc::clone(router.server(server)),
            entrance: router.settings.servers[server.0].clone(),
            worker,
            rng: Rng::with_seed(seed),
            paths: Local::new(cache.paths),
            overrides: Local::new(cache.overrides),
            name: PathBuilder::new(),
            key: Vec::new(),
            scratch: Vec::new(),
            log: router.settings.access_log.as_ref().map(AccessLog::lines),
            free: Vec::new(),
            router,
        }
    }

    /// Goes on after [`Step::AwaitBinding`] or [`Step::Delay`] is over.
    pub fn resume(&mut self, ex: &mut Exchange, head: &mut impl RequestHead, now: Nanos) -> Step {
        debug_assert!(matches!(ex.phase, Phase::Binding | Phase::Delay), "{ex:?}");
        if ex.deadline().is_some_and(|deadline| deadline <= now) && ex.phase == Phase::Delay {
            return self.on_deadline(ex, now);
        }
        match ex.unnamed.take() {
            None => self.attempt(ex, head, now),
            Some(unnamed) => self.name_late(ex, head, *unnamed, now),
        }
    }

    /// To be called about once a second: lets go of idle names, tells the binder which ones are busy.
    pub fn tick(&mut self, now: Nanos) {
        let ttl = self.router.settings.cache.idle_ttl;
        self.paths.tick(now, ttl);
        self.overrides.tick(now, ttl);
        self.router.tick(now);
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Lets go of all names and writes what waits to be written: no request begins here any more. Those under way end as
    /// they would have.
    pub fn retire(&mut self) {
        self.paths.clear();
        self.overrides.clear();
        self.free = Vec::new();
        if let Some(log) = &mut self.log {
            log.flush();
        }
    }

    /// Whether [`crate::seam::Arrival::local`] is looked at: the engine need not ask the system otherwise.
    #[must_use]
    pub fn wants_local_address(&self) -> bool {
        self.entrance.forwarded.as_ref().is_some_and(Forwarded::needs_local)
    }

    /// The number of this worker.
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The statistics of the server its requests come from.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// The router.
    #[must_use]
    pub fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Ends the request with an answer of the proxy's own.
    #[cold]
    fn refuse(
        &mut self,
        ex: &mut Exchange,
        fault: Fault,
        message: &str,
        retryable: bool,
        now: Nanos,
    ) -> Step {
        let settings = &self.router.settings;
        let limits = Limits { body: settings.max_err_response, header: settings.max_headers };
        ex.leave_server();
        ex.phase = Phase::Answered;
        ex.verdict = Verdict { status: fault.status(), class: Class::Failure, fault: Some(fault), at: now };
        let retryable = if ex.spent && ex.relayed { Some(false) } else { retryable.then_some(true) };
        let answer = answer::answer(fault, message, retryable, limits);
        Step::Reply(if self.entrance.clear_context { answer::cleared(answer) } else { answer })
    }
}

impl std::fmt::Debug for WorkerRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerRouter").field("worker", &self.worker).finish_non_exhaustive()
    }
}
