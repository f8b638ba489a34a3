//! Reads HTTP/1 messages from a connection by their framing, keeping every byte.

use crate::head::{Framing, Head};
use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Body of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The content without chunk framing, at most as many bytes as the reader keeps.
    pub data: Vec<u8>,
    /// Length of the content, kept or not.
    pub len: u64,
    /// The bytes on the wire, chunk framing included, at most as many as the reader keeps.
    pub raw: Vec<u8>,
    /// Trailer lines of a chunked body.
    pub trailers: Vec<(String, String)>,
}

/// Buffered reader of messages.
#[derive(Debug)]
pub struct Wire<S> {
    stream: S,
    buf: Vec<u8>,
    at: usize,
    /// Bytes taken from the stream so far.
    pub received: u64,
    /// Bytes of a body that are kept; the rest is only counted.
    pub keep: usize,
}

const LINE_END: &[u8] = b"\r\n";

impl<S: AsyncRead + Unpin> Wire<S> {
    /// A reader that keeps 1 MiB of each body.
    pub fn new(stream: S) -> Wire<S> {
        Wire { stream, buf: Vec::new(), at: 0, received: 0, keep: 1 << 20 }
    }

    /// The connection below.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Bytes received and not yet taken.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.buf[self.at..]
    }

    /// Reads more; false at the end of the stream.
    ///
    /// # Errors
    /// The system's, such as a reset.
    pub async fn fill(&mut self) -> Result<bool> {
        if self.at > 0 {
            self.buf.drain(..self.at);
            self.at = 0;
        }
        self.buf.reserve(64 * 1024);
        let n = self.stream.read_buf(&mut self.buf).await?;
        self.received += n as u64;
        Ok(n > 0)
    }

    async fn until(&mut self, end: &[u8]) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(i) = self.pending().windows(end.len()).position(|w| w == end) {
                let bytes = self.pending()[..i + end.len()].to_vec();
                self.at += bytes.len();
                return Ok(Some(bytes));
            }
            if !self.fill().await? {
                if self.pending().is_empty() {
                    return Ok(None);
                }
                let cut = String::from_utf8_lossy(self.pending()).into_owned();
                return Err(Error::new(ErrorKind::UnexpectedEof, format!("cut: {cut:?}")));
            }
        }
    }

    /// The next head; `None` when the stream ended before its first byte.
    ///
    /// # Errors
    /// `UnexpectedEof` when it ended within the head, otherwise the system's.
    pub async fn head(&mut self) -> Result<Option<Head>> {
        Ok(self.until(b"\r\n\r\n").await?.map(Head::parse))
    }

    /// The body of a message whose head was read.
    ///
    /// # Errors
    /// `UnexpectedEof` when the stream ended too early, `InvalidData` for broken chunks, otherwise the system's.
    pub async fn body(&mut self, framing: Framing) -> Result<Body> {
        let mut body = Body::default();
        match framing {
            Framing::None => {}
            Framing::Length(n) => self.content(n, &mut body).await?,
            Framing::Close => while self.some(u64::MAX, &mut body).await? > 0 {},
            Framing::Chunked => self.chunks(&mut body).await?,
        }
        Ok(body)
    }

    async fn chunks(&mut self, body: &mut Body) -> Result<()> {
        loop {
            let line = self.line(body).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .map_err(|_| Error::new(ErrorKind::InvalidData, format!("chunk size {line:?}")))?;
            if size == 0 {
                break;
            }
            self.content(size, body).await?;
            let end = self.line(body).await?;
            if !end.is_empty() {
                return Err(Error::new(ErrorKind::InvalidData, format!("{end:?} behind a chunk")));
            }
        }
        loop {
            let line = self.line(body).await?;
            if line.is_empty() {
                return Ok(());
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            body.trailers.push((name.into(), value.trim().into()));
        }
    }

    async fn line(&mut self, body: &mut Body) -> Result<String> {
        let line = self.until(LINE_END).await?.ok_or(ErrorKind::UnexpectedEof)?;
        keep(&mut body.raw, &line, self.keep);
        Ok(crate::head::latin1(&line[..line.len() - LINE_END.len()]))
    }

    async fn content(&mut self, mut n: u64, body: &mut Body) -> Result<()> {
        while n > 0 {
            match self.some(n, body).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                got => n -= got,
            }
        }
        Ok(())
    }

    /// Takes up to `max` bytes of content; 0 only at the end of the stream.
    async fn some(&mut self, max: u64, body: &mut Body) -> Result<u64> {
        if self.pending().is_empty() && !self.fill().await? {
            return Ok(0);
        }
        let n = self.pending().len().min(usize::try_from(max).unwrap_or(usize::MAX));
        keep(&mut body.data, &self.buf[self.at..self.at + n], self.keep);
        keep(&mut body.raw, &self.buf[self.at..self.at + n], self.keep);
        self.at += n;
        body.len += n as u64;
        Ok(n as u64)
    }

    /// Takes `n` bytes whatever they are; fewer when the stream ends.
    ///
    /// # Errors
    /// The system's.
    pub async fn bytes(&mut self, n: usize) -> Result<Vec<u8>> {
        while self.pending().len() < n && self.fill().await? {}
        let n = n.min(self.pending().len());
        let bytes = self.pending()[..n].to_vec();
        self.at += n;
        Ok(bytes)
    }
}

fn keep(into: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let room = max.saturating_sub(into.len());
    into.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_messages_one_after_the_other() {
        let bytes: &[u8] = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: v\r\n\r\n";
        let mut wire = Wire::new(bytes);
        let head = wire.head().await.unwrap().unwrap();
        let body = wire.body(head.request_framing()).await.unwrap();
        assert_eq!((head.target(), body.data.as_slice(), body.len), ("/a", &b"abc"[..], 3));
        let head = wire.head().await.unwrap().unwrap();
        let body = wire.body(head.request_framing()).await.unwrap();
        assert_eq!((head.target(), body.data.as_slice()), ("/b", &b"abcde"[..]));
        assert_eq!(body.trailers, [("X-T".into(), "v".into())]);
        assert_eq!(body.raw, b"3;x=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: v\r\n\r\n");
        assert_eq!(wire.head().await.unwrap(), None);
    }

    async fn check_cut(bytes: &'static [u8], expected: ErrorKind) {
        let mut wire = Wire::new(bytes);
        let end = match wire.head().await {
            Ok(Some(head)) => wire.body(head.response_framing("GET")).await.unwrap_err(),
            other => other.unwrap_err(),
        };
        assert_eq!(end.kind(), expected, "{bytes:?}");
    }

    #[tokio::test]
    async fn cut_and_broken_messages_are_errors() {
        check_cut(b"HTTP/1.1 200 O", ErrorKind::UnexpectedEof).await;
        check_cut(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", ErrorKind::UnexpectedEof).await;
        check_cut(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            ErrorKind::UnexpectedEof,
        )
        .await;
        check_cut(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
            ErrorKind::InvalidData,
        )
        .await;
        check_cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorKind::InvalidData)
            .await;
    }

    #[tokio::test]
    async fn counts_what_it_does_not_keep() {
        let mut wire = Wire::new(&b"0123456789"[..]);
        wire.keep = 4;
        let body = wire.body(Framing::Close).await.unwrap();
        assert_eq!((body.data.as_slice(), body.len, wire.received), (&b"0123"[..], 10, 10));
    }
}
