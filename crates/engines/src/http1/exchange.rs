//! One exchange: from a request's head to the last byte of its answer, over as many attempts as the router wants.

use super::attempt::{Attempt, Ended};
use super::connection::Connection;
use super::framing::Body;
use super::patience::{Patience, Wait};
use super::read::poll_read;
use super::reply;
use super::work::Work;
use crate::context::{Context as Worker, Draining};
use crate::pool::Upstream;
use balance::Nanos;
use router::Exchange;
use router::seam::{Arrival, BindingWait, Generated, Outcome, RequestHead, Step, Version};
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt;

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
        if !self.hold_body(&mut work).await {
            worker.done(work);
            return false;
        }
        self.now = worker.clock.now();
        let arrival = Arrival { peer: self.peer, now: self.now, replayable: work.framing.held };
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
            step = match step {
                Step::Reply(answer) => {
                    let sizes = [work.framing.request.body.announced(), Some(answer.body.len() as u64)];
                    exchange.payloads(sizes[0], sizes[1]);
                    return self.reply(&answer, work).await;
                }
                Step::AwaitBinding(wait) => self.await_binding(wait, work, exchange).await,
                Step::Delay(time) => self.delay(time, work, exchange).await,
                Step::Send => match self.attempt(work, exchange).await {
                    Ok(done) => return done,
                    Err(step) => step,
                },
            };
        }
    }

    /// Reads a small body whole, so that it travels with its head and can be sent again.
    async fn hold_body(&mut self, work: &mut Work) -> bool {
        let request = work.framing.request;
        let most = self.server.settings.hold_body;
        let held = match request.body {
            Body::None => true,
            Body::Length(n) => n <= most,
            Body::Chunked | Body::UntilClose => false,
        };
        work.framing.held = held;
        if !held {
            work.flow.begin(request.body, request.expects_continue);
            return true;
        }
        let Body::Length(length) = request.body else { return true };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let missing = self.caller.input.len() < length;
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        if request.expects_continue && missing && self.caller.io.write_all(go_on).await.is_err() {
            return false;
        }
        match poll_fn(|cx| self.poll_body(cx, length, &mut work.body)).await {
            Err(io::ErrorKind::TimedOut) => {
                let _ = self.caller.io.write_all(&reply::bare(408)).await;
                false
            }
            read => read.is_ok(),
        }
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        length: usize,
        body: &mut Vec<u8>,
    ) -> Poll<Result<(), io::ErrorKind>> {
        let server = self.server.clone();
        let worker = &*server.worker;
        loop {
            let n = (length - body.len()).min(self.caller.input.len());
            if n > 0 {
                body.extend_from_slice(&self.caller.input[..n]);
                self.caller.input.drain(..n);
                if self.caller.input.is_empty() {
                    worker.recycle(std::mem::take(&mut self.caller.input));
                }
            }
            if body.len() == length {
                return Poll::Ready(Ok(()));
            }
            let mut scratch = worker.scratch.borrow_mut();
            let Poll::Ready(read) = poll_read(&mut self.caller.io, cx, &mut scratch) else {
                return self.poll_read_time(cx).map(|()| Err(io::ErrorKind::TimedOut));
            };
            match read {
                Ok(n) if n > 0 => {
                    self.has_read();
                    self.caller.received += n as u64;
                    self.caller.keep(&scratch[..n], worker);
                }
                _ => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof)),
            }
        }
    }

    async fn await_binding(
        &mut self,
        mut wait: BindingWait,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Step {
        let server = self.server.clone();
        let worker = &*server.worker;
        let bound = poll_fn(|cx| {
            // What is bound in the last moment is bound.
            if wait.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            self.timer.poll(cx, exchange.deadline(), &worker.clock).map(|()| false)
        })
        .await;
        let now = worker.clock.now();
        self.now = now;
        let mut router = server.router.borrow_mut();
        if bound {
            router.resume(exchange, &mut work.request, now)
        } else {
            router.on_deadline(exchange, now)
        }
    }

    async fn delay(&mut self, time: Nanos, work: &mut Work, exchange: &mut Exchange) -> Step {
        let server = self.server.clone();
        let worker = &*server.worker;
        let until = worker.clock.now() + time;
        let deadline = exchange.deadline();
        let first = deadline.map_or(until, |d| d.min(until));
        poll_fn(|cx| self.timer.poll(cx, Some(first), &worker.clock)).await;
        let now = worker.clock.now();
        self.now = now;
        let mut router = server.router.borrow_mut();
        if deadline.is_some_and(|d| d <= now) {
            router.on_deadline(exchange, now)
        } else {
            router.resume(exchange, &mut work.request, now)
        }
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
            None => Box::pin(self.connect(work, exchange)).await?,
        };
        exchange.payloads(work.framing.request.body.announced(), None);
        let dies = self.dies();
        let mut patience = Patience::new(server.server.socket(), &upstream.endpoint().connection().socket);
        let ended = {
            let Connection { caller, timer, patience_timer, .. } = self;
            let mut attempt =
                Attempt { server: &server, caller, timer, work, exchange, upstream: &mut upstream, dies };
            attempt.start();
            poll_fn(|cx| match (attempt.poll(cx), &mut patience) {
                (Poll::Pending, _) if attempt.poll_body_time(cx).is_ready() => Poll::Ready(Ended::Cut),
                (Poll::Pending, Some(patience)) => patience.poll(cx, &attempt, patience_timer, &worker.clock),
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
        match ended {
            Ended::Complete { reuse } => {
                if reuse {
                    worker.pool.borrow_mut().put(upstream, self.now);
                }
                let keep = work.flow.keeps_caller();
                let linger = !work.flow.request_is_read();
                Ok(Done { outcome: Outcome::Complete, keep, linger })
            }
            Ended::Cut => {
                if work.flow.download.until_close {
                    // An orderly end would say that this was all of it.
                    let _ = self.caller.io.set_zero_linger();
                }
                Ok(Done { outcome: Outcome::ResponseCut, keep: false, linger: false })
            }
            Ended::CallerGone => Ok(Done::gone()),
            Ended::BadRequest { reason, answered } => {
                tracing::debug!(peer = %self.peer, reason, "the request's body breaks the chunked coding");
                drop(upstream);
                if !answered {
                    work.flow.download.out.buffer(worker).extend_from_slice(&reply::bare(400));
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
            Ended::Deadline(step) => Err(step),
            Ended::Failed(failure) => {
                drop(upstream);
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
            && worker.connections.draining() == Draining::No;
        let form = reply::Form { head_only, keep, say_keep: work.framing.version == Version::Http10 };
        reply::write(answer, form, work.flow.download.out.buffer(worker));
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
        let mut wait = Wait::new(server.server.socket().write_timeout);
        poll_fn(|cx| {
            let Connection { caller, patience_timer, .. } = self;
            let flushed = work.flow.download.out.poll_flush(cx, &mut caller.io, worker, &mut caller.sent);
            if flushed.is_pending()
                && let Some(end) = wait.ends(true, caller.sent, worker.clock.now())
                && patience_timer.poll(cx, Some(end), &worker.clock).is_ready()
            {
                server.server.write_timeout(worker.worker);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            flushed
        })
        .await
    }
}
