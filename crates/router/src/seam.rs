//! The seam between engines and router (architecture.md §5): what an engine tells the router, and what it is told to do.
//!
//! An engine owns sockets, framing, bodies and time-outs' clocks; the router owns every decision. They talk in one
//! direction at a time: the engine calls a method of [`crate::WorkerRouter`] and obeys the [`Step`] it gets back.

use crate::header::{Known, Name};
use balance::Nanos;
use std::net::SocketAddr;

/// Protocol version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// Header fields of a message, in the engine's own representation.
///
/// Lines keep their order and the spelling they came with.
pub trait Head {
    /// The first value of a field.
    fn get(&self, name: Name<'_>) -> Option<&[u8]>;
    /// Calls `f` with each value of a field, in order.
    fn each(&self, name: Name<'_>, f: &mut dyn FnMut(&[u8]));
    /// Whether the field is present. Cheap for known names.
    fn has(&self, name: Known) -> bool;
    /// Calls `f` with name and value of each line.
    fn lines(&self, f: &mut dyn FnMut(&[u8], &[u8]));
    /// Removes all lines of a field.
    fn remove(&mut self, name: Name<'_>);
    /// Removes all lines whose names begin with `prefix`, in any case.
    fn remove_prefix(&mut self, prefix: &[u8]);
    /// Adds a line behind all others. `name` and `value` must be legal on the wire.
    fn append(&mut self, name: Name<'_>, value: &[u8]);
    /// Appends `, suffix` to the last line of a field, or adds the line.
    fn extend_last(&mut self, name: Name<'_>, suffix: &[u8]);
    /// Replaces all lines of a field by one.
    fn set(&mut self, name: Name<'_>, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }
    /// Protocol version the message came with.
    fn version(&self) -> Version;
}

/// Head of a request.
pub trait RequestHead: Head {
    /// The method, case kept.
    fn method(&self) -> &[u8];
    /// The request target as it will be sent on.
    fn target(&self) -> &[u8];
    /// The request target as it was received.
    fn received_target(&self) -> &[u8];
    /// Replaces the request target.
    fn set_target(&mut self, target: &[u8]);
    /// Remembers the head as it is now: edits made from here on belong to one attempt.
    fn mark(&mut self);
    /// Undoes the edits since [`RequestHead::mark`], before another attempt. Behind a mark lines may be appended, removed
    /// and replaced; [`Head::extend_last`] and [`RequestHead::set_target`] come before it.
    fn rewind(&mut self);
}

/// Head of a response.
pub trait ResponseHead: Head {
    /// Status code.
    fn status(&self) -> u16;
    /// Length of the body (of an answer to HEAD: the one announced), where the head tells it.
    fn length(&self) -> Option<u64>;
    /// Whether the body comes in chunks.
    fn is_chunked(&self) -> bool;
}

/// What the engine knows of a request besides its head.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The caller's address.
    pub peer: SocketAddr,
    /// The address the caller connected to, where [`crate::WorkerRouter::wants_local_address`] says so.
    pub local: Option<SocketAddr>,
    /// When the caller's connection was accepted.
    pub connected: Nanos,
    /// When the head was complete.
    pub now: Nanos,
    /// Whether the whole request (no body, or a buffered one) is at hand, so that it can be sent again after an answer
    /// or a failure that may have had an effect (dataplane.md §4.4).
    pub replayable: bool,
}

/// How far an attempt had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte of the request can have reached the back end's program.
    Nothing,
    /// Some bytes of the request were accepted by the kernel; the back end may have acted on them.
    Some,
    /// As `Some`, on a connection that had served requests before and ended without a byte of answer: most likely the
    /// back end closed an idle connection just then. RFC 9112 §9.3.1 lets idempotent requests be sent again.
    SomeOnReused,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable, timed out. `reason` is the system's words.
    Connect {
        /// The system's words.
        reason: Box<str>,
    },
    /// No connection, and as many requests wait for one as may (`maxWaiters`).
    TooManyWaiters,
    /// No connection, and nothing the endpoint could help: this machine has no descriptor or no memory left. `reason` is the
    /// system's words.
    Exhausted {
        /// The system's words.
        reason: Box<str>,
    },
    /// The connection ended before a final response head was complete.
    Closed {
        /// The system's words, or empty for an orderly close.
        reason: Box<str>,
        /// What the back end may have seen.
        sent: Sent,
    },
    /// The back end's answer broke the protocol or a limit.
    Malformed {
        /// What was wrong, for the caller and the log.
        reason: Box<str>,
    },
}

/// How an exchange ended, told once for each exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A response (forwarded or generated) was written completely.
    Complete,
    /// The back end's response broke off after its head had been forwarded.
    ResponseCut,
    /// The caller went away or broke the protocol in its body: counts neither as success nor as failure.
    CallerGone,
}

/// What the engine shall do next.
#[must_use]
pub enum Step {
    /// Get a connection to [`crate::Exchange::endpoint`] and send the request, whose head now has all edits.
    Send,
    /// Wait for the name to be bound (or for the exchange's deadline), then call `resume`.
    AwaitBinding(BindingWait),
    /// Wait so long (a retry's back-off), then call `resume`.
    Delay(Nanos),
    /// Answer the caller with this.
    Reply(Generated),
}

/// A future that ends when a binding has a state to act on.
pub type BindingWait = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// What to do with a back end's response head.
#[must_use]
pub enum OnResponse {
    /// Forward it; the head has all edits.
    Forward,
    /// Forward its head, which has all edits, with this body instead of its own, which is discarded.
    Substitute(Vec<u8>),
    /// Forward it, with white space at the ends of its body removed and these bytes behind it. Only for answers whose
    /// [`ResponseHead::length`] is known, and small.
    Extend(Vec<u8>),
    /// Discard it (and its body), then do this.
    Again(Step),
}

/// An answer made by the proxy itself (dataplane.md §4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Status code.
    pub status: u16,
    /// Header lines, without framing.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// Body.
    pub body: Vec<u8>,
    /// As the answer to HEAD it goes out without a length and is the last on its connection.
    pub last_if_head: bool,
}
