//! `readTimeoutMs` and `writeTimeoutMs`: how long a peer whose turn it is may keep the proxy waiting (dataplane.md §3.3).
//!
//! A wait begins when nothing but this peer is in the way, and anew with every byte it gives or takes. So a back end may
//! think as long as its read time-out says although the caller's is shorter, and a slow body is not a stalled one.

use super::attempt::{Attempt, Ended};
use super::flow::Stage;
use super::stall::Progress;
use crate::clock::Clock;
use balance::Nanos;
use router::SocketSettings;
use router::seam::{Failure, Sent};
use std::task::{Context, Poll};

/// Waiting for one peer to give, or to take, bytes.
#[derive(Debug, Default)]
struct Wait {
    limit: Option<Nanos>,
    progress: Progress,
}

impl Wait {
    fn new(limit: Option<Nanos>) -> Wait {
        Wait { limit, progress: Progress::default() }
    }

    /// When it is over, as of `now`; `moved` counts the bytes given or taken so far.
    fn ends(&mut self, waiting: bool, moved: u64, now: Nanos) -> Option<Nanos> {
        let limit = self.limit?;
        if !waiting {
            self.progress.restart(moved, now);
            return None;
        }
        Some(self.progress.until(moved, now, limit))
    }
}

/// The waits of one attempt.
#[derive(Debug)]
pub(super) struct Patience {
    caller_gives: Wait,
    caller_takes: Wait,
    back_end_gives: Wait,
    back_end_takes: Wait,
}

impl Patience {
    /// `None` when nobody is hurried.
    pub(super) fn new(caller: &SocketSettings, back_end: &SocketSettings) -> Option<Patience> {
        let limits =
            [caller.read_timeout, caller.write_timeout, back_end.read_timeout, back_end.write_timeout];
        if limits == [None; 4] {
            return None;
        }
        let [caller_gives, caller_takes, back_end_gives, back_end_takes] = limits.map(Wait::new);
        Some(Patience { caller_gives, caller_takes, back_end_gives, back_end_takes })
    }

    /// To be asked whenever the attempt can do no more for now; ready when somebody took too long.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        attempt: &mut Attempt<'_>,
        clock: &Clock,
    ) -> Poll<Ended> {
        let now = clock.now();
        let (upload, download) = (&attempt.work.flow.upload, &attempt.work.flow.download);
        let (caller, upstream) = (&*attempt.caller, &*attempt.upstream);
        let sending = !upload.out.is_empty() && !upload.broken;
        let asked = upload.decoder.is_done() && !sending;
        // Behind an answer the rest of a request may be never wanted, and a caller that waits for leave to send it is not late.
        let wanted = download.stage != Stage::Body && !upload.continue_due;
        let gives = !upload.decoder.is_done() && upload.out.is_empty() && wanted;
        let takes = !download.out.is_empty();
        let ends = [
            self.caller_gives.ends(gives, caller.received, now),
            self.caller_takes.ends(takes, caller.sent, now),
            self.back_end_gives.ends(asked && !takes, upstream.received, now),
            self.back_end_takes.ends(sending, upstream.sent, now),
        ];
        let Some(first) = ends.into_iter().flatten().min() else { return Poll::Pending };
        if first > now && attempt.timer.poll(cx, Some(first), clock).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(attempt.lost_patience(ends.map(|end| end == Some(first))))
    }
}

impl Attempt<'_> {
    /// Somebody took too long; one of these, in the order of [`Patience`]'s waits.
    fn lost_patience(&self, who: [bool; 4]) -> Ended {
        let (worker, endpoint) = (self.server.worker.worker, self.upstream.endpoint());
        let reason = match who {
            [true, ..] => {
                self.server.server.read_timeout(worker);
                return Ended::CallerGone;
            }
            // Counted where the connection is ended.
            [_, true, ..] => return Ended::CallerDeaf,
            [_, _, true, _] => {
                endpoint.read_timeout(worker);
                "no answer within readTimeoutMs"
            }
            _ => {
                endpoint.write_timeout(worker);
                "request not taken within writeTimeoutMs"
            }
        };
        if self.work.flow.download.stage == Stage::Body {
            return Ended::Cut;
        }
        Ended::Failed(Failure::Closed { reason: reason.into(), sent: Sent::Some })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_begins_anew_with_every_byte() {
        let ms = Nanos::from_millis;
        let mut wait = Wait::new(Some(ms(100)));
        assert_eq!(wait.ends(true, 0, ms(1000)), Some(ms(1100)));
        assert_eq!(wait.ends(true, 0, ms(1050)), Some(ms(1100)));
        assert_eq!(wait.ends(true, 1, ms(1060)), Some(ms(1160)));
        assert_eq!(wait.ends(false, 1, ms(1070)), None);
        assert_eq!(
            wait.ends(true, 1, ms(1080)),
            Some(ms(1170)),
            "from the last moment it was not waited for"
        );
        assert_eq!(Wait::new(None).ends(true, 0, ms(1000)), None);
    }
}
