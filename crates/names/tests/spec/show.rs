//! The show forms of routing.md §1.3.

use names::{Dtab, NameTree, Path, Prefix, Weighted, show_elem};

#[test]
fn elements() {
    let check = |elem: &[u8], expected: &str| {
        assert_eq!(show_elem(elem).to_string(), expected);
        assert_eq!(Path::from_elems([elem]).to_string(), format!("/{expected}"));
    };
    check(b"abc", "abc");
    check(b"aZ09_:.#$%-", "aZ09_:.#$%-");
    check(b"a b", r"\x61\x20\x62");
    check(b"/", r"\x2f");
    check(b"*", r"\x2a");
    check(b"\\x41", r"\x5c\x78\x34\x31");
    check(b"\x00\xff", r"\x00\xff");
    check("\u{e9}".as_bytes(), r"\xc3\xa9");
}

#[test]
fn trees() {
    let check = |text: &str, expected: &str| {
        let tree = NameTree::parse(text.as_bytes()).unwrap();
        assert_eq!(tree.to_string(), expected, "{text}");
        assert_eq!(NameTree::parse(expected.as_bytes()), Ok(tree), "{expected} does not read back");
    };
    check("/", "/");
    check("!|~|$", "! | ~ | $");
    check("0.9*/a & 0.1*/b", "0.90*/a & 0.10*/b");
    check("/x | (/a & /b)", "/x | /a & /b");
    check("/x | (/p | /q)", "/x | (/p | /q)");
    check("(/a & /b) & /c", "(/a & /b) & /c");
    check("(/a | /b) & 2*(/c | !)", "(/a | /b) & 2.00*(/c | !)");
    check("2*(1.*/a & 0*/b) & /c", "2.00*(/a & 0.00*/b) & /c");
    check("10 * ! & /a", "10.00*! & /a");
    check(r"/a\x20b & /c", r"/\x61\x20\x62 & /c");
}

#[test]
fn weights_lose_nothing() {
    let check = |given: &str, expected: &str| {
        let tree = NameTree::parse(format!("{given}*/a & /b").as_bytes()).unwrap();
        assert_eq!(tree.to_string(), format!("{expected}/a & /b"), "{given}");
        assert_eq!(NameTree::parse(tree.to_string().as_bytes()), Ok(tree), "{given}");
    };
    check("1.0", "");
    check("1.000000000000000000001", "");
    check("0", "0.00*");
    check("0.5", "0.50*");
    check("3", "3.00*");
    check("0.125", "0.125*");
    check("0.001", "0.001*");
    check("0.005", "0.005*");
    check("33.333", "33.333*");
    check("1000000", "1000000.00*");
    check("0.0000000001", "0.0000000001*");
}

#[test]
fn dtabs() {
    let check = |text: &str, expected: &str| {
        let dtab = Dtab::parse(text.as_bytes()).unwrap();
        assert_eq!(dtab.to_string(), expected, "{text}");
        assert_eq!(Dtab::parse(expected.as_bytes()), Ok(dtab), "{expected} does not read back");
    };
    check("", "");
    check(" / => ! ; ", "/=>!");
    check("/a/* => /b | /c ;\n /d => ~ ;", "/a/*=>/b | /c;/d=>~");
    check(r"/\x2a/* => /b", r"/\x2a/*=>/b");
    check("/a => /b # why\n", "/a=>/b");
}

/// Texts cannot say "a union of one"; such trees show as what they mean.
#[test]
fn trees_no_text_can_say() {
    let leaf = || NameTree::Leaf("/a".parse::<Path>().unwrap());
    let one_of = |tree| NameTree::Union(vec![Weighted { weight: 0.5, tree }]);
    let check = |tree: NameTree<Path>, expected: &str| assert_eq!(tree.to_string(), expected);
    check(NameTree::Alt(vec![]), "~");
    check(NameTree::Union(vec![]), "~");
    check(NameTree::Alt(vec![leaf()]), "/a");
    check(one_of(leaf()), "/a");
    check(NameTree::Alt(vec![leaf(), NameTree::Alt(vec![one_of(leaf())])]), "/a | /a");
    let inner = NameTree::Alt(vec![leaf(), NameTree::Fail]);
    check(NameTree::Alt(vec![NameTree::Alt(vec![inner]), leaf()]), "(/a | !) | /a");
}

#[test]
fn debug_forms_show_the_text() {
    assert_eq!(format!("{:?}", "/a/b".parse::<Path>().unwrap()), "Path(/a/b)");
    assert_eq!(format!("{:?}", "/a/*".parse::<Prefix>().unwrap()), "Prefix(/a/*)");
    assert_eq!(format!("{:?}", "/a => /b".parse::<Dtab>().unwrap()), "Dtab(/a=>/b)");
}
