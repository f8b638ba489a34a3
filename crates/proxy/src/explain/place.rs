//! Where dtab entries were written: file, line and column.

use crate::document::Document;
use config::{Node, Scalar, Source, Span, Value, inner_span};
use naming::{Entry, Table};
use std::path::Path;

/// A place in a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// Knows where the dtabs were written.
#[derive(Debug, Default)]
pub(super) struct Places {
    base: Option<Written>,
    /// The file of the interpreter's own dtab.
    own: Option<Source>,
}

/// A dtab as it was written.
#[derive(Debug)]
enum Written {
    /// As a value within a document.
    Within(Source, Span, Scalar),
    /// By itself.
    Alone(Source),
}

/// What a dtab that stands in no file is called.
const EDITED: &str = "edited dtab";

impl Places {
    /// The same with another dtab of the router, in these words.
    pub(super) fn edited(self, text: &str) -> Places {
        Places { base: Some(Written::Alone(Source::new(EDITED, text.to_owned()))), ..self }
    }

    /// The places of a document's router, by its index, and of the file with its interpreter's dtab.
    pub(super) fn of(document: &Document, router: usize, own: Option<&Path>) -> Places {
        let routers = document.tree.get("routers").and_then(Node::list).unwrap_or_default();
        let dtab = routers.get(router).and_then(|router| router.get("dtab"));
        let base = dtab.and_then(|node| match &node.value {
            Value::Scalar(scalar) => {
                Some(Written::Within(document.warnings.source().clone(), node.span, scalar.clone()))
            }
            _ => None,
        });
        let own = own.and_then(|file| {
            let text = std::fs::read_to_string(file).ok()?;
            Some(Source::new(&file.display().to_string(), text))
        });
        Places { base, own }
    }

    /// Where an entry stands, if that is known.
    pub(super) fn find(&self, entry: &Entry) -> Option<Place> {
        let offset = entry.dentry().span.start;
        let (source, start) = match entry.table {
            Table::Base => match self.base.as_ref()? {
                Written::Within(source, span, scalar) => {
                    (source, inner_span(source, *span, scalar, offset).start)
                }
                Written::Alone(source) => (source, u32::try_from(offset).ok()?),
            },
            Table::Interpreter => (self.own.as_ref()?, u32::try_from(offset).ok()?),
            Table::Local => return None,
        };
        let at = source.position(start);
        Some(Place { file: source.name().to_owned(), line: at.line, column: at.column })
    }
}
