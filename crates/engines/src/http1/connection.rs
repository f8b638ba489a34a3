//! A caller's connection: one task that takes requests off it and answers them, one after the other.

use super::framing;
use super::head::Message;
use super::read::poll_read;
use super::reply;
use super::scan::{Scanner, empty_lines};
use super::tunnel::Wish;
use super::work::{Framing, Work};
use crate::context::{Connections, Context as Worker, Draining, Live};
use crate::seat::{Seat, ServerContext};
use crate::timer::Timer;
use balance::Nanos;
use router::SessionEnd;
use router::header::Known;
use router::seam::Head;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// How long a head may take from its first byte to its last. Linkerd waits for ever; see docs/differences.md.
const HEAD_TIME: Nanos = Nanos::from_secs(60);
/// How long, and for how many bytes, a caller that is being refused may go on sending before it is cut off. Closing at
/// once would reset the connection and could destroy the answer on its way.
const LINGER: (std::time::Duration, usize) = (std::time::Duration::from_secs(2), 1 << 20);

/// The caller's socket and what was read from it too early.
pub(crate) struct Caller {
    pub(crate) io: TcpStream,
    /// Bytes that were read but belong to what comes next.
    pub(crate) input: Vec<u8>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Caller {
    /// Keeps bytes for later, behind those kept before.
    pub(crate) fn keep(&mut self, bytes: &[u8], worker: &Worker) {
        if self.input.capacity() == 0 && !bytes.is_empty() {
            self.input = worker.buffer();
        }
        self.input.extend_from_slice(bytes);
    }

    /// Whether more has come than was asked for, or the end; the runtime knows without a system call.
    pub(crate) fn has_more(&self) -> bool {
        !self.input.is_empty() || self.readiness().is_readable()
    }
}

/// A caller's connection.
pub(crate) struct Connection {
    /// Who serves it; looked up in the seat before each request.
    pub(crate) server: Rc<ServerContext>,
    seat: Rc<Seat>,
    pub(crate) caller: Caller,
    pub(crate) timer: Timer,
    pub(crate) peer: SocketAddr,
    /// The address the caller connected to, where the router wants to know it.
    pub(crate) local: Option<SocketAddr>,
    /// The clock's last reading: near enough for what follows in the same turn.
    pub(crate) now: Nanos,
    scanner: Scanner,
    /// When the first byte of the head that is being read arrived.
    head_since: Option<Nanos>,
    requests: u64,
    pub(crate) born: Nanos,
    slot: Option<usize>,
    /// Its idleness, its age or its silence is limited.
    limited: bool,
    _live: Live,
}

/// What a connection brought.
enum Next {
    /// A request, parsed and framed.
    Request(Box<Work>),
    /// Something that is no request; the answer's status.
    Refuse(u16),
    /// Its end.
    Closed,
}

impl Connection {
    pub(crate) fn new(seat: Rc<Seat>, io: TcpStream, peer: SocketAddr, live: Live) -> Connection {
        let server = seat.current();
        let born = server.worker.clock.now();
        server.server.accepted(server.worker.worker);
        let caller = Caller { io, input: Vec::new(), received: 0, sent: 0 };
        let mut connection = Connection {
            server,
            seat,
            caller,
            timer: Timer::default(),
            limited: false,
            peer,
            local: None,
            now: born,
            scanner: Scanner::default(),
            head_since: None,
            requests: 0,
            born,
            slot: None,
            _live: live,
        };
        connection.settle();
        connection
    }

    /// Makes up its mind about what its server wants of it.
    fn settle(&mut self) {
        let server = &self.server;
        let counts = &server.server;
        self.limited = counts.session().is_bounded() || counts.socket().read_timeout.is_some();
        if self.local.is_none() && server.router.borrow().wants_local_address() {
            self.local = self.caller.io.local_addr().ok();
        }
    }

    /// The configuration has changed since the last request: goes on with the new one.
    #[cold]
    fn move_on(&mut self, next: Rc<ServerContext>) {
        next.server.takes_over(next.worker.worker, &self.server.server);
        self.server = next;
        self.settle();
    }

    /// Serves the connection to its end.
    pub(crate) async fn serve(mut self) {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        self.slot = Some(self.connections().enter(waker));
        loop {
            match poll_fn(|cx| self.poll_next(cx)).await {
                Next::Request(work) => {
                    self.requests += 1;
                    if !self.exchange(work).await {
                        return;
                    }
                    // Requests that came together and are answered here ask no socket, which would make them take turns.
                    tokio::task::consume_budget().await;
                }
                Next::Refuse(status) => return self.refuse(status).await,
                Next::Closed => return,
            }
        }
    }

    fn connections(&self) -> &Connections {
        &self.server.worker.connections
    }

    /// Waits for a request. Between requests nothing is held but this struct.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(next) = self.seat.news(&self.server) {
            self.move_on(next);
        }
        let server = self.server.clone();
        let worker = &*server.worker;
        loop {
            if !self.caller.input.is_empty() {
                let mut input = std::mem::take(&mut self.caller.input);
                let (used, next) = self.head(&input, worker);
                if used == input.len() {
                    worker.recycle(input);
                } else {
                    input.drain(..used);
                    if input.capacity() > 4 * input.len() + 1024 {
                        input.shrink_to(2 * input.len());
                    }
                    self.caller.input = input;
                }
                if let Some(next) = next {
                    return Poll::Ready(next);
                }
            }
            let mut scratch = worker.scratch.borrow_mut();
            let n = match poll_read(&mut self.caller.io, cx, &mut scratch) {
                Poll::Ready(Ok(n)) if n > 0 => n,
                Poll::Ready(_) => return Poll::Ready(Next::Closed),
                Poll::Pending => return self.poll_wait(cx, worker),
            };
            self.has_read();
            self.caller.received += n as u64;
            if !self.caller.input.is_empty() {
                self.caller.keep(&scratch[..n], worker);
                continue;
            }
            // The usual case: a whole head in one piece, read where it stands.
            let (used, next) = self.head(&scratch[..n], worker);
            if used < n {
                self.caller.keep(&scratch[used..n], worker);
            }
            if let Some(next) = next {
                return Poll::Ready(next);
            }
        }
    }

    /// Takes a head off `input` if it is there: how many bytes were used, and what came of it.
    fn head(&mut self, input: &[u8], worker: &Worker) -> (usize, Option<Next>) {
        let fresh = self.head_since.is_none();
        let skip = if fresh { empty_lines(input) } else { 0 };
        let rest = &input[skip..];
        if rest.is_empty() || fresh && rest == b"\r" {
            return (skip, None);
        }
        let mut work = worker.work();
        let limits = self.server.settings.limits;
        match work.request.read(Message::Request, &mut self.scanner, rest, limits) {
            Ok(None) => {
                worker.done(work);
                self.head_since.get_or_insert_with(|| worker.clock.now());
                (skip, None)
            }
            Ok(Some(n)) => {
                self.head_since = None;
                match self.frame(&mut work) {
                    Ok(()) => (skip + n, Some(Next::Request(work))),
                    Err(why) => (input.len(), Some(self.refused(400, why))),
                }
            }
            Err(why) => (input.len(), Some(self.refused(why.status(), why))),
        }
    }

    fn frame(&self, work: &mut Work) -> Result<(), &'static str> {
        let request = framing::of_request(&mut work.request)?;
        let version = work.request.version();
        if self.server.settings.tunnels {
            work.tunnel = Wish::of(&work.request, request.body);
        }
        work.framing = Framing { request, version, held: true };
        debug_assert!(!work.request.has(Known::ContentLength));
        Ok(())
    }

    #[cold]
    fn refused(&self, status: u16, why: impl std::fmt::Display) -> Next {
        tracing::debug!(peer = %self.peer, %why, status, "refused a request");
        Next::Refuse(status)
    }

    /// When the connection is old enough.
    pub(crate) fn dies(&self) -> Option<Nanos> {
        self.server.server.session().life.map(|life| self.born + life)
    }

    /// Bytes came: the wait for the next ones begins now.
    pub(crate) fn has_read(&mut self) {
        if self.limited {
            self.now = self.server.worker.clock.now();
        }
    }

    /// Ready when the caller was silent for too long; it is counted then.
    pub(crate) fn poll_read_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let server = &self.server;
        let end = server.server.socket().read_timeout.map(|limit| self.now + limit);
        ready!(self.timer.poll(cx, end, &server.worker.clock));
        server.server.read_timeout(server.worker.worker);
        Poll::Ready(())
    }

    /// Nothing came; ready when that has gone on for long enough. A request that has begun is not cut by the session's
    /// limits.
    fn poll_wait(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Poll<Next> {
        // What the system holds already is still served.
        let idle = self.head_since.is_none() && self.server.draining() == Draining::Close;
        if idle && !self.caller.has_more() {
            return Poll::Ready(Next::Closed);
        }
        if let Some(since) = self.head_since {
            let waited = self.timer.poll(cx, Some(since + HEAD_TIME), &worker.clock);
            if waited.is_ready() || self.limited && self.poll_read_time(cx).is_ready() {
                return Poll::Ready(Next::Refuse(408));
            }
            return Poll::Pending;
        }
        if !self.limited {
            return Poll::Pending;
        }
        let server = self.server.clone();
        let (counts, session) = (&server.server, server.server.session());
        let idle = session.idle.map(|limit| self.now + limit);
        let (life, read) = (self.dies(), counts.socket().read_timeout.map(|limit| self.now + limit));
        let first = [life, idle, read].into_iter().flatten().min();
        ready!(self.timer.poll(cx, first, &worker.clock));
        if first == life {
            counts.session_ended(SessionEnd::Life);
        } else if first == idle {
            counts.session_ended(SessionEnd::Idle);
        } else {
            counts.read_timeout(worker.worker);
        }
        counts.closing(worker.worker);
        Poll::Ready(Next::Closed)
    }

    /// Refuses what is no request and ends the connection.
    pub(crate) async fn refuse(&mut self, status: u16) {
        let answer = reply::bare(status);
        let written = tokio::time::timeout(LINGER.0, self.caller.io.write_all(&answer));
        if matches!(written.await, Ok(Ok(()))) {
            self.linger().await;
        }
    }

    /// Ends a connection whose caller may still be sending.
    pub(crate) async fn linger(&mut self) {
        let server = self.server.clone();
        let discard = async {
            if self.caller.io.shutdown().await.is_err() {
                return;
            }
            let mut left = LINGER.1;
            while left > 0 {
                let read = poll_fn(|cx| {
                    let mut scratch = server.worker.scratch.borrow_mut();
                    poll_read(&mut self.caller.io, cx, &mut scratch)
                });
                match read.await {
                    Ok(n) if n > 0 => left = left.saturating_sub(n),
                    _ => return,
                }
            }
        };
        let _ = tokio::time::timeout(LINGER.0, discard).await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.server.worker.connections.leave(slot);
        }
        let worker = &self.server.worker;
        let age = worker.clock.now().since(self.born);
        let Caller { received, sent, .. } = self.caller;
        self.server.server.closed(worker.worker, age, self.requests, received, sent);
    }
}
