//! Simplification and evaluation, routing.md §1.6.

use names::{NameTree, Path};

fn tree(text: &str) -> NameTree<Path> {
    text.parse().unwrap()
}

#[test]
fn simplified() {
    let check = |row: &str, text: &str, expected: &str| {
        assert_eq!(tree(text).simplified(), tree(expected), "{row}: {text}");
    };
    check("§9 row 22", "! & /a", "/a");
    check("§9 row 21", "(! & ~) | /b", "/b");
    check("§9 row 16", "! | /b", "!");
    check("§9 row 19", "$ | /b", "$");
    check("§9 row 23", "$ & /b", "$ & /b");
    check("§9 row 20", "~ | /a", "/a");
    check("§9 row 17", "~ | ! | /a", "!");
    check("a union's only branch loses its weight", "0.9*~ & 0.1*/b", "/b");
    check("weights stay", "0.9*/a & 0.1*/b & 3*!", "0.9*/a & 0.1*/b");
    check("fail is kept at the end", "/a | ~ | ! | /b", "/a | !");
    check("so is empty", "/a | $ | /b", "/a | $");
    check("nothing left of alternatives", "~ | ~", "~");
    check("nothing left of a union", "! & ~", "~");
    check("from within", "(~ | ~) & (! & !) | (~ | /a)", "/a");
    check("nested unions stay", "2*(/a & /b) & /c", "2*(/a & /b) & /c");
    check("leaves", "/a", "/a");
    assert_eq!(NameTree::<Path>::Alt(vec![]).simplified(), NameTree::Neg);
    assert_eq!(NameTree::<Path>::Union(vec![]).simplified(), NameTree::Neg);
}

#[test]
fn eval() {
    let check = |text: &str, expected: Option<&[&str]>| {
        let tree = tree(text);
        let leaves = tree.eval().map(|leaves| leaves.into_iter().map(Path::to_string).collect::<Vec<_>>());
        let expected = expected.map(|leaves| leaves.iter().map(|&leaf| leaf.to_owned()).collect::<Vec<_>>());
        assert_eq!(leaves, expected, "{text}");
    };
    check("/a", Some(&["/a"]));
    check("$", Some(&[]));
    check("!", None);
    check("~", None);
    check("/a & /b & /a", Some(&["/a", "/b"]));
    check("/a | /b", Some(&["/a"]));
    check("~ | /b", Some(&["/b"]));
    check("! | /b", None);
    check("$ | /b", Some(&[]));
    check("! & ~", None);
    check("! & /a & $", Some(&["/a"]));
    check("(! & ~) | /c", Some(&["/c"]));
    check("(/a | /b) & (~ | /c)", Some(&["/a", "/c"]));
}

#[test]
fn leaves_come_in_the_order_they_are_written() {
    let tree = tree("/a | 2*(/b & /c | /d) & ! | (/e | ~)");
    assert_eq!(tree.leaves().map(Path::to_string).collect::<String>(), "/a/b/c/d/e");
    let mut order = Vec::new();
    let counted = tree.map(|leaf| {
        order.push(leaf.to_string());
        order.len()
    });
    assert_eq!(counted.to_string(), "1 | 2.00*(2 & 3 | 4) & ! | (5 | ~)");
    assert_eq!(order.concat(), "/a/b/c/d/e");
}
