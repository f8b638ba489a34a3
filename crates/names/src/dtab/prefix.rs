//! `Prefix`: the left side of a dtab entry. Spelled like a path, except that `*` stands for any one
//! element.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::sync::Arc;

use crate::path::{Elems, PathBuilder};
use crate::{ParseError, Path, parser, show_elem};

/// The beginning of the names a dtab entry is for; `/` begins every name (routing.md §1.1).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// As [`Path::as_bytes`]; an element of length 0, which no path has, is the wildcard.
    encoded: Arc<[u8]>,
    wild: bool,
}

/// One element of a [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrefixElem<'a> {
    /// `*`: any one element.
    Any,
    /// These bytes.
    Label(&'a [u8]),
}

impl Prefix {
    /// Reads a prefix; blanks and comments around it are skipped.
    ///
    /// # Errors
    /// The texts of routing.md §1.2.
    pub fn parse(text: &[u8]) -> Result<Prefix, ParseError> {
        parser::prefix(text)
    }

    /// The prefix of these elements; an empty label, which no name has, is left out.
    pub fn from_elems<'a>(elems: impl IntoIterator<Item = PrefixElem<'a>>) -> Prefix {
        let mut builder = PathBuilder::new();
        let mut wild = false;
        for elem in elems {
            match elem {
                PrefixElem::Any => {
                    builder.push_wildcard();
                    wild = true;
                }
                PrefixElem::Label(label) => builder.push(label),
            }
        }
        Prefix::from_encoded(builder.as_bytes(), wild)
    }

    pub(crate) fn from_encoded(encoded: &[u8], wild: bool) -> Prefix {
        Prefix { encoded: Arc::from(encoded), wild }
    }

    /// The elements, first to last.
    pub fn elems(&self) -> impl Iterator<Item = PrefixElem<'_>> {
        self.raw_elems().map(|elem| if elem.is_empty() { PrefixElem::Any } else { PrefixElem::Label(elem) })
    }

    /// The elements as bytes, none for the wildcard.
    pub(super) fn raw_elems(&self) -> Elems<'_> {
        Elems::of(&self.encoded)
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.raw_elems().count()
    }

    /// Whether this is `/`, which every name begins with.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// Whether `path` begins with this prefix.
    pub fn matches(&self, path: &Path) -> bool {
        self.strip(path.as_bytes()).is_some()
    }

    /// What is left of an encoded path after this prefix; `None` when it does not begin with it.
    pub(super) fn strip<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        if !self.wild {
            return path.strip_prefix(&*self.encoded);
        }
        let mut rest = Elems::of(path);
        for wanted in self.raw_elems() {
            let elem = rest.next()?;
            if !wanted.is_empty() && wanted != elem {
                return None;
            }
        }
        Some(rest.rest())
    }
}

/// The path as a prefix.
impl From<&Path> for Prefix {
    fn from(path: &Path) -> Prefix {
        Prefix::from_encoded(path.as_bytes(), false)
    }
}

impl FromStr for Prefix {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Prefix, ParseError> {
        Prefix::parse(text.as_bytes())
    }
}

/// The show form, as of paths.
impl Display for Prefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("/");
        }
        self.elems().try_for_each(|elem| match elem {
            PrefixElem::Any => f.write_str("/*"),
            PrefixElem::Label(label) => write!(f, "/{}", show_elem(label)),
        })
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}
