//! Bodies on their way through: decoded as the sender framed them, written as the receiver shall read them.

use super::framing::Body;
use super::head::is_field_line;
use router::header::Known;

/// Longest line of a chunk's size with its extensions.
const LONGEST_SIZE_LINE: usize = 1024;
/// Trailer bytes one message may have.
const MOST_TRAILERS: usize = 8 << 10;

/// Takes a body out of the bytes of a connection.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// The body is complete.
    Done,
    /// So many bytes are to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(Chunks),
    /// Bytes come until the connection ends.
    UntilClose,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As it is: its length was announced, or the connection's end ends it.
    Plain,
    /// In chunks, trailers behind them.
    Chunked,
}

/// Where the content of a body goes.
pub(crate) trait Sink {
    /// Takes bytes of the body; what comes of them is appended to `out`.
    fn piece(&mut self, bytes: &[u8], out: &mut Vec<u8>);
    /// The body is over. `trailers`: lines with their CRLFs.
    fn end(&mut self, trailers: &[u8], out: &mut Vec<u8>);
}

impl Sink for Encoding {
    fn piece(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            _ if bytes.is_empty() => {}
            Encoding::Plain => out.extend_from_slice(bytes),
            Encoding::Chunked => {
                hexadecimal(bytes.len(), out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn end(&mut self, trailers: &[u8], out: &mut Vec<u8>) {
        if *self == Encoding::Chunked {
            out.extend_from_slice(b"0\r\n");
            forward_trailers(trailers, out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The bytes do not follow the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadBody(pub(crate) &'static str);

/// State within the chunked coding.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    at: At,
    /// Of the size line: bytes so far. Of a chunk: bytes to come.
    count: u64,
    size: u64,
    /// Trailer lines with their CRLFs.
    trailers: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Hexadecimal digits; `count` of them were read.
    #[default]
    Size,
    /// Blanks behind the digits.
    Blank,
    /// An extension, which is dropped.
    Extension,
    /// The LF of a size line.
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// Trailer lines up to and with the empty one.
    Trailers,
}

impl Decoder {
    /// A decoder for a body that is about to begin.
    pub(crate) fn new(body: Body) -> Decoder {
        match body {
            Body::None | Body::Length(0) => Decoder::Done,
            Body::Length(n) => Decoder::Length(n),
            Body::Chunked => Decoder::Chunked(Chunks::default()),
            Body::UntilClose => Decoder::UntilClose,
        }
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Decoder::Done)
    }

    /// Moves what `input` holds of the body through `sink` to `out`, with the end of the coding behind the last byte.
    /// Returns how many bytes of `input` belonged to the body: all of them while it is not done.
    pub(crate) fn transfer(
        &mut self,
        input: &[u8],
        mut sink: impl Sink,
        out: &mut Vec<u8>,
    ) -> Result<usize, BadBody> {
        let used = match self {
            Decoder::Done => 0,
            Decoder::UntilClose => {
                sink.piece(input, out);
                input.len()
            }
            Decoder::Length(left) => {
                let n = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                sink.piece(&input[..n], out);
                *left -= n as u64;
                if *left == 0 {
                    self.finish(sink, out);
                }
                n
            }
            Decoder::Chunked(chunks) => {
                let (used, done) = chunks.transfer(input, &mut sink, out)?;
                if done {
                    self.finish(sink, out);
                }
                used
            }
        };
        Ok(used)
    }

    /// Ends the body: of a message that is delimited by the connection's end, or after its last byte.
    pub(crate) fn finish(&mut self, mut sink: impl Sink, out: &mut Vec<u8>) {
        let trailers: &[u8] = if let Decoder::Chunked(chunks) = self { &chunks.trailers } else { &[] };
        sink.end(trailers, out);
        *self = Decoder::Done;
    }
}

fn hexadecimal(n: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - n.leading_zeros()).div_ceil(4).max(1);
    for d in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(n >> (4 * d)) & 15]);
    }
}

/// Trailers pass, but for the fields that route, frame or carry context: those mean something only in a head. Proxies' own
/// go all, known or not.
fn forward_trailers(lines: &[u8], out: &mut Vec<u8>) {
    for line in lines.split_inclusive(|&b| b == b'\n') {
        let name = line.split(|&b| b == b':').next().unwrap_or(line);
        let own = name.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"l5d-"));
        if !own && Known::classify(name).is_none() {
            out.extend_from_slice(line);
        }
    }
}

impl Chunks {
    /// As [`Decoder::transfer`]; also tells whether the coding has ended.
    fn transfer(
        &mut self,
        input: &[u8],
        sink: &mut impl Sink,
        out: &mut Vec<u8>,
    ) -> Result<(usize, bool), BadBody> {
        let mut i = 0;
        while i < input.len() {
            match self.at {
                At::Data => {
                    let n = usize::try_from(self.count).unwrap_or(usize::MAX).min(input.len() - i);
                    sink.piece(&input[i..i + n], out);
                    self.count -= n as u64;
                    i += n;
                    if self.count == 0 {
                        self.at = At::DataCr;
                    }
                }
                At::Trailers => {
                    let n = memchr::memchr(b'\n', &input[i..]).map_or(input.len() - i, |at| at + 1);
                    let done = self.trailer(&input[i..i + n])?;
                    i += n;
                    if done {
                        return Ok((i, true));
                    }
                }
                _ => {
                    self.byte(input[i])?;
                    i += 1;
                }
            }
        }
        Ok((i, false))
    }

    /// One byte of a size line or of the line end behind a chunk.
    fn byte(&mut self, b: u8) -> Result<(), BadBody> {
        match (self.at, b) {
            (At::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // 15 digits are more than any body has, and cannot overflow.
                self.count += 1;
                if self.count > 15 {
                    return Err(BadBody("chunk size too long"));
                }
                let digit = (b as char).to_digit(16).unwrap_or(0);
                self.size = self.size << 4 | u64::from(digit);
            }
            (At::Size, _) if self.count == 0 => return Err(BadBody("chunk size missing")),
            (At::Size | At::Blank, b' ' | b'\t') => self.next_in_line(At::Blank)?,
            (At::Size | At::Blank, b';') => self.next_in_line(At::Extension)?,
            (At::Size | At::Blank | At::Extension, b'\r') => self.at = At::SizeLf,
            (At::Extension, b) if b == b'\t' || b >= b' ' && b != 0x7f => self.next_in_line(At::Extension)?,
            (At::SizeLf, b'\n') => {
                self.count = self.size;
                self.at = if self.size == 0 { At::Trailers } else { At::Data };
                self.size = 0;
            }
            (At::DataCr, b'\r') => self.at = At::DataLf,
            (At::DataLf, b'\n') => {
                self.count = 0;
                self.at = At::Size;
            }
            (At::DataCr | At::DataLf, _) => return Err(BadBody("chunk longer than its size")),
            _ => return Err(BadBody("invalid byte in a chunk size line")),
        }
        Ok(())
    }

    fn next_in_line(&mut self, at: At) -> Result<(), BadBody> {
        self.at = at;
        self.count += 1;
        if self.count > LONGEST_SIZE_LINE as u64 { Err(BadBody("chunk size line too long")) } else { Ok(()) }
    }

    /// A piece of the trailer section that ends with LF or with the input; true behind the empty line.
    fn trailer(&mut self, piece: &[u8]) -> Result<bool, BadBody> {
        // The usual end: no trailer at all, and no memory for one.
        if self.trailers.is_empty() && piece == b"\r\n" {
            return Ok(true);
        }
        if self.trailers.len() + piece.len() > MOST_TRAILERS {
            return Err(BadBody("trailers too long"));
        }
        self.trailers.extend_from_slice(piece);
        if piece.last() != Some(&b'\n') {
            return Ok(false);
        }
        let begin = memchr::memrchr(b'\n', &self.trailers[..self.trailers.len() - 1]).map_or(0, |at| at + 1);
        let line = &self.trailers[begin..];
        if line == b"\r\n" {
            self.trailers.truncate(begin);
            return Ok(true);
        }
        if is_field_line(line) { Ok(false) } else { Err(BadBody("invalid trailer")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` whole and byte by byte, re-encoding it in chunks and plainly.
    fn check(body: Body, input: &str, want: Result<(&str, usize), &str>) {
        for step in [input.len().max(1), 1, 3] {
            let mut decoder = Decoder::new(body);
            let (mut out, mut used, mut result) = (Vec::new(), 0, Ok(()));
            for piece in input.as_bytes().chunks(step) {
                match decoder.transfer(piece, Encoding::Plain, &mut out) {
                    Ok(n) => used += n,
                    Err(e) => {
                        result = Err(e.0);
                        break;
                    }
                }
            }
            match want {
                Err(text) => assert_eq!(result, Err(text), "{input:?} by {step}"),
                Ok((text, n)) => {
                    assert_eq!(result, Ok(()), "{input:?} by {step}");
                    assert_eq!(
                        (String::from_utf8_lossy(&out).as_ref(), used),
                        (text, n),
                        "{input:?} by {step}"
                    );
                    assert!(decoder.is_done(), "{input:?} by {step}");
                }
            }
        }
    }

    #[test]
    fn lengths_and_chunks_end_where_they_end() {
        check(Body::Length(5), "helloGET", Ok(("hello", 5)));
        check(Body::None, "GET", Ok(("", 0)));
        check(Body::Chunked, "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\nGET", Ok(("abcdefg", 28)));
        check(Body::Chunked, "0003 \t; a=\"b\"\r\nabc\r\n00\r\nX-T: v\r\nY: w\r\n\r\n", Ok(("abc", 40)));
    }

    #[test]
    fn chunk_faults() {
        let size = "invalid byte in a chunk size line";
        for (input, want) in [
            ("zz\r\n", "chunk size missing"),
            ("\r\n", "chunk size missing"),
            ("-1\r\n", "chunk size missing"),
            ("3\nabc", size),
            ("3\r\r\n", size),
            ("3 4\r\n", size),
            ("3;a\0b\r\n", size),
            ("0x3\r\n", size),
            ("1234567890abcdef\r\n", "chunk size too long"),
            ("3\r\nabcd\r\n", "chunk longer than its size"),
            ("3\r\nabc\n", "chunk longer than its size"),
            ("0\r\nX T: v\r\n\r\n", "invalid trailer"),
            ("0\r\nX: v\n\r\n", "invalid trailer"),
            ("0\r\n folded\r\n\r\n", "invalid trailer"),
        ] {
            check(Body::Chunked, input, Err(want));
        }
        let long = format!("3;{}\r\n", "a".repeat(2000));
        check(Body::Chunked, &long, Err("chunk size line too long"));
        let long = format!("0\r\n{}\r\n", "X: v\r\n".repeat(2000));
        check(Body::Chunked, &long, Err("trailers too long"));
    }

    #[test]
    fn chunks_are_framed_anew_with_their_trailers() {
        let mut decoder = Decoder::new(Body::Chunked);
        let mut out = Vec::new();
        let input = b"3;x\r\nabc\r\n0\r\nX-T: v\r\nContent-Length: 7\r\nl5d-dtab: /=>!\r\nL5D-New: 1\r\n\r\n";
        decoder.transfer(input, Encoding::Chunked, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "3\r\nabc\r\n0\r\nX-T: v\r\n\r\n");
    }

    #[test]
    fn a_body_until_close_becomes_chunks() {
        let mut decoder = Decoder::new(Body::UntilClose);
        let mut out = Vec::new();
        decoder.transfer(&[b'x'; 17], Encoding::Chunked, &mut out).unwrap();
        decoder.finish(Encoding::Chunked, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "11\r\nxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n");
    }

    #[test]
    fn hexadecimal_numbers() {
        for n in [0, 1, 15, 16, 255, 4096, usize::MAX] {
            let mut out = Vec::new();
            hexadecimal(n, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{n:x}"));
        }
    }
}
