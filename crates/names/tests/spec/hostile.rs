//! Texts written to hurt: deep, long, and full of wildcards. Each test ends at once or not at all.

use std::thread;

use names::{Dtab, MAX_NESTING, NameTree, Path, PathPattern};

/// Runs on a stack as small as a runtime might have.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 * 1024).spawn(test);
    thread.unwrap().join().unwrap();
}

#[test]
fn parentheses_nest_to_a_limit() {
    on_a_small_stack(|| {
        let nested = |depth: usize| format!("{}/a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(NameTree::parse(nested(MAX_NESTING).as_bytes()).unwrap().to_string(), "/a");
        let fault = NameTree::parse(nested(MAX_NESTING + 1).as_bytes()).unwrap_err();
        assert_eq!(fault.offset, MAX_NESTING);
        let text = fault.to_string();
        assert!(text.starts_with("at most 200 nested parentheses expected but '(' found at '((("), "{text}");
        assert_eq!(NameTree::parse(nested(1_000_000).as_bytes()).unwrap_err().offset, MAX_NESTING);
    });
}

#[test]
fn the_deepest_tree_can_be_used() {
    on_a_small_stack(|| {
        let text = format!("{}/a{}", "/b | 2*(/c & ".repeat(MAX_NESTING), ") & /d".repeat(MAX_NESTING));
        let dtab = Dtab::parse(format!("/x => {text}").as_bytes()).unwrap();
        let found = dtab.lookup(&"/x/y".parse().unwrap());
        assert_eq!(found.leaves().count(), 3 * MAX_NESTING + 1);
        assert_eq!(NameTree::parse(found.to_string().as_bytes()).unwrap(), found);
        assert_eq!(found.eval().map(|leaves| leaves.len()), Some(1));
        assert_eq!(found.clone().simplified(), found);
    });
}

#[test]
fn closed_parentheses_do_not_count() {
    let text = vec!["((/a))"; 10_000].join(" | ");
    assert_eq!(NameTree::parse(text.as_bytes()).unwrap().leaves().count(), 10_000);
}

#[test]
fn long_texts_take_long_not_for_ever() {
    let path = Path::parse("/a".repeat(1_000_000).as_bytes()).unwrap();
    assert_eq!(path.len(), 1_000_000);
    let comments = "# x\n".repeat(500_000);
    assert!(Dtab::parse(comments.as_bytes()).unwrap().is_empty());
    let fault = Dtab::parse(format!("{comments}?").as_bytes()).unwrap_err();
    assert!(fault.offset == comments.len() && fault.to_string().ends_with("# x\n[?]'"));
    let dtab = Dtab::parse("/a/*/b => /x | /y & 2 * /z ;\n".repeat(50_000).as_bytes()).unwrap();
    assert_eq!(dtab.lookup(&"/a/a/c".parse().unwrap()), NameTree::Neg);
    let digits = format!("{}*/a & /b", "1".repeat(1_000_000));
    assert!(NameTree::parse(digits.as_bytes()).is_ok());
}

/// A naive walk tries two ways at every wildcard; this name has 2^60 of them.
#[test]
fn wildcards_do_not_multiply() {
    let both: String = (0..60).map(|i| format!("{}/x => /n;", "/*/a".repeat(i))).collect();
    let dtab: Dtab = both.parse().unwrap();
    let path: Path = "/a".repeat(200).parse().unwrap();
    assert_eq!(dtab.lookup(&path), NameTree::Neg);
}

#[test]
fn long_prefixes_do_not_recurse() {
    on_a_small_stack(|| {
        let long = "/a".repeat(100_000);
        let dtab: Dtab = format!("{long} => /x;{}", "/b => /y;".repeat(20)).parse().unwrap();
        assert_eq!(dtab.lookup(&long.parse().unwrap()).to_string(), "/x");
    });
}

/// As a regular expression this pattern would backtrack for ages.
#[test]
fn captures_do_not_backtrack() {
    let pattern = PathPattern::parse(&format!("/{}!", "{A}a".repeat(50)));
    let path: Path = format!("/{}", "a".repeat(100_000)).parse().unwrap();
    assert_eq!(pattern.matches(&path), None);
}

#[test]
fn odd_bytes_never_panic() {
    for byte in 0..=u8::MAX {
        for text in [&[byte][..], &[b'/', byte], &[b'/', b'a', byte], &[b'/', b'\\', b'x', byte, byte]] {
            let _ = (Path::parse(text), NameTree::parse(text), Dtab::parse(text));
        }
    }
}
