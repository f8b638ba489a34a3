//! `PathBuilder`: spells a name into a buffer that is kept, so that the request path can look it up
//! without allocating.

use super::{LENGTH, Path};
use crate::{ParseError, parser};

/// Collects elements; its bytes are those of the [`Path`] they make.
#[derive(Clone, Debug, Default)]
pub struct PathBuilder {
    bytes: Vec<u8>,
}

impl PathBuilder {
    /// An empty builder; allocates with the first element.
    pub fn new() -> PathBuilder {
        PathBuilder::default()
    }

    /// Forgets the elements, keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds one element; an empty one, which no path can hold, is left out.
    ///
    /// # Panics
    /// If the element has 4 GiB or more.
    pub fn push(&mut self, elem: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(elem));
    }

    /// Adds all elements of a path.
    pub fn extend(&mut self, path: &Path) {
        self.bytes.extend_from_slice(path.as_bytes());
    }

    /// Adds the elements of the path that `text` is, read as [`Path::parse`] does.
    ///
    /// # Errors
    /// The texts of routing.md §1.2; some of the elements may have been added.
    pub fn push_parsed(&mut self, text: &[u8]) -> Result<(), ParseError> {
        parser::path_into(text, self)
    }

    /// Adds the element that `write` appends to the buffer it is given; nothing if it appends nothing.
    ///
    /// `write` must only append: it is for callers that transform an element (lower case, unescape)
    /// and would need a buffer of their own otherwise.
    ///
    /// # Panics
    /// If the element has 4 GiB or more, or `write` shortened the buffer.
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; LENGTH]);
        write(&mut self.bytes);
        let length = (self.bytes.len().checked_sub(start + LENGTH)).expect("the writer only appends");
        if length == 0 {
            self.bytes.truncate(start);
            return;
        }
        let length = u32::try_from(length).expect("an element is shorter than 4 GiB");
        self.bytes[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
    }

    /// Adds the wildcard of a dtab prefix: the element of length 0. The result is no path.
    pub(crate) fn push_wildcard(&mut self) {
        self.bytes.extend_from_slice(&[0; LENGTH]);
    }

    /// The encoding of the path so far: equal, and hashed equal, to [`Path::as_bytes`] of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The path so far.
    pub fn to_path(&self) -> Path {
        if self.bytes.is_empty() { Path::empty() } else { Path::from_encoded(&self.bytes) }
    }
}
