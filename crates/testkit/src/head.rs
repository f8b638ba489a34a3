//! A message's head as the tests' own code reads it: plain, slow and independent of the engine it checks.

/// Head of a request or a response, byte for byte and line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Everything up to and with the empty line.
    pub raw: Vec<u8>,
    /// Request line or status line, Latin-1, without its line end.
    pub start: String,
    /// Names and trimmed values in order, names as they were spelt.
    pub lines: Vec<(String, String)>,
}

/// Bytes as Latin-1 characters, so that nothing is lost.
#[must_use]
pub fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks and trailers.
    Chunked,
    /// All bytes until the connection ends.
    Close,
}

impl Head {
    /// Splits `raw`, which ends with an empty line.
    #[must_use]
    pub fn parse(raw: Vec<u8>) -> Head {
        let text = latin1(&raw);
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let lines = lines
            .filter(|l| !l.is_empty())
            .map(|l| {
                l.split_once(':').map_or((l.into(), String::new()), |(n, v)| (n.into(), v.trim().into()))
            })
            .collect();
        Head { raw, start, lines }
    }

    /// The first value of a field, name in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a field, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Word `n` of the start line: method, target, version; or version, code, reason.
    #[must_use]
    pub fn word(&self, n: usize) -> &str {
        self.start.split(' ').nth(n).unwrap_or_default()
    }

    /// The method of a request.
    #[must_use]
    pub fn method(&self) -> &str {
        self.word(0)
    }

    /// The target of a request.
    #[must_use]
    pub fn target(&self) -> &str {
        self.word(1)
    }

    /// The status code of a response; 0 when there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }

    fn declared(&self) -> Option<Framing> {
        if self.all("transfer-encoding").any(|v| v.to_ascii_lowercase().contains("chunked")) {
            return Some(Framing::Chunked);
        }
        self.get("content-length").and_then(|v| v.parse().ok()).map(Framing::Length)
    }

    /// Framing of a request with this head.
    #[must_use]
    pub fn request_framing(&self) -> Framing {
        self.declared().unwrap_or(Framing::None)
    }

    /// Framing of a response with this head to a request of `method`.
    #[must_use]
    pub fn response_framing(&self, method: &str) -> Framing {
        if method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304) {
            return Framing::None;
        }
        self.declared().unwrap_or(Framing::Close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, method: &str, expected: Framing) {
        let head = Head::parse(raw.as_bytes().to_vec());
        let got =
            if raw.starts_with("HTTP/") { head.response_framing(method) } else { head.request_framing() };
        assert_eq!(got, expected, "{raw:?}");
    }

    #[test]
    fn framing() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", Framing::None);
        check("POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n", "", Framing::Length(7));
        check("POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n", "", Framing::Chunked);
        check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "GET", Framing::Length(7));
        check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD", Framing::None);
        check("HTTP/1.1 204 No Content\r\n\r\n", "GET", Framing::None);
        check("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "GET", Framing::None);
        check("HTTP/1.1 103 Early Hints\r\n\r\n", "GET", Framing::None);
        check("HTTP/1.0 200 OK\r\n\r\n", "GET", Framing::Close);
    }

    #[test]
    fn lines_keep_spelling_and_order() {
        let head = Head::parse(b"GET /x HTTP/1.1\r\nX-A: 1\r\nhost:  b \r\nx-a: \xe9\r\n\r\n".to_vec());
        assert_eq!((head.method(), head.target(), head.get("Host")), ("GET", "/x", Some("b")));
        assert_eq!(head.all("x-a").collect::<Vec<_>>(), ["1", "\u{e9}"]);
    }
}
