//! Answers whose body is not the back end's own: replaced by the router's, or followed by it.

use super::attempt::{After, Attempt};
use super::body::{Decoder, Encoding};
use super::framing::{Body, ResponseFraming};
use crate::context::Context as Worker;
use router::header::Known;
use router::seam::Head;

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
        excess: bool,
        worker: &Worker,
    ) -> After {
        framed.keep_alive &= is_whole(framed.body, rest, worker) && !excess;
        self.forward_with(framed, body, worker)
    }

    /// Forwards the answer with `tail` behind its body, which the router asks for with small ones only: those are held, so
    /// `rest` has all of it.
    pub(super) fn extend(
        &mut self,
        mut framed: ResponseFraming,
        rest: &[u8],
        tail: &[u8],
        excess: bool,
        worker: &Worker,
    ) -> After {
        framed.keep_alive &= is_whole(framed.body, rest, worker) && !excess;
        let body = match framed.body {
            Body::Length(n) => usize::try_from(n).ok().and_then(|n| rest.get(..n)).unwrap_or(rest),
            _ => rest,
        };
        let body = [body.trim_ascii(), tail].concat();
        self.forward_with(framed, &body, worker)
    }

    fn forward_with(&mut self, mut framed: ResponseFraming, body: &[u8], worker: &Worker) -> After {
        // An answer to HEAD has none, and the length it tells is not that of this body.
        self.work.response.remove(Known::ContentLength.into());
        let body = if framed.body == Body::None { &[] } else { body };
        if framed.body != Body::None {
            framed.body = Body::Length(body.len() as u64);
        }
        self.forward(framed, body, worker);
        After::Body
    }
}
