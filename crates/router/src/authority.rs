//! Back ends that want to be called by a name of their own: `Host` becomes the `authority` their namer gives, and
//! what they answer of it becomes the caller's name again (dataplane.md §4.3 point 11).

use crate::header::{Known, Name};
use crate::seam::{RequestHead, ResponseHead};
use std::sync::Arc;

/// Fields of an answer that may name the back end.
const NAMING: [Known; 2] = [Known::Location, Known::Refresh];

/// Whether, and how, one attempt goes under another `Host`.
#[derive(Debug, Default)]
pub(crate) struct Renamed {
    /// What the caller said; its buffer is kept from request to request.
    original: Vec<u8>,
    /// What the back end is told; `None` when it hears what the caller said.
    authority: Option<Arc<str>>,
}

impl Renamed {
    pub(crate) const fn is_active(&self) -> bool {
        self.authority.is_some()
    }

    /// Replaces a request's `Host`, if there is an authority.
    pub(crate) fn apply(&mut self, head: &mut impl RequestHead, authority: Option<Arc<str>>) {
        self.clear();
        if let Some(authority) = authority {
            self.original.extend_from_slice(head.get(Known::Host.into()).unwrap_or_default());
            head.set(Known::Host.into(), authority.as_bytes());
            self.authority = Some(authority);
        }
    }

    /// Puts the caller's name back where the answer has the back end's.
    pub(crate) fn undo(&self, head: &mut impl ResponseHead) {
        let Some(authority) = self.authority.as_ref().filter(|_| !self.original.is_empty()) else { return };
        for name in NAMING {
            let value = head.get(Name::Known(name));
            if let Some(value) = value.and_then(|v| replaced(v, authority.as_bytes(), &self.original)) {
                head.set(name.into(), &value);
            }
        }
    }

    /// Forgets the attempt.
    pub(crate) fn clear(&mut self) {
        self.original.clear();
        self.authority = None;
    }
}

/// An authority that can stand in a header line.
pub(crate) fn usable(authority: &str) -> bool {
    !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_graphic())
}

/// `text` with `to` wherever it has `from`; `None` when it has it nowhere.
fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut at, mut found) = (Vec::with_capacity(text.len() + to.len()), 0, false);
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
            found = true;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    found.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeRequest, FakeResponse};

    /// Row 55 of dataplane.md §13.
    #[test]
    fn row_55_location_and_refresh() {
        let check = |host: Option<&str>, line: (&str, &str), want: &str| {
            let mut request = FakeRequest::get("/");
            if let Some(host) = host {
                request.line("Host", host);
            }
            let mut renamed = Renamed::default();
            renamed.apply(&mut request, Some("acme.co".into()));
            assert_eq!(request.all("host"), ["acme.co"]);
            let mut head = FakeResponse::new(302);
            head.line(line.0, line.1);
            renamed.undo(&mut head);
            assert_eq!(head.all(line.0), [want]);
            let others = ["location", "refresh", "link"].iter().filter(|n| !head.all(n).is_empty()).count();
            assert_eq!(others, 1, "absent headers are not invented");
        };
        let monkeys = Some("monkeys");
        check(monkeys, ("Location", "http://acme.co/bar"), "http://monkeys/bar");
        check(monkeys, ("Refresh", "5; url=http://acme.co/bar"), "5; url=http://monkeys/bar");
        check(monkeys, ("Location", "http://acme.co/?to=acme.co"), "http://monkeys/?to=monkeys");
        check(monkeys, ("Location", "/bar"), "/bar");
        check(monkeys, ("Link", "<http://acme.co/bar>"), "<http://acme.co/bar>");
        check(None, ("Location", "http://acme.co/bar"), "http://acme.co/bar");
        check(Some(""), ("Location", "http://acme.co/bar"), "http://acme.co/bar");
    }

    #[test]
    fn authorities_that_are_none() {
        assert!(usable("web.service.dc1.consul:80"));
        for bad in ["", "a b", "a\r\nX: 1", "\u{e9}"] {
            assert!(!usable(bad), "{bad:?}");
        }
    }
}
