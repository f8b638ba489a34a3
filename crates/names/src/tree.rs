//! `NameTree`: where a name may lead. Alternatives for failover, weighted unions for splits, and the
//! three words `!` (fail), `~` (not here) and `$` (here, and empty).

mod show;
mod simplify;

use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::{ParseError, Path, parser};

/// A tree of names, or of what names were bound to (routing.md §1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NameTree<T> {
    /// One name.
    Leaf(T),
    /// The first alternative that is not [`NameTree::Neg`].
    Alt(Vec<NameTree<T>>),
    /// All branches, each in proportion to its weight.
    Union(Vec<Weighted<T>>),
    /// `!`: failure; ends the search for alternatives.
    Fail,
    /// `~`: no such name; the next alternative is tried.
    Neg,
    /// `$`: a name without anybody behind it; ends the search for alternatives.
    Empty,
}

/// One branch of a union.
#[derive(Clone, Debug)]
pub struct Weighted<T> {
    /// Share of the traffic relative to the sum of all; finite, 0 or more, 1.0 unless said otherwise.
    pub weight: f64,
    /// Where that share goes.
    pub tree: NameTree<T>,
}

impl<T> Weighted<T> {
    /// A branch; a weight that is negative or no number becomes 0, one beyond [`crate::MAX_WEIGHT`] that.
    pub fn new(weight: f64, tree: NameTree<T>) -> Weighted<T> {
        // `max` also turns NaN and -0.0 into plain zero.
        let weight = if weight > 0.0 { weight.min(crate::MAX_WEIGHT) } else { 0.0 };
        Weighted { weight, tree }
    }
}

impl<T: PartialEq> PartialEq for Weighted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.weight.to_bits() == other.weight.to_bits() && self.tree == other.tree
    }
}

/// Weights are compared by their bits, so equality is reflexive whatever they hold.
impl<T: Eq> Eq for Weighted<T> {}

impl<T: Hash> Hash for Weighted<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.weight.to_bits().hash(state);
        self.tree.hash(state);
    }
}

impl NameTree<Path> {
    /// Reads a tree; blanks and comments around it are skipped.
    ///
    /// # Errors
    /// The texts of routing.md §1.2; also parentheses nested deeper than [`crate::MAX_NESTING`].
    pub fn parse(text: &[u8]) -> Result<NameTree<Path>, ParseError> {
        parser::tree(text)
    }
}

impl FromStr for NameTree<Path> {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<NameTree<Path>, ParseError> {
        NameTree::parse(text.as_bytes())
    }
}

impl<T> NameTree<T> {
    /// The same tree with every leaf replaced by what `f` makes of it, first leaf first.
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> U) -> NameTree<U> {
        self.map_inner(&mut f)
    }

    fn map_inner<U>(&self, f: &mut impl FnMut(&T) -> U) -> NameTree<U> {
        match self {
            NameTree::Leaf(leaf) => NameTree::Leaf(f(leaf)),
            NameTree::Alt(branches) => NameTree::Alt(branches.iter().map(|b| b.map_inner(f)).collect()),
            NameTree::Union(branches) => {
                let mapped =
                    branches.iter().map(|b| Weighted { weight: b.weight, tree: b.tree.map_inner(f) });
                NameTree::Union(mapped.collect())
            }
            NameTree::Fail => NameTree::Fail,
            NameTree::Neg => NameTree::Neg,
            NameTree::Empty => NameTree::Empty,
        }
    }

    /// All leaves, in the order they are written.
    pub fn leaves(&self) -> Leaves<'_, T> {
        Leaves { pending: vec![self] }
    }
}

/// The leaves of a [`NameTree`], in the order they are written.
#[derive(Clone, Debug)]
pub struct Leaves<'a, T> {
    pending: Vec<&'a NameTree<T>>,
}

impl<'a, T> Iterator for Leaves<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            match self.pending.pop()? {
                NameTree::Leaf(leaf) => return Some(leaf),
                NameTree::Alt(branches) => self.pending.extend(branches.iter().rev()),
                NameTree::Union(branches) => self.pending.extend(branches.iter().rev().map(|b| &b.tree)),
                NameTree::Fail | NameTree::Neg | NameTree::Empty => {}
            }
        }
    }
}
