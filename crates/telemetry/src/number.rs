//! Numbers as Linkerd prints them: whole numbers plain, gauges and averages as Java's `Float` and `Double` print.

use std::fmt::{LowerExp, Write};

/// Appends a gauge's value: `1.0`, `0.25`, `1.234568E8`, `NaN`, `Infinity`. Shortest digits that read back the same.
pub fn push_f32(out: &mut String, value: f32) {
    // Most gauges count something.
    if (1.0..1e7).contains(&value) && value.fract() == 0.0 {
        push_u64(out, value as u64);
        out.push_str(".0");
    } else if value.to_bits() == 0 {
        out.push_str("0.0");
    } else if value.is_finite() {
        let magnitude = value.abs();
        push_float(out, value, magnitude == 0.0 || (1e-3..1e7).contains(&magnitude));
    } else {
        push_special(out, f64::from(value));
    }
}

/// Appends an average: as [`push_f32`], with a double's digits.
pub fn push_f64(out: &mut String, value: f64) {
    if value.is_finite() {
        let magnitude = value.abs();
        push_float(out, value, magnitude == 0.0 || (1e-3..1e7).contains(&magnitude));
    } else {
        push_special(out, value);
    }
}

fn push_special(out: &mut String, value: f64) {
    out.push_str(match value {
        v if v.is_nan() => "NaN",
        v if v > 0.0 => "Infinity",
        _ => "-Infinity",
    });
}

fn push_float<F: LowerExp + std::fmt::Debug>(out: &mut String, value: F, plain: bool) {
    if plain {
        // `Debug` keeps the `.0` of whole numbers, and writes no exponent in this range.
        write!(out, "{value:?}").expect("a String takes everything");
        return;
    }
    let start = out.len();
    write!(out, "{value:e}").expect("a String takes everything");
    let Some(at) = out[start..].find('e').map(|at| start + at) else { return };
    let point = if out[start..at].contains('.') { "E" } else { ".0E" };
    out.replace_range(at..=at, point);
}

/// Appends a whole number; several times faster than going through `fmt`.
pub(crate) fn push_u64(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// A moment in milliseconds since the Unix epoch as RFC 3339 text in UTC: `2020-09-13T12:26:40.123Z`.
pub fn utc_millis(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(moment) => format!("{moment:.3}"),
        // Ten thousand years from now.
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_java_floats() {
        let check = |value: f32, expected: &str| {
            let mut out = String::new();
            push_f32(&mut out, value);
            assert_eq!(out, expected);
        };
        check(0.0, "0.0");
        check(-0.0, "-0.0");
        check(1.0, "1.0");
        check(-2.5, "-2.5");
        check(0.1, "0.1");
        check(0.001, "0.001");
        check(0.0009, "9.0E-4");
        check(123_456.0, "123456.0");
        check(9_999_999.0, "9999999.0");
        check(1e7, "1.0E7");
        check(1.234_567_9e8, "1.2345679E8");
        check(16_777_216.0, "1.6777216E7");
        check(-1e10, "-1.0E10");
        check(f32::MAX, "3.4028235E38");
        check(f32::NAN, "NaN");
        check(f32::INFINITY, "Infinity");
        check(f32::NEG_INFINITY, "-Infinity");
    }

    #[test]
    fn doubles_print_as_java_doubles() {
        let check = |value: f64, expected: &str| {
            let mut out = String::new();
            push_f64(&mut out, value);
            assert_eq!(out, expected);
        };
        check(1.5, "1.5");
        check(1.0 / 3.0, "0.3333333333333333");
        check(2_000_010.0, "2000010.0");
        check(2_147_483_647.0, "2.147483647E9");
        check(0.0, "0.0");
    }

    #[test]
    fn whole_numbers() {
        for value in [0, 1, 9, 10, 1234, u64::MAX] {
            let mut out = "x".to_string();
            push_u64(&mut out, value);
            assert_eq!(out, format!("x{value}"));
        }
    }
}
