//! What a request brings along for the proxies on its way: deadline and dtabs (dataplane.md §7); [`crate::trace`] has the rest.

use crate::header::Known;
use crate::seam::Head;
use crate::text;
use balance::Nanos;
use names::{Dtab, ParseError};

/// A deadline as it travels in `l5d-ctx-deadline`; advisory, nothing here enforces it (dataplane.md §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    /// When it was set, nanoseconds since the Unix epoch.
    pub(crate) timestamp: u64,
    /// When it passes, nanoseconds since the Unix epoch.
    pub(crate) deadline: u64,
}

impl Deadline {
    /// The deadline a time-out of this proxy sets.
    pub(crate) fn starting(now_epoch: u64, timeout: Nanos) -> Deadline {
        Deadline { timestamp: now_epoch, deadline: now_epoch.saturating_add(timeout.0) }
    }

    /// Latest time stamp, earliest deadline.
    pub(crate) fn combine(self, other: Deadline) -> Deadline {
        Deadline {
            timestamp: self.timestamp.max(other.timestamp),
            deadline: self.deadline.min(other.deadline),
        }
    }

    /// Reads `<timestamp ns> <deadline ns>`.
    fn parse(value: &[u8]) -> Option<Deadline> {
        let blank = value.iter().position(|&b| b == b' ')?;
        let (timestamp, deadline) = (&value[..blank], &value[blank + 1..]);
        Some(Deadline {
            timestamp: text::parse_decimal(timestamp)?,
            deadline: text::parse_decimal(deadline)?,
        })
    }

    /// Writes the value of the header.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        text::push_decimal(out, self.timestamp);
        out.push(b' ');
        text::push_decimal(out, self.deadline);
    }
}

/// Takes away all that a stranger says in the words proxies use among themselves (`clearContext`, dataplane.md §7.4).
pub(crate) fn clear(head: &mut impl Head) {
    head.remove_prefix(b"l5d-");
}

/// Takes the deadlines out of a request, combined. A header without one readable value stays as it came.
pub(crate) fn take_deadline(head: &mut impl Head) -> Option<Deadline> {
    if !head.has(Known::L5dCtxDeadline) {
        return None;
    }
    let mut strictest: Option<Deadline> = None;
    head.each(Known::L5dCtxDeadline.into(), &mut |value| {
        if let Some(read) = Deadline::parse(value) {
            strictest = Some(strictest.map_or(read, |other| other.combine(read)));
        }
    });
    if strictest.is_some() {
        head.remove(Known::L5dCtxDeadline.into());
    }
    strictest
}

/// Takes the values of `l5d-ctx-dtab` and then `l5d-dtab` out of a request into `out`, each behind its length, so that
/// equal bytes mean equal dtabs. `false` when there was no such header.
pub(crate) fn take_dtabs(head: &mut impl Head, out: &mut Vec<u8>) -> bool {
    let (ctx, user) = (head.has(Known::L5dCtxDtab), head.has(Known::L5dDtab));
    if !(ctx || user) {
        return false;
    }
    for (name, present) in [(Known::L5dCtxDtab, ctx), (Known::L5dDtab, user)] {
        if present {
            head.each(name.into(), &mut |value| {
                out.extend_from_slice(&(value.len() as u64).to_le_bytes());
                out.extend_from_slice(value);
            });
            head.remove(name.into());
        }
    }
    true
}

/// Parses what [`take_dtabs`] collected: all dtabs one behind the other, so that the last wins.
///
/// # Errors
/// The parser's text, for the caller (routing.md §1.2).
pub(crate) fn parse_dtabs(mut collected: &[u8]) -> Result<Dtab, ParseError> {
    let mut all = Dtab::empty();
    while let Some((len, rest)) = collected.split_first_chunk::<8>() {
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX).min(rest.len());
        all = all.concat(&Dtab::parse(&rest[..len])?);
        collected = &rest[len..];
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeRequest;

    /// Row 45 of dataplane.md §13 and the rules of §7.3.
    #[test]
    fn deadlines_are_combined() {
        let check = |values: &[&str], want: Option<(u64, u64)>, left: usize| {
            let mut head = FakeRequest::get("/");
            for value in values {
                head.line("L5d-Ctx-Deadline", value);
            }
            let got = take_deadline(&mut head).map(|d| (d.timestamp, d.deadline));
            assert_eq!(got, want, "{values:?}");
            assert_eq!(head.all("l5d-ctx-deadline").len(), left, "{values:?}");
        };
        check(&[], None, 0);
        check(&["1000 5000"], Some((1000, 5000)), 0);
        check(&["1000 5000", "2000 4000"], Some((2000, 4000)), 0);
        check(&["1000 5000", "2000 6000"], Some((2000, 5000)), 0);
        check(&["1000 5000", "soon"], Some((1000, 5000)), 0);
        check(&["soon"], None, 1);
        check(&["", "1", "1 2 3", "-1 2", "1  2"], None, 5);
        check(&["18446744073709551616 1"], None, 1);
    }

    #[test]
    fn deadline_is_written_in_decimal() {
        let mut out = Vec::new();
        Deadline::starting(1_700_000_000_000_000_000, Nanos::from_millis(300)).write(&mut out);
        assert_eq!(out, b"1700000000000000000 1700000000300000000");
        assert_eq!(Deadline::starting(u64::MAX, Nanos(1)).deadline, u64::MAX);
    }

    #[test]
    fn dtabs_are_taken_in_their_order() {
        let mut head = FakeRequest::get("/");
        head.line("l5d-dtab", "/c=>/3").line("l5d-ctx-dtab", "/a => /1 ;").line("l5d-ctx-dtab", "/b=>/2");
        let mut collected = Vec::new();
        assert!(take_dtabs(&mut head, &mut collected));
        assert_eq!(parse_dtabs(&collected).unwrap().to_string(), "/a=>/1;/b=>/2;/c=>/3");
        assert!(head.lines().is_empty());
        assert!(!take_dtabs(&mut head, &mut collected));
    }

    #[test]
    fn a_bad_dtab_is_named() {
        let mut head = FakeRequest::get("/");
        head.line("l5d-dtab", "bad");
        let mut collected = Vec::new();
        take_dtabs(&mut head, &mut collected);
        let error = parse_dtabs(&collected).unwrap_err();
        assert_eq!(error.to_string(), "'/' expected but 'b' found at '[b]ad'");
    }

    #[test]
    fn cut_off_collections_do_not_panic() {
        assert!(parse_dtabs(&[9, 0, 0, 0, 0, 0, 0, 0, b'/']).is_err());
        assert!(parse_dtabs(&[9, 0, 0]).unwrap().is_empty());
        assert!(parse_dtabs(&[0xff; 20]).is_err());
    }
}
