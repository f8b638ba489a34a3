//! Which paths a rule is for: `Exact` and `Prefix` as Kubernetes' own table has them, expressions as Linkerd.

use super::*;

#[track_caller]
fn check(path_type: PathType, path: &str, matching: &[&str], others: &[&str]) {
    let table = Table::new(&[object("o", &[rule("", path_type, path, "s")])], true, None);
    assert_eq!(table.faults(), [""; 0]);
    for (asked, expected) in matching.iter().map(|p| (p, "/ns/http/s")).chain(others.iter().map(|p| (p, "-")))
    {
        assert_eq!(found(&table, "any", asked), expected, "{path_type:?} {path}: {asked}");
    }
}

/// <https://kubernetes.io/docs/concepts/services-networking/ingress/#examples>
#[test]
fn of_kubernetes() {
    use PathType::{Exact, Prefix};
    check(Prefix, "/", &["/", "/a", "/a/b", "*"], &[]);
    check(Exact, "/foo", &["/foo"], &["/bar", "/foo/", "/fo", "/foo/bar", "/Foo"]);
    check(Exact, "/foo/", &["/foo/"], &["/foo"]);
    check(Prefix, "/foo", &["/foo", "/foo/", "/foo/bar"], &["/foobar", "/fo", "/", "/Foo"]);
    check(Prefix, "/foo/", &["/foo", "/foo/", "/foo/bar"], &["/foobar"]);
    check(Prefix, "/aaa/bb", &["/aaa/bb"], &["/aaa/bbb"]);
    check(Prefix, "/aaa/bbb", &["/aaa/bbb", "/aaa/bbb/", "/aaa/bbb/ccc"], &["/aaa/bbbxyz", "/aaa"]);
    check(Prefix, "/a.c", &["/a.c/d"], &["/abc"]);
}

/// routing.md §4: an expression has to match the whole path.
#[test]
fn of_linkerd() {
    let check = |path, matching: &[&str], others: &[&str]| check(PathType::Pattern, path, matching, others);
    check("", &["/", "/a", ""], &[]);
    check("/", &["/"], &["/a", "//"]);
    check("/prefix/.*", &["/prefix/", "/prefix/x", "/prefix/x/y"], &["/prefix", "/prefixx", "/a/prefix/x"]);
    check("/testpath", &["/testpath"], &["/testpath/", "/testpathx", "/x/testpath"]);
    check(".*", &["/", "/a/b"], &[]);
    check("/v[0-9]+/.*", &["/v1/", "/v23/x"], &["/v/x", "/v1", "/vx/"]);
    check("/a|/b", &["/a", "/b"], &["/a|/b", "/ab", "/a/b"]);
    check("/(a|ab)c?", &["/a", "/ab", "/ac", "/abc"], &["/abcc", "/b"]);
    check("/a/.*/z", &["/a/b/z", "/a//z", "/a/z/z"], &["/a/z", "/a/b/z/"]);
    check("^/x\\.html$", &["/x.html"], &["/xahtml", "/x.html/"]);
    check("(?i)/api", &["/api", "/API"], &["/apis"]);
    check("/caf.+", &["/caf\u{e9}"], &["/caf"]);
}

/// A faulty expression is told of and matches nothing; the other rules are as they were.
#[test]
fn faulty() {
    let check = |path: &str, why: &str| {
        let rules = [rule("", PathType::Pattern, path, "bad"), rule("", PathType::Pattern, "/.*", "good")];
        let table = Table::new(&[object("o", &rules)], true, None);
        assert_eq!(table.faults(), [format!("Ingress ns/o: the path {path} matches nothing: {why}")]);
        assert_eq!(found(&table, "", "/x"), "/ns/http/good");
    };
    check("/(", "unclosed group");
    check("/a(?!b)", "look-around, including look-ahead and look-behind, is not supported");
    check(r"/(a)\1", "backreferences are not supported");
    let large = Table::new(&[object("o", &[rule("", PathType::Pattern, "/.*a.{60}", "s")])], true, None);
    let [fault] = large.faults() else { panic!("{:?}", large.faults()) };
    assert!(fault.contains("size limit") || fault.contains("exceeded"), "{fault}");
}

/// What was compiled once is used by the table that follows; what nobody needs any more is dropped.
#[test]
fn compiled_once() {
    let objects = [object("o", &[rule("", PathType::Pattern, "/v[0-9]", "s")])];
    let before = Table::new(&objects, true, None);
    let after = Table::new(&objects, true, Some(&before));
    let compiled = |of: &Table| of.compiled().collect::<Vec<_>>();
    assert_eq!(compiled(&before), compiled(&after));
    assert_eq!(compiled(&before).len(), 1);
    assert!(compiled(&Table::new(&[], true, Some(&after))).is_empty());
}
