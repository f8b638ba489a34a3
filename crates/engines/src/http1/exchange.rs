//! One exchange: from a request's head to the last byte of its answer, over as many attempts as the router wants.

use super::attempt::{Attempt, Ended};
use super::connection::Connection;
use super::dial::Unconnected;
use super::hold::Held;
use super::patience::Patience;
use super::presence::Presence;
use super::reply;
use super::stall::Progress;
use super::work::Work;
use crate::context::{Context as Worker, Draining};
use crate::pool::Upstream;
use balance::Nanos;
use router::Exchange;
use router::seam::{Arrival, BindingWait, Generated, Outcome, RequestHead, Step, Version};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

/// What an exchange came to.
struct Done {
    outcome: Outcome,
    /// The caller's connection may carry another request.
    keep: bool,
    /// The caller may still be sending: close gently.
    linger: bool,
}

impl Done {
    fn gone() -> Done {
        Done { outcome: Outcome::CallerGone, keep: false, linger: false }
    }
}

impl Connection {
    /// Runs one exchange; false when the connection is at its end.
    pub(crate) async fn exchange(&mut self, mut work: Box<Work>) -> bool {
        let server = self.server.clone();
        let worker = &*server.worker;
        match self.hold_body(&mut work).await {
            Held::Fine => {}
            held => {
                worker.done(work);
                if let Held::Refused(status) = held {
                    self.refuse(status).await;
                }
                return false;
            }
        }
        self.now = worker.clock.now();
        let Connection { peer, local, now, born: connected, .. } = *self;
        let arrival = Arrival { peer, local, connected, now, replayable: work.framing.held };
        let (mut exchange, step) = server.router.borrow_mut().on_head(&mut work.request, arrival);
        let done = self.follow(step, &mut work, &mut exchange).await;
        server.router.borrow_mut().on_end(exchange, done.outcome, self.now);
        worker.done(work);
        // Closing over unread bytes would reset the connection and could destroy the answer on its way.
        if done.linger || !done.keep && done.outcome == Outcome::Complete && self.caller.has_more() {
            self.linger().await;
        }
        done.keep
    }

    /// Does what the router says until the caller has its answer.
    async fn follow(&mut self, mut step: Step, work: &mut Work, exchange: &mut Exchange) -> Done {
        loop {
            let next = match step {
                Step::Reply(answer) => {
                    let sizes = [work.framing.request.body.announced(), Some(answer.body.len() as u64)];
                    exchange.payloads(sizes[0], sizes[1]);
                    return self.reply(&answer, work).await;
                }
                Step::AwaitBinding(wait) => self.await_binding(wait, work, exchange).await,
                Step::Delay(time) => self.delay(time, work, exchange).await,
                Step::Send => match self.attempt(work, exchange).await {
                    Ok(done) => return done,
                    Err(step) => Some(step),
                },
            };
            step = match next {
                Some(step) => step,
                None => return Done::gone(),
            };
        }
    }

    /// The next step; none when the caller has gone. So in [`Connection::delay`].
    async fn await_binding(
        &mut self,
        mut wait: BindingWait,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Option<Step> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let bound = poll_fn(|cx| {
            if self.has_gone(cx, work, worker) {
                return Poll::Ready(None);
            }
            // What is bound in the last moment is bound.
            if wait.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Some(true));
            }
            self.timer.poll(cx, exchange.deadline(), &worker.clock).map(|()| Some(false))
        })
        .await?;
        let now = worker.clock.now();
        self.now = now;
        let mut router = server.router.borrow_mut();
        Some(if bound {
            router.resume(exchange, &mut work.request, now)
        } else {
            router.on_deadline(exchange, now)
        })
    }

    /// Whether the caller has reset its connection while it waits.
    pub(super) fn has_gone(&mut self, cx: &mut Context<'_>, work: &Work, worker: &Worker) -> bool {
        self.caller.poll_presence(cx, worker, work.flow.request_is_read()) == Presence::Gone
    }

    async fn delay(&mut self, time: Nanos, work: &mut Work, exchange: &mut Exchange) -> Option<Step> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let until = worker.clock.now() + time;
        let deadline = exchange.deadline();
        let first = deadline.map_or(until, |d| d.min(until));
        poll_fn(|cx| {
            if self.has_gone(cx, work, worker) {
                return Poll::Ready(None);
            }
            self.timer.poll(cx, Some(first), &worker.clock).map(Some)
        })
        .await?;
        let now = worker.clock.now();
        self.now = now;
        let mut router = server.router.borrow_mut();
        Some(if deadline.is_some_and(|d| d <= now) {
            router.on_deadline(exchange, now)
        } else {
            router.resume(exchange, &mut work.request, now)
        })
    }

    /// Sends the request to the endpoint the router chose; `Err` is the router's next step.
    async fn attempt(&mut self, work: &mut Work, exchange: &mut Exchange) -> Result<Done, Step> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let pooled = match exchange.wants_fresh_connection() {
            true => None,
            false => worker.pool.borrow_mut().take(exchange.endpoint().id, self.now),
        };
        let mut upstream = match pooled {
            Some(upstream) => {
                exchange.connected(self.now);
                upstream
            }
            None => match Box::pin(self.connect(work, exchange)).await {
                Ok(upstream) => upstream,
                Err(Unconnected::Step(step)) => return Err(step),
                Err(Unconnected::CallerGone) => return Ok(Done::gone()),
            },
        };
        exchange.payloads(work.framing.request.body.announced(), None);
        let dies = self.dies();
        let mut patience = Patience::new(server.server.socket(), &upstream.endpoint().connection().socket);
        let ended = {
            let Connection { caller, timer, .. } = self;
            let mut attempt =
                Attempt { server: &server, caller, timer, work, exchange, upstream: &mut upstream, dies };
            attempt.start();
            poll_fn(|cx| match (attempt.poll(cx), &mut patience) {
                (Poll::Pending, Some(patience)) => patience.poll(cx, &mut attempt, &worker.clock),
                (polled, _) => polled,
            })
            .await
        };
        self.after(ended, upstream, work, exchange, worker).await
    }

    async fn after(
        &mut self,
        ended: Ended,
        mut upstream: Upstream,
        work: &mut Work,
        exchange: &mut Exchange,
        worker: &Worker,
    ) -> Result<Done, Step> {
        self.now = worker.clock.now();
        upstream.count_use(self.now);
        let broken_off = matches!(
            ended,
            Ended::Cut | Ended::CallerGone | Ended::CallerDeaf | Ended::BadRequest { answered: true, .. }
        );
        if broken_off && work.flow.download.until_close {
            // An orderly end would say that this was all of the answer.
            let _ = self.caller.io.set_zero_linger();
        }
        match ended {
            Ended::Complete { reuse } => {
                if reuse {
                    worker.pool.borrow_mut().put(upstream, self.now);
                }
                let keep = work.flow.keeps_caller();
                let linger = !work.flow.request_is_read();
                Ok(Done { outcome: Outcome::Complete, keep, linger })
            }
            Ended::Tunnel => {
                self.tunnel(&mut upstream, work).await;
                Ok(Done { outcome: Outcome::Complete, keep: false, linger: false })
            }
            Ended::Cut => Ok(Done { outcome: Outcome::ResponseCut, keep: false, linger: false }),
            Ended::CallerGone => {
                upstream.abandon();
                Ok(Done::gone())
            }
            Ended::CallerDeaf => {
                self.deaf();
                upstream.abandon();
                Ok(Done::gone())
            }
            Ended::BadRequest { status, reason, answered } => {
                tracing::debug!(peer = %self.peer, reason, "the request's body cannot be passed on");
                upstream.abandon();
                if status == 408 {
                    self.server.server.read_timeout(worker.worker);
                }
                if !answered {
                    work.flow.download.out.buffer(worker).extend_from_slice(&reply::bare(status));
                    let _ = self.flush(work, worker).await;
                }
                Ok(Done { linger: !answered, ..Done::gone() })
            }
            Ended::Again { step, reuse } => {
                if reuse {
                    worker.pool.borrow_mut().put(upstream, self.now);
                }
                Err(step)
            }
            Ended::Deadline(step) => {
                upstream.abandon();
                Err(step)
            }
            Ended::Failed(failure) => {
                upstream.abandon();
                let mut router = self.server.router.borrow_mut();
                Err(router.on_failure(exchange, &mut work.request, failure, self.now))
            }
        }
    }

    /// Writes an answer of the proxy's own.
    async fn reply(&mut self, answer: &Generated, work: &mut Work) -> Done {
        let server = self.server.clone();
        let worker = &*server.worker;
        let whole = work.flow.request_is_read();
        let head_only = work.request.method() == b"HEAD";
        let keep = work.framing.request.keep_alive
            && whole
            && !(head_only && answer.last_if_head)
            && self.dies().is_none_or(|at| self.now < at)
            && server.draining() == Draining::No;
        let form = reply::Form { head_only, keep, say_keep: work.framing.version == Version::Http10 };
        let out = work.flow.download.out.buffer(worker);
        let wanted = server.settings.compression;
        match reply::coding(answer, form, wanted, &work.request) {
            None => reply::write(answer, form, out),
            Some(coding) => {
                let mut compressors = worker.compressors.borrow_mut();
                reply::write_coded(answer, form, (coding, wanted.level()), &mut compressors, out);
            }
        }
        let written = self.flush(work, worker).await;
        self.now = worker.clock.now();
        match written {
            Ok(()) => Done { outcome: Outcome::Complete, keep, linger: !whole },
            Err(_) => Done::gone(),
        }
    }

    /// Writes what waits for the caller: an attempt that failed may have left an interim reply half written.
    async fn flush(&mut self, work: &mut Work, worker: &Worker) -> io::Result<()> {
        let server = self.server.clone();
        let limit = server.server.socket().write_timeout.unwrap_or(server.settings.stall);
        let mut progress = Progress::default();
        let flushed = poll_fn(|cx| {
            let Connection { caller, timer, .. } = self;
            let flushed = work.flow.download.out.poll_flush(cx, &caller.io, worker, &mut caller.sent);
            if flushed.is_pending() {
                let until = progress.until(caller.sent, worker.clock.now(), limit);
                return timer.poll(cx, Some(until), &worker.clock).map(|()| None);
            }
            flushed.map(Some)
        })
        .await;
        flushed.unwrap_or_else(|| {
            self.deaf();
            Err(io::ErrorKind::TimedOut.into())
        })
    }

    /// The caller takes nothing: what the system still holds for it is dropped with the connection.
    fn deaf(&self) {
        let _ = self.caller.io.set_zero_linger();
        self.server.server.write_timeout(self.server.worker.worker);
    }
}
