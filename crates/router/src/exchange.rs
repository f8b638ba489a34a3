//! One request and everything decided about it so far.
//!
//! Whatever it counts up (outstanding requests, pending gauges, a probe) it counts down when it ends or is dropped, so that
//! an engine that loses interest leaves no trace.

use crate::answer::Fault;
use crate::authority::Renamed;
use crate::classify::{Class, Method};
use crate::client::Client;
use crate::context::Deadline;
use crate::diagnose::Diagnosis;
use crate::endpoint::Endpoint;
use crate::entry::{Entry, Route};
use crate::server::Server;
use crate::trace::TraceId;
use crate::worker::Unnamed;
use balance::{BackoffState, Band, Nanos, Probe};
use naming::Leaf;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// A moment that never comes.
pub(crate) const NEVER: Nanos = Nanos(u64::MAX);

/// What an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing: not started, or recycled.
    Idle,
    /// Its name to be bound.
    Binding,
    /// The answer to an attempt.
    Sending,
    /// The end of a back-off.
    Delay,
    /// The end of a back end's answer.
    Forwarding,
    /// The end of an answer of the proxy's own.
    Answered,
}

/// One request on its way, from [`crate::WorkerRouter::on_head`] to [`crate::WorkerRouter::on_end`].
pub struct Exchange {
    pub(crate) server: Arc<Server>,
    pub(crate) worker: usize,
    pub(crate) phase: Phase,
    pub(crate) arrived: Nanos,
    /// The caller.
    pub(crate) peer: IpAddr,
    pub(crate) method: Method,
    pub(crate) replayable: bool,
    /// The caller is another router.
    pub(crate) relayed: bool,
    /// Another attempt was due and the budget refused it.
    pub(crate) spent: bool,
    /// Span of this proxy's server.
    pub(crate) trace: TraceId,
    /// Span of the current attempt.
    pub(crate) span: TraceId,
    /// Deadline the caller set.
    pub(crate) context: Option<Deadline>,
    pub(crate) entry: Option<Arc<Entry>>,
    /// What its name will be made of, while it waits for the rules that say how.
    pub(crate) unnamed: Option<Box<Unnamed>>,
    pub(crate) attempt: Option<Attempt>,
    /// Attempts begun: from the second on the head has edits to undo.
    pub(crate) attempts: u32,
    /// Endpoints of the current client that could not be used.
    pub(crate) tried: Vec<u64>,
    /// Clients (by serial number) that could not be connected to however often that was tried.
    pub(crate) exhausted: Vec<u64>,
    pub(crate) fresh: bool,
    /// When a name not yet bound, or bound but not connected to, is given up.
    pub(crate) binding_deadline: Nanos,
    /// When the whole request is given up: the service's `totalTimeoutMs`, or the server's `timeoutMs` if that is less.
    pub(crate) total_deadline: Nanos,
    /// It is the server's.
    pub(crate) server_is_first: bool,
    /// It holds one of its server's places.
    pub(crate) placed: bool,
    pub(crate) backoff: BackoffState,
    pub(crate) retries: u32,
    pub(crate) dispatched: Option<Nanos>,
    pub(crate) verdict: Verdict,
    pub(crate) request_bytes: Option<u64>,
    pub(crate) response_bytes: Option<u64>,
    /// What a TRACE request asks of this proxy.
    pub(crate) diagnosis: Option<Box<Diagnosis>>,
    /// The `Host` of the attempt under way.
    pub(crate) renamed: Renamed,
}

/// What the caller is told, and when it was decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) status: u16,
    pub(crate) class: Class,
    pub(crate) fault: Option<Fault>,
    pub(crate) at: Nanos,
}

/// An attempt on one client: of its endpoints several may be tried.
pub(crate) struct Attempt {
    pub(crate) leaf: Arc<Leaf<Client>>,
    pub(crate) route: Arc<Route>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) probe: Option<Probe>,
    /// The right to find out whether the endpoint can be reached again.
    pub(crate) reconnect: Option<Probe>,
    /// The aperture it was chosen through.
    pub(crate) band: Option<Arc<Band>>,
    /// When the endpoint was chosen.
    pub(crate) sent: Nanos,
    /// Its answer has begun.
    pub(crate) answered: bool,
    /// When a connection was there, once the engine has told.
    pub(crate) acquired: Option<Nanos>,
    /// It waits for its turn among those that want a connection.
    pub(crate) queued: bool,
    /// When it is given up.
    pub(crate) deadline: Nanos,
    /// Connections that could not be made.
    pub(crate) refused: u32,
    /// Requeues charged to the budget, and the most there may be.
    pub(crate) requeues: u64,
    pub(crate) limit: Option<u64>,
    /// All requeues, for the statistics.
    pub(crate) requeued: u64,
    /// The one free requeue after a connection that had gone stale is spent.
    pub(crate) stale: bool,
}

impl Attempt {
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.leaf.replicas
    }

    /// From now on the attempt's time-out runs.
    pub(crate) fn start_clock(&mut self, now: Nanos) {
        self.deadline = self.client().settings.attempt_timeout.map_or(NEVER, |timeout| now + timeout);
    }

    /// When it is given up unless it comes further; `binding` is the end of the time for a connection.
    #[inline]
    fn end(&self, binding: Nanos) -> Nanos {
        if self.acquired.is_some() { self.deadline } else { self.deadline.min(binding) }
    }

    /// Whether its answer tells if its endpoint is back.
    pub(crate) fn is_probe(&self) -> bool {
        self.probe.is_some() || self.reconnect.is_some()
    }
}

impl Exchange {
    pub(crate) fn new(server: Arc<Server>, worker: usize) -> Exchange {
        Exchange {
            server,
            worker,
            phase: Phase::Idle,
            arrived: Nanos(0),
            peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            method: Method::Other,
            replayable: false,
            relayed: false,
            spent: false,
            trace: TraceId::default(),
            span: TraceId::default(),
            context: None,
            entry: None,
            unnamed: None,
            attempt: None,
            attempts: 0,
            tried: Vec::new(),
            exhausted: Vec::new(),
            fresh: false,
            binding_deadline: NEVER,
            total_deadline: NEVER,
            server_is_first: false,
            placed: false,
            backoff: BackoffState::default(),
            retries: 0,
            dispatched: None,
            verdict: Verdict { status: 0, class: Class::Failure, fault: None, at: Nanos(0) },
            request_bytes: None,
            response_bytes: None,
            diagnosis: None,
            renamed: Renamed::default(),
        }
    }

    /// The endpoint of the attempt under way, after [`crate::seam::Step::Send`].
    ///
    /// # Panics
    /// When no attempt is under way.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.attempt.as_ref().expect("asked for after Step::Send only").endpoint
    }

    /// The next moment at which [`crate::WorkerRouter::on_deadline`] must be called unless something else happens first.
    /// Asked for anew after each step.
    #[inline]
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let next = match self.phase {
            Phase::Binding => self.binding_deadline.min(self.total_deadline),
            Phase::Sending => {
                let end = self.attempt.as_ref().map_or(NEVER, |a| a.end(self.binding_deadline));
                end.min(self.total_deadline)
            }
            Phase::Delay => self.total_deadline,
            Phase::Idle | Phase::Forwarding | Phase::Answered => NEVER,
        };
        (next != NEVER).then_some(next)
    }

    /// Whether the attempt under way should have a connection that served nobody before: the one before had gone stale.
    #[must_use]
    pub fn wants_fresh_connection(&self) -> bool {
        self.fresh
    }

    /// The request will be sent on a connection that is there as of `now`: `bindingTimeoutMs` is over, the attempt's time-out
    /// runs from here on. Feeds `service_creation/service_acquisition_latency_ms`.
    pub fn connected(&mut self, now: Nanos) {
        if let Some(attempt) = &mut self.attempt {
            attempt.acquired = Some(now);
            attempt.start_clock(now);
        }
    }

    /// The request begins (`true`) or ceases to wait for its turn among those that want a connection. That the others take
    /// long is not held against the endpoint: only the end of the whole request or of `bindingTimeoutMs` ends the wait, and
    /// the attempt's time starts anew behind it.
    pub fn queued(&mut self, waits: bool, now: Nanos) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.queued = waits;
        if waits {
            attempt.deadline = NEVER;
        } else {
            attempt.start_clock(now);
        }
    }

    /// Sizes of the bodies as their heads announce them (`request_payload_bytes`, `response_payload_bytes`): told when an
    /// attempt is sent, when a reply's head is there, and of an answer of the proxy's own. As in Linkerd, bodies of unknown
    /// length are not recorded.
    pub fn payloads(&mut self, request: Option<u64>, response: Option<u64>) {
        (self.request_bytes, self.response_bytes) = (request, response);
    }

    /// The name the request was given, in its show form; empty when it has none.
    fn service(&self) -> &str {
        self.entry.as_ref().map_or("", |entry| &entry.service.shown)
    }

    /// Starts anew for another request.
    pub(crate) fn begin(&mut self, method: Method, replayable: bool, now: Nanos) {
        self.arrived = now;
        self.method = method;
        self.replayable = replayable;
        (self.relayed, self.spent) = (false, false);
        self.attempts = 0;
        self.fresh = false;
        (self.binding_deadline, self.total_deadline) = (NEVER, NEVER);
        self.backoff = BackoffState::default();
        self.retries = 0;
        self.dispatched = None;
        (self.request_bytes, self.response_bytes) = (None, None);
        self.phase = Phase::Binding;
        self.server.pending.add(self.worker, 1);
    }

    /// The name is known.
    pub(crate) fn enter(&mut self, entry: Arc<Entry>) {
        entry.service.pending.add(self.worker, 1);
        self.entry = Some(entry);
    }

    /// An attempt goes to its endpoint.
    pub(crate) fn start(&mut self, attempt: Attempt) {
        attempt.endpoint.load.begin(attempt.sent);
        if let Some(band) = &attempt.band {
            band.begin(attempt.sent);
        }
        attempt.client().stats.pending.add(self.worker, 1);
        attempt.route.pair.pending.add(self.worker, 1);
        self.attempt = Some(attempt);
        self.phase = Phase::Sending;
    }

    /// The head of the attempt's answer is there: what its endpoint's load learns from. Told once.
    #[inline]
    pub(crate) fn answered(&mut self, now: Nanos) {
        if let Some(attempt) = &mut self.attempt {
            debug_assert!(!attempt.answered, "two answers to one attempt");
            attempt.answered = true;
            attempt.endpoint.load.answered(now.since(attempt.sent), now);
        }
    }

    /// The attempt is over or goes elsewhere: gives back what it held and returns it for what is left to count.
    pub(crate) fn stop(&mut self, now: Nanos) -> Option<Attempt> {
        let attempt = self.attempt.take()?;
        attempt.endpoint.load.end(attempt.answered);
        Some(self.let_go(attempt, now))
    }

    /// The attempt is given up although its answer may still begin: the endpoint is at least that slow.
    pub(crate) fn give_up(&mut self, now: Nanos) -> Option<Attempt> {
        let attempt = self.attempt.take()?;
        attempt.endpoint.load.give_up(now.since(attempt.sent), now);
        Some(self.let_go(attempt, now))
    }

    fn let_go(&self, mut attempt: Attempt, now: Nanos) -> Attempt {
        if let Some(band) = attempt.band.take() {
            band.end(now);
        }
        attempt.endpoint.release(attempt.probe.take(), attempt.reconnect.take());
        attempt.client().stats.pending.add(self.worker, -1);
        attempt.route.pair.pending.add(self.worker, -1);
        attempt
    }

    /// Takes one of the server's places; false when there is none.
    #[inline]
    pub(crate) fn enter_server(&mut self) -> bool {
        let entered = self.server.enter();
        self.placed = entered == Some(true);
        entered.is_some()
    }

    /// The answer begins: gives the server's place back, if it was taken.
    #[inline]
    pub(crate) fn leave_server(&mut self) {
        if self.placed {
            self.placed = false;
            self.server.leave();
        }
    }

    /// Gives back everything; nothing is counted. Ready for [`Exchange::begin`] again.
    pub(crate) fn release(&mut self) {
        if self.phase == Phase::Idle {
            return;
        }
        drop(self.stop(Nanos(0)));
        self.leave_server();
        if let Some(entry) = self.entry.take() {
            entry.service.pending.add(self.worker, -1);
        }
        self.tried.clear();
        self.exhausted.clear();
        self.context = None;
        self.unnamed = None;
        self.diagnosis = None;
        self.renamed.clear();
        self.server.pending.add(self.worker, -1);
        self.phase = Phase::Idle;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.release();
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("service", &self.service())
            .field("phase", &self.phase)
            .field("endpoint", &self.attempt.as_ref().map(|a| &a.endpoint))
            .finish_non_exhaustive()
    }
}
