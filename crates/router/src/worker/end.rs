//! The end of an attempt and of a request: who counts what (observability.md §2.4). `requests` is `success` + `failures` in
//! each scope, always; a request whose caller went away is in none.

use super::{FREE, WorkerRouter};
use crate::answer::Fault;
use crate::classify::Class;
use crate::exchange::{Exchange, Phase, Verdict};
use crate::seam::Outcome;
use crate::stats::{self, client, pair, server, service};
use balance::Nanos;

impl WorkerRouter {
    /// The exchange is over. Told exactly once, unless the engine drops the exchange instead.
    pub fn on_end(&mut self, mut ex: Box<Exchange>, outcome: Outcome, now: Nanos) {
        self.judge_end(&ex, outcome, now);
        let told = matches!(ex.phase, Phase::Forwarding | Phase::Answered);
        if told && outcome != Outcome::CallerGone {
            if outcome == Outcome::ResponseCut {
                ex.verdict.class = Class::Failure;
                ex.verdict.fault.get_or_insert(Fault::Cut);
            }
            let settings = &self.router.settings;
            if let Some(recent) = &settings.recent {
                recent.note(&ex, &settings.label, settings.epoch.saturating_add(ex.arrived.0));
            }
            self.settle(&mut ex, now);
        } else {
            learn(&mut ex, now);
        }
        if outcome == Outcome::CallerGone {
            self.server.block.shard(self.worker).inc(server::CANCELLED);
        }
        ex.release();
        if self.free.len() < FREE {
            self.free.push(ex);
        }
    }

    /// What the end of an answer says of its endpoint. One whose head was a failure has been judged for that; of one that
    /// ended a probe only the rest can still fail.
    fn judge_end(&mut self, ex: &Exchange, outcome: Outcome, now: Nanos) {
        if ex.phase == Phase::Forwarding
            && ex.verdict.class == Class::Success
            && let Some(attempt) = &ex.attempt
        {
            let cut = outcome == Outcome::ResponseCut;
            if cut || !attempt.is_probe() {
                attempt.endpoint.judge(self.worker, !cut, now, &mut self.rng);
            }
        }
    }

    fn settle(&mut self, ex: &mut Exchange, now: Nanos) {
        let verdict = ex.verdict;
        if ex.phase == Phase::Forwarding {
            self.count_reply(ex, verdict);
            drop(ex.stop(now));
        }
        self.count_service(ex, verdict);
        self.count_server(ex, verdict);
    }

    fn count_service(&self, ex: &Exchange, verdict: Verdict) {
        let Some(entry) = &ex.entry else { return };
        let shard = entry.service.block.shard(self.worker);
        stats::count(shard, verdict.class == Class::Success);
        shard.record(service::LATENCY, verdict.at.since(ex.arrived).millis());
        shard.record(service::RETRIES_PER_REQUEST, u64::from(ex.retries));
        if let Some(fault) = verdict.fault {
            entry.service.faults.count(fault);
        }
    }

    fn count_server(&self, ex: &Exchange, verdict: Verdict) {
        let shard = self.server.block.shard(self.worker);
        let latency = verdict.at.since(ex.arrived).millis();
        stats::count(shard, verdict.class == Class::Success);
        stats::count_status(shard, verdict.status, latency);
        let handled = ex.dispatched.unwrap_or(verdict.at).since(ex.arrived);
        shard.record(server::HANDLE_TIME, handled.0 / 1000);
        if let Some(request) = ex.request_bytes {
            shard.record(server::REQUEST_BYTES, request);
        }
        // As in Linkerd, an answer to a request without a name is no payload.
        if let Some(response) = ex.response_bytes.filter(|_| ex.entry.is_some()) {
            shard.record(server::RESPONSE_BYTES, response);
        }
        if let Some(fault) = verdict.fault {
            self.server.faults.count(fault);
        }
    }

    /// Counts the attempt under way by the reply it brought.
    pub(super) fn count_reply(&self, ex: &Exchange, verdict: Verdict) {
        let Some(attempt) = &ex.attempt else { return };
        let (client_stats, latency) = (&attempt.client().stats, verdict.at.since(attempt.sent).millis());
        let shard = client_stats.block.shard(self.worker);
        let success = verdict.class == Class::Success;
        stats::count(shard, success);
        stats::count_status(shard, verdict.status, latency);
        if let Some(request) = ex.request_bytes {
            shard.record(client::REQUEST_BYTES, request);
        }
        if let Some(response) = ex.response_bytes {
            shard.record(client::RESPONSE_BYTES, response);
        }
        if let Some(fault) = verdict.fault {
            client_stats.faults.count(fault);
            attempt.route.pair.faults.count(fault);
        }
        self.count_common(ex, success, latency);
    }

    /// Counts the attempt under way as failed without a reply, and holds that against its endpoint.
    pub(super) fn fail_attempt(&mut self, ex: &Exchange, fault: Fault, now: Nanos) {
        self.count_attempt(ex, fault, now);
        if let Some(attempt) = &ex.attempt {
            attempt.endpoint.judge(self.worker, false, now, &mut self.rng);
        }
    }

    /// Counts the attempt under way as failed without a reply.
    pub(super) fn count_attempt(&self, ex: &Exchange, fault: Fault, now: Nanos) {
        let Some(attempt) = &ex.attempt else { return };
        let (client_stats, latency) = (&attempt.client().stats, now.since(attempt.sent).millis());
        let shard = client_stats.block.shard(self.worker);
        stats::count(shard, false);
        shard.inc(client::STATUS_ERROR);
        shard.record(client::TIME_ERROR, latency);
        client_stats.faults.count(fault);
        attempt.route.pair.faults.count(fault);
        if let Some(request) = ex.request_bytes {
            shard.record(client::REQUEST_BYTES, request);
        }
        self.count_common(ex, false, latency);
    }

    fn count_common(&self, ex: &Exchange, success: bool, latency: u64) {
        let Some(attempt) = &ex.attempt else { return };
        let shard = attempt.client().stats.block.shard(self.worker);
        shard.record(client::REQUEUES_PER_REQUEST, attempt.requeued);
        let acquired = attempt.acquired.unwrap_or(attempt.sent);
        shard.record(client::ACQUISITION, acquired.since(attempt.sent).millis());
        let shard = attempt.route.pair.block.shard(self.worker);
        stats::count(shard, success);
        shard.record(pair::LATENCY, latency);
    }
}

/// A request that counts nowhere still tells how slow its endpoint was: callers that run out of patience must not make it
/// look idle.
#[cold]
fn learn(ex: &mut Exchange, now: Nanos) {
    drop(match ex.phase {
        Phase::Sending => ex.give_up(now),
        Phase::Forwarding => ex.stop(now),
        Phase::Idle | Phase::Binding | Phase::Delay | Phase::Answered => None,
    });
}
