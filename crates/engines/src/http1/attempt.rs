//! One attempt: a request goes to one back end while its answer comes back.
//!
//! Both directions are polled by the caller's own task. An answer may begin before the request has ended; each direction
//! reads only when all it read before has been written on.

mod answer;
mod watch;

use super::connection::Caller;
use super::flow::{Flow, Stage};
use super::framing::Body;
use super::head::{HeadError, Message};
use super::read::poll_read;
use super::reply::length_line;
use super::scan::Scanner;
use super::work::Work;
use crate::context::Context as Worker;
use crate::pool::Upstream;
use crate::seat::ServerContext;
use crate::timer::Timer;
pub(super) use answer::After;
use answer::malformed;
use balance::Nanos;
use router::Exchange;
use router::seam::{Failure, RequestHead, Sent, Step};
use std::io;
use std::task::{Context, Poll, ready};

/// Interim (1xx) replies one attempt may bring: without a bound a back end could keep the exchange, and fill the
/// caller's buffer, for ever.
const MOST_INTERIM: u32 = 64;

/// Buffers each direction may move before the other one, the worker's other connections and the sockets have their turn:
/// about 100 us of copying.
const TURN: u32 = 8;
/// Bytes of a held body that are copied at a time, so that a long one takes its memory once.
const PIECE: usize = 64 << 10;
/// Bytes compressed in one turn: about 100 us.
const SLICE: usize = 8 << 10;

/// Has the task woken once the runtime has looked at its sockets.
pub(super) fn yield_turn(cx: &mut Context<'_>) {
    // Its first poll asks to be woken and is always pending; that is all that is wanted of it.
    let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
}

/// How an attempt ended.
pub(crate) enum Ended {
    /// The answer was written whole. `reuse`: the back end's connection is as good as new.
    Complete { reuse: bool },
    /// The answer grants a tunnel; its head waits to be written.
    Tunnel,
    /// The answer broke off behind its head.
    Cut,
    /// The caller's connection failed.
    CallerGone,
    /// The caller takes nothing of what waits for it.
    CallerDeaf,
    /// The caller's body breaks its coding or does not go on; `answered`: a head was sent already.
    BadRequest { status: u16, reason: &'static str, answered: bool },
    /// No final head came.
    Failed(Failure),
    /// The router wants something else instead of this answer.
    Again { step: Step, reuse: bool },
    /// Time was up.
    Deadline(Step),
}

/// Everything one attempt works with.
pub(crate) struct Attempt<'a> {
    pub(crate) server: &'a ServerContext,
    pub(crate) caller: &'a mut Caller,
    pub(crate) timer: &'a mut Timer,
    pub(crate) work: &'a mut Work,
    pub(crate) exchange: &'a mut Exchange,
    pub(crate) upstream: &'a mut Upstream,
    /// When the caller's connection is old enough: answers from then on are its last.
    pub(crate) dies: Option<Nanos>,
}

impl Attempt<'_> {
    /// Puts the request's head (and body, where it is held) in line to be sent.
    pub(crate) fn start(&mut self) {
        let worker = &*self.server.worker;
        let Work { request, framing, body, flow, tunnel, .. } = &mut *self.work;
        let upload = &mut flow.upload;
        upload.broken = false;
        upload.sent_before = self.upstream.sent;
        upload.out.clear(worker);
        let out = upload.out.buffer(worker);
        request.write_to(out);
        tunnel.write_to(out);
        match framing.request.body {
            Body::Length(n) => length_line(n, out),
            Body::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            // Of these one is expected, and that there is none is said (RFC 9110 §8.6).
            Body::None if matches!(request.method(), b"POST" | b"PUT" | b"PATCH") => length_line(0, out),
            Body::None | Body::UntilClose => {}
        }
        out.extend_from_slice(b"\r\n");
        upload.queued = body.len().min(PIECE);
        out.extend_from_slice(&body[..upload.queued]);
        let download = &mut flow.download;
        download.stage = Stage::Head;
        download.scanner = Scanner::default();
        download.interim = 0;
        download.partial.clear();
        // Of an attempt before whose answer broke off.
        download.held.clear();
        download.passed = 0;
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.work.flow.download.stage != Stage::Body {
            let clock = &self.server.worker.clock;
            if self.timer.poll(cx, self.exchange.deadline(), clock).is_ready() {
                let step = self.server.router.borrow_mut().on_deadline(self.exchange, clock.now());
                return Poll::Ready(Ended::Deadline(step));
            }
        }
        if let Some(end) = self.upload(cx) {
            return Poll::Ready(end);
        }
        match self.download(cx) {
            Poll::Pending => self.watch(cx),
            ended => ended,
        }
    }

    fn upload(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        let worker = &*self.server.worker;
        for _ in 0..TURN {
            let upload = &mut self.work.flow.upload;
            if upload.broken {
                return None;
            }
            if !upload.decoder.is_done() && !self.caller.input.is_empty() {
                if let Err(end) = self.take_input() {
                    return Some(end);
                }
                continue;
            }
            match upload.out.poll_flush(cx, &self.upstream.io, worker, &mut self.upstream.sent) {
                Poll::Pending => return None,
                // The back end may have answered before it hung up: what can be read decides.
                Poll::Ready(Err(_)) => upload.broken = true,
                Poll::Ready(Ok(())) if upload.queued < self.work.body.len() => self.queue_held(),
                Poll::Ready(Ok(())) if upload.decoder.is_done() => return None,
                Poll::Ready(Ok(())) => match self.read_caller(cx) {
                    Poll::Pending => return None,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(end)) => return Some(end),
                },
            }
        }
        yield_turn(cx);
        None
    }

    /// Puts the next piece of a body that is held whole in line.
    fn queue_held(&mut self) {
        let Work { flow, body, .. } = &mut *self.work;
        let upload = &mut flow.upload;
        let rest = &body[upload.queued..];
        let piece = &rest[..rest.len().min(PIECE)];
        upload.queued += piece.len();
        upload.out.buffer(&self.server.worker).extend_from_slice(piece);
    }

    /// Moves body bytes that came with the head (or behind an earlier piece) on.
    fn take_input(&mut self) -> Result<(), Ended> {
        let worker = &*self.server.worker;
        let mut input = std::mem::take(&mut self.caller.input);
        let used = self.transfer_up(&input, worker)?;
        if used < input.len() {
            input.drain(..used);
            self.caller.input = input;
        } else {
            worker.recycle(input);
        }
        Ok(())
    }

    fn read_caller(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        let worker = &*self.server.worker;
        self.allow_body(worker);
        let mut scratch = worker.scratch.borrow_mut();
        let n = match ready!(poll_read(&mut self.caller.io, cx, &mut scratch)) {
            Ok(n) if n > 0 => n,
            _ => return Poll::Ready(Err(Ended::CallerGone)),
        };
        self.caller.received += n as u64;
        let used = self.transfer_up(&scratch[..n], worker)?;
        self.caller.keep(&scratch[used..n], worker);
        Poll::Ready(Ok(()))
    }

    /// Tells the caller to go on if it waits for that; what is written first goes first.
    fn allow_body(&mut self, worker: &Worker) {
        let Flow { upload, download, .. } = &mut self.work.flow;
        if upload.continue_due && download.stage == Stage::Head {
            upload.continue_due = false;
            download.out.buffer(worker).extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn transfer_up(&mut self, bytes: &[u8], worker: &Worker) -> Result<usize, Ended> {
        let Flow { upload, download, .. } = &mut self.work.flow;
        upload.begun = true;
        let answered = download.stage == Stage::Body;
        let out = upload.out.buffer(worker);
        upload.decoder.transfer(bytes, upload.encoding, out).map_err(|e| Ended::BadRequest {
            status: 400,
            reason: e.0,
            answered,
        })
    }

    fn download(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let worker = &*self.server.worker;
        for turn in 0..TURN {
            let download = &mut self.work.flow.download;
            let flushed =
                download.out.poll_flush(cx, &self.caller.io, worker, &mut self.caller.sent).map_err(|_| ());
            match (download.stage, flushed) {
                (_, Poll::Ready(Err(()))) => return Poll::Ready(Ended::CallerGone),
                (Stage::Body, Poll::Pending) => return Poll::Pending,
                (Stage::Body, _) if download.cut => return Poll::Ready(Ended::Cut),
                (Stage::Body, _) if download.decoder.is_done() => return Poll::Ready(self.complete()),
                _ => {}
            }
            let compresses = download.compressor.is_some();
            if compresses && turn > 0 {
                break;
            }
            if self.pass_held(worker) {
                continue;
            }
            let mut scratch = worker.scratch.borrow_mut();
            let room = if compresses { SLICE } else { scratch.len() };
            let read = match poll_read(&mut self.upstream.io, cx, &mut scratch[..room]) {
                Poll::Pending if self.bring_out(worker) => continue,
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => read,
            };
            let bytes = match &read {
                Ok(n) => &scratch[..*n],
                Err(_) => &[],
            };
            self.upstream.received += bytes.len() as u64;
            if let Some(end) = self.answer_bytes(read.map(|_| bytes), worker) {
                return Poll::Ready(end);
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// Bytes of the answer; none at the end of the back end's connection.
    fn answer_bytes(&mut self, read: io::Result<&[u8]>, worker: &Worker) -> Option<Ended> {
        match (self.work.flow.download.stage, read) {
            (Stage::Head, Ok(bytes)) if !bytes.is_empty() => self.head_bytes(bytes, worker),
            (Stage::Head, read) => Some(Ended::Failed(self.closed(read.err()))),
            (Stage::Hold, Ok(bytes)) if !bytes.is_empty() => self.held_bytes(bytes, worker),
            (Stage::Hold, read) => self.held_end(read.err(), worker),
            (Stage::Body, Ok(bytes)) if !bytes.is_empty() => {
                self.body_bytes(bytes, worker);
                None
            }
            (Stage::Body, read) => self.body_end(read.is_err(), worker),
        }
    }

    /// No head came: what may the back end have seen?
    fn closed(&self, error: Option<io::Error>) -> Failure {
        let upload = &self.work.flow.upload;
        let download = &self.work.flow.download;
        let nothing_came =
            download.stage == Stage::Head && download.partial.is_empty() && download.interim == 0;
        let sent = if self.upstream.sent == upload.sent_before && !upload.begun {
            Sent::Nothing
        } else if self.upstream.served > 0 && nothing_came && !upload.begun {
            Sent::SomeOnReused
        } else {
            Sent::Some
        };
        Failure::Closed { reason: error.map(|e| e.to_string()).unwrap_or_default().into(), sent }
    }

    /// Bytes of the answer's head, perhaps with all of the answer behind it.
    fn head_bytes(&mut self, bytes: &[u8], worker: &Worker) -> Option<Ended> {
        let mut partial = std::mem::take(&mut self.work.flow.download.partial);
        let all = if partial.is_empty() {
            bytes
        } else {
            partial.extend_from_slice(bytes);
            partial.as_slice()
        };
        let mut at = 0;
        let end = loop {
            let rest = &all[at..];
            let Work { response, flow, .. } = &mut *self.work;
            let limits = self.server.settings.limits;
            match response.read(Message::Response, &mut flow.download.scanner, rest, limits) {
                Ok(Some(n)) => match self.head(&rest[n..], worker) {
                    After::Interim => {
                        at += n;
                        self.work.flow.download.interim += 1;
                        if self.work.flow.download.interim > MOST_INTERIM {
                            break Some(malformed("too many interim responses".to_owned()));
                        }
                    }
                    After::Body => break None,
                    After::End(end) => break Some(end),
                },
                Ok(None) => {
                    let mut kept = worker.buffer();
                    kept.extend_from_slice(rest);
                    self.work.flow.download.partial = kept;
                    break None;
                }
                Err(why) => break Some(malformed(self.head_error(why))),
            }
        };
        worker.recycle(partial);
        end
    }

    fn head_error(&self, why: HeadError) -> String {
        let limits = self.server.settings.limits;
        match why {
            HeadError::LineTooLong => format!("An HTTP line is larger than {} bytes.", limits.initial_line),
            HeadError::HeadersTooLong => format!("HTTP header is larger than {} bytes.", limits.headers),
            _ => format!("malformed response: {why}"),
        }
    }

    fn request_is_sent(&self) -> bool {
        let upload = &self.work.flow.upload;
        let queued = upload.queued == self.work.body.len();
        upload.decoder.is_done() && queued && upload.out.is_empty() && !upload.broken
    }

    fn complete(&self) -> Ended {
        let download = &self.work.flow.download;
        Ended::Complete { reuse: download.keep_upstream && !download.excess && self.request_is_sent() }
    }
}
