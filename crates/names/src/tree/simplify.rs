//! What a tree comes down to (routing.md §1.6).

use std::hash::Hash;

use hashbrown::HashSet;

use super::{NameTree, Weighted};

impl<T> NameTree<T> {
    /// The smallest tree of the same meaning; two trees are equivalent when theirs are equal.
    ///
    /// Of alternatives, `~` goes, and nothing is kept behind `!` or `$`, which always end the search.
    /// Of unions, `!` and `~` go. What has no branch left is `~`, a single branch stands for itself.
    ///
    /// For trees of bound names. Before binding it may say too much: `(/a | !) & ~` becomes `/a | !`, which
    /// is `!` if nobody is called `/a`, while the union is `~`.
    pub fn simplified(self) -> NameTree<T> {
        match self {
            NameTree::Alt(branches) => simplified_alt(branches),
            NameTree::Union(branches) => simplified_union(branches),
            simple => simple,
        }
    }
}

fn simplified_alt<T>(branches: Vec<NameTree<T>>) -> NameTree<T> {
    let mut kept = Vec::with_capacity(branches.len());
    for branch in branches {
        match branch.simplified() {
            NameTree::Neg => {}
            last @ (NameTree::Fail | NameTree::Empty) => {
                kept.push(last);
                break;
            }
            branch => kept.push(branch),
        }
    }
    match kept.len() {
        0 | 1 => kept.pop().unwrap_or(NameTree::Neg),
        _ => NameTree::Alt(kept),
    }
}

fn simplified_union<T>(branches: Vec<Weighted<T>>) -> NameTree<T> {
    let simple = branches.into_iter().map(|b| Weighted { weight: b.weight, tree: b.tree.simplified() });
    let mut kept: Vec<_> = simple.filter(|b| !matches!(b.tree, NameTree::Fail | NameTree::Neg)).collect();
    match kept.len() {
        0 | 1 => kept.pop().map_or(NameTree::Neg, |b| b.tree),
        _ => NameTree::Union(kept),
    }
}

/// What a branch means to the tree around it.
enum Outcome<'a, T> {
    Fail,
    Neg,
    Leaves(Vec<&'a T>),
}

impl<T: Eq + Hash> NameTree<T> {
    /// The leaves this tree may lead to if every leaf is good, each once, in the order they are written;
    /// `None` when it comes down to `!` or `~`.
    pub fn eval(&self) -> Option<Vec<&T>> {
        match outcome(self) {
            Outcome::Fail | Outcome::Neg => None,
            Outcome::Leaves(leaves) => {
                let mut seen = HashSet::with_hasher(foldhash::fast::RandomState::default());
                Some(leaves.into_iter().filter(|&leaf| seen.insert(leaf)).collect())
            }
        }
    }
}

fn outcome<T>(tree: &NameTree<T>) -> Outcome<'_, T> {
    match tree {
        NameTree::Leaf(leaf) => Outcome::Leaves(vec![leaf]),
        NameTree::Empty => Outcome::Leaves(Vec::new()),
        NameTree::Fail => Outcome::Fail,
        NameTree::Neg => Outcome::Neg,
        NameTree::Alt(branches) => {
            let mut outcomes = branches.iter().map(outcome);
            outcomes.find(|o| !matches!(o, Outcome::Neg)).unwrap_or(Outcome::Neg)
        }
        NameTree::Union(branches) => {
            let mut all = None;
            for branch in branches {
                if let Outcome::Leaves(leaves) = outcome(&branch.tree) {
                    all.get_or_insert_with(Vec::new).extend(leaves);
                }
            }
            all.map_or(Outcome::Neg, Outcome::Leaves)
        }
    }
}
