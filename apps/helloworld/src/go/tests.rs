//! The expectations were printed by Go 1.26 itself.

use super::*;

#[test]
fn durations() {
    #[track_caller]
    fn check(text: &str, expected: Option<(i64, &str)>) {
        let parsed = parse_duration(text);
        assert_eq!(parsed, expected.map(|e| e.0), "{text:?}");
        assert_eq!(parsed.map(show_duration).as_deref(), expected.map(|e| e.1), "{text:?}");
    }
    check("0", Some((0, "0s")));
    check("-0", Some((0, "0s")));
    check("+0", Some((0, "0s")));
    check("0s", Some((0, "0s")));
    check("500ms", Some((500_000_000, "500ms")));
    check("1s", Some((1_000_000_000, "1s")));
    check("1m30s", Some((90_000_000_000, "1m30s")));
    check("-1s", Some((-1_000_000_000, "-1s")));
    check("+1.5h", Some((5_400_000_000_000, "1h30m0s")));
    check("1.5s", Some((1_500_000_000, "1.5s")));
    check(".5s", Some((500_000_000, "500ms")));
    check("5.s", Some((5_000_000_000, "5s")));
    check("1us", Some((1_000, "1µs")));
    check("1\u{b5}s", Some((1_000, "1µs")));
    check("1\u{3bc}s", Some((1_000, "1µs")));
    check("100ns", Some((100, "100ns")));
    check("0.3ns", Some((0, "0s")));
    check("1s1s", Some((2_000_000_000, "2s")));
    check("1h0m0.000000001s", Some((3_600_000_000_001, "1h0m0.000000001s")));
    check("0.100000000000000000000h", Some((360_000_000_000, "6m0s")));
    check("0.9223372036854775808123s", Some((922_337_203, "922.337203ms")));
    check("2562047h47m16.854775807s", Some((i64::MAX, "2562047h47m16.854775807s")));
    check("-9223372036854775808ns", Some((i64::MIN, "-2562047h47m16.854775808s")));
    for text in ["", "5", "s", ".s", "1x", "1ms1", "-", "--1s", "1 s", " 1s", "1e3s", "1..5s", "1.5.s", "."] {
        check(text, None);
    }
    for text in ["9223372036854775808ns", "2562047h47m16.854775808s", "3000000h", "12345678901234567890s"] {
        check(text, None);
    }
    check(&format!("{}s", "9".repeat(200)), None);
}

#[test]
fn floats() {
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "rows read better")]
    fn check(text: &str, expected: Result<f64, FloatFault>) {
        assert_eq!(parse_float(text), expected, "{text:?}");
    }
    check("0.5", Ok(0.5));
    check("1", Ok(1.0));
    check(".5", Ok(0.5));
    check("5.", Ok(5.0));
    check("1e-3", Ok(0.001));
    check("+Inf", Ok(f64::INFINITY));
    check("-infinity", Ok(f64::NEG_INFINITY));
    check("1e-400", Ok(0.0));
    check("1e400", Err(FloatFault::Range));
    for text in ["", "abc", " 1", "infinit", "+nan", "-nan", "0x10", "1,5"] {
        check(text, Err(FloatFault::Syntax));
    }
    assert!(parse_float("NaN").unwrap().is_nan());
}

#[test]
fn json_strings() {
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(json_string(bytes), expected);
    }
    check(b"", r#""""#);
    check("api (A) Hello (H) world (W)!!".as_bytes(), r#""api (A) Hello (H) world (W)!!""#);
    check(b"a<b>&\"\\/\x08\x0c\n\r\t\x01'", r#""a\u003cb\u003e\u0026\"\\/\b\f\n\r\t\u0001'""#);
    check("\u{7f}\u{2028}\u{2029}é😀".as_bytes(), "\"\u{7f}\\u2028\\u2029é😀\"");
    check(b"a\xffb\xe2\x82", r#""a\ufffdb\ufffd\ufffd""#);
}

#[test]
fn query_values() {
    #[track_caller]
    fn check(query: &str, expected: Option<&str>) {
        assert_eq!(query_value(query, "latency").as_deref(), expected, "{query:?}");
    }
    check("latency=1s", Some("1s"));
    check("latency=&latency=2s", Some(""));
    check("a=1&latency=1%20s", Some("1 s"));
    check("latency=1+s", Some("1 s"));
    check("latency=%zz&latency=3s", Some("3s"));
    check("latency=%4&latency=3s", Some("3s"));
    check("latency", Some(""));
    check("x;latency=1s", None);
    check("%6catency=1s", Some("1s"));
    check("latency=a=b", Some("a=b"));
    check("", None);
}
