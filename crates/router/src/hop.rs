//! Fields that concern one connection only, and `Via` (dataplane.md §4.3, points 7 and 8).

use crate::header::{Known, Name};
use crate::seam::{Head, Version};

/// Fields no message takes along; framing is derived anew by the engine that writes the message.
const HOP_BY_HOP: [Known; 7] = [
    Known::Connection,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
    Known::Te,
    Known::Trailer,
    Known::TransferEncoding,
    Known::Upgrade,
];

/// Fields a message cannot do without: naming them in `Connection` does not take them away, or a caller could change who
/// answers and where a body ends, and hide where the request came from.
const NOT_BY_LISTING: [Known; 4] = [Known::Host, Known::ContentLength, Known::Via, Known::Forwarded];

/// Removes the hop-by-hop fields and every field listed in `Connection`. `scratch` is a buffer to use.
pub(crate) fn strip(head: &mut impl Head, scratch: &mut Vec<u8>) {
    if !HOP_BY_HOP.iter().fold(false, |any, name| any | head.has(*name)) {
        return;
    }
    if head.has(Known::Connection) {
        strip_listed(head, scratch);
    }
    for name in HOP_BY_HOP {
        if head.has(name) {
            head.remove(name.into());
        }
    }
}

fn strip_listed(head: &mut impl Head, scratch: &mut Vec<u8>) {
    scratch.clear();
    head.each(Known::Connection.into(), &mut |value| {
        scratch.extend_from_slice(value);
        scratch.push(b',');
    });
    for listed in scratch.split(|&b| b == b',') {
        let listed = listed.trim_ascii();
        // By far the most frequent values; no field is called so.
        if listed.is_empty() || listed.eq_ignore_ascii_case(b"close") {
            continue;
        }
        match Name::of(listed) {
            Name::Known(known) if NOT_BY_LISTING.contains(&known) => {}
            name => head.remove(name),
        }
    }
}

/// Appends this proxy to `Via`; several lines are kept, the last one is extended.
pub(crate) fn add_via(head: &mut impl Head) {
    let hop: &[u8] = match head.version() {
        Version::Http10 => b"1.0 linkerd",
        Version::Http11 => b"1.1 linkerd",
    };
    if head.has(Known::Via) {
        head.extend_last(Known::Via.into(), hop);
    } else {
        head.append(Known::Via.into(), hop);
    }
}

/// Whether a request has come through more than `limit` hops (`maxCallDepth`).
///
/// Of several `Via` lines the longest counts: Linkerd counts the first, but extends that one, too; here the last one is
/// extended, and a loop must be seen whichever it is.
pub(crate) fn too_many_hops(head: &impl Head, limit: usize) -> bool {
    let mut deepest = 0;
    if head.has(Known::Via) {
        head.each(Known::Via.into(), &mut |value| {
            // A line that is shorter than that cannot have as many entries.
            if value.len() > limit {
                deepest = deepest.max(value.split(|&b| b == b',').count());
            }
        });
    }
    deepest > limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeRequest;

    /// Row 48 of dataplane.md §13.
    #[test]
    fn hop_by_hop_fields_go() {
        let check = |lines: &[(&str, &str)], want: &[&str]| {
            let mut head = FakeRequest::get("/");
            for (name, value) in lines {
                head.line(name, value);
            }
            strip(&mut head, &mut Vec::new());
            let left: Vec<String> = head.lines().iter().map(|(name, _)| name.clone()).collect();
            assert_eq!(left, want, "{lines:?}");
        };
        check(
            &[
                ("Connection", "Keep-Alive, Foo, Bar"),
                ("Keep-Alive", "timeout=5"),
                ("foo", "1"),
                ("BAR", "2"),
                ("Baz", "3"),
            ],
            &["Baz"],
        );
        check(&[("Keep-Alive", "timeout=5"), ("Proxy-Connection", "x")], &["Keep-Alive", "Proxy-Connection"]);
        check(
            &[
                ("TE", "trailers"),
                ("Trailer", "x"),
                ("Transfer-Encoding", "chunked"),
                ("Upgrade", "h2c"),
                ("Proxy-Authenticate", "Basic"),
                ("Proxy-Authorization", "Basic x"),
                ("Sec-WebSocket-Key", "x"),
            ],
            &["Sec-WebSocket-Key"],
        );
        check(
            &[("connection", "a"), ("Connection", " ,,b , close"), ("A", ""), ("B", ""), ("C", "")],
            &["C"],
        );
        check(
            &[
                ("Connection", "Host, content-length,via,X, forwarded"),
                ("Host", "a"),
                ("Content-Length", "1"),
                ("Via", "v"),
                ("X", ""),
                ("Forwarded", "for=_a"),
            ],
            &["Host", "Content-Length", "Via", "Forwarded"],
        );
        check(&[("Connection", "l5d-foo"), ("l5d-foo", "1")], &[]);
    }

    /// Row 49 of dataplane.md §13.
    #[test]
    fn via_is_extended() {
        let check = |version: Version, lines: &[&str], want: &[&str]| {
            let mut head = FakeRequest::get("/");
            head.version = version;
            for value in lines {
                head.line("Via", value);
            }
            add_via(&mut head);
            assert_eq!(head.all("via"), want);
        };
        check(Version::Http11, &[], &["1.1 linkerd"]);
        check(Version::Http10, &[], &["1.0 linkerd"]);
        check(Version::Http11, &["1.0 bob, 1.1 mary"], &["1.0 bob, 1.1 mary, 1.1 linkerd"]);
        check(Version::Http10, &["1.0 bob", "1.1 mary"], &["1.0 bob", "1.1 mary, 1.0 linkerd"]);
    }

    /// Row 21 of dataplane.md §13 and the recorded cases depth-*.
    #[test]
    fn row_21_hops_are_counted() {
        let check = |limit: usize, lines: &[&str], want: bool| {
            let mut head = FakeRequest::get("/");
            for value in lines {
                head.line("Via", value);
            }
            assert_eq!(too_many_hops(&head, limit), want, "{limit} {lines:?}");
        };
        let ten = ["1.1 a"; 10].join(", ");
        check(10, &[&ten], false);
        check(9, &[&ten], true);
        check(2, &["hop1, hop2, hop3"], true);
        check(2, &["hop1, hop2"], false);
        check(2, &["hop1", "hop2", "hop3"], false);
        check(2, &["hop1", "a,b,c"], true);
        check(0, &[], false);
        check(0, &["a"], true);
    }
}
