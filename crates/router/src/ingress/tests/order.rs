//! Which of several rules counts: Linkerd's order for what Linkerd knew, the more exact one for the rest.

use super::*;
use PathType::{Exact, Pattern, Prefix};

/// Rules in the order of `rules`, each an object of its own or all in one, must send `asked` to the Services named.
#[track_caller]
fn check(rules: &[(&str, PathType, &str)], asked: &[(&str, &str, &str)]) {
    let named: Vec<IngressRule> = rules
        .iter()
        .enumerate()
        .map(|(at, (host, path_type, path))| rule(host, *path_type, path, &at.to_string()))
        .collect();
    let apart: Vec<_> = named.iter().map(|rule| object("o", std::slice::from_ref(rule))).collect();
    for objects in [vec![object("o", &named)], apart] {
        let table = Table::new(&objects, true, None);
        for (host, path, expected) in asked {
            let want = if *expected == "-" { "-".to_owned() } else { format!("/ns/http/{expected}") };
            assert_eq!(found(&table, host, path), want, "{host} {path} in {rules:?}");
        }
    }
}

#[test]
fn of_expressions() {
    check(&[("a", Pattern, "/.*"), ("a", Pattern, "/x")], &[("a", "/x", "0"), ("b", "/x", "-")]);
    check(&[("a", Pattern, "/x"), ("a", Pattern, "/.*")], &[("a", "/x", "0"), ("a", "/y", "1")]);
    // One for all hosts keeps its place.
    check(&[("", Pattern, ""), ("a", Pattern, "")], &[("a", "/", "0"), ("b", "/", "0"), ("", "/", "0")]);
    check(&[("a", Pattern, ""), ("", Pattern, "")], &[("a", "/", "0"), ("b", "/", "1")]);
}

#[test]
fn of_exact_paths_and_prefixes() {
    let rules = [("a", Prefix, "/"), ("a", Prefix, "/x/y"), ("a", Exact, "/x"), ("a", Prefix, "/x")];
    let asked = [("a", "/x", "2"), ("a", "/x/", "3"), ("a", "/x/y/z", "1"), ("a", "/xy", "0")];
    check(&rules, &asked);
    // Equally exact ones: the first.
    check(&[("a", Prefix, "/x/"), ("a", Prefix, "/x")], &[("a", "/x", "0")]);
    check(&[("a", Exact, "/x"), ("a", Exact, "/x")], &[("a", "/x", "0")]);
    // Expressions keep their places among them.
    let mixed = [("a", Prefix, "/"), ("a", Pattern, "/x/.*"), ("a", Exact, "/x/y")];
    check(&mixed, &[("a", "/x/y", "2"), ("a", "/x/z", "1"), ("a", "/z", "0")]);
    check(&[("a", Pattern, ""), ("a", Exact, "/x")], &[("a", "/x", "0")]);
    check(&[("a", Exact, "/x"), ("a", Pattern, "")], &[("a", "/x", "0"), ("a", "/", "1")]);
}

/// A wildcard is one label, and yields to a host that is named; so do prefixes for all hosts to wildcards.
#[test]
fn of_hosts() {
    let rules = [("", Prefix, "/"), ("*.foo.com", Prefix, "/"), ("bar.foo.com", Prefix, "/")];
    let asked = [
        ("bar.foo.com", "/", "2"),
        ("baz.foo.com", "/", "1"),
        ("foo.com", "/", "0"),
        (".foo.com", "/", "0"),
        ("a.bar.foo.com", "/", "0"),
        ("xfoo.com", "/", "0"),
        ("*.foo.com", "/", "1"),
        ("", "/", "0"),
    ];
    check(&rules, &asked);
    // By host first, then by path: a host that is named but has no such path leaves it to the wildcard.
    let paths = [("*.foo.com", Prefix, "/"), ("bar.foo.com", Prefix, "/x")];
    check(&paths, &[("bar.foo.com", "/x", "1"), ("bar.foo.com", "/y", "0")]);
    check(&[("*.foo.com", Pattern, "/a.*"), ("b.foo.com", Pattern, "/a.*")], &[("b.foo.com", "/ab", "1")]);
    check(&[("*", Pattern, "")], &[("a", "/", "-"), ("*", "/", "0")]);
}

/// However many rules there are, a request looks at those of its host.
#[test]
fn of_thousands() {
    let hosts: Vec<String> = (0..5_000).map(|i| format!("h{i}.example.com")).collect();
    let objects: Vec<_> = hosts.iter().map(|host| object("o", &[rule(host, Prefix, "/", host)])).collect();
    let table = Table::new(&objects, true, None);
    for host in &hosts {
        assert_eq!(found(&table, host, "/x"), format!("/ns/http/{host}"));
    }
    assert_eq!(found(&table, "h5000.example.com", "/x"), "-");
}
