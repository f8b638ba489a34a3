//! A back end has answered: forward it, or try again.

use super::{WorkerRouter, access};
use crate::answer::{self, Fault};
use crate::classify::Class;
use crate::exchange::{Exchange, Phase, Verdict};
use crate::header::Known;
use crate::hop;
use crate::seam::{OnResponse, RequestHead, ResponseHead, Step};
use crate::stats::service as idx;
use balance::Nanos;

impl WorkerRouter {
    /// The head of a final response is complete (interim ones stay with the engine).
    pub fn on_response(
        &mut self,
        ex: &mut Exchange,
        request: &mut impl RequestHead,
        head: &mut impl ResponseHead,
        now: Nanos,
    ) -> OnResponse {
        debug_assert_eq!(ex.phase, Phase::Sending, "{ex:?}");
        if head.status() == 503
            && (head.has(Known::FinagleHttpNack) || head.has(Known::FinagleHttpNonretryableNack))
        {
            return OnResponse::Again(self.nacked(ex, head, now));
        }
        if let Some(log) = &mut self.log {
            let wall = self.router.settings.epoch.saturating_add(now.0);
            access::note(log, wall, ex.peer, request, head);
        }
        let Some(classifier) = ex.entry.as_ref().map(|entry| entry.service.settings.classifier) else {
            debug_assert!(false, "a response without a name: {ex:?}");
            return OnResponse::Forward;
        };
        let class = classifier.reply(ex.method, head, ex.replayable);
        if class == Class::Retryable && self.withdraw(ex, now) {
            return OnResponse::Again(self.again(ex, request, head.status(), now));
        }
        self.forward(ex, head, class, now);
        OnResponse::Forward
    }

    fn forward(&mut self, ex: &mut Exchange, head: &mut impl ResponseHead, class: Class, now: Nanos) {
        hop::strip(head, &mut self.scratch);
        hop::add_via(head);
        let success = class == Class::Success;
        head.set(Known::L5dSuccessClass.into(), if success { b"1.0" } else { b"0.0" });
        if let Some(attempt) = &ex.attempt {
            attempt.endpoint.judge(self.worker, success, now, &mut self.rng);
        }
        let fault = (!success).then_some(Fault::Classified);
        ex.verdict = Verdict { status: head.status(), class, fault, at: now };
        ex.phase = Phase::Forwarding;
    }

    /// An answer that is worth another attempt; the budget has agreed.
    fn again(&mut self, ex: &mut Exchange, request: &mut impl RequestHead, status: u16, now: Nanos) -> Step {
        if let Some(attempt) = &ex.attempt {
            attempt.endpoint.judge(self.worker, false, now, &mut self.rng);
        }
        let verdict = Verdict { status, class: Class::Retryable, fault: Some(Fault::Classified), at: now };
        self.count_reply(ex, verdict);
        let rtt = ex.attempt.as_ref().map(|a| now.since(a.sent));
        drop(ex.stop(rtt, now));
        self.retry(ex, request, now)
    }

    /// The back end says it did not process the request (dataplane.md §5.2).
    fn nacked(&mut self, ex: &mut Exchange, head: &impl ResponseHead, now: Nanos) -> Step {
        self.fail_attempt(ex, Fault::Nack, now);
        let again = ex.replayable && !head.has(Known::FinagleHttpNonretryableNack);
        if !again {
            drop(ex.stop(None, now));
            return self.refuse(ex, Fault::Nack, answer::NACKED_FOR_GOOD, false, now);
        }
        if let Some(step) = self.requeue(ex, now) {
            return step;
        }
        self.refuse(ex, Fault::Nack, answer::NACKED, false, now)
    }

    /// Takes a retry from the service's budget.
    pub(super) fn withdraw(&mut self, ex: &mut Exchange, now: Nanos) -> bool {
        let Some(entry) = &ex.entry else { return false };
        let shard = entry.service.block.shard(self.worker);
        let granted = entry.service.budget.try_withdraw(now);
        shard.inc(if granted { idx::RETRIES } else { idx::BUDGET_EXHAUSTED });
        ex.retries += u32::from(granted);
        granted
    }

    /// Tries again, now or after the back-off.
    pub(super) fn retry(&mut self, ex: &mut Exchange, request: &mut impl RequestHead, now: Nanos) -> Step {
        let delay = self.next_delay(ex);
        ex.binding_deadline = now + delay + self.router.settings.binding_timeout;
        if delay == Nanos(0) {
            return self.attempt(ex, request, now);
        }
        ex.phase = Phase::Delay;
        Step::Delay(delay)
    }

    pub(super) fn next_delay(&mut self, ex: &mut Exchange) -> Nanos {
        match &ex.entry {
            Some(entry) => entry.service.settings.retries.backoff.next(&mut ex.backoff, &mut self.rng),
            None => Nanos(0),
        }
    }
}
