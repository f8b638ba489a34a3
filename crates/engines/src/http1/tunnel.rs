//! Tunnels (an extension, the key `tunnels`): behind a granted `Upgrade` or CONNECT the connection belongs to another
//! protocol, and bytes pass both ways as they come until both sides have said everything.

use super::connection::{Caller, Connection};
use super::flow::Flow;
use super::framing::Body;
use super::head::HeadBuf;
use super::out::Out;
use super::read::poll_read;
use super::stall::Progress;
use super::work::Work;
use crate::context::{Context as Worker, Draining};
use crate::pool::Upstream;
use balance::Nanos;
use router::header::Known;
use router::seam::{Head, RequestHead, Version};
use socket2::{SockRef, TcpKeepalive};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;

/// How long a tunnel must have been quiet to be ended by a drain.
const QUIET: Nanos = Nanos::from_secs(1);
/// A tunnel may be silent for hours; whether anybody is left at its ends the system asks after so long, then so often.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// Buffers one direction may move before everything else has its turn.
const TURN: u32 = 8;
/// Protocols no tunnel is made for: their messages are requests, which would pass by all that is decided about requests.
const NOT_THROUGH: [&[u8]; 4] = [b"h2c", b"h2", b"http", b"tls"];

/// The tunnel a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// None.
    #[default]
    None,
    /// Another protocol on the same connection.
    Upgrade(Vec<u8>),
    /// Whatever the back end makes of CONNECT.
    Connect,
}

impl Wish {
    /// What the head asks for, before its hop-by-hop lines are struck out.
    pub(crate) fn of(head: &HeadBuf, body: Body) -> Wish {
        if body != Body::None || head.version() != Version::Http11 {
            return Wish::None;
        }
        if head.method() == b"CONNECT" {
            return Wish::Connect;
        }
        let mut listed = head.values(Known::Connection.into()).flat_map(|v| v.split(|&b| b == b','));
        if !head.has(Known::Upgrade) || !listed.any(|o| o.trim_ascii().eq_ignore_ascii_case(b"upgrade")) {
            return Wish::None;
        }
        match protocol(head) {
            Some(one) if passes(one) => Wish::Upgrade(one.to_vec()),
            _ => Wish::None,
        }
    }

    /// Appends the lines that ask for it, or grant it.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        if let Wish::Upgrade(protocol) = self {
            out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
            out.extend_from_slice(protocol);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Whether this answer grants it.
    pub(crate) fn is_granted(&self, status: u16, response: &HeadBuf) -> bool {
        match self {
            Wish::None => false,
            Wish::Connect => (200..300).contains(&status),
            Wish::Upgrade(wanted) => {
                status == 101 && protocol(response).is_some_and(|p| p.eq_ignore_ascii_case(wanted))
            }
        }
    }
}

/// The one protocol of `Upgrade`.
fn protocol(head: &HeadBuf) -> Option<&[u8]> {
    let mut values = head.values(Known::Upgrade.into());
    let one = values.next()?.trim_ascii();
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(b);
    (values.next().is_none() && !one.is_empty() && one.iter().all(token)).then_some(one)
}

fn passes(protocol: &[u8]) -> bool {
    let name = protocol.split(|&b| b == b'/').next().unwrap_or_default();
    !NOT_THROUGH.iter().any(|no| name.eq_ignore_ascii_case(no))
}

/// One direction.
#[derive(Default)]
struct Way {
    /// Its sender has said everything.
    over: bool,
    /// Its receiver has been told.
    told: bool,
}

impl Connection {
    /// Serves a tunnel to its end. What waits in the exchange's buffers goes first.
    pub(crate) async fn tunnel(&mut self, upstream: &mut Upstream, work: &mut Work) {
        let server = self.server.clone();
        let worker = &*server.worker;
        // A tunnel counts other bytes than the exchange did.
        work.flow.progress = Progress::default();
        work.request = HeadBuf::default();
        work.response = HeadBuf::default();
        let early = std::mem::take(&mut self.caller.input);
        work.flow.upload.out.buffer(worker).extend_from_slice(&early);
        worker.recycle(early);
        for io in [&self.caller.io, &upstream.io] {
            let alive = TcpKeepalive::new().with_time(KEEP_ALIVE.0).with_interval(KEEP_ALIVE.1);
            let _ = SockRef::from(io).set_tcp_keepalive(&alive);
        }
        let (mut up, mut down) = (Way::default(), Way::default());
        let ended = poll_fn(|cx| {
            let (caller, flow) = (&mut self.caller, &mut work.flow);
            if let Poll::Ready(ended) = poll_both(cx, caller, upstream, flow, (&mut up, &mut down), worker) {
                return Poll::Ready(ended);
            }
            let patience = self.patience(&work.flow, up.over || down.over);
            let Some(patience) = patience else { return Poll::Pending };
            let moved = self.caller.received + self.caller.sent;
            let until = work.flow.progress.until(moved, worker.clock.now(), patience);
            self.timer.poll(cx, Some(until), &worker.clock).map(|()| Ok(()))
        })
        .await;
        if ended.is_err() || !work.flow.upload.out.is_empty() || !work.flow.download.out.is_empty() {
            // Nobody shall take what there was for everything.
            let _ = upstream.io.set_zero_linger();
            let _ = self.caller.io.set_zero_linger();
        }
        self.now = worker.clock.now();
    }

    /// How long a tunnel may stand still: for ever, unless somebody does not read, one side has ended, or the proxy ends.
    fn patience(&self, flow: &Flow, half_closed: bool) -> Option<Nanos> {
        let stuck = !flow.upload.out.is_empty() || !flow.download.out.is_empty();
        if stuck || half_closed {
            return Some(self.server.settings.stall);
        }
        (self.server.draining() == Draining::Close).then_some(QUIET)
    }
}

fn poll_both(
    cx: &mut Context<'_>,
    caller: &mut Caller,
    upstream: &mut Upstream,
    flow: &mut Flow,
    (up, down): (&mut Way, &mut Way),
    worker: &Worker,
) -> Poll<io::Result<()>> {
    let sides = (&mut caller.io, &mut upstream.io);
    let ends = [
        carry(cx, sides, (&mut caller.received, &mut upstream.sent), &mut flow.upload.out, up, worker),
        carry(
            cx,
            (&mut upstream.io, &mut caller.io),
            (&mut upstream.received, &mut caller.sent),
            &mut flow.download.out,
            down,
            worker,
        ),
    ];
    let mut both = true;
    for end in ends {
        match end {
            Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
            Poll::Ready(Ok(())) => {}
            Poll::Pending => both = false,
        }
    }
    if both { Poll::Ready(Ok(())) } else { Poll::Pending }
}

/// Moves bytes one way; ready when its sender has said everything and its receiver has been told.
fn carry(
    cx: &mut Context<'_>,
    (from, to): (&mut TcpStream, &mut TcpStream),
    (received, sent): (&mut u64, &mut u64),
    out: &mut Out,
    way: &mut Way,
    worker: &Worker,
) -> Poll<io::Result<()>> {
    if way.told {
        return Poll::Ready(Ok(()));
    }
    for _ in 0..TURN {
        ready!(out.poll_flush(cx, to, worker, sent))?;
        if way.over {
            ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
            way.told = true;
            return Poll::Ready(Ok(()));
        }
        let mut scratch = worker.scratch.borrow_mut();
        match ready!(poll_read(from, cx, &mut scratch))? {
            0 => way.over = true,
            n => {
                *received += n as u64;
                out.buffer(worker).extend_from_slice(&scratch[..n]);
            }
        }
    }
    super::attempt::yield_turn(cx);
    Poll::Pending
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade(protocol: &str) -> Wish {
        Wish::Upgrade(protocol.as_bytes().to_vec())
    }

    #[test]
    fn what_is_asked_for() {
        let check = |head: &str, want: Wish| {
            let mut buf = HeadBuf::default();
            buf.parse_request(format!("{head}\r\n").as_bytes()).expect(head);
            assert_eq!(Wish::of(&buf, Body::None), want, "{head:?}");
            assert_eq!(Wish::of(&buf, Body::Length(1)), Wish::None, "{head:?} with a body");
        };
        let get = "GET / HTTP/1.1\r\n";
        check(get, Wish::None);
        check(&format!("{get}Connection: Upgrade\r\nUpgrade: websocket\r\n"), upgrade("websocket"));
        check(&format!("{get}connection: keep-alive, uPGRADE\r\nupgrade: SPDY/3.1\r\n"), upgrade("SPDY/3.1"));
        check(&format!("{get}Upgrade: websocket\r\n"), Wish::None);
        check(&format!("{get}Connection: Upgrade\r\n"), Wish::None);
        for no in ["h2c", "H2C", "HTTP/2.0", "TLS/1.0", "h2", "websocket, h2c", "a b", ""] {
            check(&format!("{get}Connection: Upgrade\r\nUpgrade: {no}\r\n"), Wish::None);
        }
        check(&format!("{get}Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"), Wish::None);
        check("GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", Wish::None);
        check("CONNECT web:443 HTTP/1.1\r\n", Wish::Connect);
        check("CONNECT web:443 HTTP/1.0\r\n", Wish::None);
    }

    #[test]
    fn what_is_granted() {
        let check = |wish: &Wish, response: &str, want: bool| {
            let mut buf = HeadBuf::default();
            buf.parse_response(format!("HTTP/1.1 {response}\r\n").as_bytes()).expect(response);
            let status = response[..3].parse().expect("a status");
            assert_eq!(wish.is_granted(status, &buf), want, "{wish:?} {response:?}");
        };
        let granted = "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n";
        check(&upgrade("websocket"), granted, true);
        check(&upgrade("other"), granted, false);
        check(&Wish::None, granted, false);
        check(&Wish::Connect, granted, false);
        check(&upgrade("websocket"), "101 Switching Protocols\r\n", false);
        check(&upgrade("websocket"), "200 OK\r\nUpgrade: websocket\r\n", false);
        check(&Wish::Connect, "204 No Content\r\n", true);
        check(&Wish::Connect, "407 No\r\n", false);
    }
}
