//! hyper's opinion of the same bytes: an independent reader with many users, held against ours (architecture.md §5).
//!
//! The two must see the same requests with the same lines and bodies. Where ours refuses and hyper does not, or the other
//! way round, the reason stands in a table here.

use super::head::HeadBuf;
use super::reader::{Message, Read, Reader};
use super::scan::Limits;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::ReadBufCursor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, Uri, Version};
use router::header::Name;
use router::seam::{Head, RequestHead, Version as Ours};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What only ours refuses, by our words for it, and why that is right.
const STRICTER: &[(&str, &str)] = &[
    ("a line ends with a bare LF", "LF alone as a line end is how readers come to disagree; hyper takes it"),
    ("the first line is too long", "maxInitialLineKB; hyper has one limit for all of the head"),
    ("the header lines are too long", "maxHeadersKB; hyper has one limit for all of the head"),
    ("invalid byte in the request target", "RFC 3986 knows ASCII only; hyper takes UTF-8"),
    ("Host lines that differ", "two readers could choose two hosts; hyper leaves that to the application"),
    (
        "Content-Length together with Transfer-Encoding",
        "RFC 9112 section 6.1 lets a server refuse; hyper drops the length",
    ),
    (
        "Transfer-Encoding other than chunked",
        "we decode none of the others; hyper takes any list that ends with chunked",
    ),
    ("invalid Content-Length", "19 digits at most; hyper allows leading zeros without end"),
    ("Multiple Content-Length values found", "hyper takes lines that agree for one"),
    ("chunk size too long", "no body has 2^60 bytes; hyper allows leading zeros without end"),
    ("chunk size line too long", "1,024 bytes for each; hyper counts 16 KB over the whole body"),
    (
        "invalid byte in a chunk size line",
        "no control characters in extensions; hyper looks for line ends only",
    ),
    ("trailers too long", "8 KB; hyper has 16"),
    ("invalid trailer", "a trailer that is no field; hyper takes LF alone as a line end there too"),
];

/// A request as hyper reads it.
#[derive(Debug)]
struct Seen {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    data: Vec<u8>,
    whole: bool,
}

/// Gives the same bytes, which arrive in these pieces, to both readers. An error says where they disagree in a way that
/// stands in no table.
pub(crate) fn compare(pieces: &[&[u8]]) -> Result<(), String> {
    let ours = Reader::read(true, Limits::default(), pieces);
    let (theirs, end) = read(pieces);
    disagreement(&ours, &theirs, &end)
        .map_or(Ok(()), |what| Err(format!("{what}\nours: {ours:?}\nhyper: {theirs:?}, {end}")))
}

fn disagreement(ours: &Read, theirs: &[Seen], end: &str) -> Option<String> {
    for (i, a) in ours.messages.iter().enumerate() {
        let Some(b) = theirs.get(i) else {
            let expected = looser(a, end);
            return (!expected).then(|| format!("only ours sees request {i}"));
        };
        if let Some(what) = heads(a, b) {
            return Some(format!("request {i}: {what}"));
        }
        match (a.whole, b.whole) {
            (true, true) if a.data != b.data => return Some(format!("request {i}: another body")),
            (true, true) if !a.keep_alive => return None,
            (true, true) => {}
            (true, false) => return Some(format!("request {i}: whole for ours only")),
            (false, _) if !(a.data.starts_with(&b.data) || b.data.starts_with(&a.data)) => {
                return Some(format!("request {i}: another beginning of its body"));
            }
            (false, true) if !stricter(ours) => return Some(format!("request {i}: whole for hyper only")),
            (false, _) => return None,
        }
    }
    let more = theirs.len() > ours.messages.len();
    (more && !stricter(ours)).then(|| format!("only hyper sees request {}", ours.messages.len()))
}

fn stricter(ours: &Read) -> bool {
    ours.fault.as_ref().is_some_and(|fault| STRICTER.iter().any(|(ours, _)| ours == fault))
}

/// Whether hyper has a reason of its own to refuse this request, or to end the connection before it.
fn looser(message: &Message, end: &str) -> bool {
    let mut head = HeadBuf::default();
    let _ = head.parse_request(&message.raw);
    // The target is the back end's to understand; hyper wants to understand it itself.
    // Its words for that depend on what follows the head.
    Uri::try_from(head.target()).is_err() && !end.is_empty()
}

/// Where the heads differ.
fn heads(a: &Message, b: &Seen) -> Option<String> {
    let mut head = HeadBuf::default();
    head.parse_request(&a.raw).ok()?;
    if head.method() != b.method.as_str().as_bytes() {
        return Some("another method".to_owned());
    }
    if Uri::try_from(head.target()).ok().as_ref() != Some(&b.uri) {
        return Some("another target".to_owned());
    }
    let version = if head.version() == Ours::Http10 { Version::HTTP_10 } else { Version::HTTP_11 };
    if version != b.version {
        return Some("another version".to_owned());
    }
    let lines = a.raw.iter().filter(|byte| **byte == b'\n').count() - 2;
    if lines != b.headers.len() {
        return Some(format!("{lines} lines, {} for hyper", b.headers.len()));
    }
    let differs = |name: &&hyper::header::HeaderName| {
        let theirs = b.headers.get_all(*name).iter().map(hyper::header::HeaderValue::as_bytes);
        !head.values(Name::of(name.as_str().as_bytes())).eq(theirs)
    };
    b.headers.keys().find(differs).map(|name| format!("another {name}"))
}

/// What hyper makes of a connection on which these pieces arrive, and how it ends.
fn read(pieces: &[&[u8]]) -> (Vec<Seen>, String) {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = seen.clone();
    let service = service_fn(move |request| note_request(request, note.clone()));
    let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| piece.to_vec()).collect();
    let mut builder = http1::Builder::new();
    builder.half_close(true).max_headers(1024).max_buf_size(1 << 20);
    let mut connection = pin!(builder.serve_connection(Wire { pieces }, service));
    let mut cx = Context::from_waker(Waker::noop());
    // Everything is at hand, so each turn goes on; the bound is for the day it does not.
    let turns = (0..100_000).map(|_| connection.as_mut().poll(&mut cx));
    let end = turns.into_iter().find_map(|turn| match turn {
        Poll::Ready(Ok(())) => Some(String::new()),
        Poll::Ready(Err(e)) => Some(e.to_string()),
        Poll::Pending => None,
    });
    (seen.take(), end.unwrap_or_else(|| "hyper did not come to an end".to_owned()))
}

async fn note_request(
    request: Request<Incoming>,
    seen: Rc<RefCell<Vec<Seen>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, mut body) = request.into_parts();
    // Answered with 2xx, CONNECT would begin a tunnel.
    let status = if head.method == Method::CONNECT { 405 } else { 200 };
    let at = seen.borrow().len();
    seen.borrow_mut().push(Seen {
        method: head.method,
        uri: head.uri,
        version: head.version,
        headers: head.headers,
        data: Vec::new(),
        whole: false,
    });
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Ok(answer(status)) };
        if let Some(data) = frame.data_ref() {
            seen.borrow_mut()[at].data.extend_from_slice(data);
        }
    }
    seen.borrow_mut()[at].whole = true;
    Ok(answer(status))
}

fn answer(status: u16) -> Response<Empty<Bytes>> {
    let mut answer = Response::new(Empty::new());
    *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    answer
}

/// A connection that brings pieces and then its end, and forgets what is written to it.
struct Wire {
    pieces: VecDeque<Vec<u8>>,
}

impl hyper::rt::Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(piece) = self.pieces.front_mut() else { return Poll::Ready(Ok(())) };
        let n = piece.len().min(room.remaining());
        room.put_slice(&piece[..n]);
        piece.drain(..n);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(()))
    }
}

impl hyper::rt::Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
