//! `Dtab`: the table that says where names lead, and one step of looking a name up in it
//! (routing.md §1.4).

mod index;
mod prefix;

use std::fmt::{self, Display, Formatter};
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use crate::path::Rest;
use crate::{NameTree, ParseError, Path, parser};
use index::Index;

pub use prefix::{Prefix, PrefixElem};

/// Up to this many entries trying them all beats an index.
const SCAN_LIMIT: usize = 8;

/// One entry of a dtab, `prefix => dst`.
#[derive(Clone, Debug)]
pub struct Dentry {
    /// Which names it is for.
    pub prefix: Prefix,
    /// Where they lead; the rest of the name is appended to every leaf.
    pub dst: NameTree<Path>,
    /// The bytes it stood at in the text it was read from, without blanks around it; `0..0` if none.
    /// No part of the entry's identity.
    pub span: Range<usize>,
}

impl Dentry {
    /// An entry that stood in no text.
    pub fn new(prefix: Prefix, dst: NameTree<Path>) -> Dentry {
        Dentry { prefix, dst, span: 0..0 }
    }

    /// Reads one entry, `prefix => dst`.
    ///
    /// # Errors
    /// The texts of routing.md §1.2.
    pub fn parse(text: &[u8]) -> Result<Dentry, ParseError> {
        parser::dentry(text)
    }

    /// What this entry leaves of `path`; `None` when the name does not begin with the prefix.
    pub fn rest<'p>(&self, path: &'p Path) -> Option<Rest<'p>> {
        self.prefix.strip(path.as_bytes()).map(Rest::of)
    }

    /// Where this entry sends `path`: its destination with the rest of the name on every leaf; `None` when
    /// the name does not begin with the prefix.
    pub fn rewrite(&self, path: &Path) -> Option<NameTree<Path>> {
        let rest = self.rest(path)?;
        Some(self.dst.map(|leaf| leaf.append(rest)))
    }
}

impl PartialEq for Dentry {
    fn eq(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.dst == other.dst
    }
}

impl Eq for Dentry {}

impl Hash for Dentry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.prefix.hash(state);
        self.dst.hash(state);
    }
}

/// The show form: `<prefix>=><tree>` (routing.md §1.3).
impl Display for Dentry {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}=>{}", self.prefix, self.dst)
    }
}

/// An ordered list of [`Dentry`]s; later ones win, earlier ones are their fallbacks.
///
/// Cloning is one reference count. Equality and hash ignore where entries stood in a text.
#[derive(Clone, Default)]
pub struct Dtab(Arc<Table>);

#[derive(Default)]
struct Table {
    entries: Vec<Dentry>,
    /// Built at the first look-up; most tables that travel with requests never get that far.
    index: OnceLock<Index>,
}

impl Dtab {
    /// Reads a dtab.
    ///
    /// # Errors
    /// The texts of routing.md §1.2; also parentheses nested deeper than [`crate::MAX_NESTING`].
    pub fn parse(text: &[u8]) -> Result<Dtab, ParseError> {
        parser::dtab(text).map(Dtab::from)
    }

    /// The dtab without entries.
    pub fn empty() -> Dtab {
        Dtab::default()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// The entries in the order they are written.
    pub fn entries(&self) -> &[Dentry] {
        &self.0.entries
    }

    /// This dtab followed by `other`, whose entries thereby win. Spans keep pointing into their own texts.
    pub fn concat(&self, other: &Dtab) -> Dtab {
        if other.is_empty() {
            return self.clone();
        }
        if self.is_empty() {
            return other.clone();
        }
        self.entries().iter().chain(other.entries()).cloned().collect()
    }

    /// One rewrite step: the destinations of all matching entries, last entry first (routing.md §1.4).
    ///
    /// Costs about what the matching entries cost, however many others there are.
    pub fn lookup(&self, path: &Path) -> NameTree<Path> {
        let mut found: Vec<_> = self.matches(path).filter_map(|(_, dentry)| dentry.rewrite(path)).collect();
        match found.len() {
            0 | 1 => found.pop().unwrap_or(NameTree::Neg),
            _ => NameTree::Alt(found),
        }
    }

    /// The entries whose prefix `path` begins with, last to first, each with its place in the table.
    pub fn matches<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = (usize, &'a Dentry)> {
        let entries = self.entries();
        let (scanned, indexed) = if entries.len() <= SCAN_LIMIT {
            (entries, Vec::new())
        } else {
            (&entries[..0], self.index().find(path))
        };
        let scanned = scanned.iter().enumerate().rev();
        let indexed = indexed.into_iter().map(|at| (at as usize, &entries[at as usize]));
        scanned.filter(|(_, dentry)| dentry.prefix.matches(path)).chain(indexed)
    }

    fn index(&self) -> &Index {
        self.0.index.get_or_init(|| Index::new(self.entries().iter().map(|dentry| &dentry.prefix)))
    }
}

impl From<Vec<Dentry>> for Dtab {
    fn from(entries: Vec<Dentry>) -> Dtab {
        Dtab(Arc::new(Table { entries, index: OnceLock::new() }))
    }
}

impl FromIterator<Dentry> for Dtab {
    fn from_iter<I: IntoIterator<Item = Dentry>>(entries: I) -> Dtab {
        Dtab::from(entries.into_iter().collect::<Vec<_>>())
    }
}

impl FromStr for Dtab {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Dtab, ParseError> {
        Dtab::parse(text.as_bytes())
    }
}

impl PartialEq for Dtab {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.entries() == other.entries()
    }
}

impl Eq for Dtab {}

impl Hash for Dtab {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries().hash(state);
    }
}

/// The show form: entries joined by `;`, no blanks (routing.md §1.3).
impl Display for Dtab {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, dentry) in self.entries().iter().enumerate() {
            f.write_str(if i > 0 { ";" } else { "" })?;
            dentry.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dtab {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Dtab({self})")
    }
}
