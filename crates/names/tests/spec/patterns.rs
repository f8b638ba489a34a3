//! Path patterns: the table of dataplane.md §6.1, routing.md §2.12, and the corners between them.

use names::{Path, PathPattern};

#[track_caller]
fn check(row: &str, pattern: &str, path: &str, expected: Option<&[(&str, &str)]>) {
    let path: Path = path.parse().unwrap();
    let captures = PathPattern::parse(pattern).matches(&path);
    let found = captures.as_ref().map(|captures| captures.iter().collect::<Vec<_>>());
    assert_eq!(found.as_deref(), expected, "{row}: {pattern} on {path}");
}

const MATCH: Option<&[(&str, &str)]> = Some(&[]);

#[test]
fn the_table_of_dataplane_6_1() {
    check("row 1", "/foo/bar", "/foo/bar/bas", MATCH);
    check("row 2", "/foo/bar", "/foo", None);
    check("row 3", "/foo/*/*", "/foo/hi/there", MATCH);
    check("row 4", "/foo/{A}", "/foo/bar/bas", Some(&[("A", "bar")]));
    check("row 5", "/foo/{A}/*/{B}", "/foo/boo/bar/bas", Some(&[("A", "boo"), ("B", "bas")]));
    check("row 6", "/foo/bar/{A}:http", "/foo/bar/bas:http", Some(&[("A", "bas")]));
    check("row 7", "/foo/{A}:http", "/foo/bar/bas:http", None);
    check("row 8", "/foo/bar/{A}.com/{B}", "/foo/bar/foo.com/80", Some(&[("A", "foo"), ("B", "80")]));
    check(
        "row 9",
        "/foo/bar/{A}.{B}.{C}/{D}",
        "/foo/bar/www.foo.com/80",
        Some(&[("A", "www"), ("B", "foo"), ("C", "com"), ("D", "80")]),
    );
    check("row 10", "/foo/bar/{A}-{B}", "/foo/bar/foo-bar-baz", Some(&[("A", "foo-bar"), ("B", "baz")]));
    check(
        "row 11",
        "/#/io.l5d.serversets/s/*/staging/{service}:https",
        "/#/io.l5d.serversets/s/nobody/staging/foo:https",
        Some(&[("service", "foo")]),
    );
    check("row 12, bar", "/#/io.l5d.fs/{service}", "/#/io.l5d.fs/bar", Some(&[("service", "bar")]));
    check("row 12, the literal one", "/#/io.l5d.fs/bar", "/#/io.l5d.fs/foo", None);
    check("row 12, wrong", "/#/io.l5d.fs/{service}", "/#/io.l5d.wrong/bas", None);
}

#[test]
fn the_rewrites_of_routing_2_12() {
    check("rewrite 1", "/{foo}/*/three", "/one/two/three", Some(&[("foo", "one")]));
    check("rewrite 2", "/one/two", "/one/two/three", MATCH);
    check("§9 row 73", "/{service}/api", "/users/api/more", Some(&[("service", "users")]));
    check("§9 row 74", "/{service}/api", "/users/web", None);
}

#[test]
fn slashes_around_and_between() {
    check("all", "/", "/a/b", MATCH);
    check("all, no slash", "", "/a/b", MATCH);
    check("all, empty path", "/", "/", MATCH);
    check("no leading slash", "foo/bar", "/foo/bar", MATCH);
    check("trailing slash", "/foo/", "/foo", MATCH);
    check("a star past the end", "/foo/*", "/foo", None);
    check("a capture past the end", "/foo/{A}", "/foo", None);
    check("case counts", "/Foo", "/foo", None);
    check("a segment is not a beginning", "/fo", "/foo", None);
}

#[test]
fn captures_are_greedy_and_searched() {
    check("not anchored behind", "/{A}:http", "/bas:https", Some(&[("A", "bas")]));
    check("not anchored before", "/foo-{A}", "/my-foo-bar", Some(&[("A", "bar")]));
    check("both ends", "/{A}.com", "/foo.com.x", Some(&[("A", "foo")]));
    check("the last place", "/{A}.com", "/a.com.com.x", Some(&[("A", "a.com")]));
    check("the first place of the head", "/x{A}", "/axbxc", Some(&[("A", "bxc")]));
    check("a dot is a dot", "/{A}.com", "/fooxcom", None);
    check("other signs are themselves", "/{A}+$[{B}", r"/a", None);
    check("nothing captured", "/{A}:{B}", "/:", Some(&[("A", ""), ("B", "")]));
    check("side by side", "/{A}{B}", "/abc", Some(&[("A", "abc"), ("B", "")]));
    check("head and tail may not overlap", "/ab{A}ba", "/aba", None);
    check("but may touch", "/ab{A}ba", "/abba", Some(&[("A", "")]));
    check("order of the rest", "/{A}.{B}-{C}", "/a-b.c", None);
    check("three greedy ones", "/{A}-{B}-{C}", "/a-b-c-d", Some(&[("A", "a-b"), ("B", "c"), ("C", "d")]));
    check("the later of two of a name", "/{A}/{A}", "/x/y", Some(&[("A", "y")]));
}

#[test]
fn names_of_captures() {
    check("dots and colons", "/{a.b:C_9}", "/x", Some(&[("a.b:C_9", "x")]));
    check("the rest of the range", r"/{<=>?@[]^}", "/x", Some(&[("<=>?@[]^", "x")]));
    check("no hyphen", "/{a-b}", "/x", None);
    check("no name", "/{}", "/x", None);
    check("not closed", "/{A", "/x", None);
    check("inside braces", "/{{A}", r"/\x7b", None);
}

#[test]
fn elements_are_compared_as_shown() {
    check("escaped literal", r"/\x61\x20\x62", r"/a\x20b", MATCH);
    check("unescaped literal", "/a b", r"/a\x20b", None);
    check("escaped capture", "/{A}", r"/a\x20b", Some(&[("A", r"\x61\x20\x62")]));
    check("a star that is a label", "/*", r"/\x2a", MATCH);
}

#[test]
fn substitution() {
    let check = |pattern: &str, path: &str, template: &str, expected: &str| {
        let captures = PathPattern::parse(pattern).matches(&path.parse().unwrap()).unwrap();
        assert_eq!(captures.substitute(template), expected, "{pattern} on {path} into {template}");
    };
    check("/{service}", "/foo", "*.{service}.com", "*.foo.com");
    check("/{service}", "/foo", "{service}.com", "foo.com");
    check("/{foo}/*/three", "/one/two/three", "/success/{foo}", "/success/one");
    check("/one/two", "/one/two/three", "/success", "/success");
    check("/{a}/*/{b}", "/x/y/z", "/#/io.l5d.fs/{b}/{a}", "/#/io.l5d.fs/z/x");
    check("/{a}", "/x", "{a}{a}{unknown}{}{a-b}{a", "xx{unknown}{}{a-b}{a");
    check("/{a}", "/x", "{{a}}", "{x}");
    check("/{a}", "/x", "", "");
    check("/{a}", "/x", "\u{e9}{a}\u{e9}", "\u{e9}x\u{e9}");
    // What was captured is text, not a template.
    check("/{A}:{B}", "/$1:x", "{A}{B}", "$1x");
}

#[test]
fn what_a_pattern_tells_of_itself() {
    let pattern = PathPattern::parse("/a/{B}/");
    assert_eq!((pattern.to_string().as_str(), pattern.len(), pattern.is_empty()), ("/a/{B}/", 2, false));
    assert!(PathPattern::parse("/").is_empty());
    let captures = pattern.matches(&"/a/x".parse().unwrap()).unwrap();
    assert_eq!((captures.get("B"), captures.get("C"), captures.is_empty()), (Some("x"), None, false));
}
