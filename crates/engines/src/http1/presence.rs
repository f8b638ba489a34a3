//! Whether a caller that has asked is still there while it waits for its answer.
//!
//! A caller that resets its connection has gone. One that has closed its side of it may have gone or may only have said
//! everything: TCP does not tell, so it is given some time for its answer (docs/differences.md).

use super::connection::Caller;
use super::read::poll_read;
use crate::context::{Context as Worker, READ_SIZE};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{Interest, Ready};

/// What a caller's socket tells about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is there; the task is woken when that changes.
    Here,
    /// It will send nothing more.
    SaidAll,
    /// It has reset the connection.
    Gone,
    /// It has sent more than is read ahead, and no change behind that will be reported.
    Unseen,
}

impl Caller {
    /// Looks at the caller without a system call, unless it has sent something. What it has sent is kept for later if `ahead`
    /// says that it belongs to the next request.
    pub(crate) fn poll_presence(&mut self, cx: &mut Context<'_>, worker: &Worker, ahead: bool) -> Presence {
        loop {
            match self.io.poll_read_ready(cx) {
                Poll::Pending => return Presence::Here,
                Poll::Ready(Err(_)) => return Presence::Gone,
                Poll::Ready(Ok(())) => {}
            }
            let ready = self.readiness();
            if ready.is_write_closed() || ready.is_error() {
                return Presence::Gone;
            }
            if ready.is_read_closed() {
                return Presence::SaidAll;
            }
            if !ahead || self.input.len() >= READ_SIZE {
                return Presence::Unseen;
            }
            let mut scratch = worker.scratch.borrow_mut();
            match poll_read(&mut self.io, cx, &mut scratch) {
                Poll::Pending => return Presence::Here,
                Poll::Ready(Err(_)) => return Presence::Gone,
                Poll::Ready(Ok(0)) => return Presence::SaidAll,
                Poll::Ready(Ok(n)) => {
                    self.received += n as u64;
                    self.keep(&scratch[..n], worker);
                }
            }
        }
    }

    /// What the runtime knows of the socket.
    pub(super) fn readiness(&self) -> Ready {
        let all = Interest::READABLE | Interest::WRITABLE | Interest::ERROR;
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(self.io.ready(all)).poll(&mut cx) {
            Poll::Ready(Ok(ready)) => ready,
            _ => Ready::EMPTY,
        }
    }
}
