//! From bytes to indexed lines, with httparse.

use super::{HeadBuf, HeadError, Line, MOST_LINES, StartLine, bit, offset};
use router::header::Known;
use router::seam::Version;

/// Lines for which no heap memory is needed while parsing.
const FEW_LINES: usize = 48;

impl HeadBuf {
    /// Takes over the head of a request: `head` ends with its empty line and has CRLF line ends only.
    pub(crate) fn parse_request(&mut self, head: &[u8]) -> Result<(), HeadError> {
        self.clear();
        self.bytes.extend_from_slice(head);
        with_headers(|headers| {
            let mut parsed = httparse::Request::new(&mut []);
            let parser = httparse::ParserConfig::default();
            let done = parser.parse_request_with_uninit_headers(&mut parsed, &self.bytes, headers);
            whole(done, self.bytes.len())?;
            let base = self.bytes.as_ptr() as usize;
            let (method, target) = (parsed.method.unwrap_or(""), parsed.path.unwrap_or(""));
            if !target.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
                return Err(HeadError::Malformed("invalid byte in the request target"));
            }
            let at = offset(target.as_ptr() as usize - base);
            self.start = StartLine {
                len: 0,
                method_len: offset(method.len()),
                target: at,
                target_end: at + offset(target.len()),
                status: 0,
                version: version(parsed.version),
            };
            // httparse has checked that exactly ` HTTP/1.x` follows the target.
            self.start.len = self.start.target_end + 9;
            index(&mut self.lines, &mut self.present, &self.bytes, parsed.headers);
            Ok(())
        })
    }

    /// Takes over the head of a response: as [`HeadBuf::parse_request`].
    pub(crate) fn parse_response(&mut self, head: &[u8]) -> Result<(), HeadError> {
        self.clear();
        self.bytes.extend_from_slice(head);
        with_headers(|headers| {
            let mut parsed = httparse::Response::new(&mut []);
            let parser = httparse::ParserConfig::default();
            let done = parser.parse_response_with_uninit_headers(&mut parsed, &self.bytes, headers);
            whole(done, self.bytes.len())?;
            // httparse skips empty lines. Before a response nothing sends them: whoever counts bytes otherwise than its
            // peer does is not to be trusted with where the head begins.
            let len = memchr::memchr(b'\r', &self.bytes).unwrap_or(0);
            if len == 0 {
                return Err(HeadError::Malformed("empty line before the status line"));
            }
            self.start = StartLine {
                len: offset(len),
                status: parsed.code.unwrap_or(0),
                version: version(parsed.version),
                ..StartLine::default()
            };
            index(&mut self.lines, &mut self.present, &self.bytes, parsed.headers);
            Ok(())
        })
    }
}

/// The parser must have used all of the `len` bytes it was given.
fn whole(done: httparse::Result<usize>, len: usize) -> Result<(), HeadError> {
    match done {
        Ok(httparse::Status::Complete(n)) if n == len => Ok(()),
        Ok(_) => Err(HeadError::Malformed("incomplete head")),
        Err(e) => Err(refused(e)),
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

fn refused(e: httparse::Error) -> HeadError {
    HeadError::Malformed(match e {
        httparse::Error::TooManyHeaders => return HeadError::TooManyLines,
        httparse::Error::HeaderName => "invalid byte in a header name",
        httparse::Error::HeaderValue => "invalid byte in a header value",
        httparse::Error::NewLine => "invalid line end",
        httparse::Error::Status => "invalid status line",
        httparse::Error::Token => "invalid byte in the first line",
        httparse::Error::Version => "invalid HTTP version",
    })
}

/// Runs a parser with room for few headers, and again with room for many where that was not enough.
fn with_headers<'b>(
    mut parse: impl FnMut(&mut [std::mem::MaybeUninit<httparse::Header<'b>>]) -> Result<(), HeadError>,
) -> Result<(), HeadError> {
    let mut few = [const { std::mem::MaybeUninit::uninit() }; FEW_LINES];
    match parse(&mut few) {
        Err(HeadError::TooManyLines) => {
            let mut many = vec![const { std::mem::MaybeUninit::uninit() }; MOST_LINES];
            parse(&mut many)
        }
        done => done,
    }
}

/// Fills `lines` from what httparse found in `bytes`.
fn index(lines: &mut Vec<Line>, present: &mut u64, bytes: &[u8], headers: &[httparse::Header<'_>]) {
    let base = bytes.as_ptr() as usize;
    lines.clear();
    *present = 0;
    for h in headers {
        let name = offset(h.name.as_ptr() as usize - base);
        let name_end = name + offset(h.name.len());
        let value = if h.value.is_empty() { name_end + 2 } else { offset(h.value.as_ptr() as usize - base) };
        let known = Known::classify(h.name.as_bytes());
        if let Some(k) = known {
            *present |= bit(k);
        }
        // The end of a line is where the next begins: known only then.
        if let Some(last) = lines.last_mut() {
            close(last, name, bytes);
        }
        let value_end = value + offset(h.value.len());
        lines.push(Line { name, name_end, value, value_end, end: 0, known, live: true, clean: false });
    }
    if let Some(last) = lines.last_mut() {
        close(last, offset(bytes.len() - 2), bytes);
    }
}

fn close(line: &mut Line, end: u32, bytes: &[u8]) {
    line.end = end;
    // An empty value has no place of its own; put it where `name: ` ends and let the line be written anew.
    if line.value_end + 2 > end {
        line.value = line.name_end;
        line.value_end = line.name_end;
    }
    line.clean = line.value_end + 2 == end
        && line.value == line.name_end + 2
        && bytes.get(line.name_end as usize + 1) == Some(&b' ');
}
