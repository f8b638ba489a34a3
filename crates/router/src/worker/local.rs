//! Answers given here in a back end's place: to TRACE requests that go no further (dataplane.md §4.7), and of the namer
//! `/$/io.buoyant.http.status` (§4.6). Unlike errors they look like a back end's: `Via` and `l5d-success-class`, no `l5d-err`.

use super::WorkerRouter;
use crate::answer::{self, Fault};
use crate::classify::Class;
use crate::client::{Client, ReplicaSet};
use crate::diagnose::{self, Hops, Place};
use crate::entry::Entry;
use crate::exchange::{Exchange, Phase, Verdict};
use crate::header::Known;
use crate::seam::{Generated, OnResponse, ResponseHead, Step};
use balance::Nanos;
use naming::Leaf;
use std::sync::Arc;

impl WorkerRouter {
    /// Answers with a status and a body. It is not tried again whatever the classifier says of it: asked again, the answer
    /// would be the same.
    #[cold]
    pub(super) fn stand_in(&mut self, ex: &mut Exchange, status: u16, body: Vec<u8>, now: Nanos) -> Step {
        let classifier = ex.entry.as_ref().map(|entry| entry.service.settings.classifier);
        let success = classifier.unwrap_or_default().is_success(status);
        let class = if success { Class::Success } else { Class::Failure };
        let fault = (!success).then_some(Fault::Classified);
        ex.leave_server();
        ex.phase = Phase::Answered;
        ex.verdict = Verdict { status, class, fault, at: now };
        let headers = vec![("Via", b"1.1 linkerd".to_vec()), ("l5d-success-class", class.header().to_vec())];
        let answer = Generated { status, headers, body, last_if_head: false };
        Step::Reply(if self.entrance.clear_context { answer::cleared(answer) } else { answer })
    }

    /// What a TRACE request asked for, before it is sent on: `None` lets it go.
    #[cold]
    pub(super) fn diagnose(
        &mut self,
        ex: &mut Exchange,
        entry: &Entry,
        leaf: &Leaf<Client>,
        all: &ReplicaSet,
        now: Nanos,
    ) -> Option<Step> {
        let diagnosis = ex.diagnosis.as_ref()?;
        if diagnosis.hops == Hops::Unknown {
            return Some(self.stand_in(ex, 400, diagnose::INVALID.into(), now));
        }
        if diagnosis.context && diagnosis.way.get().is_none() {
            // How the name is bound is for control to find out.
            let way = Arc::clone(&diagnosis.way);
            let asked = self.router.binder.delegated(&entry.service.path, &entry.local);
            let wait = Box::pin(async move {
                let _ = way.set(asked.await);
            });
            return Some(self.wait(ex, wait, now));
        }
        if diagnosis.hops == Hops::Further {
            return None;
        }
        // Nothing is sent, so no replica is charged with it.
        let endpoint = self.rng.choice(all.endpoints())?;
        let body = match diagnosis.context {
            true => diagnosis.text(&Place {
                router: &self.router.settings.label,
                service: &entry.service.shown,
                leaf,
                selected: endpoint.address,
                took: Nanos(0),
            }),
            false => String::new(),
        };
        Some(self.stand_in(ex, 200, body.into_bytes(), now))
    }

    /// The answer to a TRACE request on its way back that asked for what is known here. `told` stands for its body where
    /// that cannot be kept.
    #[cold]
    pub(super) fn add_context(
        &self,
        ex: &Exchange,
        head: &mut impl ResponseHead,
        told: &str,
        now: Nanos,
    ) -> OnResponse {
        let (Some(diagnosis), Some(attempt), Some(entry)) = (&ex.diagnosis, &ex.attempt, &ex.entry) else {
            return OnResponse::Forward;
        };
        // Answers of these statuses have no body.
        if matches!(head.status(), 204 | 304) {
            return OnResponse::Forward;
        }
        let context = diagnosis.text(&Place {
            router: &self.router.settings.label,
            service: &entry.service.shown,
            leaf: &attempt.leaf,
            selected: attempt.endpoint.address,
            took: now.since(attempt.sent),
        });
        if diagnose::extensible(head, self.router.settings.stream_after) {
            return OnResponse::Extend(format!("\n\n{context}").into_bytes());
        }
        let body = format!("{told}\n{context}");
        head.remove(Known::ContentEncoding.into());
        OnResponse::Substitute(body.into_bytes())
    }
}
