//! What holds for every path, tree and dtab, tried on random ones.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use names::{Dentry, Dtab, NameTree, Path, PathPattern, Prefix, PrefixElem, Weighted};
use proptest::collection::vec;
use proptest::prelude::*;

/// Mostly a few letters, so that names meet; sometimes any bytes.
fn elem() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[abc]".prop_map(String::into_bytes),
        1 => "[a-zA-Z0-9_:.#$%-]{1,9}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..6)
    ]
}

fn path() -> impl Strategy<Value = Path> {
    vec(elem(), 0..6).prop_map(Path::from_elems)
}

fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(1.0),
        Just(0.0),
        (0u32..1000).prop_map(|n| f64::from(n) / 100.0),
        0.0..1e6,
        0.0..1e-6,
        0.0..1e100
    ]
}

/// Trees that a text can say: no branch stands alone.
fn tree() -> impl Strategy<Value = NameTree<Path>> {
    let leaf = prop_oneof![
        5 => path().prop_map(NameTree::Leaf),
        1 => Just(NameTree::Fail),
        1 => Just(NameTree::Neg),
        1 => Just(NameTree::Empty),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let weighted = (weight(), inner.clone()).prop_map(|(weight, tree)| Weighted { weight, tree });
        prop_oneof![vec(inner, 2..4).prop_map(NameTree::Alt), vec(weighted, 2..4).prop_map(NameTree::Union)]
    })
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let elem = prop_oneof![3 => elem().prop_map(Some), 1 => Just(None)];
    vec(elem, 0..4).prop_map(|elems| {
        Prefix::from_elems(elems.iter().map(|e| e.as_deref().map_or(PrefixElem::Any, PrefixElem::Label)))
    })
}

fn dtab(entries: std::ops::Range<usize>) -> impl Strategy<Value = Dtab> {
    vec((prefix(), tree()).prop_map(|(prefix, dst)| Dentry::new(prefix, dst)), entries).prop_map(Dtab::from)
}

/// Texts made mostly of the signs that mean something.
fn text() -> impl Strategy<Value = Vec<u8>> {
    const SIGNS: &[u8] = b" /a*=>;|&!~$().1#\n\\x";
    vec(prop_oneof![9 => proptest::sample::select(SIGNS), 1 => any::<u8>()], 0..40)
}

/// Looking up as routing.md §1.4 puts it, without a thought for speed.
fn naive_lookup(dtab: &Dtab, path: &Path) -> NameTree<Path> {
    let elems: Vec<&[u8]> = path.elems().collect();
    let mut found = Vec::new();
    for dentry in dtab.entries().iter().rev() {
        let prefix: Vec<PrefixElem<'_>> = dentry.prefix.elems().collect();
        let fits = prefix.len() <= elems.len()
            && prefix.iter().zip(&elems).all(|(wanted, elem)| match wanted {
                PrefixElem::Any => true,
                PrefixElem::Label(label) => label == elem,
            });
        if fits {
            let rest = &elems[prefix.len()..];
            found.push(dentry.dst.map(|leaf| Path::from_elems(leaf.elems().chain(rest.iter().copied()))));
        }
    }
    match found.len() {
        0 => NameTree::Neg,
        1 => found.remove(0),
        _ => NameTree::Alt(found),
    }
}

fn hash_of(value: &(impl std::hash::Hash + ?Sized)) -> u64 {
    static STATE: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);
    STATE.hash_one(value)
}

proptest! {
    #[test]
    fn paths_read_back(path in path()) {
        prop_assert_eq!(Path::parse(path.to_string().as_bytes()), Ok(path));
    }

    #[test]
    fn paths_hash_as_their_bytes(path in path()) {
        prop_assert_eq!(hash_of(&path), hash_of(path.as_bytes()));
    }

    #[test]
    fn trees_read_back(tree in tree()) {
        prop_assert_eq!(NameTree::parse(tree.to_string().as_bytes()), Ok(tree));
    }

    #[test]
    fn dtabs_read_back(dtab in dtab(0..12)) {
        let again = Dtab::parse(dtab.to_string().as_bytes());
        prop_assert_eq!(again.as_ref(), Ok(&dtab));
        prop_assert_eq!(hash_of(&again.unwrap()), hash_of(&dtab));
    }

    #[test]
    fn spans_cut_out_their_entries(dtab in dtab(0..12)) {
        let text = dtab.to_string().replace(";", " # x\n;  ");
        for dentry in Dtab::parse(text.as_bytes()).unwrap().entries() {
            prop_assert_eq!(&text[dentry.span.clone()], dentry.to_string());
        }
    }

    #[test]
    fn lookup_of_few_is_the_naive_one(dtab in dtab(0..9), path in path()) {
        prop_assert_eq!(dtab.lookup(&path), naive_lookup(&dtab, &path));
    }

    #[test]
    fn lookup_of_many_is_the_naive_one(dtab in dtab(9..60), path in path()) {
        prop_assert_eq!(dtab.lookup(&path), naive_lookup(&dtab, &path));
        let places: Vec<usize> = dtab.matches(&path).map(|(place, _)| place).collect();
        prop_assert!(places.is_sorted_by(|a, b| a > b), "{places:?}");
    }

    #[test]
    fn simplifying_twice_is_simplifying_once(tree in tree()) {
        let once = tree.simplified();
        prop_assert_eq!(once.clone().simplified(), once);
    }

    #[test]
    fn simplifying_changes_no_meaning(tree in tree()) {
        let simple = tree.clone().simplified();
        prop_assert_eq!(tree.eval(), simple.eval());
    }

    #[test]
    fn concat_is_associative(a in dtab(0..6), b in dtab(0..6), c in dtab(0..6), path in path()) {
        let left = a.concat(&b).concat(&c);
        let right = a.concat(&b.concat(&c));
        prop_assert_eq!(left.lookup(&path), right.lookup(&path));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn path_concat_is_associative(a in path(), b in path(), c in path()) {
        prop_assert_eq!(a.concat(&b).concat(&c), a.concat(&b.concat(&c)));
        prop_assert_eq!(a.concat(&b).strip_prefix(&a), Some(b));
    }

    #[test]
    fn cutting_and_joining_is_nothing(path in path(), n in 0usize..8) {
        prop_assert_eq!(path.take(n).len(), n.min(path.len()));
        prop_assert_eq!(path.take(n).concat(&path.skip(n)), path);
    }

    #[test]
    fn any_text_parses_or_faults_inside_itself(text in text()) {
        let faults = [Path::parse(&text).err(), NameTree::parse(&text).err(), Dtab::parse(&text).err()];
        for fault in faults.into_iter().flatten() {
            prop_assert!(fault.offset <= text.len());
        }
        if let Ok(dtab) = Dtab::parse(&text) {
            prop_assert_eq!(Dtab::parse(dtab.to_string().as_bytes()), Ok(dtab));
        }
    }

    /// A capture pattern made from an element's pieces gives them back where they are unambiguous.
    #[test]
    fn captures_give_back_the_pieces(pieces in vec("[a-z]{0,5}", 1..5)) {
        let pattern = (0..pieces.len()).map(|i| format!("{{n{i}}}")).collect::<Vec<_>>().join("-");
        let path = Path::from_elems([pieces.join("-").as_bytes()]);
        prop_assume!(!path.is_empty());
        let captures = PathPattern::parse(&pattern).matches(&path).unwrap();
        prop_assert_eq!(captures.iter().map(|(_, value)| value).collect::<Vec<_>>(), pieces);
    }
}
