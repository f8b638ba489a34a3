//! `Path`: what a thing is called. One shared allocation, compared, hashed and cut as plain bytes,
//! because every request looks names up and every rewrite glues two together.

mod builder;

use std::borrow::Borrow;
use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::ParseError;
use crate::parser;

pub use builder::PathBuilder;

/// Bytes before each element that hold its length.
pub(crate) const LENGTH: usize = 4;

/// A list of non-empty byte strings, written `/a/b`; the empty path is `/` (routing.md §1.1).
///
/// Cloning is one reference count. `Ord` is the order of the encoding: good for maps, not for people.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(Arc<[u8]>);

impl Path {
    /// Reads a path; blanks and comments around it are skipped.
    ///
    /// # Errors
    /// The texts of routing.md §1.2.
    pub fn parse(text: &[u8]) -> Result<Path, ParseError> {
        parser::path(text)
    }

    /// The path without elements, `/`.
    pub fn empty() -> Path {
        Path::default()
    }

    /// The path of these elements; empty ones, which no path can hold, are left out.
    pub fn from_elems<I>(elems: I) -> Path
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let mut builder = PathBuilder::new();
        for elem in elems {
            builder.push(elem.as_ref());
        }
        builder.to_path()
    }

    /// A path of bytes that are known to be an encoding: whole elements, none empty.
    pub(crate) fn from_encoded(bytes: &[u8]) -> Path {
        Path(Arc::from(bytes))
    }

    /// The elements, first to last.
    pub fn elems(&self) -> Elems<'_> {
        Elems { rest: &self.0 }
    }

    /// The element at `index`, counted from 0.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        self.elems().nth(index)
    }

    /// The first element.
    pub fn first(&self) -> Option<&[u8]> {
        self.elems().next()
    }

    /// How many elements; takes a walk over them.
    pub fn len(&self) -> usize {
        self.elems().count()
    }

    /// Whether this is `/`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the first elements are those of `prefix`.
    pub fn starts_with(&self, prefix: &Path) -> bool {
        // Every element carries its length, so equal bytes end where an element ends.
        self.0.starts_with(&prefix.0)
    }

    /// What is left after `prefix`, or `None` where the path does not begin with it.
    pub fn strip_prefix(&self, prefix: &Path) -> Option<Path> {
        let rest = self.0.strip_prefix(&*prefix.0)?;
        Some(if prefix.is_empty() { self.clone() } else { Path::from_encoded(rest) })
    }

    /// This path followed by `other`.
    pub fn concat(&self, other: &Path) -> Path {
        if self.is_empty() { other.clone() } else { self.concat_encoded(&other.0) }
    }

    /// This path followed by the end of another.
    pub fn append(&self, rest: Rest<'_>) -> Path {
        self.concat_encoded(rest.0)
    }

    /// This path followed by elements that are encoded already.
    fn concat_encoded(&self, rest: &[u8]) -> Path {
        if rest.is_empty() {
            return self.clone();
        }
        // Two copies of whole slices are many times faster than one byte by byte.
        Path([&*self.0, rest].concat().into())
    }

    /// This path followed by one element; an empty one changes nothing.
    pub fn child(&self, elem: &[u8]) -> Path {
        let mut builder = PathBuilder::new();
        builder.extend(self);
        builder.push(elem);
        builder.to_path()
    }

    /// The first `n` elements, or all.
    pub fn take(&self, n: usize) -> Path {
        let end = self.offset_of(n);
        if end == self.0.len() { self.clone() } else { Path::from_encoded(&self.0[..end]) }
    }

    /// What follows the first `n` elements.
    pub fn skip(&self, n: usize) -> Path {
        let start = self.offset_of(n);
        if start == 0 { self.clone() } else { Path::from_encoded(&self.0[start..]) }
    }

    /// The encoding: each element after its length as a little-endian `u32`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Where element `n` begins in the encoding, or its length.
    fn offset_of(&self, n: usize) -> usize {
        let mut elems = self.elems();
        for _ in 0..n {
            if elems.next().is_none() {
                break;
            }
        }
        self.0.len() - elems.rest.len()
    }
}

/// The end of a path, not yet a path of its own: what a dtab entry leaves of a name. Costs nothing to make, so that
/// entries that turn out not to count cost no copy.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The end that is nothing.
    pub const EMPTY: Rest<'static> = Rest(&[]);

    /// An end of an encoding: whole elements.
    pub(crate) fn of(encoded: &'a [u8]) -> Self {
        Rest(encoded)
    }
}

impl FromStr for Path {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Path, ParseError> {
        Path::parse(text.as_bytes())
    }
}

/// The show form (routing.md §1.3), which [`Path::parse`] reads back.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_char('/');
        }
        self.elems().try_for_each(|elem| write!(f, "/{}", show_elem(elem)))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

/// The same as the hash of [`Path::as_bytes`], so that maps of paths can be asked with bytes.
impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl Borrow<[u8]> for Path {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<'a> IntoIterator for &'a Path {
    type Item = &'a [u8];
    type IntoIter = Elems<'a>;

    fn into_iter(self) -> Elems<'a> {
        self.elems()
    }
}

/// The elements of a [`Path`], first to last.
#[derive(Clone, Debug)]
pub struct Elems<'a> {
    rest: &'a [u8],
}

impl<'a> Elems<'a> {
    /// The elements of an encoding.
    pub(crate) fn of(encoded: &'a [u8]) -> Self {
        Elems { rest: encoded }
    }

    /// The encoding of what was not handed out yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Elems<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<LENGTH>()?;
        let (elem, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        self.rest = rest;
        Some(elem)
    }
}

/// Whether a byte stands for itself in a label.
pub(crate) fn is_showable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'.' | b'#' | b'$' | b'%' | b'-')
}

/// The show form of one element: itself, or all of it in `\xhh` when a byte of it is not showable.
pub fn show_elem(elem: &[u8]) -> ShowElem<'_> {
    ShowElem(elem)
}

/// See [`show_elem`].
#[derive(Clone, Copy, Debug)]
pub struct ShowElem<'a>(&'a [u8]);

impl fmt::Display for ShowElem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            Ok(text) if self.0.iter().copied().all(is_showable) => f.write_str(text),
            _ => self.0.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}")),
        }
    }
}
