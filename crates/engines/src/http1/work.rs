//! The memory of one exchange. It is taken when a head has arrived and given back when the answer is written, so a
//! connection that waits for its next request holds none of it.

use super::flow::Flow;
use super::framing::RequestFraming;
use super::head::HeadBuf;
use super::tunnel::Wish;
use crate::context::Context;
use router::seam::Version;

/// The memory of one exchange.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) request: HeadBuf,
    pub(crate) response: HeadBuf,
    pub(crate) framing: Framing,
    /// The tunnel the request asks for, where tunnels are allowed.
    pub(crate) tunnel: Wish,
    /// The request's body, where it is small enough to be held and sent again.
    pub(crate) body: Vec<u8>,
    pub(crate) flow: Flow,
}

/// What the engine knows of the request besides its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing {
    pub(crate) request: RequestFraming,
    pub(crate) version: Version,
    /// The body is held in [`Work::body`].
    pub(crate) held: bool,
}

impl Default for Framing {
    fn default() -> Self {
        let request =
            RequestFraming { body: super::framing::Body::None, keep_alive: false, expects_continue: false };
        Framing { request, version: Version::Http11, held: true }
    }
}

impl Work {
    /// Forgets the exchange; small buffers stay.
    pub(crate) fn clear(&mut self, worker: &Context) {
        self.request.clear();
        self.response.clear();
        self.body.clear();
        self.tunnel = Wish::None;
        self.flow.clear(worker);
    }

    /// Bytes of memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.request.capacity() + self.response.capacity() + self.body.capacity()
    }
}
