//! Whoever keeps an attempt waiting: a caller that stops sending or reading is given up after a while, one that has gone
//! is noticed while only its back end is waited for.

use super::super::connection::Caller;
use super::super::flow::{Flow, Stage};
use super::super::presence::Presence;
use super::{Attempt, Ended};
use balance::Nanos;
use std::task::{Context, Poll};

/// How often a caller is looked at whose end the runtime cannot report.
const LOOK: Nanos = Nanos::from_secs(1);

impl Attempt<'_> {
    /// Nothing can be done just now. Says when there is no point in waiting any longer.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let Flow { upload, download, .. } = &self.work.flow;
        let answered = download.stage == Stage::Body;
        if !download.out.is_empty() {
            return self.patience(cx).map(|()| Ended::CallerDeaf);
        }
        if !upload.decoder.is_done() && upload.out.is_empty() && !upload.broken {
            // Its end shows in the read that is under way. Behind an answer the rest of a request may be never wanted.
            if answered {
                return Poll::Pending;
            }
            let reason = "the body does not go on";
            return self.patience(cx).map(|()| Ended::BadRequest { status: 408, reason, answered });
        }
        self.look(cx)
    }

    /// Only the back end is waited for: is somebody still there for its answer?
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let worker = &*self.server.worker;
        let whole = self.work.flow.upload.decoder.is_done();
        let gone = match self.caller.poll_presence(cx, worker, whole) {
            Presence::Here => false,
            Presence::Gone => true,
            Presence::SaidAll => {
                let until = self.until(self.server.settings.half_closed);
                self.timer.poll(cx, Some(until), &worker.clock).is_ready()
            }
            Presence::Unseen => {
                let next = worker.clock.now() + LOOK;
                let _later = self.timer.poll(cx, Some(next), &worker.clock);
                false
            }
        };
        if gone { Poll::Ready(Ended::CallerGone) } else { Poll::Pending }
    }

    /// Ready when nothing has moved for as long as a caller may keep others waiting.
    fn patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = self.until(self.server.settings.stall);
        self.timer.poll(cx, Some(until), &self.server.worker.clock)
    }

    fn until(&mut self, patience: Nanos) -> Nanos {
        let Caller { received, sent, .. } = *self.caller;
        let moved = received + sent + self.upstream.received + self.upstream.sent;
        self.work.flow.progress.until(moved, self.server.worker.clock.now(), patience)
    }
}
