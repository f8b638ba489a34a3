//! TRACE requests that ask the proxies on their way what they would do (dataplane.md §4.7).

use crate::client::Client;
use crate::header::Known;
use crate::seam::{RequestHead, ResponseHead};
use crate::{status, text};
use balance::Nanos;
use names::Path;
use naming::{Delegation, Leaf};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// What a TRACE request asks of this proxy.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// To say what becomes of it (`l5d-add-context: true`).
    pub(crate) context: bool,
    /// How far to go.
    pub(crate) hops: Hops,
    /// How its name is bound, once control has said it; `None` where that cannot be shown.
    pub(crate) way: Arc<OnceLock<Option<Delegation>>>,
}

/// How far a TRACE request shall go (`Max-Forwards`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hops {
    /// On to the back end.
    #[default]
    Further,
    /// No further than here.
    Here,
    /// Nobody knows: the field is no number of 32 bits.
    Unknown,
}

/// The answer to a TRACE whose `Max-Forwards` is no number.
pub(crate) const INVALID: &str = "Invalid value for Max-Forwards header";

impl Diagnosis {
    /// What a TRACE request asks, `None` if nothing. Counts its `Max-Forwards` down. `scratch` is a buffer to use.
    pub(crate) fn take(head: &mut impl RequestHead, scratch: &mut Vec<u8>) -> Option<Box<Diagnosis>> {
        let context = head.get(Known::L5dAddContext.into()) == Some(b"true");
        let hops = match head.get(Known::MaxForwards.into()).map(integer) {
            None => Hops::Further,
            Some(None) => Hops::Unknown,
            Some(Some(0)) => Hops::Here,
            // As Linkerd: it goes on as it is.
            Some(Some(..0)) => Hops::Further,
            Some(Some(n)) => {
                scratch.clear();
                text::push_decimal(scratch, u64::from(n.unsigned_abs()) - 1);
                head.set(Known::MaxForwards.into(), scratch);
                Hops::Further
            }
        };
        let asks = context || hops != Hops::Further;
        asks.then(|| Box::new(Diagnosis { context, hops, ..Diagnosis::default() }))
    }

    /// The dtab entries that led from the name to `leaf`, one step a line.
    fn push_way(&self, leaf: &Leaf<Client>, out: &mut String) {
        let Some(Some(tree)) = self.way.get() else { return };
        let mut last: Option<&Path> = None;
        for step in tree.way_to(&leaf.id, &leaf.residual) {
            if last == Some(&step.path) {
                continue;
            }
            last = Some(&step.path);
            // Writing to a String cannot fail.
            let _ = match &step.entry {
                Some(entry) => writeln!(out, "  {} ({})", step.path, entry.dentry()),
                None => writeln!(out, "  {}", step.path),
            };
        }
    }

    /// What this proxy knows of the request.
    pub(crate) fn text(&self, at: &Place<'_>) -> String {
        let all = at.leaf.replicas.addresses();
        let all = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut out = format!(
            "--- Router: {} ---\nrequest duration: {} ms\nservice name: {}\nclient name: {}\naddresses: [{all}]\n\
             selected address: {}\ndtab resolution:\n",
            at.router,
            at.took.millis(),
            at.service,
            at.leaf.replicas.shown,
            at.selected,
        );
        self.push_way(at.leaf, &mut out);
        out
    }
}

/// A number of 32 bits with or without a sign, which is how Linkerd reads the field.
fn integer(value: &[u8]) -> Option<i32> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Where a request is.
pub(crate) struct Place<'a> {
    /// The router's label.
    pub(crate) router: &'a str,
    /// The name in its show form.
    pub(crate) service: &'a str,
    pub(crate) leaf: &'a Leaf<Client>,
    pub(crate) selected: SocketAddr,
    /// How long the back end took.
    pub(crate) took: Nanos,
}

/// Whether bytes may be put behind the body of an answer: it has a length, a small one, and is not coded.
pub(crate) fn extensible(head: &impl ResponseHead, most: u64) -> bool {
    let coded = head.has(Known::ContentEncoding);
    !coded && head.length().is_some_and(|length| length <= most)
}

/// What stands for the body of an answer that cannot be extended: its head as the back end sent it, with the framing that
/// the engine has taken off.
pub(crate) fn discarded(head: &impl ResponseHead) -> String {
    let mut out = String::new();
    head.lines(&mut |name, value| {
        let _ = writeln!(out, "{}: {}", text::readable(name), text::readable(value));
    });
    if let Some(length) = head.length() {
        let _ = writeln!(out, "Content-Length: {length}");
    }
    if head.is_chunked() {
        let _ = writeln!(out, "Transfer-Encoding: chunked");
    }
    let _ = writeln!(
        out,
        "HTTP {} - {}\nDiagnostic trace encountered chunked response. Response content discarded.",
        head.status(),
        status::reason(head.status())
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeRequest, FakeResponse};

    /// Rows 22 and 24 of dataplane.md §13 and the rules of §4.7.
    #[test]
    fn rows_22_and_24_what_is_asked() {
        let check = |lines: &[(&str, &str)], want: Option<(bool, Hops)>, sent: Option<&str>| {
            let mut head = FakeRequest::new("TRACE", b"/");
            for (name, value) in lines {
                head.line(name, value);
            }
            let got = Diagnosis::take(&mut head, &mut Vec::new()).map(|d| (d.context, d.hops));
            assert_eq!((got, head.one("max-forwards").as_deref()), (want, sent), "{lines:?}");
        };
        let context = ("l5d-add-context", "true");
        check(&[], None, None);
        check(&[("l5d-add-context", "True")], None, None);
        check(&[("max-forwards", "5")], None, Some("4"));
        check(&[context], Some((true, Hops::Further)), None);
        check(&[context, ("Max-Forwards", "1")], Some((true, Hops::Further)), Some("0"));
        check(&[context, ("Max-Forwards", "0")], Some((true, Hops::Here)), Some("0"));
        check(&[("Max-Forwards", "0")], Some((false, Hops::Here)), Some("0"));
        check(&[("Max-Forwards", "+1")], None, Some("0"));
        check(&[("Max-Forwards", "2147483647")], None, Some("2147483646"));
        check(&[("Max-Forwards", "-1")], None, Some("-1"));
        check(&[context, ("Max-Forwards", "-2147483648")], Some((true, Hops::Further)), Some("-2147483648"));
        for bad in ["31qe", "", "-", "1 ", "2147483648", "-2147483649", "99999999999999999999"] {
            check(&[context, ("Max-Forwards", bad)], Some((true, Hops::Unknown)), Some(bad));
        }
    }

    /// Row 23 of dataplane.md §13.
    #[test]
    fn row_23_bodies_that_cannot_be_extended() {
        let mut head = FakeResponse::new(200);
        head.line("X-A", "1").line("l5d-success-class", "1.0");
        head.body = vec![0; 10];
        assert!(extensible(&head, 10) && !extensible(&head, 9));
        let text =
            "HTTP 200 - OK\nDiagnostic trace encountered chunked response. Response content discarded.\n";
        assert_eq!(discarded(&head), format!("X-A: 1\nl5d-success-class: 1.0\nContent-Length: 10\n{text}"));
        head.streamed = true;
        assert!(!extensible(&head, 10));
        let chunked = format!("X-A: 1\nl5d-success-class: 1.0\nTransfer-Encoding: chunked\n{text}");
        assert_eq!(discarded(&head), chunked);
        let mut head = FakeResponse::new(200);
        head.line("Content-Encoding", "gzip");
        assert!(!extensible(&head, 10));
    }
}
