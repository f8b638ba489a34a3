//! Delegation: how a path is bound, with everything that was tried on the way (routing.md §8).
//!
//! A second walk over what [`crate::bind()`] walks, which stops nowhere: every alternative and branch is visited, and
//! failures are nodes. [`Delegation::bound`] reads from the recorded tree what binding decides; a test holds the two
//! walks to one another on random dtabs.

mod json;
mod recorder;
mod settled;
mod simplify;

use std::fmt;
use std::sync::Arc;

use names::{Dentry, Dtab, NameTree, Path};

use crate::addr::Addr;
use crate::live::State;
use crate::namer::BoundName;
use crate::walk::{self, Walked};

pub use json::{json_of_addr, json_text};
pub(crate) use recorder::delegate;

/// One node: a path on its way to replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Delegation {
    /// The path at this step. For `~` and `!` written in a dtab, the path whose entry says so.
    pub path: Path,
    /// The dtab entry that led here; none at the root and inside what no entry has touched.
    pub entry: Option<Entry>,
    /// What became of it.
    pub kind: Kind,
}

/// What became of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nobody behind it, `$` or a namer's word for it; ends the search.
    Empty,
    /// Failure; ends the search.
    Fail {
        /// Written as `!` in the entry, not said by a namer.
        literal: bool,
    },
    /// No such name; the next alternative is tried.
    Neg {
        /// Written as `~` in the entry, not said by the namers.
        literal: bool,
    },
    /// A namer has not answered yet.
    Pending,
    /// A namer failed, or the walk was stopped (see [`Stopped`]).
    Exception {
        /// The failure in words.
        message: Arc<str>,
        /// The limit that stopped the walk here, if that is what happened.
        stopped: Option<Stopped>,
    },
    /// One entry or one way to go on.
    Delegate(Box<Delegation>),
    /// A bound name and the state of its addresses.
    Leaf {
        /// Id and residual.
        bound: BoundName,
        /// The addresses as they are now, `Pending` and failures included.
        addr: Addr,
    },
    /// Alternatives, the first choice first.
    Alt(Vec<Delegation>),
    /// Branches with their weights.
    Union(Vec<(f64, Delegation)>),
    /// A transformer at work on a bound name.
    Transformation {
        /// What kind of transformer.
        name: &'static str,
        /// The name before.
        bound: BoundName,
        /// Its addresses before.
        addr: Addr,
        /// What became of it.
        tree: Box<Delegation>,
    },
}

/// A limit of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// More than 100 look-ups after one another: in most cases a loop.
    Depth,
    /// More than [`crate::MAX_NODES`] nodes, or trees nested too deeply.
    Size,
}

/// Which of the dtabs an entry stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The interpreter's own.
    Interpreter,
    /// The router's.
    Base,
    /// The request's.
    Local,
}

/// A dtab entry and where it stands.
#[derive(Clone)]
pub struct Entry {
    /// Which dtab.
    pub table: Table,
    /// Its place in that dtab, from 0.
    pub index: usize,
    dtab: Dtab,
}

impl Entry {
    /// The entry itself; its `span` tells the bytes of the dtab's text.
    #[must_use]
    pub fn dentry(&self) -> &Dentry {
        &self.dtab.entries()[self.index]
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        (self.table, self.index) == (other.table, other.index) && self.dentry() == other.dentry()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}: {}", self.table, self.index, self.dentry())
    }
}

impl Delegation {
    /// A path of which nothing is known yet.
    pub(crate) fn pending(path: Path) -> Delegation {
        Delegation { path, entry: None, kind: Kind::Pending }
    }

    /// A path that could not be looked at.
    pub(crate) fn failed(path: Path, message: Arc<str>) -> Delegation {
        Delegation { path, entry: None, kind: Kind::Exception { message, stopped: None } }
    }

    /// The nodes below this one, in order.
    pub fn children(&self) -> impl Iterator<Item = &Delegation> {
        let (one, alt, union): (Option<&Delegation>, &[Delegation], &[(f64, Delegation)]) = match &self.kind {
            Kind::Delegate(tree) | Kind::Transformation { tree, .. } => (Some(tree), &[], &[]),
            Kind::Alt(trees) => (None, trees, &[]),
            Kind::Union(branches) => (None, &[], branches),
            _ => (None, &[], &[]),
        };
        one.into_iter().chain(alt).chain(union.iter().map(|(_, tree)| tree))
    }

    /// The steps to the first leaf of that id and residual, from here to the leaf; empty when there is no such leaf.
    #[must_use]
    pub fn way_to(&self, id: &Path, residual: &Path) -> Vec<&Delegation> {
        let mut way = Vec::new();
        self.find(id, residual, &mut way);
        way
    }

    fn find<'a>(&'a self, id: &Path, residual: &Path, way: &mut Vec<&'a Delegation>) -> bool {
        way.push(self);
        let here =
            matches!(&self.kind, Kind::Leaf { bound, .. } if bound.id == *id && bound.residual == *residual);
        let found = here || self.children().any(|node| node.find(id, residual, way));
        if !found {
            way.pop();
        }
        found
    }

    /// Whether something may still come: a namer that has not answered, or addresses that are not known.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        let here = match &self.kind {
            Kind::Pending => true,
            Kind::Leaf { addr, .. } | Kind::Transformation { addr, .. } => addr.is_pending(),
            _ => false,
        };
        here || self.children().any(Delegation::is_pending)
    }

    /// The limit that stopped the walk first, with its text. A loop that branches is stopped by its depth, and only then,
    /// elsewhere in the tree, by its size.
    #[must_use]
    pub fn stopped(&self) -> Option<(Stopped, &Arc<str>)> {
        self.stopped_where(&|_| true)
    }

    /// The text of [`Stopped::Size`], if the walk came to that: the tree may then be incomplete anywhere.
    #[must_use]
    pub fn cut(&self) -> Option<&Arc<str>> {
        self.stopped_where(&|limit| limit == Stopped::Size).map(|(_, text)| text)
    }

    fn stopped_where(&self, wanted: &impl Fn(Stopped) -> bool) -> Option<(Stopped, &Arc<str>)> {
        match &self.kind {
            Kind::Exception { message, stopped: Some(stopped) } if wanted(*stopped) => {
                Some((*stopped, message))
            }
            _ => self.children().find_map(|node| node.stopped_where(wanted)),
        }
    }

    /// What binding makes of this node: the first alternative that is not `Neg`, all branches that are known.
    #[must_use]
    pub fn bound(&self) -> Walked {
        match &self.kind {
            Kind::Empty => State::Ok(NameTree::Empty),
            Kind::Fail { .. } => State::Ok(NameTree::Fail),
            Kind::Neg { .. } => State::Ok(NameTree::Neg),
            Kind::Pending => State::Pending,
            Kind::Exception { message, .. } => State::Failed(Arc::clone(message)),
            Kind::Delegate(tree) | Kind::Transformation { tree, .. } => tree.bound(),
            Kind::Leaf { bound, .. } => State::Ok(NameTree::Leaf(bound.clone())),
            Kind::Alt(trees) => {
                let mut walked = trees.iter().map(Delegation::bound);
                walked.find(|walked| *walked != NEG).unwrap_or(NEG)
            }
            Kind::Union(branches) => union(branches),
        }
    }

    /// Of an `Alt`, which alternative binding takes: the first that is not `Neg`, were it a failure.
    #[must_use]
    pub fn chosen(&self) -> Option<usize> {
        let Kind::Alt(trees) = &self.kind else { return None };
        trees.iter().position(|tree| tree.bound() != NEG)
    }
}

const NEG: Walked = State::Ok(NameTree::Neg);

/// Union of the branches that are known; see [`crate::bind()`].
fn union(branches: &[(f64, Delegation)]) -> Walked {
    walk::union(branches.iter().map(|(weight, tree)| (*weight, tree.bound())))
}

#[cfg(test)]
pub(crate) mod tests;
