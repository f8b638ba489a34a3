//! One attempt: a request goes to one back end while its answer comes back.
//!
//! Both directions are polled by the caller's own task. An answer may begin before the request has ended; each direction
//! reads only when all it read before has been written on.

use super::body::{Decoder, Encoding};
use super::connection::Caller;
use super::flow::{Flow, Stage};
use super::framing::{self, Body};
use super::read::poll_read;
use super::reply::length_line;
use super::scan::{Scanned, Scanner};
use super::work::Work;
use crate::context::{Context as Worker, Draining, ServerContext};
use crate::pool::Upstream;
use crate::timer::Timer;
use balance::Nanos;
use router::Exchange;
use router::header::Known;
use router::seam::{Failure, Head, OnResponse, RequestHead, ResponseHead, Sent, Step, Version};
use std::io;
use std::task::{Context, Poll, ready};

/// Interim (1xx) replies one attempt may bring: without a bound a back end could keep the exchange, and fill the
/// caller's buffer, for ever.
const MOST_INTERIM: u32 = 64;

/// Buffers each direction may move before the other one, the worker's other connections and the sockets have their turn:
/// about 100 us of copying.
const TURN: u32 = 8;

/// Has the task woken once the runtime has looked at its sockets.
fn yield_turn(cx: &mut Context<'_>) {
    // Its first poll asks to be woken and is always pending; that is all that is wanted of it.
    let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
}

/// How an attempt ended.
pub(crate) enum Ended {
    /// The answer was written whole. `reuse`: the back end's connection is as good as new.
    Complete { reuse: bool },
    /// The answer broke off behind its head.
    Cut,
    /// The caller's connection failed.
    CallerGone,
    /// The caller's body breaks its coding; `answered`: a head was sent already.
    BadRequest { reason: &'static str, answered: bool },
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
        let Work { request, framing, body, flow, .. } = &mut *self.work;
        let upload = &mut flow.upload;
        upload.broken = false;
        upload.sent_before = self.upstream.sent;
        upload.out.clear(worker);
        let out = upload.out.buffer(worker);
        request.write_to(out);
        match framing.request.body {
            Body::Length(n) => length_line(n, out),
            Body::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            Body::None | Body::UntilClose => {}
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
        let download = &mut flow.download;
        download.stage = Stage::Head;
        download.scanner = Scanner::default();
        download.interim = 0;
        download.partial.clear();
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.work.flow.download.stage == Stage::Head {
            let clock = &self.server.worker.clock;
            if self.timer.poll(cx, self.exchange.deadline(), clock).is_ready() {
                let step = self.server.router.borrow_mut().on_deadline(self.exchange, clock.now());
                return Poll::Ready(Ended::Deadline(step));
            }
        }
        if let Some(end) = self.upload(cx) {
            return Poll::Ready(end);
        }
        self.download(cx)
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
            match upload.out.poll_flush(cx, &mut self.upstream.io, worker, &mut self.upstream.sent) {
                Poll::Pending => return None,
                // The back end may have answered before it hung up: what can be read decides.
                Poll::Ready(Err(_)) => upload.broken = true,
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
        let Flow { upload, download } = &mut self.work.flow;
        if upload.continue_due && download.stage == Stage::Head {
            upload.continue_due = false;
            download.out.buffer(worker).extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    fn transfer_up(&mut self, bytes: &[u8], worker: &Worker) -> Result<usize, Ended> {
        let Flow { upload, download } = &mut self.work.flow;
        upload.begun = true;
        let answered = download.stage != Stage::Head;
        let out = upload.out.buffer(worker);
        upload
            .decoder
            .transfer(bytes, upload.encoding, out)
            .map_err(|e| Ended::BadRequest { reason: e.0, answered })
    }

    fn download(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let worker = &*self.server.worker;
        for _ in 0..TURN {
            let download = &mut self.work.flow.download;
            let flushed = download
                .out
                .poll_flush(cx, &mut self.caller.io, worker, &mut self.caller.sent)
                .map_err(|_| ());
            match (download.stage, flushed) {
                (_, Poll::Ready(Err(()))) => return Poll::Ready(Ended::CallerGone),
                (Stage::Body, Poll::Pending) => return Poll::Pending,
                (Stage::Body, _) if download.cut => return Poll::Ready(Ended::Cut),
                (Stage::Body, _) if download.decoder.is_done() => return Poll::Ready(self.complete()),
                _ => {}
            }
            let mut scratch = worker.scratch.borrow_mut();
            let read = ready!(poll_read(&mut self.upstream.io, cx, &mut scratch));
            let bytes = match &read {
                Ok(n) => &scratch[..*n],
                Err(_) => &[],
            };
            self.upstream.received += bytes.len() as u64;
            let end = match (download.stage, read) {
                (Stage::Head, Ok(n)) if n > 0 => self.head_bytes(bytes, worker),
                (Stage::Head, read) => Some(Ended::Failed(self.closed(read.err()))),
                (Stage::Body, Ok(n)) if n > 0 => {
                    self.body_bytes(bytes, worker);
                    None
                }
                (Stage::Body, read) => self.body_end(read.is_err(), worker),
            };
            if let Some(end) = end {
                return Poll::Ready(end);
            }
        }
        yield_turn(cx);
        Poll::Pending
    }

    /// No head came: what may the back end have seen?
    fn closed(&self, error: Option<io::Error>) -> Failure {
        let upload = &self.work.flow.upload;
        let nothing_came = self.work.flow.download.partial.is_empty();
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
            match self.work.flow.download.scanner.scan(rest, self.server.settings.limits) {
                Scanned::Complete(n) => match self.head(&rest[..n], &rest[n..], worker) {
                    After::Interim => {
                        at += n;
                        self.work.flow.download.interim += 1;
                        if self.work.flow.download.interim > MOST_INTERIM {
                            break Some(malformed("too many interim responses".to_owned()));
                        }
                        self.work.flow.download.scanner = Scanner::default();
                    }
                    After::Body => break None,
                    After::End(end) => break Some(end),
                },
                Scanned::Partial => {
                    let mut kept = worker.buffer();
                    kept.extend_from_slice(rest);
                    self.work.flow.download.partial = kept;
                    break None;
                }
                fault => break Some(malformed(self.limit_text(fault))),
            }
        };
        worker.recycle(partial);
        end
    }

    fn limit_text(&self, fault: Scanned) -> String {
        let limits = self.server.settings.limits;
        match fault {
            Scanned::LineTooLong => format!("An HTTP line is larger than {} bytes.", limits.initial_line),
            Scanned::HeadersTooLong => format!("HTTP header is larger than {} bytes.", limits.headers),
            _ => "a line of the response's head ends with a bare LF".to_owned(),
        }
    }

    /// A complete head: an interim one, or the final one with what follows it.
    fn head(&mut self, head: &[u8], rest: &[u8], worker: &Worker) -> After {
        let Work { response, request, flow, framing, .. } = &mut *self.work;
        if let Err(e) = response.parse_response(head) {
            return After::End(malformed(format!("malformed response: {e}")));
        }
        match response.status() {
            // Nobody asked for another protocol: `Upgrade` is not forwarded.
            101 => return After::End(malformed("unexpected 101 Switching Protocols".to_owned())),
            // The caller's own wish for 100 was granted here already.
            100 => return After::Interim,
            102..200 => {
                if framing.version == Version::Http11 {
                    response.remove(Known::Connection.into());
                    response.remove(Known::ContentLength.into());
                    response.remove(Known::TransferEncoding.into());
                    let out = flow.download.out.buffer(worker);
                    response.write_to(out);
                    out.extend_from_slice(b"\r\n");
                }
                return After::Interim;
            }
            ..100 => return After::End(malformed(format!("invalid status {}", response.status()))),
            _ => {}
        }
        let framed = match framing::of_response(response, request.method()) {
            Ok(framed) => framed,
            Err(reason) => return After::End(malformed(reason.to_owned())),
        };
        let now = worker.clock.now();
        self.exchange.payloads(framing.request.body.announced(), framed.body.announced());
        let decision = self.server.router.borrow_mut().on_response(self.exchange, request, response, now);
        match decision {
            OnResponse::Forward => self.forward(framed, rest, worker),
            OnResponse::Again(step) => {
                let mut decoder = Decoder::new(framed.body);
                let mut sink = worker.buffer();
                let used = decoder.transfer(rest, Encoding::Plain, &mut sink);
                worker.recycle(sink);
                let whole = decoder.is_done() && used == Ok(rest.len());
                let keeps = framed.keep_alive && self.work.framing.version == Version::Http11;
                let reuse = whole && keeps && self.request_is_sent();
                After::End(Ended::Again { step, reuse })
            }
        }
    }

    fn forward(&mut self, framed: framing::ResponseFraming, rest: &[u8], worker: &Worker) -> After {
        let Work { request, response, flow, framing, .. } = &mut *self.work;
        let download = &mut flow.download;
        let both_11 = framing.version == Version::Http11 && response.version() == Version::Http11;
        let until_close = matches!(framed.body, Body::Chunked | Body::UntilClose) && !both_11;
        download.keep_upstream = framed.keep_alive && framing.version == Version::Http11;
        // What follows a CONNECT that was granted the caller takes for a tunnel; it must not be read as requests.
        let tunnel = request.method() == b"CONNECT" && response.status() < 300;
        download.until_close = until_close;
        download.keep_caller = framing.request.keep_alive
            && !until_close
            && !tunnel
            && self.dies.is_none_or(|at| worker.clock.now() < at)
            && worker.connections.draining() == Draining::No;
        let out = download.out.buffer(worker);
        response.write_to(out);
        download.encoding = Encoding::Plain;
        match framed.body {
            Body::Length(n) => length_line(n, out),
            Body::Chunked | Body::UntilClose if both_11 => {
                download.encoding = Encoding::Chunked;
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            _ => {}
        }
        if !download.keep_caller {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if !both_11 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
        download.decoder = Decoder::new(framed.body);
        download.stage = Stage::Body;
        download.excess = false;
        self.body_bytes(rest, worker);
        After::Body
    }

    /// Bytes of the answer's body. Those before a fault still go out; the fault then ends the exchange.
    fn body_bytes(&mut self, bytes: &[u8], worker: &Worker) {
        let download = &mut self.work.flow.download;
        if download.decoder.is_done() {
            download.excess |= !bytes.is_empty();
            return;
        }
        let out = download.out.buffer(worker);
        match download.decoder.transfer(bytes, download.encoding, out) {
            Ok(used) => download.excess |= used < bytes.len(),
            Err(_) => download.cut = true,
        }
    }

    /// The back end's connection ended, `failed` or in order.
    fn body_end(&mut self, failed: bool, worker: &Worker) -> Option<Ended> {
        let download = &mut self.work.flow.download;
        if failed || !matches!(download.decoder, Decoder::UntilClose) {
            return Some(Ended::Cut);
        }
        download.decoder.finish(download.encoding, download.out.buffer(worker));
        None
    }

    fn request_is_sent(&self) -> bool {
        let upload = &self.work.flow.upload;
        upload.decoder.is_done() && upload.out.is_empty() && !upload.broken
    }

    fn complete(&self) -> Ended {
        let download = &self.work.flow.download;
        Ended::Complete { reuse: download.keep_upstream && !download.excess && self.request_is_sent() }
    }
}

/// What a head was.
enum After {
    /// Another head follows.
    Interim,
    /// The answer is on its way.
    Body,
    End(Ended),
}

fn malformed(reason: String) -> Ended {
    Ended::Failed(Failure::Malformed { reason: reason.into() })
}
