//! The answer of a back end: its head is judged by the router, its body is held, compressed or passed on as it comes
//! (dataplane.md §4.4).

use super::super::body::{Decoder, Encoding};
use super::super::coding::{self, Coding};
use super::super::compress::Compressed;
use super::super::flow::Stage;
use super::super::framing::{self, Body, ResponseFraming};
use super::super::reply::length_line;
use super::super::substitute::is_whole;
use super::super::work::Work;
use super::{Attempt, Ended, SLICE};
use crate::context::{Context as Worker, Draining, READ_SIZE};
use router::header::Known;
use router::seam::{Failure, Head, OnResponse, RequestHead, ResponseHead, Version};
use std::io;

/// What a head was.
pub(in super::super) enum After {
    /// Another head follows.
    Interim,
    /// The answer is on its way, or is held until it is whole.
    Body,
    End(Ended),
}

impl After {
    fn end(self) -> Option<Ended> {
        match self {
            After::End(end) => Some(end),
            After::Interim | After::Body => None,
        }
    }
}

pub(super) fn malformed(reason: String) -> Ended {
    Ended::Failed(Failure::Malformed { reason: reason.into() })
}

impl Attempt<'_> {
    /// A complete head: an interim one, or the final one with what follows it.
    pub(super) fn head(&mut self, rest: &[u8], worker: &Worker) -> After {
        let Work { response, request, flow, framing, tunnel, .. } = &mut *self.work;
        match response.status() {
            status if tunnel.is_granted(status, response) => return self.switch(rest, worker),
            // Nobody asked for this protocol.
            101 => return After::End(malformed("unexpected 101 Switching Protocols".to_owned())),
            // The caller's own wish for 100 was granted here already.
            100 => return After::Interim,
            102..200 => {
                if framing.version == Version::Http11 {
                    self.server.router.borrow_mut().on_interim(response);
                    response.remove(Known::ContentLength.into());
                    let out = flow.download.out.buffer(worker);
                    response.write_to(out);
                    out.extend_from_slice(b"\r\n");
                }
                return After::Interim;
            }
            ..100 => return After::End(malformed(format!("invalid status {}", response.status()))),
            _ => {}
        }
        match framing::of_response(response, request.method()) {
            Ok(framed) if self.holds(framed.body, rest.len()) => self.hold(framed, rest, worker),
            Ok(framed) => self.decide(framed, rest, false, worker),
            Err(reason) => After::End(malformed(reason.to_owned())),
        }
    }

    /// Whether the answer waits until its body is whole, of which so many bytes are here. A small one does: if it breaks
    /// off, there can be another attempt. So does one of HTTP/1.0 that only the connection's end delimits, while it is
    /// small: whole, it has a length, and the caller's connection can be kept (dataplane.md §4.3).
    fn holds(&self, body: Body, here: usize) -> bool {
        let settings = &self.server.settings;
        match body {
            Body::None => false,
            Body::Length(n) if here as u64 >= n => false,
            Body::Length(n) if n <= settings.hold_body => true,
            Body::UntilClose if self.work.response.version() == Version::Http10 => true,
            _ => settings.hold_all.is_some(),
        }
    }

    fn hold(&mut self, framed: ResponseFraming, rest: &[u8], worker: &Worker) -> After {
        if let (Body::Length(n), Some(most)) = (framed.body, self.server.settings.hold_all)
            && n > most
        {
            return After::End(too_long(most));
        }
        let download = &mut self.work.flow.download;
        download.stage = Stage::Hold;
        download.framed = framed;
        download.decoder = Decoder::new(framed.body);
        if download.held.capacity() == 0 {
            download.held = worker.buffer();
        }
        match self.held_bytes(rest, worker) {
            Some(end) => After::End(end),
            None => After::Body,
        }
    }

    /// Bytes of a body that is held.
    pub(super) fn held_bytes(&mut self, bytes: &[u8], worker: &Worker) -> Option<Ended> {
        let download = &mut self.work.flow.download;
        let used = match download.decoder.transfer(bytes, Encoding::Plain, &mut download.held) {
            Ok(used) => used,
            Err(e) => return Some(malformed(e.0.to_owned())),
        };
        let here = download.held.len() as u64;
        match self.server.settings.hold_all {
            Some(most) if here > most => return Some(too_long(most)),
            None if here > self.server.settings.hold_body && download.framed.body == Body::UntilClose => {
                return self.release_held(worker);
            }
            _ => {}
        }
        if download.decoder.is_done() { self.held_whole(used < bytes.len(), worker) } else { None }
    }

    /// An answer of unknown length is not as small as was hoped: what is here of it goes on, and the rest as it comes.
    fn release_held(&mut self, worker: &Worker) -> Option<Ended> {
        let download = &mut self.work.flow.download;
        let (held, framed) = (std::mem::take(&mut download.held), download.framed);
        let after = self.decide(framed, &held, false, worker);
        worker.recycle(held);
        after.end()
    }

    /// The back end's connection ended while its answer was held.
    pub(super) fn held_end(&mut self, failed: Option<io::Error>, worker: &Worker) -> Option<Ended> {
        if failed.is_none() && matches!(self.work.flow.download.decoder, Decoder::UntilClose) {
            return self.held_whole(false, worker);
        }
        Some(Ended::Failed(self.closed(failed)))
    }

    /// A held answer is whole. `excess`: the back end sent more than that.
    fn held_whole(&mut self, excess: bool, worker: &Worker) -> Option<Ended> {
        let download = &mut self.work.flow.download;
        let held = std::mem::take(&mut download.held);
        download.passed = 0;
        let framed = ResponseFraming { body: Body::Length(held.len() as u64), ..download.framed };
        (self.work.response.length, self.work.response.chunked) = (Some(held.len() as u64), false);
        // The router may put something behind one that is held for its size, for which it must be at hand.
        if held.len() as u64 <= self.server.settings.hold_body.max(READ_SIZE as u64) {
            let after = self.decide(framed, &held, excess, worker);
            worker.recycle(held);
            return after.end();
        }
        let after = self.decide(framed, &[], excess, worker);
        self.work.flow.download.held = held;
        after.end()
    }

    /// Passes a piece of a long answer that was held on; false when there is none.
    pub(super) fn pass_held(&mut self, worker: &Worker) -> bool {
        let download = &mut self.work.flow.download;
        if download.stage != Stage::Body || download.passed == download.held.len() {
            return false;
        }
        let held = std::mem::take(&mut download.held);
        let from = download.passed;
        let to = held.len().min(from + SLICE);
        download.passed = to;
        self.body_bytes(&held[from..to], worker);
        self.work.flow.download.held = held;
        true
    }

    /// The final head is here, and of the body `rest`: the router says what becomes of it.
    fn decide(&mut self, framed: ResponseFraming, rest: &[u8], excess: bool, worker: &Worker) -> After {
        let Work { response, request, framing, .. } = &mut *self.work;
        let now = worker.clock.now();
        self.exchange.payloads(framing.request.body.announced(), framed.body.announced());
        let decision = self.server.router.borrow_mut().on_response(self.exchange, request, response, now);
        match decision {
            OnResponse::Forward => {
                self.forward(framed, rest, worker);
                self.work.flow.download.excess |= excess;
                After::Body
            }
            OnResponse::Substitute(body) => self.substitute(framed, rest, &body, excess, worker),
            OnResponse::Extend(tail) => self.extend(framed, rest, &tail, excess, worker),
            OnResponse::Again(step) => {
                let whole = is_whole(framed.body, rest, worker) && !excess;
                let keeps = framed.keep_alive && self.work.framing.version == Version::Http11;
                let reuse = whole && keeps && self.request_is_sent();
                After::End(Ended::Again { step, reuse })
            }
        }
    }

    /// The back end has granted a tunnel: what follows the head is no message.
    fn switch(&mut self, rest: &[u8], worker: &Worker) -> After {
        let Work { response, request, flow, tunnel, .. } = &mut *self.work;
        let now = worker.clock.now();
        match self.server.router.borrow_mut().on_response(self.exchange, request, response, now) {
            OnResponse::Again(step) => return After::End(Ended::Again { step, reuse: false }),
            // A tunnel has no body to put anything behind.
            OnResponse::Forward | OnResponse::Substitute(_) | OnResponse::Extend(_) => {}
        }
        response.remove(Known::ContentLength.into());
        let out = flow.download.out.buffer(worker);
        response.write_to(out);
        tunnel.write_to(out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(rest);
        After::End(Ended::Tunnel)
    }

    /// Writes the head and what is here of the body.
    pub(in super::super) fn forward(&mut self, framed: ResponseFraming, rest: &[u8], worker: &Worker) {
        let whole = self.encode(framed.body, rest, worker);
        let Work { request, response, flow, framing, .. } = &mut *self.work;
        let download = &mut flow.download;
        let both_11 = framing.version == Version::Http11 && response.version() == Version::Http11;
        let until_close = matches!(framed.body, Body::Chunked | Body::UntilClose) && !both_11;
        download.keep_upstream = framed.keep_alive && framing.version == Version::Http11;
        // What follows a CONNECT that was granted the caller takes for a tunnel; it must not be read as requests.
        let tunnel = request.method() == b"CONNECT" && response.status() < 300;
        download.until_close = until_close;
        // What is left of a request behind its whole answer is nobody's, and a caller that was not told to go on may or may
        // not send it: neither can be told from the next request.
        let all_here = match framed.body {
            Body::None => true,
            Body::Length(n) => rest.len() as u64 >= n,
            Body::Chunked | Body::UntilClose => false,
        };
        let unread = !flow.upload.decoder.is_done() && (all_here || flow.upload.continue_due);
        download.keep_caller = framing.request.keep_alive
            && !until_close
            && !unread
            && !tunnel
            && self.dies.is_none_or(|at| worker.clock.now() < at)
            && self.server.draining() == Draining::No;
        let out = download.out.buffer(worker);
        response.write_to(out);
        download.encoding = Encoding::Plain;
        match (framed.body, &whole) {
            (_, Some(whole)) => length_line(whole.len() as u64, out),
            (Body::Length(n), None) if download.compressor.is_none() => length_line(n, out),
            (Body::Length(_) | Body::Chunked | Body::UntilClose, None) if both_11 => {
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
        match whole {
            None => self.body_bytes(rest, worker),
            Some(whole) => {
                out.extend_from_slice(&whole);
                worker.recycle(whole);
                download.decoder = Decoder::Done;
                download.excess = !matches!(framed.body, Body::Length(n) if rest.len() as u64 == n);
            }
        }
    }

    /// Puts the body into the coding the caller likes best, if the answer is one that is compressed: at once where all of it
    /// is here, otherwise as it comes.
    fn encode(&mut self, body: Body, rest: &[u8], worker: &Worker) -> Option<Vec<u8>> {
        if matches!(body, Body::None | Body::Length(0)) {
            return None;
        }
        let wanted = self.server.settings.compression;
        let coding = coding::of_response(wanted, &self.work.request, &self.work.response)?;
        self.start_coding(coding, body, rest, worker)
    }

    #[inline(never)]
    fn start_coding(&mut self, coding: Coding, body: Body, rest: &[u8], worker: &Worker) -> Option<Vec<u8>> {
        let all = match body {
            Body::Length(n) => usize::try_from(n).ok().and_then(|n| rest.get(..n)),
            _ => None,
        };
        if all.is_none() && self.work.framing.version == Version::Http10 {
            return None;
        }
        let level = self.server.settings.compression.level();
        let mut compressor = worker.compressors.borrow_mut().take(coding, level)?;
        self.work.response.append(Known::ContentEncoding.into(), coding.text());
        match all {
            Some(all) => {
                let mut whole = worker.buffer();
                compressor.whole(all, &mut whole);
                worker.compressors.borrow_mut().give(compressor);
                Some(whole)
            }
            None => {
                self.work.flow.download.compressor = Some(compressor);
                None
            }
        }
    }

    /// Bytes of the answer's body. Those before a fault still go out; the fault then ends the exchange.
    pub(super) fn body_bytes(&mut self, bytes: &[u8], worker: &Worker) {
        let download = &mut self.work.flow.download;
        if download.decoder.is_done() {
            download.excess |= !bytes.is_empty();
            return;
        }
        let out = download.out.buffer(worker);
        let used = match &mut download.compressor {
            None => download.decoder.transfer(bytes, download.encoding, out),
            Some(c) => download.decoder.transfer(bytes, Compressed(c, download.encoding), out),
        };
        match used {
            Ok(used) => download.excess |= used < bytes.len(),
            Err(_) => download.cut = true,
        }
    }

    /// Nothing more comes just now: what the compressor has taken goes to the caller, who may be waiting for it.
    pub(super) fn bring_out(&mut self, worker: &Worker) -> bool {
        let download = &mut self.work.flow.download;
        match &mut download.compressor {
            Some(c) if c.is_behind() => {
                c.flush(download.encoding, download.out.buffer(worker));
                true
            }
            _ => false,
        }
    }

    /// The back end's connection ended, `failed` or in order.
    pub(super) fn body_end(&mut self, failed: bool, worker: &Worker) -> Option<Ended> {
        let download = &mut self.work.flow.download;
        if failed || !matches!(download.decoder, Decoder::UntilClose) {
            return Some(Ended::Cut);
        }
        let out = download.out.buffer(worker);
        match &mut download.compressor {
            None => download.decoder.finish(download.encoding, out),
            Some(c) => download.decoder.finish(Compressed(c, download.encoding), out),
        }
        None
    }
}

fn too_long(most: u64) -> Ended {
    malformed(format!(
        "the body is longer than {most} bytes, the most that is held with streamingEnabled: false"
    ))
}
