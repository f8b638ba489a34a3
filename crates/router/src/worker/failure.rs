//! An attempt that brought no answer: another replica, another attempt, or the end (dataplane.md §5.2).

use super::WorkerRouter;
use crate::answer::{self, Fault};
use crate::classify::Class;
use crate::client::{Client, Picked};
use crate::entry;
use crate::exchange::{Attempt, Exchange, Phase};
use crate::seam::{Failure, RequestHead, Sent, Step};
use crate::stats::client as idx;
use balance::{Choice, Nanos};
use std::sync::Arc;

/// Further connections a request may try when one cannot be made; the budget is not asked.
const RECONNECTS: u32 = 25;

impl WorkerRouter {
    /// The attempt under way failed before a final response head was complete.
    pub fn on_failure(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl RequestHead,
        failure: Failure,
        now: Nanos,
    ) -> Step {
        debug_assert_eq!(ex.phase, Phase::Sending, "{ex:?}");
        match failure {
            Failure::Connect { .. } => self.refused(ex, head, now),
            Failure::TooManyWaiters => self.crowded(ex, Fault::TooManyWaiters, answer::TOO_MANY_WAITERS, now),
            Failure::Exhausted { reason } => {
                self.crowded(ex, Fault::Connect, &answer::exhausted(&reason), now)
            }
            Failure::Closed { reason, sent: Sent::Nothing } => self.unsent(ex, &reason, now),
            Failure::Closed { reason, sent } => {
                if sent == Sent::SomeOnReused {
                    if let Some(step) = self.went_stale(ex, now) {
                        return step;
                    }
                    // Most likely it had idled too long all the same.
                    self.count_attempt(ex, Fault::Closed, now);
                } else {
                    self.fail_attempt(ex, Fault::Closed, now);
                }
                self.broken(ex, head, Fault::Closed, "Connection closed before the response", &reason, now)
            }
            Failure::Malformed { reason } => {
                self.fail_attempt(ex, Fault::Malformed, now);
                self.broken(ex, head, Fault::Malformed, "Malformed response", &reason, now)
            }
        }
    }

    /// [`Exchange::deadline`] has passed. The engine gives up the back end's connection if there is one.
    pub fn on_deadline(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        let attempt_deadline = ex.attempt.as_ref().map(|a| a.deadline);
        let unconnected = ex.attempt.as_ref().is_some_and(|a| a.acquired.is_none());
        let end = attempt_deadline.unwrap_or(ex.total_deadline).min(ex.total_deadline);
        match ex.phase {
            Phase::Sending if unconnected && ex.binding_deadline <= end => self.unconnected(ex, now),
            Phase::Sending if attempt_deadline.is_some_and(|d| d < ex.total_deadline) => {
                self.attempt_timed_out(ex, now)
            }
            // Of two that end together the binding is what was in the way (dataplane.md §4.6).
            Phase::Binding if ex.binding_deadline <= ex.total_deadline => self.binding_timed_out(ex, now),
            _ => self.timed_out(ex, now),
        }
    }

    /// No connection: another replica, unless none is fit; then another branch of the name, if the classifier retries.
    fn refused(&mut self, ex: &mut Exchange, head: &mut impl RequestHead, now: Nanos) -> Step {
        if let Some(attempt) = &ex.attempt {
            // Before it is abandoned, so that a probe that was refused counts as one.
            attempt.endpoint.refused(self.worker, now, &mut self.rng);
        }
        let Some(mut attempt) = self.abandon(ex, now) else { return self.lost(ex, now) };
        attempt.refused += 1;
        let (endpoint, client) = (Arc::clone(&attempt.endpoint), Arc::clone(attempt.client()));
        let shard = client.stats.block.shard(self.worker);
        shard.inc(idx::CREATION_FAILURES);
        shard.record(idx::ACQUISITION, now.since(attempt.sent).millis());
        client.stats.faults.count(Fault::Connect);
        if attempt.refused <= RECONNECTS {
            if !client.is_open(now) {
                shard.inc(idx::NOT_OPEN);
            } else if let Some(other) = self.other(&client, &ex.tried, now) {
                return self.reassign(ex, attempt, other, now);
            }
        }
        if self.may_go_elsewhere(ex, &client, now) {
            return self.retry(ex, head, now);
        }
        let Some(entry) = ex.entry.clone() else { return self.lost(ex, now) };
        let addresses = client.addresses();
        let text = answer::unconnected(&entry.service.path, &client.stats.id, &addresses, endpoint.address);
        self.refuse(ex, Fault::Connect, &text, false, now)
    }

    /// The endpoint has all the connections it may have, and a queue for them, or this machine can make no more. The endpoint
    /// is not ill: nothing is held against it; and whoever is told to come back later adds no load elsewhere.
    fn crowded(&mut self, ex: &mut Exchange, fault: Fault, text: &str, now: Nanos) -> Step {
        let Some(attempt) = self.abandon(ex, now) else { return self.lost(ex, now) };
        let stats = &attempt.client().stats;
        let shard = stats.block.shard(self.worker);
        shard.inc(idx::CREATION_FAILURES);
        shard.record(idx::ACQUISITION, now.since(attempt.sent).millis());
        stats.faults.count(fault);
        self.refuse(ex, fault, text, false, now)
    }

    /// The back end never saw the request: another replica, within the requeue budget.
    fn unsent(&mut self, ex: &mut Exchange, reason: &str, now: Nanos) -> Step {
        self.fail_attempt(ex, Fault::Closed, now);
        let at = ex.attempt.as_ref().map(|a| (a.endpoint.address, Arc::clone(a.client())));
        if let Some(step) = self.requeue(ex, now) {
            return step;
        }
        let Some((address, client)) = at else { return self.lost(ex, now) };
        let text =
            answer::transport("The request could not be written", reason, address, &client.stats.label);
        self.refuse(ex, Fault::Closed, &text, true, now)
    }

    /// A connection that had idled too long: an idempotent request is sent once more, on a new one. Nobody's fault, so
    /// nothing is held against the endpoint.
    fn went_stale(&mut self, ex: &mut Exchange, now: Nanos) -> Option<Step> {
        let attempt = ex.attempt.as_ref().filter(|attempt| !attempt.stale)?;
        if !(ex.replayable && ex.method.is_idempotent()) {
            return None;
        }
        let (endpoint, client) = (Arc::clone(&attempt.endpoint), Arc::clone(attempt.client()));
        // One that left is often the one that closes its connections.
        let left = endpoint.is_removed();
        let same = || {
            let choice = Choice { index: 0, available: true, probe: None, reconnect: None };
            Picked { endpoint, choice, band: attempt.band.clone() }
        };
        let next = if left { self.other(&client, &[], now)? } else { same() };
        let mut attempt = ex.stop(now)?;
        attempt.stale = true;
        ex.fresh = true;
        Some(self.reassign(ex, attempt, next, now))
    }

    /// The connection broke, or what came back was no answer; that is counted.
    fn broken(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl RequestHead,
        fault: Fault,
        what: &str,
        reason: &str,
        now: Nanos,
    ) -> Step {
        let Some(attempt) = self.abandon(ex, now) else { return self.lost(ex, now) };
        if self.may_retry(ex, now) {
            return self.retry(ex, head, now);
        }
        let label = &attempt.client().stats.label;
        let text = answer::transport(what, reason, attempt.endpoint.address, label);
        self.refuse(ex, fault, &text, false, now)
    }

    fn attempt_timed_out(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        self.fail_attempt(ex, Fault::AttemptTimeout, now);
        let Some(attempt) = ex.give_up(now) else { return self.lost(ex, now) };
        if self.may_retry(ex, now) {
            // The head is not at hand here; the engine comes back with it.
            let delay = self.next_delay(ex);
            ex.binding_deadline = now + delay + self.router.settings.binding_timeout;
            ex.phase = Phase::Delay;
            return Step::Delay(delay);
        }
        let client = attempt.client();
        let timeout = client.settings.attempt_timeout.unwrap_or_default();
        let text = answer::attempt_timeout(timeout, &client.stats.label, attempt.endpoint.address, &ex.span);
        self.refuse(ex, Fault::AttemptTimeout, &text, false, now)
    }

    /// The name is bound, but there was no connection in time.
    fn unconnected(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        if let Some(attempt) = ex.attempt.as_ref().filter(|attempt| !attempt.queued) {
            attempt.endpoint.refused(self.worker, now, &mut self.rng);
        }
        if let Some(attempt) = ex.stop(now) {
            let stats = &attempt.client().stats;
            let shard = stats.block.shard(self.worker);
            shard.inc(idx::CREATION_FAILURES);
            shard.record(idx::ACQUISITION, now.since(attempt.sent).millis());
            stats.faults.count(Fault::BindingTimeout);
        }
        self.binding_timed_out(ex, now)
    }

    fn binding_timed_out(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        if ex.unnamed.take().is_some() {
            let text = answer::rules_timeout(self.router.settings.binding_timeout);
            return self.refuse(ex, Fault::BindingTimeout, &text, false, now);
        }
        let Some(entry) = ex.entry.clone() else { return self.lost(ex, now) };
        let tree = match entry.binding.load().as_deref() {
            Some(naming::Bound::Tree(tree)) => {
                Some(tree.map(|leaf| leaf.id.concat(&leaf.residual)).to_string())
            }
            _ => None,
        };
        let timeout = self.router.settings.binding_timeout;
        let text = answer::binding_timeout(timeout, &entry.service.path, tree.as_deref());
        self.refuse(ex, Fault::BindingTimeout, &text, false, now)
    }

    /// The whole request took too long. What the back end made of it nobody knows; that it was slow is remembered.
    fn timed_out(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        let fault = if ex.server_is_first { Fault::ServerTimeout } else { Fault::TotalTimeout };
        self.count_attempt(ex, fault, now);
        drop(ex.give_up(now));
        if ex.server_is_first {
            let settings = &self.server.settings;
            let text = answer::server_timeout(settings.timeout.unwrap_or_default(), &settings.label);
            return self.refuse(ex, fault, &text, false, now);
        }
        let timeout = ex.entry.as_ref().and_then(|entry| entry.service.settings.total_timeout);
        self.refuse(ex, fault, &answer::total_timeout(timeout.unwrap_or_default()), false, now)
    }

    /// Sends the attempt elsewhere on the budget's account, after it was counted as failed. `None`: the attempt is over.
    pub(super) fn requeue(&mut self, ex: &mut Exchange, now: Nanos) -> Option<Step> {
        let mut attempt = self.abandon(ex, now)?;
        let client = Arc::clone(attempt.client());
        let shard = client.stats.block.shard(self.worker);
        let limit = *attempt.limit.get_or_insert_with(|| client.budget.request_limit(now));
        let refusal = if !client.is_open(now) {
            Some(idx::CANNOT_RETRY)
        } else if attempt.requeues >= limit {
            Some(idx::REQUEST_LIMIT)
        } else if !client.budget.try_withdraw(now) {
            Some(idx::BUDGET_EXHAUSTED)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            shard.inc(refusal);
            return None;
        }
        attempt.requeues += 1;
        let other = self.other(&client, &ex.tried, now)?;
        Some(self.reassign(ex, attempt, other, now))
    }

    /// Takes the attempt from its endpoint and remembers not to go there first.
    fn abandon(&mut self, ex: &mut Exchange, now: Nanos) -> Option<Attempt> {
        let attempt = ex.stop(now)?;
        if !ex.tried.contains(&attempt.endpoint.id) {
            ex.tried.push(attempt.endpoint.id);
        }
        Some(attempt)
    }

    /// Whether the classifier and the budget let a failed attempt without an answer be followed by another.
    fn may_retry(&mut self, ex: &mut Exchange, now: Nanos) -> bool {
        let Some(entry) = &ex.entry else { return false };
        let classifier = entry.service.settings.classifier;
        classifier.no_reply(ex.method, ex.replayable) == Class::Retryable && self.withdraw(ex, now)
    }

    /// Whether a request that `client` cannot be connected to is tried on another branch of its name's tree. That client is
    /// not tried again for it: retries must not multiply connects to what is closed.
    pub(super) fn may_go_elsewhere(&mut self, ex: &mut Exchange, client: &Client, now: Nanos) -> bool {
        ex.exhausted.push(client.serial);
        let other = ex.entry.as_ref().is_some_and(|entry| match entry.binding.load().as_deref() {
            Some(naming::Bound::Tree(tree)) => entry::has_other(tree, &ex.exhausted),
            _ => false,
        });
        other && self.may_retry(ex, now)
    }

    /// The engine broke the protocol of the seam, or the exchange was over.
    #[cold]
    fn lost(&mut self, ex: &mut Exchange, now: Nanos) -> Step {
        debug_assert!(false, "no attempt under way: {ex:?}");
        self.refuse(ex, Fault::Closed, "the exchange was over", false, now)
    }
}
