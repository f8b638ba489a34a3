//! The text of a document and the arithmetic from byte offsets to lines and columns.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// A range of bytes in a document. A value that stands in no document (a default) is [`Span::NOWHERE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The span of what was not written down.
    pub const NOWHERE: Span = Span { start: u32::MAX, end: u32::MAX };

    /// A span from byte offsets; documents are far below 4 GiB, larger offsets saturate.
    pub fn new(range: Range<usize>) -> Span {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span { start: narrow(range.start), end: narrow(range.end.max(range.start)) }
    }

    /// True for a value that stands in no document.
    pub fn is_nowhere(self) -> bool {
        self == Span::NOWHERE
    }
}

/// A value and where it was written.
#[derive(Clone, Copy, Debug)]
pub struct Spanned<T> {
    /// The value itself.
    pub value: T,
    /// Where it stands; [`Span::NOWHERE`] for a default.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value that was not written in a document.
    pub fn nowhere(value: T) -> Spanned<T> {
        Spanned { value, span: Span::NOWHERE }
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Equality is that of the values: the same setting on another line is the same setting.
impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Spanned<T>) -> bool {
        self.value == other.value
    }
}

/// A named text with an index of its lines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

/// A place for people: both numbers count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Source {
    /// Takes a text in; `name` is what faults call it, mostly the file's path as given.
    pub fn new(name: &str, text: String) -> Source {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(ends).collect();
        Source(Arc::new(Inner { name: name.to_owned(), text, line_starts }))
    }

    /// What faults call this text.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The text under a span; empty when the span lies outside.
    pub fn slice(&self, span: Span) -> &str {
        self.0.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Line and column of a byte offset; offsets past the end are the end.
    pub fn position(&self, offset: u32) -> Position {
        let offset = (offset as usize).min(self.0.text.len());
        let line = self.0.line_starts.partition_point(|start| *start <= offset);
        let before = self.0.text.as_bytes().get(self.0.line_starts[line - 1]..offset).unwrap_or(&[]);
        // Characters are counted by the bytes that begin one, so an offset inside a character is harmless.
        let column = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count() + 1;
        Position { line, column }
    }

    /// The offset of a place given by its line and its byte in that line, both counted from 1; at most the text's end.
    pub(crate) fn offset(&self, line: usize, byte: usize) -> usize {
        let start = line.checked_sub(1).and_then(|index| self.0.line_starts.get(index)).copied();
        let offset = start.map_or(usize::MAX, |start| start.saturating_add(byte.saturating_sub(1)));
        let offset = offset.min(self.0.text.len());
        (0..=offset).rev().find(|at| self.0.text.is_char_boundary(*at)).unwrap_or(0)
    }

    /// The text of a line (counted from 1) without its line break.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|index| self.0.line_starts.get(index)) else {
            return "";
        };
        let end = self.0.line_starts.get(line).map_or(self.0.text.len(), |next| next - 1);
        self.0.text.get(*start..end).unwrap_or("").trim_end_matches('\r')
    }
}
