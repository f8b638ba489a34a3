//! Answers whose body is not the back end's own: replaced by the router's, or followed by it. Rare, so the whole body is
//! held (the router asks for it with small ones only).

use super::attempt::{After, Attempt};
use super::body::{Decoder, Encoding};
use super::flow::Stage;
use super::framing::{Body, ResponseFraming};
use crate::context::Context as Worker;
use router::header::Known;
use router::seam::Head;

/// A body that is being read whole.
#[derive(Debug)]
pub(super) struct Held {
    framed: ResponseFraming,
    body: Vec<u8>,
    /// What is to stand behind it.
    tail: Vec<u8>,
}

/// Whether `rest` is exactly the body that follows a head: its connection may then be used again though nobody reads on.
pub(super) fn is_whole(body: Body, rest: &[u8], worker: &Worker) -> bool {
    let mut decoder = Decoder::new(body);
    let mut sink = worker.buffer();
    let used = decoder.transfer(rest, Encoding::Plain, &mut sink);
    worker.recycle(sink);
    decoder.is_done() && used == Ok(rest.len())
}

impl Attempt<'_> {
    /// Forwards the head with `body`; of the back end's, `rest` has come already and the remainder is not waited for.
    pub(super) fn substitute(
        &mut self,
        mut framed: ResponseFraming,
        rest: &[u8],
        body: &[u8],
        worker: &Worker,
    ) -> After {
        framed.keep_alive &= is_whole(framed.body, rest, worker);
        self.forward_with(framed, body, worker)
    }

    /// Forwards the answer with `tail` behind its body, of which `rest` has come already.
    pub(super) fn extend(
        &mut self,
        framed: ResponseFraming,
        rest: &[u8],
        tail: Vec<u8>,
        worker: &Worker,
    ) -> After {
        let download = &mut self.work.flow.download;
        download.decoder = Decoder::new(framed.body);
        download.stage = Stage::Body;
        download.held = Some(Box::new(Held { framed, body: Vec::new(), tail }));
        self.hold(rest, worker);
        After::Body
    }

    /// Takes bytes of a body that is being read whole; with the last of them the answer goes out.
    pub(super) fn hold(&mut self, bytes: &[u8], worker: &Worker) {
        let download = &mut self.work.flow.download;
        let Some(mut held) = download.held.take() else { return };
        match download.decoder.transfer(bytes, Encoding::Plain, &mut held.body) {
            Ok(used) => held.framed.keep_alive &= used == bytes.len(),
            Err(_) => {
                download.cut = true;
                return;
            }
        }
        if download.decoder.is_done() {
            let body = [held.body.trim_ascii(), &held.tail].concat();
            self.forward_with(held.framed, &body, worker);
        } else {
            download.held = Some(held);
        }
    }

    fn forward_with(&mut self, mut framed: ResponseFraming, body: &[u8], worker: &Worker) -> After {
        // An answer to HEAD has none, and the length it tells is not that of this body.
        self.work.response.remove(Known::ContentLength.into());
        let body = if framed.body == Body::None { &[] } else { body };
        if framed.body != Body::None {
            framed.body = Body::Length(body.len() as u64);
        }
        self.forward(framed, body, worker)
    }
}
