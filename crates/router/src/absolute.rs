//! Absolute-form targets, as callers of a forward proxy send them, and the `Host` they decide (dataplane.md §4.3 point 3).

use crate::header::{Known, Name};
use crate::seam::{Head, RequestHead, Version};

/// Where an absolute-form target splits: authority and the rest.
struct Absolute {
    authority: (usize, usize),
    rest: usize,
}

/// Recognises `scheme://authority…`; the authority without user information, never empty.
fn absolute_form(target: &[u8]) -> Option<Absolute> {
    if !target.first()?.is_ascii_alphabetic() {
        return None;
    }
    let scheme = target.iter().position(|b| !(b.is_ascii_alphanumeric() || b"+-.".contains(b)))?;
    if !target[scheme..].starts_with(b"://") {
        return None;
    }
    let start = scheme + 3;
    let rest = target[start..].iter().position(|b| b"/?#".contains(b)).map_or(target.len(), |at| start + at);
    let user = target[start..rest].iter().rposition(|&b| b == b'@').map_or(0, |at| at + 1);
    (start + user < rest).then_some(Absolute { authority: (start + user, rest), rest })
}

/// The scheme of an absolute-form target.
pub(crate) fn scheme(target: &[u8]) -> Option<&[u8]> {
    // Nearly every target is a path, told by its first byte.
    if target.first() == Some(&b'/') {
        return None;
    }
    absolute_form(target)?;
    target.split(|&b| b == b':').next()
}

/// Rewrites an absolute-form target: its authority becomes `Host`, whatever that said, and path, query and fragment the
/// target, byte for byte. `scratch` is a buffer to use.
pub(crate) fn rewrite_absolute(head: &mut impl RequestHead, scratch: &mut Vec<u8>) {
    let target = head.target();
    // Nearly every target is a path, told by its first byte.
    if target.first() == Some(&b'/') {
        return;
    }
    let Some(Absolute { authority: (start, end), rest }) = absolute_form(target) else { return };
    scratch.clear();
    scratch.extend_from_slice(&target[start..end]);
    let host = scratch.len();
    match &target[rest..] {
        // The request is about the server as a whole (RFC 9112 §3.2.4).
        [] if head.method() == b"OPTIONS" => scratch.push(b'*'),
        [] => scratch.push(b'/'),
        [b'/', ..] => scratch.extend_from_slice(&target[rest..]),
        query => {
            scratch.push(b'/');
            scratch.extend_from_slice(query);
        }
    }
    head.set_target(&scratch[host..]);
    head.set(Known::Host.into(), &scratch[..host]);
}

/// An HTTP/1.1 request always carries a `Host` (RFC 9112 §3.2), an empty one if it came without.
pub(crate) fn ensure_host(head: &mut impl Head) {
    if head.version() == Version::Http11 && !head.has(Known::Host) {
        head.append(Name::Known(Known::Host), b"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeRequest;

    /// Row 47 of dataplane.md §13 and its neighbours.
    #[test]
    fn the_authority_decides() {
        let check = |method: &str, target: &[u8], want: &[u8], host: &[&str]| {
            let mut head = FakeRequest::new(method, target);
            head.line("Host", "example.com:9000").line("Proxy-Foo", "1").line("Pragma", "x");
            rewrite_absolute(&mut head, &mut Vec::new());
            assert_eq!(head.target, want, "{}", String::from_utf8_lossy(target));
            assert_eq!(head.all("host"), host, "{}", String::from_utf8_lossy(target));
            assert_eq!((head.all("proxy-foo").len(), head.all("pragma").len()), (1, 1));
        };
        let unchanged = &["example.com:9000"];
        check("GET", b"http://acme.co:8080/foo?x=R%26D", b"/foo?x=R%26D", &["acme.co:8080"]);
        check(
            "GET",
            b"http://acme.co:8080/foo?text=hello%20world",
            b"/foo?text=hello%20world",
            &["acme.co:8080"],
        );
        check("GET", b"http://host", b"/", &["host"]);
        check("OPTIONS", b"http://host", b"*", &["host"]);
        check("OPTIONS", b"http://host/x", b"/x", &["host"]);
        check("GET", b"http://host?q=/", b"/?q=/", &["host"]);
        check("GET", b"https://host#frag", b"/#frag", &["host"]);
        check("GET", b"http://user:pw@host/x@y", b"/x@y", &["host"]);
        check("GET", b"ws+x.1-a://[::1]:80//a", b"//a", &["[::1]:80"]);
        for other in [
            &b"/http://x/y"[..],
            b"*",
            b"host:443",
            b"nopath",
            b"http:///x",
            b"http://",
            b"http://user@/x",
            b"://x",
            b"1http://x/",
            b"ht tp://x/",
            b"",
            b"\xff\xfe",
        ] {
            check("GET", other, other, unchanged);
        }
    }

    #[test]
    fn a_missing_host_is_added_empty() {
        let check = |version: Version, lines: &[&str], want: &[&str]| {
            let mut head = FakeRequest::get("/");
            head.version = version;
            for value in lines {
                head.line("Host", value);
            }
            ensure_host(&mut head);
            assert_eq!(head.all("host"), want);
        };
        check(Version::Http11, &[], &[""]);
        check(Version::Http10, &[], &[]);
        check(Version::Http11, &["a", "a"], &["a", "a"]);
    }
}
