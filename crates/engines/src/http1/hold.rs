//! Request bodies that are read whole before anything is sent: small ones, so that they travel with their head and can be
//! sent again; all of them with `streamingEnabled: false` (dataplane.md §4.4).

use super::body::{Decoder, Encoding};
use super::connection::Connection;
use super::framing::Body;
use super::read::poll_read;
use super::stall::Progress;
use super::work::Work;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWriteExt;

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// The request can be sent: its body is here, or will be passed on as it comes.
    Fine,
    /// The caller has gone.
    Gone,
    /// The caller is to be refused with this status.
    Refused(u16),
}

impl Connection {
    /// Reads the body if it is one that is held.
    pub(crate) async fn hold_body(&mut self, work: &mut Work) -> Held {
        let request = work.framing.request;
        let all = self.server.settings.hold_all;
        let held = match request.body {
            Body::None => true,
            Body::Length(n) => all.is_some() || n <= self.server.settings.hold_body,
            Body::Chunked | Body::UntilClose => all.is_some(),
        };
        work.framing.held = held;
        if !held {
            work.flow.begin(request.body, request.expects_continue);
            return Held::Fine;
        }
        if request.body == Body::None {
            return Held::Fine;
        }
        let most = all.unwrap_or(u64::MAX);
        if matches!(request.body, Body::Length(n) if n > most) {
            return Held::Refused(413);
        }
        let mut reading =
            Reading { decoder: Decoder::new(request.body), most, progress: Progress::default() };
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        let whole = match self.take_input(&mut reading, &mut work.body) {
            Ok(whole) => whole,
            Err(status) => return Held::Refused(status),
        };
        if !whole && request.expects_continue {
            // As good as never full: nothing was written since the answer before.
            let written =
                tokio::time::timeout(self.server.settings.stall.into(), self.caller.io.write_all(go_on));
            if !matches!(written.await, Ok(Ok(()))) {
                return Held::Gone;
            }
            self.caller.sent += go_on.len() as u64;
        }
        let held = poll_fn(|cx| self.poll_body(cx, &mut reading, &mut work.body)).await;
        // It goes on with its length, whatever it came with.
        work.framing.request.body = Body::Length(work.body.len() as u64);
        held
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, reading: &mut Reading, body: &mut Vec<u8>) -> Poll<Held> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let patience = server.server.socket().read_timeout.unwrap_or(server.settings.stall);
        loop {
            match self.take_input(reading, body) {
                Ok(true) => return Poll::Ready(Held::Fine),
                Ok(false) => {}
                Err(status) => return Poll::Ready(Held::Refused(status)),
            }
            let mut scratch = worker.scratch.borrow_mut();
            let read = match poll_read(&mut self.caller.io, cx, &mut scratch) {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    let until = reading.progress.until(self.caller.received, worker.clock.now(), patience);
                    ready!(self.timer.poll(cx, Some(until), &worker.clock));
                    server.server.read_timeout(worker.worker);
                    return Poll::Ready(Held::Refused(408));
                }
            };
            match read {
                Ok(n) if n > 0 => {
                    self.caller.received += n as u64;
                    self.caller.keep(&scratch[..n], worker);
                }
                _ => return Poll::Ready(Held::Gone),
            }
        }
    }

    /// Takes what has come of the body; true when it is whole, the status of the refusal when it cannot be.
    fn take_input(&mut self, reading: &mut Reading, body: &mut Vec<u8>) -> Result<bool, u16> {
        let input = &mut self.caller.input;
        let used = reading.decoder.transfer(input, Encoding::Plain, body).map_err(|e| {
            tracing::debug!(peer = %self.peer, reason = e.0, "the request's body breaks the chunked coding");
            400_u16
        })?;
        if used < input.len() {
            input.drain(..used);
        } else if input.capacity() > 0 {
            self.server.worker.recycle(std::mem::take(input));
        }
        if body.len() as u64 > reading.most {
            return Err(413);
        }
        Ok(reading.decoder.is_done())
    }
}

/// A body that is being read.
struct Reading {
    decoder: Decoder,
    most: u64,
    progress: Progress,
}
