//! Names of which only the beginning is known, and whether dtab prefixes match them.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use crate::{Path, Prefix, PrefixElem, show_elem};

/// One element: these bytes, or any.
pub(super) type Elem = Option<Arc<[u8]>>;

/// All names that begin with these elements, or, where nothing may follow, those that consist of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) elems: Vec<Elem>,
    /// Whether more elements may follow.
    pub(super) open: bool,
}

/// Whether a prefix matches the names of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meets {
    /// None of them.
    None,
    /// Some.
    Some,
    /// All.
    All,
}

impl Shape {
    /// Exactly this name.
    pub(super) fn exactly(path: &Path) -> Shape {
        Shape { elems: elems(path).collect(), open: false }
    }

    /// This name, and all that begin with it.
    pub(super) fn under(path: &Path) -> Shape {
        Shape { open: true, ..Shape::exactly(path) }
    }

    /// The names a prefix is for.
    pub(super) fn of(prefix: &Prefix) -> Shape {
        let elem = |elem: PrefixElem<'_>| match elem {
            PrefixElem::Any => None,
            PrefixElem::Label(label) => Some(Arc::from(label)),
        };
        Shape { elems: prefix.elems().map(elem).collect(), open: true }
    }

    /// `leaf` followed by what stands behind the first `skipped` elements of this name.
    pub(super) fn rewritten(&self, leaf: &Path, skipped: usize) -> Shape {
        let rest = self.elems.get(skipped..).unwrap_or_default();
        Shape { elems: elems(leaf).chain(rest.iter().cloned()).collect(), open: self.open }
    }

    /// An element, where it is known.
    pub(super) fn label(&self, at: usize) -> Option<&[u8]> {
        self.elems.get(at)?.as_deref()
    }

    pub(super) fn meets(&self, prefix: &Prefix) -> Meets {
        let mut meets = Meets::All;
        let mut elems = self.elems.iter();
        for wanted in prefix.elems() {
            match (elems.next(), wanted) {
                (None, _) if self.open => return Meets::Some,
                (None, _) => return Meets::None,
                (Some(_), PrefixElem::Any) => {}
                (Some(None), PrefixElem::Label(_)) => meets = Meets::Some,
                (Some(Some(label)), PrefixElem::Label(wanted)) if **label == *wanted => {}
                (Some(Some(_)), PrefixElem::Label(_)) => return Meets::None,
            }
        }
        meets
    }
}

fn elems(path: &Path) -> impl Iterator<Item = Elem> + '_ {
    path.elems().map(|elem| Some(Arc::from(elem)))
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.elems.is_empty() {
            return f.write_str("/");
        }
        self.elems.iter().try_for_each(|elem| match elem {
            Some(label) => write!(f, "/{}", show_elem(label)),
            None => f.write_str("/*"),
        })
    }
}

/// Whether every name that `narrow` matches is matched by `wide` as well.
pub(super) fn covers(wide: &Prefix, narrow: &Prefix) -> bool {
    let mut elems = narrow.elems();
    wide.elems().all(|wanted| match (wanted, elems.next()) {
        (_, None) => false,
        (PrefixElem::Any, Some(_)) => true,
        (label, Some(elem)) => label == elem,
    })
}
