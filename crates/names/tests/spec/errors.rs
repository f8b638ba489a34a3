//! Every row of routing.md §1.2: clients compare these texts.

use names::{Dtab, NameTree, ParseError, Path, Prefix};

fn fault<T>(row: &str, parsed: Result<T, ParseError>) -> ParseError {
    match parsed {
        Ok(_) => panic!("{row}: parsed, but must not"),
        Err(fault) => fault,
    }
}

#[track_caller]
fn path(row: &str, text: &str, expected: &str) {
    assert_eq!(fault(row, Path::parse(text.as_bytes())).to_string(), expected, "{row}");
}

#[track_caller]
fn dtab(row: &str, text: &str, expected: &str) {
    assert_eq!(fault(row, Dtab::parse(text.as_bytes())).to_string(), expected, "{row}");
}

#[track_caller]
fn tree(row: &str, text: &str, expected: &str) {
    assert_eq!(fault(row, NameTree::parse(text.as_bytes())).to_string(), expected, "{row}");
}

#[test]
fn paths() {
    path("row 1, path", "invalid-param", "'/' expected but 'i' found at '[i]nvalid-param'");
    path("row 2", "/foo^bar", "end of input expected but '^' found at '/foo[^]bar'");
    path("row 3", "/foo/bar/", "label char expected but end of input found at '/foo/bar/[]'");
    path("row 4", "", "'/' expected but end of input found at '[]'");
    path("row 9", r"/\x0?", r"hex char expected but '?' found at '/\x0[?]'");
    path("row 15, //", "//", "end of input expected but '/' found at '/[/]'");
    path("row 15, /*", "/*", "end of input expected but '*' found at '/[*]'");
    path("row 15, /a b", "/a b", "end of input expected but 'b' found at '/a [b]'");
}

#[test]
fn trees() {
    tree("row 7", "/foo &", "simple expected but end of input found at '/foo &[]'");
    tree("row 10", "/foo & . * /bar", "weight expected but '.' found at '/foo & .[ ]* /bar'");
    tree("row 10, at the end", "/foo & .", "weight expected but '.' found at '/foo & .[]'");
    tree("row 11", "/foo & 0.1.2 * /bar", "number char expected but '.' found at '/foo & 0.1[.]2 * /bar'");
    tree("row 11, two dots", "..*/a", "number char expected but '.' found at '.[.]*/a'");
}

#[test]
fn dtabs() {
    dtab("row 1, dtab", "invalid-param", "'/' expected but 'i' found at '[i]nvalid-param'");
    dtab("row 5", "/foo/ => /bar", "label char expected but ' ' found at '/foo/[ ]=> /bar'");
    dtab("row 6", "/foo => ", "simple expected but end of input found at '/foo => []'");
    dtab("row 8", "/a => /b /c => /d", "end of input expected but '/' found at '/a => /b [/]c => /d'");
    dtab("row 12", "/foo/*bar => !", "'=' expected but 'b' found at '/foo/*[b]ar => !'");
    dtab("row 13", "/svc => /foo/*", "label char expected but '*' found at '/svc => /foo/[*]'");
    dtab("row 14", "/a => /b;;", "'/' expected but ';' found at '/a => /b;[;]'");
    dtab("row 16, //", "/a//b=>/c", "label char expected but '/' found at '/a/[/]b=>/c'");
    dtab("row 16, /a", "/a", "'=' expected but end of input found at '/a[]'");
    dtab("row 16, = >", "/a = > /b", "'>' expected but ' ' found at '/a =[ ]> /b'");
    dtab("row 17, 1 /b", "/a=>1 /b", "'*' expected but '/' found at '/a=>1 [/]b'");
    dtab("row 17, 1e3", "/a=>1e3*/b", "'*' expected but 'e' found at '/a=>1[e]3*/b'");
    dtab("row 17, -1", "/a=>-1*/b", "simple expected but '-' found at '/a=>[-]1*/b'");
    dtab("row 17, (", "/a=>(/b", "')' expected but end of input found at '/a=>(/b[]'");
}

/// A star is no label: it ends a path that has none yet (recorded of namerd, put-dtab-8), and is missing
/// one after a slash behind others.
#[test]
fn a_star_in_a_destination() {
    dtab("first element", "/a=>/*", "end of input expected but '*' found at '/a=>/[*]'");
    dtab("later element", "/a=>/b/*", "label char expected but '*' found at '/a=>/b/[*]'");
}

#[test]
fn offsets_point_at_the_marked_byte() {
    let check = |text: &[u8], offset: usize| {
        assert_eq!(fault("offset", Dtab::parse(text)).offset, offset, "{text:?}");
    };
    check(b"bad", 0);
    check(b"/a => /b;;", 9);
    check(b"/a => ", 6);
    check(b"/a => . */b & /c", 7);
}

#[test]
fn bytes_that_are_no_ascii() {
    let check = |text: &[u8], expected: &str| {
        assert_eq!(fault("bytes", Path::parse(text)).to_string(), expected, "{text:?}");
    };
    // UTF-8 is shown as such, the whole character in the brackets.
    check("/caf\u{e9}s".as_bytes(), "end of input expected but '\u{e9}' found at '/caf[\u{e9}]s'");
    check("/a\u{1f980}".as_bytes(), "end of input expected but '\u{1f980}' found at '/a[\u{1f980}]'");
    // Any other byte is shown as Latin-1.
    check(b"/caf\xe9s", "end of input expected but '\u{e9}' found at '/caf[\u{e9}]s'");
    check(b"/a \xff\xfe", "end of input expected but '\u{ff}' found at '/a [\u{ff}]\u{fe}'");
    check(b"/a\xc3", "end of input expected but '\u{c3}' found at '/a[\u{c3}]'");
}

#[test]
fn the_other_entrances_say_the_same() {
    assert_eq!(
        fault("str", "bad".parse::<Dtab>()).to_string(),
        "'/' expected but 'b' found at '[b]ad'",
        "routing.md §9 row 85"
    );
    assert_eq!(
        fault("prefix", Prefix::parse(b"/a =>")).to_string(),
        "end of input expected but '=' found at '/a [=]>'"
    );
    let named: &dyn std::error::Error = &fault("error", "x".parse::<Path>());
    assert_eq!(named.to_string(), "'/' expected but 'x' found at '[x]'");
}
