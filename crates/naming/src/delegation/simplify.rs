//! The recorded tree without steps that say nothing (routing.md §8).

use crate::delegation::{Delegation, Kind};

impl Delegation {
    /// Alternatives of one path in one list, single ones and branches as plain steps, and no step from a path to itself.
    pub(crate) fn simplified(self) -> Delegation {
        let Delegation { path, entry, kind } = self;
        let kind = match kind {
            Kind::Delegate(tree) => Kind::Delegate(Box::new(tree.simplified())),
            Kind::Transformation { name, bound, addr, tree } => {
                Kind::Transformation { name, bound, addr, tree: Box::new(tree.simplified()) }
            }
            Kind::Alt(trees) => {
                let mut flat = Vec::with_capacity(trees.len());
                for tree in trees {
                    match tree.simplified() {
                        Delegation { path: inner, kind: Kind::Alt(trees), .. } if inner == path => {
                            flat.extend(trees);
                        }
                        tree => flat.push(tree),
                    }
                }
                match flat.len() {
                    0 => Kind::Neg { literal: false },
                    1 => Kind::Delegate(Box::new(flat.swap_remove(0))),
                    _ => Kind::Alt(flat),
                }
            }
            Kind::Union(branches) => {
                let mut branches: Vec<_> =
                    branches.into_iter().map(|(weight, tree)| (weight, tree.simplified())).collect();
                match branches.len() {
                    0 => Kind::Neg { literal: false },
                    1 => Kind::Delegate(Box::new(branches.swap_remove(0).1)),
                    _ => Kind::Union(branches),
                }
            }
            kind => kind,
        };
        match kind {
            Kind::Delegate(tree) if tree.path == path && !ends(&tree.kind) => {
                Delegation { entry, path, kind: tree.kind }
            }
            kind => Delegation { path, entry, kind },
        }
    }
}

/// Words that are shown as a step of their own.
const fn ends(kind: &Kind) -> bool {
    matches!(kind, Kind::Neg { .. } | Kind::Fail { .. } | Kind::Empty)
}
