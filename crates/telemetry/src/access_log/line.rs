//! What a line says, and how (dataplane.md §4.5).

use std::io::Write;
use std::net::IpAddr;

/// One answer, as the access log tells it. Absent texts are empty and shown as `-`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The request's `Host`.
    pub host: &'a [u8],
    /// The caller.
    pub peer: IpAddr,
    /// The method.
    pub method: &'a [u8],
    /// The request target.
    pub target: &'a [u8],
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'static str,
    /// Status code of the answer.
    pub status: u16,
    /// Length of the answer's body in bytes, where its head tells.
    pub length: Option<u64>,
    /// The request's `Referer`.
    pub referer: &'a [u8],
    /// The request's `User-Agent`.
    pub agent: &'a [u8],
}

/// More bytes than a line has beside the texts of its entry: address, time with its zone, numbers, punctuation.
const FIXED: usize = 192;

impl Entry<'_> {
    /// At most so many bytes are written for it.
    pub(super) fn most(&self) -> usize {
        let texts = [self.host, self.method, self.target, self.referer, self.agent];
        FIXED + texts.iter().map(|text| text.len()).sum::<usize>()
    }

    /// Appends the line. Texts stand there as they came, quotes included, as Linkerd writes them; line ends cannot be in
    /// them, since no head with one is accepted.
    pub(super) fn write(&self, stamp: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(or_dash(self.host));
        // Writing to memory cannot fail.
        let _ = write!(out, " {} - - [", self.peer.to_canonical());
        out.extend_from_slice(stamp);
        out.extend_from_slice(b"] \"");
        out.extend_from_slice(self.method);
        out.push(b' ');
        out.extend_from_slice(self.target);
        let _ = write!(out, " {}\" {} ", self.version, self.status);
        match self.length {
            Some(length) => _ = write!(out, "{length}"),
            None => out.push(b'-'),
        }
        for text in [self.referer, self.agent] {
            out.extend_from_slice(b" \"");
            out.extend_from_slice(or_dash(text));
            out.push(b'"');
        }
        out.push(b'\n');
    }
}

fn or_dash(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"-" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry<'static> {
        Entry {
            host: b"monkeys",
            peer: [0, 0, 0, 0].into(),
            method: b"HEAD",
            target: b"/foo?bar=bah",
            version: "HTTP/1.1",
            status: 402,
            length: Some(304_374),
            referer: b"",
            agent: b"",
        }
    }

    #[test]
    fn lines_are_those_of_linkerd() {
        let check = |entry: Entry<'_>, want: &str| {
            let mut out = Vec::new();
            entry.write(b"06/01/2016:21:21:26 GMT", &mut out);
            assert!(out.len() <= entry.most());
            assert_eq!(String::from_utf8_lossy(&out), want);
        };
        let known = "monkeys 0.0.0.0 - - [06/01/2016:21:21:26 GMT] \"HEAD /foo?bar=bah HTTP/1.1\" 402 304374 \"-\" \"-\"\n";
        check(entry(), known);
        check(
            Entry {
                host: b"",
                length: None,
                agent: b"my \"agent\" 1.0",
                referer: b"http://a/b?c=d",
                ..entry()
            },
            "- 0.0.0.0 - - [06/01/2016:21:21:26 GMT] \"HEAD /foo?bar=bah HTTP/1.1\" 402 - \"http://a/b?c=d\" \"my \"agent\" 1.0\"\n",
        );
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        check(Entry { peer: mapped, ..entry() }, &known.replace("0.0.0.0", "10.0.0.1"));
        let long = "1234:1234:1234:1234:1234:1234:1234:1234".parse().unwrap();
        let most = Entry { peer: long, status: u16::MAX, length: Some(u64::MAX), ..entry() };
        let want = known.replace("0.0.0.0", "1234:1234:1234:1234:1234:1234:1234:1234");
        check(most, &want.replace("402 304374", "65535 18446744073709551615"));
    }
}
