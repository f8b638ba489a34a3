//! Where the body of a message ends (RFC 9112 §6), decided once from its head.
//!
//! Framing is derived here and written anew by the engine, never copied; whatever two readers could understand in two
//! ways is refused (dataplane.md §4.3, decisions of architecture.md §8).

use super::head::HeadBuf;
use router::header::{Known, Name};
use router::seam::{Head, ResponseHead, Version};

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything until the connection ends; responses only.
    UntilClose,
}

impl Body {
    /// Its length, where the head tells it.
    pub(crate) fn announced(self) -> Option<u64> {
        match self {
            Body::None => Some(0),
            Body::Length(n) => Some(n),
            Body::Chunked | Body::UntilClose => None,
        }
    }
}

/// Framing of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestFraming {
    pub(crate) body: Body,
    /// The caller wants the connection kept.
    pub(crate) keep_alive: bool,
    /// The caller waits for `100 Continue` before it sends the body.
    pub(crate) expects_continue: bool,
}

/// Framing of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    pub(crate) body: Body,
    /// The back end keeps the connection.
    pub(crate) keep_alive: bool,
}

/// Decides a request's framing and takes its framing fields off the head.
pub(crate) fn of_request(head: &mut HeadBuf) -> Result<RequestFraming, &'static str> {
    if head.repeats(Known::Host) && several_hosts(head) {
        return Err("Host lines that differ");
    }
    let body = match (head.has(Known::TransferEncoding), head.has(Known::ContentLength)) {
        (false, false) => Body::None,
        (true, true) => return Err("Content-Length together with Transfer-Encoding"),
        (true, false) if head.version() == Version::Http10 => return Err("Transfer-Encoding in HTTP/1.0"),
        (true, false) => chunked(head).map(|()| Body::Chunked)?,
        (false, true) => Body::Length(content_length(head)?),
    };
    head.remove(Known::TransferEncoding.into());
    let keep_alive = keeps_alive(head);
    let expects_continue = head.version() == Version::Http11
        && head.get(Known::Expect.into()).is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
    if expects_continue {
        head.remove(Known::Expect.into());
    }
    head.remove(Known::ContentLength.into());
    Ok(RequestFraming { body, keep_alive, expects_continue })
}

/// Decides a response's framing and takes its framing fields off the head, but for a Content-Length that only informs
/// (answers to HEAD, 304).
pub(crate) fn of_response(head: &mut HeadBuf, method: &[u8]) -> Result<ResponseFraming, &'static str> {
    let coded = head.has(Known::TransferEncoding);
    let measured = head.has(Known::ContentLength);
    let length = if measured { Some(content_length(head)?) } else { None };
    if coded && measured {
        return Err("Content-Length together with Transfer-Encoding");
    }
    if coded {
        chunked(head)?;
        if head.version() == Version::Http10 {
            return Err("Transfer-Encoding in HTTP/1.0");
        }
    }
    let keep_alive = keeps_alive(head);
    head.remove(Known::TransferEncoding.into());
    let status = head.status();
    let bodiless = status == 204 || status < 200;
    let informs = !bodiless && (method == b"HEAD" || status == 304);
    // Without coding and length a body has no end but the connection's, unless there can be none.
    head.length = if bodiless { Some(0) } else { length.or((informs && !coded).then_some(0)) };
    head.chunked = coded && !bodiless && !informs;
    if informs {
        return Ok(ResponseFraming { body: Body::None, keep_alive });
    }
    head.remove(Known::ContentLength.into());
    let body = match length {
        _ if bodiless => Body::None,
        Some(n) => Body::Length(n),
        None if coded => Body::Chunked,
        None => Body::UntilClose,
    };
    Ok(ResponseFraming { body, keep_alive: keep_alive && body != Body::UntilClose && method != b"CONNECT" })
}

fn several_hosts(head: &HeadBuf) -> bool {
    let mut hosts = head.values(Name::Known(Known::Host));
    let first = hosts.next();
    hosts.any(|h| Some(h) != first)
}

/// The transfer coding must be `chunked` and nothing else, once.
fn chunked(head: &HeadBuf) -> Result<(), &'static str> {
    match head.get(Known::TransferEncoding.into()) {
        Some(v) if v.eq_ignore_ascii_case(b"chunked") && !head.repeats(Known::TransferEncoding) => Ok(()),
        _ => Err("Transfer-Encoding other than chunked"),
    }
}

/// The one Content-Length: digits only.
fn content_length(head: &HeadBuf) -> Result<u64, &'static str> {
    if head.repeats(Known::ContentLength) {
        return Err("Multiple Content-Length values found");
    }
    let value = head.get(Known::ContentLength.into()).unwrap_or_default();
    if (1..=19).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) {
        Ok(value.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0')))
    } else {
        Err("invalid Content-Length")
    }
}

/// Persistence as RFC 9112 §9.3: 1.1 unless `close`, 1.0 only with `keep-alive`.
fn keeps_alive(head: &HeadBuf) -> bool {
    if !head.has(Known::Connection) {
        return head.version() == Version::Http11;
    }
    // Nearly always it says one thing.
    if let Some(value) = head.get(Known::Connection.into()).filter(|_| !head.repeats(Known::Connection)) {
        if value.eq_ignore_ascii_case(b"keep-alive") {
            return true;
        }
        if value.eq_ignore_ascii_case(b"close") {
            return false;
        }
    }
    let says = |option: &str| {
        head.values(Name::Known(Known::Connection))
            .flat_map(|v| v.split(|&b| b == b','))
            .any(|o| o.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    };
    if says("close") { false } else { head.version() == Version::Http11 || says("keep-alive") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_request(lines: &str, want: Result<Body, &str>) {
        let mut head = HeadBuf::default();
        head.parse_request(format!("POST / HTTP/1.1\r\n{lines}\r\n").as_bytes()).expect(lines);
        assert_eq!(of_request(&mut head).map(|f| f.body), want, "{lines:?}");
        if want.is_ok() {
            assert!(!head.has(Known::ContentLength) && !head.has(Known::TransferEncoding), "{lines:?}");
        }
    }

    #[test]
    fn request_bodies() {
        check_request("", Ok(Body::None));
        check_request("Content-Length: 0\r\n", Ok(Body::Length(0)));
        check_request("content-length: 005\r\n", Ok(Body::Length(5)));
        check_request("Transfer-Encoding: Chunked\r\n", Ok(Body::Chunked));
        let both = "Content-Length together with Transfer-Encoding";
        check_request("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(both));
        check_request("Content-Length: 5\r\nTransfer-Encoding: identity\r\n", Err(both));
        let invalid = "invalid Content-Length";
        for bad in ["+5", "-1", "abc", "5, 5", "", "5 5", "0x5", "99999999999999999999"] {
            check_request(&format!("Content-Length: {bad}\r\n"), Err(invalid));
        }
        let several = "Multiple Content-Length values found";
        check_request("Content-Length: 5\r\nContent-Length: 5\r\n", Err(several));
        let other = "Transfer-Encoding other than chunked";
        for bad in
            ["identity", "chunked, chunked", "gzip, chunked", "chunked, gzip", "xchunked", "chunked;q=1", ""]
        {
            check_request(&format!("Transfer-Encoding: {bad}\r\n"), Err(other));
        }
        check_request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(other));
        check_request("Host: a\r\nHost: b\r\n", Err("Host lines that differ"));
        check_request("Host: a\r\nHost: a\r\n", Ok(Body::None));
    }

    #[test]
    fn persistence() {
        let check = |version: &str, connection: &str, want: bool| {
            let mut head = HeadBuf::default();
            head.parse_request(format!("GET / {version}\r\n{connection}\r\n").as_bytes()).unwrap();
            assert_eq!(of_request(&mut head).unwrap().keep_alive, want, "{version} {connection}");
        };
        check("HTTP/1.1", "", true);
        check("HTTP/1.1", "Connection: foo , CLOSE\r\n", false);
        check("HTTP/1.1", "Connection: foo\r\nConnection: close\r\n", false);
        check("HTTP/1.0", "", false);
        check("HTTP/1.0", "Connection: Keep-Alive\r\n", true);
        check("HTTP/1.0", "Connection: keep-alive, close\r\n", false);
    }

    #[test]
    fn expectations() {
        let mut head = HeadBuf::default();
        head.parse_request(b"PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n").unwrap();
        assert!(of_request(&mut head).unwrap().expects_continue && !head.has(Known::Expect));
        head.parse_request(b"PUT / HTTP/1.1\r\nExpect: other\r\nContent-Length: 1\r\n\r\n").unwrap();
        assert!(!of_request(&mut head).unwrap().expects_continue && head.has(Known::Expect));
    }

    /// What an access log is told of the body's length.
    #[test]
    fn response_lengths() {
        let check = |method: &str, text: &str, want: Option<u64>| {
            let mut head = HeadBuf::default();
            head.parse_response(format!("HTTP/1.1 {text}\r\n").as_bytes()).expect(text);
            of_response(&mut head, method.as_bytes()).expect(text);
            assert_eq!(head.length(), want, "{method} {text:?}");
            let chunked = method == "GET" && text.contains("chunked");
            assert_eq!(head.is_chunked(), chunked, "{method} {text:?}");
        };
        check("GET", "200 OK\r\nContent-Length: 3\r\n", Some(3));
        check("GET", "200 OK\r\nTransfer-Encoding: chunked\r\n", None);
        check("GET", "200 OK\r\n", None);
        check("HEAD", "200 OK\r\nContent-Length: 12\r\n", Some(12));
        check("HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n", None);
        check("HEAD", "200 OK\r\n", Some(0));
        check("GET", "204 No Content\r\nContent-Length: 3\r\n", Some(0));
        check("GET", "304 Not Modified\r\n", Some(0));
    }

    #[test]
    fn response_bodies() {
        let check = |method: &str, text: &str, want: Result<Body, &str>| {
            let mut head = HeadBuf::default();
            head.parse_response(format!("HTTP/1.1 {text}\r\n").as_bytes()).expect(text);
            let got = of_response(&mut head, method.as_bytes()).map(|f| f.body);
            assert_eq!(got, want, "{method} {text:?}");
            let informs = text.contains("Length: 3") && (method == "HEAD" || text.starts_with("304"));
            let keeps = informs && !text.starts_with("204");
            assert!(got.is_err() || head.has(Known::ContentLength) == keeps, "{method} {text:?}");
        };
        check("GET", "200 OK\r\nContent-Length: 3\r\n", Ok(Body::Length(3)));
        check("GET", "200 OK\r\nTransfer-Encoding: chunked\r\n", Ok(Body::Chunked));
        check("GET", "200 OK\r\n", Ok(Body::UntilClose));
        check("HEAD", "200 OK\r\nContent-Length: 3\r\n", Ok(Body::None));
        check("GET", "204 No Content\r\nContent-Length: 3\r\n", Ok(Body::None));
        check("HEAD", "204 No Content\r\nContent-Length: 3\r\n", Ok(Body::None));
        check("GET", "304 Not Modified\r\nContent-Length: 3\r\n", Ok(Body::None));
        check("GET", "103 Early Hints\r\n", Ok(Body::None));
        check(
            "GET",
            "200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
            Err("Multiple Content-Length values found"),
        );
        check(
            "GET",
            "200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            Err("Content-Length together with Transfer-Encoding"),
        );
        check("GET", "200 OK\r\nTransfer-Encoding: gzip\r\n", Err("Transfer-Encoding other than chunked"));
    }
}
