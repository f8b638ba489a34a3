//! A request has come: read what it brings, find its name, make its head fit for the next hop.

use super::WorkerRouter;
use super::unnamed::Unnamed;
use crate::answer::{self, Fault};
use crate::cache::Full;
use crate::classify::{Class, Method};
use crate::diagnose::Diagnosis;
use crate::entry::Entry;
use crate::exchange::{Exchange, NEVER, Phase, Verdict};
use crate::header::{Known, Name};
use crate::identify::{self, Nameless};
use crate::ingress::IngressRules;
use crate::seam::{Arrival, RequestHead, Step};
use crate::stats::server;
use crate::{absolute, context, hop, text};
use balance::Nanos;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Fields a caller cannot set for a back end (dataplane.md §7.1, §4.3 point 10).
const DROPPED: [Known; 5] = [
    Known::L5dDstService,
    Known::L5dDstClient,
    Known::L5dDstResidual,
    Known::L5dReqid,
    Known::XForwardedClientCert,
];

/// A request without a name.
pub(super) enum Stopped {
    /// It goes nowhere; why not, in words.
    Refused(Fault, String),
    /// It has to wait for these rules.
    Waits(Arc<IngressRules>),
}

impl WorkerRouter {
    /// A request's head is complete. The exchange that comes back must be handed to [`WorkerRouter::on_end`] once it is
    /// over; dropping it is allowed and counts as the caller having gone away.
    pub fn on_head(&mut self, head: &mut impl RequestHead, arrival: Arrival) -> (Box<Exchange>, Step) {
        let mut ex = self.free.pop().unwrap_or_else(|| {
            let server = Arc::clone(&self.server);
            Box::new(Exchange::new(server, self.worker))
        });
        ex.begin(Method::of(head.method()), arrival.replayable, arrival.now);
        ex.peer = arrival.peer.ip();
        if !ex.enter_server() {
            let step = self.turn_away(&mut ex, arrival.now);
            return (ex, step);
        }
        let local = self.receive(&mut ex, head, &arrival);
        let named = self.admit(head).and_then(|()| self.identify(&mut ex, head, &arrival, local));
        let step = match named {
            Ok(()) => self.attempt(&mut ex, head, arrival.now),
            Err(stopped) => self.stopped(&mut ex, stopped, &arrival, local, arrival.now),
        };
        (ex, step)
    }

    /// A request without a name is refused, or waits for one; `local` tells whether its dtab stands in `self.key`.
    #[cold]
    pub(super) fn stopped(
        &mut self,
        ex: &mut Exchange,
        stopped: Stopped,
        arrival: &Arrival,
        local: bool,
        now: Nanos,
    ) -> Step {
        match stopped {
            Stopped::Refused(fault, message) => self.refuse(ex, fault, &message, false, now),
            Stopped::Waits(rules) => {
                let dtabs = local.then(|| std::mem::take(&mut self.key));
                self.await_rules(ex, Unnamed { arrival: *arrival, dtabs }, &rules, now)
            }
        }
    }

    /// The server has enough to do.
    #[cold]
    fn turn_away(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        let fault = Fault::TooManyRequests;
        self.server.block.shard(self.worker).inc(server::NACKS);
        ex.phase = Phase::Answered;
        ex.verdict = Verdict { status: fault.status(), class: Class::Failure, fault: Some(fault), at: now };
        Step::Reply(answer::refusal())
    }

    /// Stops what goes round in circles.
    fn admit(&self, head: &impl RequestHead) -> Result<(), Stopped> {
        let deepest = self.entrance.max_call_depth;
        if hop::too_many_hops(head, deepest) {
            self.check_dtabs()?;
            return Err(Stopped::Refused(Fault::TooManyHops, answer::too_many_hops(deepest)));
        }
        Ok(())
    }

    /// From the head to the name, in the order of dataplane.md §4.3. `local` tells whether a dtab that came with the request
    /// stands in `self.key`.
    pub(super) fn identify(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl RequestHead,
        arrival: &Arrival,
        local: bool,
    ) -> Result<(), Stopped> {
        let WorkerRouter { router, name, scratch, .. } = self;
        let settings = &router.settings;
        if let Err(nameless) =
            identify::identify(&settings.identifiers, &settings.dst_prefix, head, name, scratch)
        {
            // A bad dtab is what the caller is told first.
            self.check_dtabs()?;
            return Err(stopped(nameless, head, arrival));
        }
        let entry = if local { self.overridden(arrival.now)? } else { self.plain(arrival.now)? };
        self.dress(ex, head, &entry, arrival.now);
        ex.enter(entry);
        Ok(())
    }

    /// Reads what the request brings for proxies, and notes where it came from. True when it brings a dtab, which then
    /// stands in `self.key`.
    fn receive(&mut self, ex: &mut Exchange, head: &mut impl RequestHead, arrival: &Arrival) -> bool {
        let WorkerRouter { router, entrance, key, rng, scratch, .. } = self;
        let settings = &router.settings;
        if entrance.clear_context {
            context::clear(head);
        }
        ex.context = context::take_deadline(head);
        key.clear();
        let local = context::take_dtabs(head, key);
        if let Some(forwarded) = &entrance.forwarded {
            forwarded.add(head, arrival, settings.sample_salt, rng, scratch);
        }
        absolute::rewrite_absolute(head, scratch);
        ex.trace = settings.propagator.take(head, entrance.clear_context, settings.sample_salt, rng);
        local
    }

    fn check_dtabs(&self) -> Result<(), Stopped> {
        match context::parse_dtabs(&self.key) {
            Ok(_) => Ok(()),
            Err(error) => Err(Stopped::Refused(Fault::BadDtab, error.to_string())),
        }
    }

    /// The entry of the name without a dtab of its own. One the shared cache has evicted is a miss here, too: what it counts
    /// is shown no more.
    #[inline]
    fn plain(&mut self, now: Nanos) -> Result<Arc<Entry>, Stopped> {
        if let Some(entry) = self.paths.get(self.name.as_bytes())
            && !entry.retired.load(Relaxed)
        {
            return Ok(Arc::clone(entry));
        }
        self.missed(now)
    }

    #[cold]
    fn missed(&mut self, now: Nanos) -> Result<Arc<Entry>, Stopped> {
        let path = self.name.to_path();
        let entry = self.router.entry(&path, names::Dtab::empty(), now).map_err(overload)?;
        if !entry.retired.load(Relaxed) {
            self.paths.insert(path, Arc::clone(&entry), now);
        }
        Ok(entry)
    }

    /// The entry of the name with the dtabs in `self.key`.
    fn overridden(&mut self, now: Nanos) -> Result<Arc<Entry>, Stopped> {
        let dtabs = self.key.len();
        self.key.extend_from_slice(self.name.as_bytes());
        // The name comes last; its length tells where it begins.
        self.key.extend_from_slice(&(self.name.as_bytes().len() as u64).to_le_bytes());
        if let Some(entry) = self.overrides.get(&self.key)
            && !entry.retired.load(Relaxed)
        {
            return Ok(Arc::clone(entry));
        }
        let local = context::parse_dtabs(&self.key[..dtabs])
            .map_err(|error| Stopped::Refused(Fault::BadDtab, error.to_string()))?;
        if local.is_empty() {
            return self.plain(now);
        }
        let entry = self.router.entry(&self.name.to_path(), local, now).map_err(overload)?;
        if !entry.retired.load(Relaxed) {
            self.overrides.insert(self.key.as_slice().into(), Arc::clone(&entry), now);
        }
        Ok(entry)
    }

    /// Makes the head what all attempts have in common, and starts the clocks.
    fn dress(&mut self, ex: &mut Exchange, head: &mut impl RequestHead, entry: &Entry, now: Nanos) {
        let service = &entry.service;
        let binding_deadline = now + self.router.settings.binding_timeout;
        let [total, server] = [service.settings.total_timeout, self.server.settings.timeout];
        let [total_deadline, server_deadline] = [total, server].map(|limit| limit.map_or(NEVER, |t| now + t));
        ex.binding_deadline = binding_deadline;
        ex.total_deadline = total_deadline.min(server_deadline);
        ex.server_is_first = server_deadline < total_deadline;
        absolute::ensure_host(head);
        if ex.method == Method::Trace {
            ex.diagnosis = Diagnosis::take(head, &mut self.scratch);
        }
        hop::strip(head, &mut self.scratch);
        if let Some(field) = &self.entrance.timestamp_header {
            // Behind that, so that no caller can have it struck out.
            self.scratch.clear();
            let wall = self.router.settings.epoch.saturating_add(now.0);
            text::push_decimal(&mut self.scratch, wall / 1_000_000);
            head.append(Name::of(field), &self.scratch);
        }
        ex.relayed = head.has(Known::Via);
        hop::add_via(head);
        for name in DROPPED {
            if head.has(name) {
                head.remove(name.into());
            }
        }
        head.append(Known::L5dDstService.into(), service.shown.as_bytes());
        if !entry.ctx_dtab.is_empty() {
            head.append(Known::L5dCtxDtab.into(), entry.ctx_dtab.as_bytes());
        }
        self.router.settings.propagator.announce(head, &ex.trace);
        head.mark();
        service.budget.deposit(now);
    }
}

fn stopped(nameless: Nameless, head: &impl RequestHead, arrival: &Arrival) -> Stopped {
    match nameless {
        Nameless::Unidentified(reason) => {
            let text = answer::unidentified(head.method(), head.target(), arrival.peer, &reason);
            Stopped::Refused(Fault::Unidentified, text)
        }
        Nameless::Broken(text) => Stopped::Refused(Fault::IdentifierFailed, text),
        Nameless::Unknown(rules) => Stopped::Waits(rules),
    }
}

fn overload(_: Full) -> Stopped {
    Stopped::Refused(Fault::Overload, answer::OVERLOAD.to_owned())
}
