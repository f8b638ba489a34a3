//! The lexical rules of routing.md §1.1.

use names::{Dentry, Dtab, MAX_WEIGHT, NameTree, Path, PathBuilder, Prefix, PrefixElem, Weighted};

use NameTree::{Alt, Empty, Fail, Leaf, Neg, Union};

fn p(text: &str) -> Path {
    text.parse().unwrap()
}

fn leaf(text: &str) -> NameTree<Path> {
    Leaf(p(text))
}

fn w(weight: f64, tree: NameTree<Path>) -> Weighted<Path> {
    Weighted { weight, tree }
}

#[track_caller]
fn check_path(text: &str, expected: &[&[u8]]) {
    let path = Path::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    assert_eq!(path.elems().collect::<Vec<_>>(), expected, "{text}");
    assert_eq!(path.len(), expected.len(), "{text}");
    assert_eq!(path, Path::from_elems(expected), "{text}");
}

#[test]
fn paths() {
    check_path("/", &[]);
    check_path("/foo", &[b"foo"]);
    check_path("/foo/bar", &[b"foo", b"bar"]);
    check_path("  /foo/bar \n", &[b"foo", b"bar"]);
    check_path("/aZ09_:.#$%-/x", &[b"aZ09_:.#$%-", b"x"]);
    check_path(r"/\x66\x6f\x6F", &[b"foo"]);
    check_path(r"/a\x20b/\x00\xff\xFE", &[b"a b", b"\x00\xff\xfe"]);
    check_path(r"/\x2f", &[b"/"]);
    check_path("/#/io.l5d.fs", &[b"#", b"io.l5d.fs"]);
    check_path("/foo # comment", &[b"foo"]);
    check_path("/foo#no-comment", &[b"foo#no-comment"]);
    check_path("# a comment\n/foo", &[b"foo"]);
}

#[track_caller]
fn check_tree(text: &str, expected: &NameTree<Path>) {
    assert_eq!(NameTree::parse(text.as_bytes()).as_ref(), Ok(expected), "{text}");
}

#[test]
fn trees() {
    check_tree("!", &Fail);
    check_tree(" ~ ", &Neg);
    check_tree("$", &Empty);
    check_tree("/", &leaf("/"));
    check_tree("! | ~ | $", &Alt(vec![Fail, Neg, Empty]));
    let half = |a, b| Union(vec![w(1.0, leaf(a)), w(1.0, leaf(b))]);
    check_tree("/foo & /bar | /bar & /baz", &Alt(vec![half("/foo", "/bar"), half("/bar", "/baz")]));
    check_tree(
        "1 * /foo & 2 * /bar | .5 * /bar & .5 * /baz",
        &Alt(vec![
            Union(vec![w(1.0, leaf("/foo")), w(2.0, leaf("/bar"))]),
            Union(vec![w(0.5, leaf("/bar")), w(0.5, leaf("/baz"))]),
        ]),
    );
    check_tree("(/a)", &leaf("/a"));
    check_tree(" ( ( /a ) ) ", &leaf("/a"));
    check_tree("0.5 * /a", &leaf("/a"));
    check_tree("0.5 * (/a | /b)", &Alt(vec![leaf("/a"), leaf("/b")]));
    check_tree("/a | (/b | /c)", &Alt(vec![leaf("/a"), Alt(vec![leaf("/b"), leaf("/c")])]));
    check_tree(
        "(/a | /b) & 0.3 * (/c | !)",
        &Union(vec![w(1.0, Alt(vec![leaf("/a"), leaf("/b")])), w(0.3, Alt(vec![leaf("/c"), Fail]))]),
    );
    check_tree("/a&/b|/c", &Alt(vec![half("/a", "/b"), leaf("/c")]));
    check_tree("/foo # one\n & # two\n /bar#c # three", &half("/foo", "/bar#c"));
    check_tree("($)", &Empty);
}

#[test]
fn weights() {
    let check = |text: &str, expected: f64| {
        let tree = format!("{text}*/a & /b");
        check_tree(&tree, &Union(vec![w(expected, leaf("/a")), w(1.0, leaf("/b"))]));
    };
    check("0", 0.0);
    check("000", 0.0);
    check(".5", 0.5);
    check("1.", 1.0);
    check("0.25", 0.25);
    check("10 ", 10.0);
    check("1 # one\n ", 1.0);
    check(&"9".repeat(1000), MAX_WEIGHT);
    check(&format!("0.{}1", "0".repeat(1000)), 0.0);
}

#[test]
fn weights_made_by_hand_are_kept_in_bounds() {
    let check = |given: f64, expected: f64| {
        let made = Weighted::new(given, Fail::<Path>).weight;
        assert_eq!(made.to_bits(), expected.to_bits(), "{given}");
    };
    check(0.5, 0.5);
    check(-1.0, 0.0);
    check(-0.0, 0.0);
    check(f64::NAN, 0.0);
    check(f64::INFINITY, MAX_WEIGHT);
}

/// White space is what Java takes for it: no-break spaces and the Latin-1 line end are not.
#[test]
fn white_space() {
    let is_blank = |byte: u8| Path::parse(&[byte, b'/', b'a', byte]).is_ok();
    let blanks: Vec<u8> = (0..=u8::MAX).filter(|&byte| is_blank(byte)).collect();
    assert_eq!(blanks, b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f ");
    let is_blank = |c: &char| Path::parse(format!("{c}{c}/a{c}").as_bytes()).is_ok();
    let wide: Vec<char> = ('\u{80}'..=char::MAX).filter(is_blank).collect();
    let expected = "\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\u{2008}\u{2009}\u{200a}\
                    \u{2028}\u{2029}\u{205f}\u{3000}";
    assert_eq!(
        wide.into_iter().collect::<String>(),
        expected,
        "Java's, without those that keep words together"
    );
}

/// A builder reads a path as [`Path::parse`] does, behind what it holds.
#[test]
fn paths_are_read_into_builders() {
    let check = |text: &str| {
        let mut builder = PathBuilder::new();
        builder.push(b"svc");
        let read = builder.push_parsed(text.as_bytes()).map(|()| builder.to_path());
        let expected = Path::parse(text.as_bytes()).map(|path| Path::from_elems([b"svc"]).concat(&path));
        assert_eq!(read, expected, "{text}");
    };
    for text in
        ["/", "/a", "/a/b:80", " /a # b", "/\\x2f", "", "a", "/a/", "//", "/a+b", "/a b", "/a%2Fb/c%20d"]
    {
        check(text);
    }
}

#[track_caller]
fn check_dtab(text: &str, expected: &[(&str, &str)]) {
    let dtab = Dtab::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let entry = |&(prefix, dst): &(&str, &str)| {
        Dentry::new(prefix.parse::<Prefix>().unwrap(), dst.parse::<NameTree<Path>>().unwrap())
    };
    assert_eq!(dtab.entries(), expected.iter().map(entry).collect::<Vec<_>>(), "{text}");
}

#[test]
fn dtabs() {
    check_dtab("", &[]);
    check_dtab(" \n# nothing\n", &[]);
    check_dtab("/=>!", &[("/", "!")]);
    check_dtab("  /=>!  ", &[("/", "!")]);
    check_dtab("/a=>/b;", &[("/a", "/b")]);
    check_dtab("/a=>/b ; /c\n=>\n/d ; ", &[("/a", "/b"), ("/c", "/d")]);
    check_dtab("/a/*/c=>/d", &[("/a/*/c", "/d")]);
    check_dtab("/*=>/d", &[("/*", "/d")]);
    check_dtab(r"/\x2a => /\x2a", &[(r"/\x2a", r"/\x2a")]);
    check_dtab("/#foo => /biz # c", &[("/#foo", "/biz")]);
    check_dtab("/foo => /bar#c", &[("/foo", "/bar#c")]);
    check_dtab("/a => /b # one\n; # two\n/c => # three\n /d", &[("/a", "/b"), ("/c", "/d")]);
    check_dtab("/a # one\n=> /b", &[("/a", "/b")]);
    check_dtab("# first line\n/a => /b ;\n# last line", &[("/a", "/b")]);
    check_dtab("\t/a\r\n=> /b\r\n; /c => /d", &[("/a", "/b"), ("/c", "/d")]);
}

#[test]
fn prefixes() {
    use PrefixElem::{Any, Label};
    let check = |text: &str, expected: &[PrefixElem<'_>]| {
        let prefix: Prefix = text.parse().unwrap();
        assert_eq!(prefix.elems().collect::<Vec<_>>(), expected, "{text}");
        assert_eq!(prefix, Prefix::from_elems(expected.iter().copied()), "{text}");
        assert_eq!((prefix.len(), prefix.is_empty()), (expected.len(), expected.is_empty()), "{text}");
    };
    check("/", &[]);
    check("/a", &[Label(b"a")]);
    check("/*", &[Any]);
    check("/a/*/b/*", &[Label(b"a"), Any, Label(b"b"), Any]);
    // An escaped star is a label that looks like one.
    check(r"/\x2a", &[Label(b"*")]);
}

#[test]
fn spans_hold_the_entry_and_nothing_around_it() {
    let text = " # head\n /a  =>  /b & ( /c ) # tail\n ;\n\n/d => !;";
    let dtab = Dtab::parse(text.as_bytes()).unwrap();
    let spans: Vec<_> = dtab.entries().iter().map(|dentry| &text[dentry.span.clone()]).collect();
    assert_eq!(spans, ["/a  =>  /b & ( /c )", "/d => !"]);
}

#[test]
fn one_entry_alone() {
    let dentry = Dentry::parse(b" /a => /b ").unwrap();
    assert_eq!((dentry.to_string().as_str(), dentry.span), ("/a=>/b", 1..9));
    assert!(Dentry::parse(b"/a => /b;").is_err(), "a semicolon is not part of an entry");
    assert!(Dentry::parse(b"").is_err(), "nothing is no entry");
}
