//! Names of requests, and why some have none.

use super::*;
use crate::seam::Version;
use crate::testing::FakeRequest;

/// What came of a request: its name and the target that is sent on, or the reason.
fn named(identifiers: &[Identifier], head: &mut FakeRequest) -> Result<(String, String), Why> {
    let (mut name, mut scratch) = (PathBuilder::new(), Vec::new());
    name.push(b"left over");
    identify(identifiers, &"/svc".parse().unwrap(), head, &mut name, &mut scratch).map_err(why)?;
    Ok((name.to_path().to_string(), String::from_utf8(head.target.clone()).unwrap()))
}

fn token(header: &str) -> Identifier {
    Identifier::HeaderToken(HeaderToken::new(header.as_bytes()))
}

fn header(header: &str) -> Identifier {
    Identifier::Header(HeaderPath::new(header.as_bytes()))
}

fn path(segments: usize, consume: bool) -> Identifier {
    Identifier::Path(PathSegments { segments, consume })
}

/// [`Nameless`] in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Why {
    Unidentified(String),
    Broken(String),
    Unknown,
}

fn why(nameless: Nameless) -> Why {
    match nameless {
        Nameless::Unidentified(text) => Why::Unidentified(text),
        Nameless::Broken(text) => Why::Broken(text),
        Nameless::Unknown(_) => Why::Unknown,
    }
}

fn unidentified(why: &str) -> Why {
    Why::Unidentified(why.to_owned())
}

fn broken(why: &str) -> Why {
    Why::Broken(why.to_owned())
}

#[test]
fn header_tokens() {
    let check = |on: &str, line: (&str, &[u8]), want: Option<&str>| {
        let mut head = FakeRequest::get("/");
        head.raw_line(line.0, line.1);
        let want = want.map(|name| (name.to_owned(), "/".to_owned()));
        let want = want.ok_or_else(|| unidentified(&format!("{on} header is absent")));
        assert_eq!(named(&[token(on)], &mut head), want);
    };
    check("Host", ("host", b"Foo.com:80"), Some("/svc/Foo.com:80"));
    check("Host", ("Host", b"web/x"), Some("/svc/\\x77\\x65\\x62\\x2f\\x78"));
    check("Host", ("Host", b"\xff"), Some("/svc/\\xff"));
    check("Host", ("Host", b""), None);
    check("Host", ("Hots", b"x"), None);
    check("my-header", ("My-Header", b"users"), Some("/svc/users"));
    check("my-header", ("my-header", b"/a b"), Some("/svc/\\x2f\\x61\\x20\\x62"));
    check("my-header", ("Host", b"users"), None);
}

#[test]
fn header_paths() {
    let check = |value: &str, want: Result<&str, &str>| {
        let mut head = FakeRequest::get("/");
        head.line("L5D-Name", value);
        let want = want.map(|name| (name.to_owned(), "/".to_owned())).map_err(unidentified);
        assert_eq!(named(&[header("l5d-name")], &mut head), want, "{value}");
    };
    check("/a/b:80", Ok("/svc/a/b:80"));
    check("/", Ok("/svc"));
    check("/a # b", Ok("/svc/a"));
    check("", Err("l5d-name header is absent"));
    check("users", Err("'/' expected but 'u' found at '[u]sers'"));
    check("/a b", Err("end of input expected but 'b' found at '/a [b]'"));
}

/// Row 52 of dataplane.md §13 and the recorded cases id-host and id-hosturi.
#[test]
fn row_52_method_and_host() {
    let check = |version: Version, uri: bool, line: (&str, &str, &str), want: Result<&str, Why>| {
        let mut head = FakeRequest::new(line.0, line.1.as_bytes());
        head.version = version;
        head.line("Host", line.2);
        let want = want.map(|name| (name.to_owned(), line.1.to_owned()));
        assert_eq!(named(&[Identifier::MethodAndHost(MethodAndHost { uri })], &mut head), want, "{line:?}");
    };
    let (old, new) = (Version::Http10, Version::Http11);
    let get = ("GET", "/some/path?other=stuff", "DoMaiN");
    check(new, false, get, Ok("/svc/1.1/GET/domain"));
    check(new, true, get, Ok("/svc/1.1/GET/domain/some/path"));
    check(old, false, ("POST", "/drum/bass", "x"), Ok("/svc/1.0/POST"));
    check(old, true, ("POST", "/drum/bass", ""), Ok("/svc/1.0/POST/drum/bass"));
    check(new, true, ("GET", "/", "web:80"), Ok("/svc/1.1/GET/web:80"));
    check(new, true, ("GET", "/a%2Fb/c%20d", "web"), Ok("/svc/1.1/GET/web/a%2Fb/c%20d"));
    let missing = || Err(unidentified("HTTP/1.1 request missing hostname"));
    check(new, false, ("GET", "/", ""), missing());
    check(new, true, ("GET", "/a+b", ""), missing());
    let end = "label char expected but end of input found at '/a/[]'";
    check(new, true, ("GET", "/a/", "web"), Err(broken(end)));
    let plus = "end of input expected but '+' found at '/a[+]b,c;d/e@f'";
    check(new, true, ("GET", "/a+b,c;d/e@f", "web"), Err(broken(plus)));
    check(new, true, ("OPTIONS", "*", "web"), Err(broken("'/' expected but '*' found at '[*]'")));
}

/// Row 54 of dataplane.md §13, the table of §4.2 and the recorded cases id-path1 and id-path2consume.
#[test]
fn row_54_path_segments() {
    let check = |n: usize, consume: bool, target: &str, want: Result<(&str, &str), Why>| {
        let mut head = FakeRequest::get(target);
        let want = want.map(|(name, sent)| (format!("/svc{name}"), sent.to_owned()));
        assert_eq!(named(&[path(n, consume)], &mut head), want, "{target}");
    };
    for (target, sent) in [
        ("/mysvc/subsvc/some/path?other=stuff", "/some/path?other=stuff"),
        ("/mysvc/subsvc", "/"),
        ("/mysvc/subsvc/", "/"),
        ("/mysvc/subsvc/path1/", "/path1/"),
        ("/mysvc/subsvc/path1/?foo=bar", "/path1/?foo=bar"),
        ("/mysvc/subsvc/path1?foo=bar/", "/path1?foo=bar/"),
        ("/mysvc/subsvc/!", "/!"),
        ("/mysvc/subsvc//x", "//x"),
    ] {
        check(2, true, target, Ok(("/mysvc/subsvc", sent)));
        check(2, false, target, Ok(("/mysvc/subsvc", target)));
    }
    check(1, true, "/mysvc?other=stuff", Ok(("/mysvc", "/?other=stuff")));
    check(1, true, "/mysvc/?other=stuff", Ok(("/mysvc", "/?other=stuff")));
    check(1, false, "/a%2Fb/c%20d", Ok(("/a%2Fb", "/a%2Fb/c%20d")));
    check(1, false, "/a+b/e", Ok(("/\\x61\\x2b\\x62", "/a+b/e")));
    check(1, false, "/a//b", Ok(("/a", "/a//b")));
    check(0, true, "/a", Ok(("", "/a")));
    for (n, target) in [
        (1, "/"),
        (1, "//"),
        (1, "*"),
        (1, "host:443"),
        (1, ""),
        (2, "/a"),
        (usize::MAX, "/a/b"),
        (2, "/a/"),
        (1, "/?/a"),
    ] {
        check(n, false, target, Err(unidentified("not enough segments in path")));
    }
    for (n, target) in [(1, "//a//b"), (2, "/a//b"), (1, "http://web/a")] {
        check(n, true, target, Err(broken("requirement failed")));
    }
}

/// Row 53 of dataplane.md §13, the rules of §4.2 and the recorded cases id-list.
#[test]
fn row_53_lists() {
    let check = |list: &[Identifier], lines: &[(&str, &str)], target: &str, want: Result<&str, Why>| {
        let mut head = FakeRequest::get(target);
        for (name, value) in lines {
            head.line(name, value);
        }
        let want = want.map(|name| (name.to_owned(), target.to_owned()));
        assert_eq!(named(list, &mut head), want, "{lines:?} {target}");
    };
    let host = || Identifier::MethodAndHost(MethodAndHost { uri: false });
    check(&[host(), path(1, false)], &[], "/one/two/three", Ok("/svc/one"));
    check(&[host(), path(1, false)], &[("Host", "a")], "/one", Ok("/svc/1.1/GET/a"));
    check(&[host(), path(1, false)], &[], "/", Err(unidentified("not enough segments in path")));
    check(&[path(1, false), token("x")], &[], "/", Err(unidentified("x header is absent")));
    let last = Identifier::Static(StaticName::new("/last/one".parse().unwrap()));
    let three = [header("my-header"), path(1, false), last.clone()];
    check(&three, &[], "/", Ok("/svc/last/one"));
    check(&three, &[], "/a/b", Ok("/svc/a"));
    check(&three, &[("my-header", "/x/y")], "/a/b", Ok("/svc/x/y"));
    // A failure stops the search, whoever would follow.
    let bad = "'/' expected but 'u' found at '[u]sers'";
    check(&three, &[("my-header", "users")], "/a/b", Err(unidentified(bad)));
    check(&three, &[], "//a", Err(unidentified("requirement failed")));
    check(&[path(1, false)], &[], "//a", Err(broken("requirement failed")));
    check(&[last], &[], "*", Ok("/svc/last/one"));
}

#[test]
fn names_for_those_who_ask() {
    let settings = |identifiers: &[Identifier]| RouterSettings {
        dst_prefix: "/http".parse().unwrap(),
        identifiers: identifiers.to_vec(),
        ..RouterSettings::default()
    };
    let ask = |identifiers: &[Identifier], target: &str| {
        name_of(&settings(identifiers), &mut FakeRequest::get(target)).map(|(name, _)| name.to_string())
    };
    assert_eq!(ask(&[path(1, true)], "/a/b"), Ok("/http/a".to_owned()));
    assert_eq!(ask(&[path(1, true)], "//a"), Err("requirement failed".to_owned()));
    assert_eq!(ask(&[token("x")], "/"), Err("x header is absent".to_owned()));
}
