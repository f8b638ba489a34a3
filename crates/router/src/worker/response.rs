//! A back end has answered: forward it, or try again.

use super::{WorkerRouter, access};
use crate::answer::{self, Fault};
use crate::classify::Class;
use crate::exchange::{Exchange, Phase, Verdict};
use crate::header::Known;
use crate::seam::{OnResponse, RequestHead, ResponseHead, Step};
use crate::stats::service as idx;
use crate::{context, diagnose, hop};
use balance::Nanos;

impl WorkerRouter {
    /// The head of an interim response that is passed on: takes off what concerns one connection only, and what a stranger
    /// must not see.
    pub fn on_interim(&mut self, head: &mut impl ResponseHead) {
        hop::strip(head, &mut self.scratch);
        if self.entrance.clear_context {
            context::clear(head);
        }
    }

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
        self.forward(ex, head, class, now)
    }

    fn forward(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl ResponseHead,
        class: Class,
        now: Nanos,
    ) -> OnResponse {
        // As the back end sent it.
        let told = ex.diagnosis.as_ref().filter(|asked| asked.context).map(|_| diagnose::discarded(head));
        hop::strip(head, &mut self.scratch);
        hop::add_via(head);
        let success = class == Class::Success;
        head.set(Known::L5dSuccessClass.into(), class.header());
        if ex.spent && ex.relayed {
            head.set(Known::L5dRetryable.into(), b"false");
        }
        if ex.renamed.is_active() {
            ex.renamed.undo(head);
        }
        ex.answered(now);
        // What begins well may still break off: unless a probe waits for it, that is judged at the end.
        if let Some(attempt) = &ex.attempt
            && (!success || attempt.is_probe())
        {
            attempt.endpoint.judge(self.worker, success, now, &mut self.rng);
        }
        let fault = (!success).then_some(Fault::Classified);
        ex.verdict = Verdict { status: head.status(), class, fault, at: now };
        ex.phase = Phase::Forwarding;
        ex.leave_server();
        let decision = match told {
            None => OnResponse::Forward,
            Some(told) => self.add_context(ex, head, &told, now),
        };
        if self.entrance.clear_context { clear(head, decision) } else { decision }
    }

    /// An answer that is worth another attempt; the budget has agreed.
    fn again(&mut self, ex: &mut Exchange, request: &mut impl RequestHead, status: u16, now: Nanos) -> Step {
        if let Some(attempt) = &ex.attempt {
            attempt.endpoint.judge(self.worker, false, now, &mut self.rng);
        }
        let verdict = Verdict { status, class: Class::Retryable, fault: Some(Fault::Classified), at: now };
        self.count_reply(ex, verdict);
        ex.answered(now);
        drop(ex.stop(now));
        self.retry(ex, request, now)
    }

    /// The back end says it did not process the request (dataplane.md §5.2).
    fn nacked(&mut self, ex: &mut Exchange, head: &impl ResponseHead, now: Nanos) -> Step {
        self.fail_attempt(ex, Fault::Nack, now);
        let again = ex.replayable && !head.has(Known::FinagleHttpNonretryableNack);
        if !again {
            drop(ex.stop(now));
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
        ex.spent |= !granted;
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

/// Takes what only proxies should know off an answer to a stranger, the words of an error included (dataplane.md §7.4).
fn clear(head: &mut impl ResponseHead, decision: OnResponse) -> OnResponse {
    let failed = head.has(Known::L5dErr);
    context::clear(head);
    if !failed || matches!(head.status(), 204 | 304) {
        return decision;
    }
    head.remove(Known::ContentEncoding.into());
    OnResponse::Substitute(Vec::new())
}
