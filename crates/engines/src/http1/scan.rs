//! Finds the end of a head in bytes that arrive piece by piece, and holds it to its limits on the way.
//!
//! Each byte is looked at once, however small the pieces, so a caller that sends a head byte by byte costs no more than
//! its bytes. Only CRLF ends a line, here as where the head is parsed (architecture.md §8).

use super::head::HeadError;

/// Limits of a head, in bytes (dataplane.md §4.1, §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// First line, without CRLF: it must be shorter than this. Default 4,096.
    pub initial_line: usize,
    /// All header lines together, without their CRLFs: they must be shorter than this. Default 8,192.
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { initial_line: 4 << 10, headers: 8 << 10 }
    }
}

/// State between pieces of one head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scanner {
    /// Everything before this offset was looked at.
    at: usize,
    /// Where the current line began.
    line: usize,
    /// Lines that are complete.
    lines: usize,
    /// Bytes of complete header lines.
    headers: usize,
}

impl Scanner {
    /// Whether nothing was looked at yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Looks at `bytes`, which begins with what earlier calls were given: the offset behind the head's empty line, if
    /// that has come.
    pub(crate) fn scan(&mut self, bytes: &[u8], limits: Limits) -> Result<Option<usize>, HeadError> {
        while let Some(found) = memchr::memchr(b'\n', &bytes[self.at..]) {
            let lf = self.at + found;
            if lf == self.line || bytes[lf - 1] != b'\r' {
                // Had the line come in pieces, its length would have been looked at before its end.
                self.at = lf;
                return self.unfinished(limits).and(Err(HeadError::BareLineFeed));
            }
            let len = lf - 1 - self.line;
            if self.lines == 0 {
                if len >= limits.initial_line {
                    return Err(HeadError::LineTooLong);
                }
            } else {
                self.headers += len;
                if self.headers >= limits.headers {
                    return Err(HeadError::HeadersTooLong);
                }
                if len == 0 {
                    return Ok(Some(lf + 1));
                }
            }
            self.lines += 1;
            self.at = lf + 1;
            self.line = self.at;
        }
        self.at = bytes.len();
        self.unfinished(limits)
    }

    /// Whether the line that has not ended yet is too long already. Its last byte may be the CR of its end.
    fn unfinished(&self, limits: Limits) -> Result<Option<usize>, HeadError> {
        let len = (self.at - self.line).saturating_sub(1);
        match self.lines {
            0 if len >= limits.initial_line => Err(HeadError::LineTooLong),
            1.. if self.headers + len >= limits.headers => Err(HeadError::HeadersTooLong),
            _ => Ok(None),
        }
    }
}

/// How many bytes at the start are empty lines, which RFC 9112 §2.2 lets a server skip before a request.
pub(crate) fn empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { initial_line: 20, headers: 16 };

    /// Scans `text` whole and byte by byte; both must agree.
    fn check(text: &str, want: Result<Option<usize>, HeadError>) {
        let bytes = text.as_bytes();
        assert_eq!(Scanner::default().scan(bytes, LIMITS), want, "whole {text:?}");
        let mut scanner = Scanner::default();
        let mut got = Ok(None);
        for end in 1..=bytes.len() {
            got = scanner.scan(&bytes[..end], LIMITS);
            if got != Ok(None) {
                break;
            }
        }
        assert_eq!(got, want, "byte by byte {text:?}");
    }

    #[test]
    fn heads_end_at_their_empty_line() {
        check("GET / HTTP/1.1\r\n\r\n", Ok(Some(18)));
        check("GET / HTTP/1.1\r\nA: b\r\n\r\n", Ok(Some(24)));
        check("GET / HTTP/1.1\r\nA: b\r\n", Ok(None));
        check("", Ok(None));
        assert_eq!(Scanner::default().scan(b"GET / HTTP/1.1\r\n\r\nbody\n", LIMITS), Ok(Some(18)));
    }

    #[test]
    fn bare_line_feeds_are_refused() {
        check("GET / HTTP/1.1\n\n", Err(HeadError::BareLineFeed));
        check("GET / HTTP/1.1\r\nA: b\n\r\n", Err(HeadError::BareLineFeed));
        check("\nGET / HTTP/1.1\r\n\r\n", Err(HeadError::BareLineFeed));
        check("GET / HTTP/1.1\r\n\n", Err(HeadError::BareLineFeed));
        check("GET / HTTP/1.1\r\nA: 345678901234567\n\r\n", Err(HeadError::HeadersTooLong));
        check("GET / HTTP/1.1\r\nA: 3456789012345\n\r\n", Err(HeadError::BareLineFeed));
        check("GET /123456789 HTTP/1.1\n\r\n", Err(HeadError::LineTooLong));
    }

    #[test]
    fn limits_hold_to_the_byte() {
        check("GET /1234 HTTP/1.1x\r\n\r\n", Ok(Some(23)));
        check("GET /12345 HTTP/1.1x\r\n\r\n", Err(HeadError::LineTooLong));
        check("GET / HTTP/1.1\r\nA: 345678\r\nB: 34\r\n\r\n", Ok(Some(36)));
        check("GET / HTTP/1.1\r\nA: 345678\r\nB: 345\r\nC\r\n\r\n", Err(HeadError::HeadersTooLong));
        check("GET / HTTP/1.1\r\nA: 34567890123456", Err(HeadError::HeadersTooLong));
        check("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Err(HeadError::LineTooLong));
    }

    #[test]
    fn leading_empty_lines() {
        assert_eq!(empty_lines(b"\r\n\r\nGET"), 4);
        assert_eq!(empty_lines(b"\r"), 0);
        assert_eq!(empty_lines(b"\nGET"), 0);
        assert_eq!(empty_lines(b"GET"), 0);
    }
}
