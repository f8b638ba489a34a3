//! Trace context: the ids that travel in `l5d-ctx-trace` (dataplane.md §7.5, observability.md §7.3 and §7.4).

mod b3;
mod propagator;

pub use propagator::Propagator;

use crate::text::{self, BASE64_MAX};

/// `flags`: whether to sample has been decided.
const SAMPLING_KNOWN: u64 = 2;
/// `flags`: sample.
const SAMPLED: u64 = 4;

/// The place of one span in its trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceId {
    /// Lower half of the trace's id.
    pub trace: u64,
    /// Upper half, of 128-bit ids.
    pub trace_high: Option<u64>,
    /// The caller's span.
    pub parent: u64,
    /// This span.
    pub span: u64,
    /// Bit 0 debug, bit 1 sampling decided, bit 2 sampled.
    pub flags: u64,
}

impl TraceId {
    /// The first span of a new trace; `id` is random.
    #[must_use]
    pub fn root(id: u64) -> TraceId {
        TraceId { trace: id, trace_high: None, parent: id, span: id, flags: 0 }
    }

    /// A span below this one; `id` is random.
    #[must_use]
    pub fn child(&self, id: u64) -> TraceId {
        TraceId { parent: self.span, span: id, ..*self }
    }

    /// Reads the value of `l5d-ctx-trace`; `None` for anything but 32 or 40 bytes in base64.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<TraceId> {
        let mut bytes = [0; 42];
        let len = text::base64_decode(value, &mut bytes)?;
        let word = |i: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[8 * i..8 * i + 8]);
            u64::from_be_bytes(eight)
        };
        let trace_high = match len {
            32 => None,
            40 => Some(word(4)),
            _ => return None,
        };
        Some(TraceId { span: word(0), parent: word(1), trace: word(2), flags: word(3), trace_high })
    }

    /// Writes the value of `l5d-ctx-trace`; returns its length.
    pub(crate) fn encode(&self, out: &mut [u8; BASE64_MAX]) -> usize {
        let mut bytes = [0; 40];
        let words = [self.span, self.parent, self.trace, self.flags, self.trace_high.unwrap_or(0)];
        for (eight, word) in bytes.chunks_mut(8).zip(words) {
            eight.copy_from_slice(&word.to_be_bytes());
        }
        text::base64_encode(&bytes[..if self.trace_high.is_some() { 40 } else { 32 }], out)
    }

    /// Decides whether to sample.
    pub(crate) fn decide(&mut self, sampled: bool) {
        self.flags = self.flags & !SAMPLED | SAMPLING_KNOWN | if sampled { SAMPLED } else { 0 };
    }

    /// Decides whether to sample, as `l5d-sample` asks: by the trace's id, so that every proxy with the same salt agrees.
    pub(crate) fn sample(&mut self, rate: f64, salt: u64) {
        let bucket = ((self.trace ^ salt) as i64).unsigned_abs() % 10_000;
        self.decide((bucket as f64) < rate * 10_000.0);
    }

    /// Whether the trace is to be recorded; `None` when nobody decided.
    #[must_use]
    pub fn sampled(&self) -> Option<bool> {
        (self.flags & SAMPLING_KNOWN != 0).then_some(self.flags & SAMPLED != 0)
    }
}

/// The rate in a value of `l5d-sample`: a number, brought into 0 to 1; `None` when it is no number.
pub(crate) fn sample_rate(value: &[u8]) -> Option<f64> {
    let rate: f64 = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    (!rate.is_nan()).then(|| rate.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_travels_unchanged() {
        for trace_high in [None, Some(0), Some(77)] {
            let id = TraceId { trace: 1, trace_high, parent: u64::MAX, span: 3 << 60, flags: 6 };
            let mut out = [0; BASE64_MAX];
            let len = id.encode(&mut out);
            assert_eq!(len, if trace_high.is_some() { 56 } else { 44 });
            assert_eq!(TraceId::decode(&out[..len]), Some(id));
        }
    }

    #[test]
    fn other_lengths_are_ignored() {
        let mut out = [0; BASE64_MAX];
        for bytes in [1, 16, 31, 33, 39] {
            let len = text::base64_encode(&vec![7; bytes], &mut out);
            assert_eq!(TraceId::decode(&out[..len]), None, "{bytes} bytes");
        }
        assert_eq!(TraceId::decode(b"\xff\x00"), None);
        assert_eq!(TraceId::decode(b""), None);
    }

    /// Row 44 of dataplane.md §13.
    #[test]
    fn sample_values() {
        let check = |text: &str, want: Option<f64>| assert_eq!(sample_rate(text.as_bytes()), want, "{text}");
        check("yes", None);
        check("-3", Some(0.0));
        check("0.2", Some(0.2));
        check("1.5", Some(1.0));
        check("NaN", None);
        check("", None);
        assert_eq!(sample_rate(b"\xff"), None);
    }

    #[test]
    fn sampling_follows_the_rate() {
        let decided = |trace: u64, rate: f64| {
            let mut id = TraceId::root(trace);
            id.sample(rate, 0x5a5a);
            id.sampled()
        };
        let mut rng = fastrand::Rng::with_seed(1);
        let mut hits = 0;
        for _ in 0..10_000 {
            let trace = rng.u64(..);
            assert_eq!(decided(trace, 1.0), Some(true));
            assert_eq!(decided(trace, 0.0), Some(false));
            hits += u32::from(decided(trace, 0.2) == Some(true));
        }
        assert!((1800..2200).contains(&hits), "{hits}");
        assert_eq!(TraceId::root(1).sampled(), None);
        let mut id = TraceId { flags: 7, ..TraceId::root(1) };
        id.sample(0.0, 0);
        assert_eq!((id.sampled(), id.flags & 1), (Some(false), 1), "the header overrides, debug stays");
    }

    #[test]
    fn a_child_keeps_its_trace() {
        let root = TraceId::root(9);
        let child = root.child(10);
        assert_eq!(child, TraceId { trace: 9, trace_high: None, parent: 9, span: 10, flags: 0 });
        assert_eq!(child.child(11).parent, 10);
    }
}
