//! When a log's file is put aside for a new one, and what it is called then.

use super::zone::Zone;
use std::str::FromStr;

/// When a file is put aside (`httpAccessLogRollPolicy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RollPolicy {
    /// Never.
    #[default]
    Never,
    /// At the end of each hour of the local time zone.
    Hourly,
    /// At midnight, local time.
    Daily,
    /// At the midnight that begins this day of the week; 1 is Sunday, 7 Saturday.
    Weekly(u8),
    /// Never by itself: whoever moves the file sends SIGHUP, and the path is opened anew.
    Sighup,
    /// Before it grows beyond so many bytes.
    MaxSize(u64),
}

/// What may be written for a policy.
const EXPECTED: &str = "expected never, hourly, daily, weekly(n) with n from 1 (Sunday) to 7 (Saturday), sighup, \
                        or a size such as 3.megabytes";

impl FromStr for RollPolicy {
    type Err = String;

    /// Reads a policy, in any case. The error says what may be written.
    fn from_str(text: &str) -> Result<RollPolicy, String> {
        let lower = text.to_ascii_lowercase();
        let policy = match lower.as_str() {
            "never" => Some(RollPolicy::Never),
            "hourly" => Some(RollPolicy::Hourly),
            "daily" => Some(RollPolicy::Daily),
            "sighup" => Some(RollPolicy::Sighup),
            other => weekly(other).or_else(|| size(other)),
        };
        policy.ok_or_else(|| format!("Invalid log roll policy: {text} ({EXPECTED})"))
    }
}

fn weekly(text: &str) -> Option<RollPolicy> {
    let day = text.strip_prefix("weekly(")?.strip_suffix(')')?.parse().ok()?;
    (1..=7).contains(&day).then_some(RollPolicy::Weekly(day))
}

/// `3.megabytes`, `1.gigabyte`: powers of 1024.
fn size(text: &str) -> Option<RollPolicy> {
    let (number, unit) = text.split_once('.')?;
    let units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    let power = units.iter().position(|u| *u == unit.strip_suffix('s').unwrap_or(unit))?;
    let plain = number.bytes().all(|b| b.is_ascii_digit());
    let bytes = number.parse::<u64>().ok()?.checked_mul(1 << (10 * power))?;
    (plain && bytes > 0).then_some(RollPolicy::MaxSize(bytes))
}

impl RollPolicy {
    /// When a file that was begun at `since` is put aside for the time's sake. Seconds since the Unix epoch.
    pub(super) fn due(self, since: u64, zone: &Zone) -> Option<u64> {
        match self {
            RollPolicy::Hourly => Some(zone.next_hour(since)),
            RollPolicy::Daily => Some(zone.next_day(since, None)),
            RollPolicy::Weekly(day) => Some(zone.next_day(since, Some(day))),
            RollPolicy::Never | RollPolicy::Sighup | RollPolicy::MaxSize(_) => None,
        }
    }

    /// The part of its new name that tells when the file was begun, or for a file of a size, when it was full.
    pub(super) fn suffix(self, since: u64, zone: &Zone) -> String {
        let digits = zone.digits(since);
        let (date, time) = digits.split_at(8);
        match self {
            RollPolicy::Hourly => format!("{date}-{}", &time[..2]),
            RollPolicy::MaxSize(_) => format!("{date}-{time}"),
            _ => date.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_in_any_case() {
        let check = |text: &str, want: Option<RollPolicy>| {
            let got = text.parse::<RollPolicy>();
            match want {
                Some(policy) => assert_eq!(got, Ok(policy), "{text}"),
                None => assert!(got.is_err_and(|e| e.contains(text) && e.contains("3.megabytes")), "{text}"),
            }
        };
        check("never", Some(RollPolicy::Never));
        check("Hourly", Some(RollPolicy::Hourly));
        check("DAILY", Some(RollPolicy::Daily));
        check("SigHup", Some(RollPolicy::Sighup));
        check("weekly(1)", Some(RollPolicy::Weekly(1)));
        check("Weekly(7)", Some(RollPolicy::Weekly(7)));
        check("3.megabytes", Some(RollPolicy::MaxSize(3 << 20)));
        check("1.Gigabyte", Some(RollPolicy::MaxSize(1 << 30)));
        check("512.bytes", Some(RollPolicy::MaxSize(512)));
        for wrong in ["", "weekly", "weekly(0)", "weekly(8)", "weekly(x)", "monthly", "3", "3.", ".megabytes"]
        {
            check(wrong, None);
        }
        for wrong in
            ["0.bytes", "-1.bytes", "+1.byte", "3.megabytess", "3 megabytes", "99999999999.terabytes"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn rolled_files_are_named_by_their_time() {
        let zone = Zone::named("UTC0");
        let at = 1_767_261_600; // 2026-01-01T10:00:00Z
        let check = |policy: RollPolicy, due: Option<u64>, suffix: &str| {
            assert_eq!(policy.due(at, &zone), due, "{policy:?}");
            assert_eq!(policy.suffix(at, &zone), suffix, "{policy:?}");
        };
        check(RollPolicy::Never, None, "20260101");
        check(RollPolicy::Hourly, Some(at + 3600), "20260101-10");
        check(RollPolicy::Daily, Some(at + 14 * 3600), "20260101");
        check(RollPolicy::Weekly(6), Some(at + 14 * 3600), "20260101");
        check(RollPolicy::MaxSize(1), None, "20260101-100000");
    }
}
