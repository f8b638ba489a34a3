//! The local time zone: times in lines, and when a day ends.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::io::Write;

const SECOND: u64 = 1_000_000_000;

/// A time zone. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Zone(TimeZone);

impl Zone {
    /// The machine's: `TZ` or `/etc/localtime`; UTC where it has none.
    pub(super) fn local() -> Zone {
        Zone(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    #[cfg(test)]
    pub(super) fn named(posix: &str) -> Zone {
        Zone(TimeZone::posix(posix).expect("a time zone"))
    }

    /// What the clocks show at `second` (since the Unix epoch), and the zone's name then.
    fn clock(&self, second: u64) -> (DateTime, String) {
        let at = timestamp(second);
        let info = self.0.to_offset_info(at);
        (info.offset().to_datetime(at), info.abbreviation().to_owned())
    }

    /// What the clocks show at `second`, as `yyyyMMddHHmmss`.
    pub(super) fn digits(&self, second: u64) -> String {
        let (t, _) = self.clock(second);
        let (date, time) = ((t.year(), t.month(), t.day()), (t.hour(), t.minute(), t.second()));
        format!("{:04}{:02}{:02}{:02}{:02}{:02}", date.0, date.1, date.2, time.0, time.1, time.2)
    }

    /// The end of the hour `second` is in.
    pub(super) fn next_hour(&self, second: u64) -> u64 {
        // By the clock, not by 3,600 s of the epoch: some zones are half an hour off.
        let (t, _) = self.clock(second);
        let into = u64::try_from(i32::from(t.minute()) * 60 + i32::from(t.second())).unwrap_or(0);
        second - into + 3600
    }

    /// The first midnight after `second`; with `weekday` (1 is Sunday, 7 Saturday) the first that begins such a day.
    pub(super) fn next_day(&self, second: u64, weekday: Option<u8>) -> u64 {
        let mut day = self.clock(second).0.date();
        for _ in 0..7 {
            day = day.saturating_add(1.day());
            let number = day.weekday().to_sunday_one_offset();
            if weekday.is_none_or(|wanted| i8::try_from(wanted) == Ok(number)) {
                break;
            }
        }
        let begins = day.to_zoned(self.0.clone()).map(|midnight| midnight.timestamp().as_second());
        begins.ok().and_then(|at| u64::try_from(at).ok()).unwrap_or(second + 24 * 3600).max(second + 1)
    }
}

fn timestamp(second: u64) -> Timestamp {
    i64::try_from(second).ok().and_then(|s| Timestamp::from_second(s).ok()).unwrap_or(Timestamp::MAX)
}

/// The time as lines show it, computed once a second.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    text: Vec<u8>,
}

impl Stamp {
    /// `06/01/2016:21:21:26 GMT` for `wall` nanoseconds since the Unix epoch.
    pub(super) fn at(&mut self, wall: u64, zone: &Zone) -> &[u8] {
        let second = wall / SECOND;
        if self.second != Some(second) {
            self.second = Some(second);
            let (t, name) = zone.clock(second);
            self.text.clear();
            let (date, time) = ((t.day(), t.month(), t.year()), (t.hour(), t.minute(), t.second()));
            // Writing to memory cannot fail.
            let _ = write!(self.text, "{:02}/{:02}/{:04}:", date.0, date.1, date.2);
            let _ = write!(self.text, "{:02}:{:02}:{:02} {name}", time.0, time.1, time.2);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since the epoch of a UTC time.
    fn utc(text: &str) -> u64 {
        u64::try_from(text.parse::<Timestamp>().unwrap().as_second()).unwrap()
    }

    #[test]
    fn stamps_follow_the_zone_and_its_seasons() {
        let check = |zone: &str, at: &str, want: &str| {
            let mut stamp = Stamp::default();
            let got = stamp.at(utc(at) * SECOND + 999_999_999, &Zone::named(zone)).to_vec();
            assert_eq!(String::from_utf8(got).unwrap(), want);
        };
        check("UTC0", "2016-01-06T21:21:26Z", "06/01/2016:21:21:26 UTC");
        check("GMT0", "2016-01-06T21:21:26Z", "06/01/2016:21:21:26 GMT");
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        check(berlin, "2026-03-29T00:59:59Z", "29/03/2026:01:59:59 CET");
        check(berlin, "2026-03-29T01:00:00Z", "29/03/2026:03:00:00 CEST");
        check("IST-5:30", "2026-12-31T18:30:00Z", "01/01/2027:00:00:00 IST");
    }

    #[test]
    fn a_stamp_is_computed_once_a_second() {
        let (mut stamp, zone) = (Stamp::default(), Zone::named("UTC0"));
        stamp.at(5 * SECOND, &zone);
        stamp.text.push(b'!');
        assert!(stamp.at(5 * SECOND + 1, &zone).ends_with(b"!"));
        assert!(stamp.at(6 * SECOND, &zone).ends_with(b":06 UTC"));
    }

    #[test]
    fn hours_and_days_end_by_the_clock() {
        let check = |got: u64, want: &str| assert_eq!(got, utc(want), "{want}");
        let india = Zone::named("IST-5:30");
        check(india.next_hour(utc("2026-01-01T10:29:59Z")), "2026-01-01T10:30:00Z");
        check(india.next_hour(utc("2026-01-01T10:30:00Z")), "2026-01-01T11:30:00Z");
        check(india.next_day(utc("2026-01-01T10:00:00Z"), None), "2026-01-01T18:30:00Z");
        let berlin = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3");
        // A day of 23 hours.
        check(berlin.next_day(utc("2026-03-28T23:00:00Z"), None), "2026-03-29T22:00:00Z");
        // Thursday: the next Sunday, Thursday, Friday.
        let utc_zone = Zone::named("UTC0");
        check(utc_zone.next_day(utc("2026-01-01T10:00:00Z"), Some(1)), "2026-01-04T00:00:00Z");
        check(utc_zone.next_day(utc("2026-01-01T00:00:00Z"), Some(5)), "2026-01-08T00:00:00Z");
        check(utc_zone.next_day(utc("2026-01-01T10:00:00Z"), Some(6)), "2026-01-02T00:00:00Z");
    }
}
