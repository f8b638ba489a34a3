//! The canonical text of name trees (routing.md §1.3). It travels in headers and lives in stores, so it
//! must read back as the same tree: unlike the original, no weight loses digits.

use std::fmt::{self, Display, Formatter};

use super::{NameTree, Weighted};

/// What stands around a tree decides whether it needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Alt,
    Union,
}

/// Reads back as the same tree, if no `Alt` or `Union` in it has fewer than two branches: texts cannot say
/// such a thing, so one branch is shown as itself and none as `~`, which is what they mean.
impl<T: Display> Display for NameTree<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        show(self, Around::Nothing, f)
    }
}

fn show<T: Display>(tree: &NameTree<T>, around: Around, f: &mut Formatter<'_>) -> fmt::Result {
    match tree {
        NameTree::Leaf(leaf) => leaf.fmt(f),
        NameTree::Fail => f.write_str("!"),
        NameTree::Neg => f.write_str("~"),
        NameTree::Empty => f.write_str("$"),
        NameTree::Alt(branches) => match branches.as_slice() {
            [] => f.write_str("~"),
            [only] => show(only, around, f),
            branches if around == Around::Nothing => show_alt(branches, f),
            branches => parenthesised(f, |f| show_alt(branches, f)),
        },
        NameTree::Union(branches) => match branches.as_slice() {
            [] => f.write_str("~"),
            [only] => show(&only.tree, around, f),
            branches if around == Around::Union => parenthesised(f, |f| show_union(branches, f)),
            branches => show_union(branches, f),
        },
    }
}

fn parenthesised(
    f: &mut Formatter<'_>,
    inside: impl FnOnce(&mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    f.write_str("(")?;
    inside(f)?;
    f.write_str(")")
}

fn show_alt<T: Display>(branches: &[NameTree<T>], f: &mut Formatter<'_>) -> fmt::Result {
    for (i, branch) in branches.iter().enumerate() {
        f.write_str(if i > 0 { " | " } else { "" })?;
        show(branch, Around::Alt, f)?;
    }
    Ok(())
}

fn show_union<T: Display>(branches: &[Weighted<T>], f: &mut Formatter<'_>) -> fmt::Result {
    for (i, branch) in branches.iter().enumerate() {
        f.write_str(if i > 0 { " & " } else { "" })?;
        show_weight(branch.weight, f)?;
        show(&branch.tree, Around::Union, f)?;
    }
    Ok(())
}

/// Nothing for 1.0; two decimals where they say it all, else the shortest decimal that does.
fn show_weight(weight: f64, f: &mut Formatter<'_>) -> fmt::Result {
    if weight == 1.0 {
        return Ok(());
    }
    let two = format!("{weight:.2}");
    if two.parse() == Ok(weight) { write!(f, "{two}*") } else { write!(f, "{weight}*") }
}
