//! One rewrite step, routing.md §1.4, and what §9 says of it.

use std::collections::HashMap;

use names::{Dtab, Path, PathBuilder};

#[track_caller]
fn check(row: &str, dtab: &str, path: &str, expected: &str) {
    let path: Path = path.parse().unwrap();
    let table: Dtab = dtab.parse().unwrap();
    assert_eq!(table.lookup(&path).to_string(), expected, "{row}");
    // The same below a hundred entries for other names: those go through the index.
    let others: String = (0..100).map(|i| format!("/other{i}/*/{i} => /nowhere;")).collect();
    let padded: Dtab = format!("{others}{dtab}").parse().unwrap();
    assert_eq!(padded.lookup(&path).to_string(), expected, "{row}, indexed");
}

#[test]
fn rows() {
    check("§1.4 none", "/foo=>/bar", "/biz", "~");
    check("§1.4 empty", "", "/biz", "~");
    check("§1.4 wildcard", "/a/*/c => /d", "/a/b/c/e/f", "/d/e/f");
    check("§1.4 several", "/foo=>/bar;/foo=>/biz", "/foo/x", "/biz/x | /bar/x");
    check("§1.4 no priority for length", "/foo/x=>/long;/foo=>/short", "/foo/x/y", "/short/x/y | /long/y");
    check("§1.4 every leaf", "/a=>/$/inet/h/1 | 2*/b & !", "/a/r", "/$/inet/h/1/r | 2.00*/b/r & !");
    check("§1.4 sole ~", "/#/fs=>~", "/#/fs/users", "~");
    check("§9 row 1", "/foo=>/$/inet/8080", "/foo", "/$/inet/8080");
    check("§9 row 2", "/foo=>/bar;/bar=>/$/inet/8080", "/foo/x", "/bar/x");
    check("§9 row 3", "/foo=>/bar;/foo=>/biz;/biz=>/$/inet/8080", "/foo", "/biz | /bar");
    check("§9 row 8", "/a/*/c=>/$/inet/1", "/a/b", "~");
    check("§9 row 9", "/a/*/c=>/$/inet/1", "/a/b/x", "~");
    check("§9 row 12", "/=>!", "/any/thing", "!");
    check("§9 row 12, empty path", "/=>!", "/", "!");
    check("§9 row 43", "/#/io.l5d.fs/users=>/$/inet/1", "/#/io.l5d.fs/users", "/$/inet/1");
    check("an alternative of alternatives", "/a=>/b|/c;/a=>/d", "/a", "/d | (/b | /c)");
    check("case counts", "/Foo=>/bar", "/foo", "~");
    check("elements, not letters", "/foo=>/bar", "/foobar", "~");
    check("prefix longer than the path", "/foo/bar=>/x", "/foo", "~");
    check("a wildcard needs an element", "/foo/*=>/x", "/foo", "~");
    check("empty destination", "/foo=>/", "/foo/a/b", "/a/b");
    check("escaped star is literal", r"/\x2a=>/x", "/foo", "~");
    check("wildcard takes any bytes", "/*/b=>/x", r"/\x00\xff/b/c", "/x/c");
}

#[test]
fn concat_gives_the_second_precedence() {
    let table = |text: &str| text.parse::<Dtab>().unwrap();
    let joined = table("/svc=>/$/inet/1").concat(&table("/svc=>/$/inet/2"));
    assert_eq!(joined.lookup(&"/svc".parse().unwrap()).to_string(), "/$/inet/2 | /$/inet/1");
    assert_eq!(joined.to_string(), "/svc=>/$/inet/1;/svc=>/$/inet/2");
    assert_eq!(joined.len(), 2);
    assert_eq!(Dtab::empty().concat(&joined), joined);
    assert_eq!(joined.concat(&Dtab::empty()), joined);
}

#[test]
fn matches_name_the_entries_last_first() {
    let dtab: Dtab = "/=>!;/a=>/x;/b=>/y;/*=>/z;/a/b=>/w".parse().unwrap();
    let path = "/a/b/c".parse().unwrap();
    let places: Vec<_> = dtab.matches(&path).map(|(place, dentry)| (place, dentry.to_string())).collect();
    let expected = [(4, "/a/b=>/w"), (3, "/*=>/z"), (1, "/a=>/x"), (0, "/=>!")];
    assert_eq!(places, expected.map(|(place, text)| (place, text.to_owned())));
}

#[test]
fn equality_ignores_where_entries_stood() {
    let tight: Dtab = "/a=>/b;/c=>/d".parse().unwrap();
    let wide: Dtab = "  /a => /b ;\n/c => /d # x\n;".parse().unwrap();
    assert_eq!(tight, wide);
    assert_eq!(HashMap::from([(tight, 1)]).get(&wide), Some(&1));
}

#[test]
fn paths_are_cut_and_joined() {
    let path = |text: &str| text.parse::<Path>().unwrap();
    let abc = path("/a/b/c");
    let cuts: Vec<_> = (0..5).map(|n| (abc.take(n).to_string(), abc.skip(n).to_string())).collect();
    let expected = [("/", "/a/b/c"), ("/a", "/b/c"), ("/a/b", "/c"), ("/a/b/c", "/"), ("/a/b/c", "/")];
    assert_eq!(cuts, expected.map(|(head, tail)| (head.to_owned(), tail.to_owned())));
    assert_eq!(abc.take(1).concat(&abc.skip(1)), abc);
    assert_eq!(abc.child(b"d"), path("/a/b/c/d"));
    assert_eq!(abc.child(b""), abc);
    assert!(abc.starts_with(&path("/a/b")) && abc.starts_with(&path("/")) && abc.starts_with(&abc));
    assert!(!abc.starts_with(&path("/a/b/c/d")) && !abc.starts_with(&path("/b")));
    assert_eq!(abc.strip_prefix(&path("/a")), Some(path("/b/c")));
    assert_eq!(abc.strip_prefix(&path("/")), Some(abc.clone()));
    assert_eq!(abc.strip_prefix(&path("/b")), None);
    assert_eq!((abc.first(), abc.get(2), abc.get(3)), (Some(&b"a"[..]), Some(&b"c"[..]), None));
    assert_eq!(Path::from_elems(["a", "", "b"]), path("/a/b"));
    assert_eq!((&abc).into_iter().count(), 3);
}

#[test]
fn maps_of_paths_are_asked_with_bytes() {
    let mut map = HashMap::new();
    map.insert("/svc/web".parse::<Path>().unwrap(), 7);
    let mut builder = PathBuilder::new();
    builder.push(b"other");
    assert_eq!(map.get(builder.as_bytes()), None);
    builder.clear();
    builder.extend(&"/svc".parse().unwrap());
    builder.push(b"");
    builder.push_with(|bytes| bytes.extend(b"WEB".map(|byte| byte.to_ascii_lowercase())));
    assert_eq!(map.get(builder.as_bytes()), Some(&7));
    assert_eq!(builder.to_path().to_string(), "/svc/web");
    builder.clear();
    assert!(builder.is_empty() && builder.to_path().is_empty());
}
