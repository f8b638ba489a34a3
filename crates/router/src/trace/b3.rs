//! Trace ids in Zipkin's B3 fields.

use super::{TraceId, sample_rate};
use crate::header::Known;
use crate::seam::Head;
use crate::text;

const FIELDS: [Known; 5] =
    [Known::XB3TraceId, Known::XB3SpanId, Known::XB3ParentSpanId, Known::XB3Sampled, Known::XB3Flags];

/// The one flag that B3 knows, in our flags and in the field: record this trace, whatever it costs.
const DEBUG: u64 = 1;

/// Takes the B3 fields out of a request: the caller's span, and at which rate to sample where that is left to us.
pub(super) fn take(head: &mut impl Head, stranger: bool) -> (Option<TraceId>, Option<f64>) {
    let read = if stranger { (None, None) } else { (span(head), rate(head)) };
    for name in FIELDS {
        if head.has(name) {
            head.remove(name.into());
        }
    }
    read
}

fn span(head: &impl Head) -> Option<TraceId> {
    let id = |name: Known| head.get(name.into()).and_then(hexadecimal);
    let (span, _) = id(Known::XB3SpanId)?;
    let (parent, _) = id(Known::XB3ParentSpanId).unwrap_or((span, None));
    let (trace, trace_high) = id(Known::XB3TraceId).unwrap_or((parent, None));
    let flags = head.get(Known::XB3Flags.into()).and_then(text::parse_decimal).unwrap_or(0) & DEBUG;
    let mut span = TraceId { trace, trace_high, parent, span, flags };
    match head.get(Known::XB3Sampled.into()) {
        Some(b"1" | b"true") => span.decide(true),
        Some(b"0" | b"false") => span.decide(false),
        _ => {}
    }
    Some(span)
}

fn rate(head: &impl Head) -> Option<f64> {
    head.get(Known::XB3Sampled.into()).and_then(sample_rate)
}

/// An id of up to 32 hexadecimal digits: its lower half, and the upper one where there are more than 16.
fn hexadecimal(digits: &[u8]) -> Option<(u64, Option<u64>)> {
    let word = |digits: &[u8]| {
        let text = std::str::from_utf8(digits).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u64::from_str_radix(text, 16).ok()
    };
    match digits.len() {
        0 => None,
        1..=16 => Some((word(digits)?, None)),
        17..=32 => {
            let (high, low) = digits.split_at(digits.len() - 16);
            Some((word(low)?, Some(word(high)?)))
        }
        _ => None,
    }
}

/// Adds the B3 fields of a span.
pub(super) fn write(head: &mut impl Head, span: &TraceId) {
    let mut trace = [0; 32];
    trace[..16].copy_from_slice(&text::hex16(span.trace_high.unwrap_or(0)));
    trace[16..].copy_from_slice(&text::hex16(span.trace));
    let from = if span.trace_high.is_some() { 0 } else { 16 };
    head.append(Known::XB3TraceId.into(), &trace[from..]);
    head.append(Known::XB3SpanId.into(), &text::hex16(span.span));
    head.append(Known::XB3ParentSpanId.into(), &text::hex16(span.parent));
    head.append(Known::XB3Sampled.into(), if span.sampled() == Some(true) { b"1" } else { b"0" });
    head.append(Known::XB3Flags.into(), if span.flags & DEBUG == 0 { b"0" } else { b"1" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeRequest;

    #[track_caller]
    fn check(lines: &[(&str, &str)], want: Option<TraceId>, rate: Option<f64>) {
        let mut head = FakeRequest::get("/");
        for (name, value) in lines {
            head.line(name, value);
        }
        assert_eq!(take(&mut head, false), (want, rate), "{lines:?}");
        assert!(head.lines().is_empty());
        for (name, value) in lines {
            head.line(name, value);
        }
        assert_eq!(take(&mut head, true), (None, None), "a stranger's");
        assert!(head.lines().is_empty());
    }

    /// dataplane.md §7.5.
    #[test]
    fn fields_are_read() {
        let id = TraceId { trace: 0xab, trace_high: None, parent: 0xc, span: 0xd, flags: 0 };
        let three = [("X-B3-TraceId", "ab"), ("x-b3-spanid", "d"), ("X-B3-ParentSpanId", "000000000000000c")];
        let with = |name: &'static str, value: &'static str| [&three[..], &[(name, value)]].concat();
        check(&three, Some(id), None);
        check(&with("x-b3-sampled", "1"), Some(TraceId { flags: 6, ..id }), Some(1.0));
        check(&with("x-b3-sampled", "true"), Some(TraceId { flags: 6, ..id }), None);
        check(&with("x-b3-sampled", "0"), Some(TraceId { flags: 2, ..id }), Some(0.0));
        check(&with("x-b3-sampled", "0.5"), Some(id), Some(0.5));
        check(&with("x-b3-flags", "1"), Some(TraceId { flags: 1, ..id }), None);
        check(&[("x-b3-spanid", "d")], Some(TraceId { trace: 0xd, parent: 0xd, ..id }), None);
        let wide = [("x-b3-spanid", "d"), ("x-b3-traceid", "10000000000000002")];
        check(&wide, Some(TraceId { trace: 2, trace_high: Some(1), parent: 0xd, ..id }), None);
        for bad in ["", "xyz", "+1", "123456789012345678901234567890123", "\u{e9}"] {
            check(&[("x-b3-spanid", bad), ("x-b3-traceid", "1")], None, None);
        }
        check(&[("x-b3-traceid", "1")], None, None);
    }

    #[test]
    fn fields_are_written() {
        let check = |id: TraceId, want: [&str; 5]| {
            let mut head = FakeRequest::get("/");
            write(&mut head, &id);
            let got = head.lines().into_iter().map(|(_, value)| value).collect::<Vec<_>>();
            assert_eq!(got, want);
            // What is written is read back, but for a decision that nobody made.
            let back = span(&head).unwrap();
            assert_eq!(TraceId { flags: back.flags & !2, ..back }, TraceId { flags: id.flags & !2, ..id });
        };
        let id = TraceId { trace: 0xab, trace_high: None, parent: 0xc, span: 0xd, flags: 0 };
        let (trace, span, parent) = ("00000000000000ab", "000000000000000d", "000000000000000c");
        check(id, [trace, span, parent, "0", "0"]);
        check(TraceId { flags: 7, ..id }, [trace, span, parent, "1", "1"]);
        check(TraceId { flags: 2, ..id }, [trace, span, parent, "0", "0"]);
        let wide = "000000000000000100000000000000ab";
        check(TraceId { trace_high: Some(1), ..id }, [wide, span, parent, "0", "0"]);
    }
}
