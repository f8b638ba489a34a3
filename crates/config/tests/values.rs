//! From tree to values: the spellings each type takes and the words for those it does not (dataplane.md §1.3).

use config::{Context, Decode, Document, OneOrMore, Spanned};
use std::fmt::Debug;
use std::net::IpAddr;

/// Decodes the value of the key `v` in `v: TEXT`: the value, or the first fault; warnings in brackets.
fn read<T: Decode + Debug>(text: &str) -> String {
    let document = Document::parse("t.yaml", format!("v: {text}\n").as_bytes()).expect("a document");
    let mut cx = Context::new(document.source);
    let value = T::decode(document.root.get("v").expect("a value"), &mut cx);
    let faults: Vec<String> = cx.into_faults().into_iter().map(|fault| fault.message).collect();
    match value {
        Some(value) if faults.is_empty() => format!("{value:?}"),
        Some(value) => format!("{value:?} [{}]", faults.join(", ")),
        None => format!("! {}", faults.join(", ")),
    }
}

#[test]
fn booleans() {
    let check = |text: &str, expected: &str| assert_eq!(read::<bool>(text), expected, "{text:?}");
    for word in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"] {
        check(word, "true");
    }
    for word in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"] {
        check(word, "false");
    }
    check("tRUE", "! `tRUE` does not fit here");
    check("y", "! `y` does not fit here");
    check("1", "! `1` does not fit here");
    check("'true'", "! the text \"true\" does not fit here");
    check("[true]", "! a list does not fit here");
}

#[test]
fn whole_numbers() {
    let check = |text: &str, expected: &str| assert_eq!(read::<u32>(text), expected, "{text:?}");
    check("0", "0");
    check("4_140", "4140");
    check("0644", "644");
    check("+5", "5");
    check("'700'", "700");
    check("2147483647", "2147483647");
    check("2147483648", "! 2147483648 is out of range");
    check("99999999999999999999999", "! 99999999999999999999999 is out of range");
    check("-1", "! -1 is out of range");
    check("5.5", "5 [5.5 is read as 5]");
    check("5.0", "5");
    check("1e3", "1000");
    check("0x1F", "! `0x1F` does not fit here");
    check("1:30", "! `1:30` does not fit here");
    check("_1", "! `_1` does not fit here");
    check("ten", "! `ten` does not fit here");
    check("true", "! `true` does not fit here");
    check("{a: 1}", "! an object does not fit here");
    assert_eq!(read::<i32>("-5"), "-5");
    assert_eq!(read::<i32>("-2147483649"), "! -2147483649 is out of range");
}

#[test]
fn numbers() {
    let check = |text: &str, expected: &str| assert_eq!(read::<f64>(text), expected, "{text:?}");
    check("0.5", "0.5");
    check("'0.5'", "0.5");
    check("1", "1.0");
    check("-2.5e-3", "-0.0025");
    check("1_000.5", "1000.5");
    check(".5", "0.5");
    check("nan", "! `nan` does not fit here");
    check(".inf", "! `.inf` does not fit here");
    check("1e999", "! `1e999` does not fit here");
    check("many", "! `many` does not fit here");
}

#[test]
fn ports() {
    let check = |text: &str, expected: &str| assert_eq!(read::<u16>(text), expected, "{text:?}");
    check("0", "0");
    check("65535", "65535");
    check("4_140", "4140");
    check("80.5", "80 [80.5 is read as 80]");
    check("-1", "! -1 outside valid range for ports");
    check("65536", "! 65536 outside valid range for ports");
    check("\"4140\"", "! the text \"4140\" does not fit here");
    check("http", "! `http` does not fit here");
    check("true", "! `true` does not fit here");
    check("[1]", "! a list does not fit here");
}

#[test]
fn addresses() {
    let check = |text: &str, expected: &str| assert_eq!(read::<IpAddr>(text), expected, "{text:?}");
    check("127.0.0.1", "127.0.0.1");
    check("'::1'", "::1");
    check("127.1", "! '127.1' is not an IP string literal.");
    check("127", "! '127' is not an IP string literal.");
    check("localhost", "! 'localhost' is not an IP string literal.");
    check("[::1]", "! a list does not fit here");
}

#[test]
fn texts_lists_and_options() {
    let check = |text: &str, expected: &str| assert_eq!(read::<String>(text), expected, "{text:?}");
    check("123", "\"123\"");
    check("yes", "\"yes\"");
    check("'a b'", "\"a b\"");
    check("[a]", "! a list does not fit here");
    assert_eq!(read::<Vec<u16>>("[1, 2]"), "[1, 2]");
    assert_eq!(read::<Vec<u16>>("[]"), "[]");
    assert_eq!(read::<Vec<u16>>("1"), "! `1` does not fit here");
    assert_eq!(read::<Vec<u16>>("[1, x, ~, 2]"), "[1, 2] [`x` does not fit here, an empty list element]");
    assert_eq!(read::<OneOrMore<u16>>("1"), "OneOrMore([1])");
    assert_eq!(read::<OneOrMore<u16>>("[1, 2]"), "OneOrMore([1, 2])");
    assert_eq!(read::<OneOrMore<u16>>("[]"), "! empty list");
    assert_eq!(read::<Option<u16>>("1"), "Some(1)");
    assert_eq!(read::<Spanned<u16>>("12"), "Spanned { value: 12, span: Span { start: 3, end: 5 } }");
}

#[test]
fn names_and_dtabs() {
    assert_eq!(
        read::<names::Path>("/svc/web"),
        format!("{:?}", "/svc/web".parse::<names::Path>().expect("a path"))
    );
    assert_eq!(read::<names::Path>("svc"), "! '/' expected but 's' found at '[s]vc'");
    let dtab = |text: &str, expected: &str| {
        let shown = read::<names::Dtab>(text);
        assert!(shown.contains(expected), "{text:?} gives {shown:?}");
    };
    dtab("/a => /b;", "/b");
    dtab("/a", "! '=' expected but end of input found at '/a[]'");
    dtab("/a => /*", "! end of input expected but '*' found at '/a => /[*]'");
    dtab("[/a => /b]", "! a list does not fit here");
}
