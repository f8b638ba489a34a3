//! What people type: `curl '.../delegator.json?dtab=/svc=>/host'`. `<`, `>` and `"` have no place in a request's target, but
//! Linkerd takes them and hyper answers 400 without a word, so they are encoded on their way to it.
//!
//! Only request lines are touched, and only where it is sure that they are such: the first one of a connection, and those
//! behind a head without a body. From the first body on, everything passes as it is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is read at a time; encoded it becomes three times as much at most.
const PIECE: usize = 4096;
/// The longest beginning of a header line that is looked at.
const LONGEST_NAME: usize = 32;

/// Encodes what hyper does not take.
#[derive(Debug)]
pub(crate) struct Lenient<S> {
    io: S,
    at: At,
    /// What has been read and encoded, and how much of it has been passed on.
    ready: Vec<u8>,
    passed: usize,
}

/// Where in the stream of requests the next byte stands.
#[derive(Debug)]
enum At {
    /// In a request line, or on the empty lines before one.
    RequestLine { empty: bool },
    /// In a header line, which begins with this, in lower case.
    Header { name: Vec<u8>, body: bool },
    /// Behind a head that announces a body.
    Body,
}

impl<S> Lenient<S> {
    pub(crate) fn new(io: S) -> Lenient<S> {
        Lenient { io, at: At::RequestLine { empty: true }, ready: Vec::new(), passed: 0 }
    }

    fn take(&mut self, byte: u8) {
        let request_line = || At::RequestLine { empty: true };
        match &mut self.at {
            At::Body => {}
            At::RequestLine { empty } => match byte {
                b'<' | b'>' | b'"' => {
                    *empty = false;
                    return self.ready.extend_from_slice(encoded(byte));
                }
                b'\n' if !*empty => self.at = At::Header { name: Vec::new(), body: false },
                b'\r' | b'\n' => {}
                _ => *empty = false,
            },
            At::Header { name, body } => match byte {
                b'\n' if name.is_empty() => self.at = if *body { At::Body } else { request_line() },
                b'\n' => {
                    *body |= name.starts_with(b"content-length:") || name.starts_with(b"transfer-encoding:");
                    // An upgrade leads away from HTTP.
                    *body |= name.starts_with(b"upgrade:");
                    name.clear();
                }
                b'\r' => {}
                _ if name.len() < LONGEST_NAME => name.push(byte.to_ascii_lowercase()),
                _ => {}
            },
        }
        self.ready.push(byte);
    }
}

fn encoded(byte: u8) -> &'static [u8] {
    match byte {
        b'<' => b"%3C",
        b'>' => b"%3E",
        _ => b"%22",
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.passed == this.ready.len() {
            if matches!(this.at, At::Body) {
                return Pin::new(&mut this.io).poll_read(cx, into);
            }
            let mut bytes = [0; PIECE];
            let mut piece = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut piece))?;
            this.ready.clear();
            this.passed = 0;
            piece.filled().iter().for_each(|byte| this.take(*byte));
        }
        let waiting = &this.ready[this.passed..];
        let count = waiting.len().min(into.remaining());
        into.put_slice(&waiting[..count]);
        this.passed += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    /// What comes out, read in pieces of any size.
    async fn read(text: &str, size: usize) -> String {
        let mut lenient = Lenient::new(text.as_bytes());
        let (mut out, mut piece) = (Vec::new(), vec![0; size]);
        loop {
            match lenient.read(&mut piece).await.unwrap() {
                0 => return String::from_utf8(out).unwrap(),
                count => out.extend_from_slice(&piece[..count]),
            }
        }
    }

    async fn check(text: &str, expected: &str) {
        for size in [1, 3, 8192] {
            assert_eq!(read(text, size).await, expected, "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn request_lines_are_encoded_and_nothing_else() {
        check(
            "GET /a?dtab=/s=>/\"<x HTTP/1.1\r\nA: <>\"\r\n\r\n\r\nGET />> HTTP/1.1\nB:>\n\nGET />",
            "GET /a?dtab=/s=%3E/%22%3Cx HTTP/1.1\r\nA: <>\"\r\n\r\n\r\nGET /%3E%3E HTTP/1.1\nB:>\n\nGET /%3E",
        )
        .await;
        for field in ["Content-Length: 9", "TRANSFER-ENCODING: chunked", "Upgrade: x"] {
            let rest = format!(" HTTP/1.1\r\n{field}\r\nA: b\r\n\r\nGET /> HTTP/1.1\r\n\r\nGET />");
            check(&format!("POST />{rest}"), &format!("POST /%3E{rest}")).await;
        }
        let long = format!("GET />{} HTTP/1.1\r\n", ">".repeat(3 * PIECE));
        check(&long, &long.replace('>', "%3E")).await;
    }
}
