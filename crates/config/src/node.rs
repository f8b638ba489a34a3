//! The spanned tree: what a document says before anybody has decided what it means.
//!
//! Scalars keep their text and style, because whether `yes`, `4_140` or `0644` is a boolean, a number or a name is
//! decided by the key that asks, as Linkerd's own reader does it (dataplane.md §1.3).

use crate::scalars::{boolean, float, is_decimal};
use crate::{Span, Spanned};
use serde_json::Value as Json;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands; for an alias, where the anchored value stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The shapes a document is made of.
#[derive(Clone, Debug)]
pub enum Value {
    /// Plain `null`, `~` or nothing at all: the key counts as absent.
    Null,
    /// Any other single value.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the text, keys unique.
    Object(Vec<Entry>),
    /// What could not be read; the fault is already recorded.
    Broken,
}

/// A single value as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text with quotes, escapes, indentation and folding resolved.
    pub text: String,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may be a number, a boolean, null or text.
    Plain,
    /// In single quotes: text.
    SingleQuoted,
    /// In double quotes: text.
    DoubleQuoted,
    /// After `|` or `>`: text.
    Block,
}

/// One key of a mapping and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Spanned<String>,
    /// The value.
    pub value: Node,
}

impl Scalar {
    /// True for one without quotes: it may be a number, a boolean, null or text.
    pub fn is_plain(&self) -> bool {
        self.style == Style::Plain
    }
}

impl Node {
    /// The value of a key, `None` when this is no mapping, the key is absent or its value is null.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Object(entries) = &self.value else { return None };
        entries
            .iter()
            .find(|entry| *entry.key == key)
            .map(|entry| &entry.value)
            .filter(|value| !value.is_null())
    }

    /// The elements of a list, `None` for anything else.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a scalar, `None` for anything else.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// True for plain null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// What it is, for messages: `a list`.
    pub fn shape(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(Scalar { style: Style::Plain, .. }) => "a plain value",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
            Value::Broken => "an unreadable value",
        }
    }

    /// The value as JSON: plain scalars as YAML 1.1 has them, in the same spellings the decoder takes.
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null | Value::Broken => Json::Null,
            Value::Scalar(Scalar { text, style: Style::Plain }) => plain(text),
            Value::Scalar(scalar) => Json::from(scalar.text.as_str()),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Object(entries) => {
                entries.iter().map(|entry| (entry.key.value.clone(), entry.value.to_json())).collect()
            }
        }
    }

    /// How many nodes this one consists of, itself included.
    pub(crate) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Null | Value::Scalar(_) | Value::Broken => 0,
            Value::List(items) => items.iter().map(Node::size).sum(),
            Value::Object(entries) => entries.iter().map(|entry| 1 + entry.value.size()).sum(),
        }
    }
}

fn plain(text: &str) -> Json {
    let whole = || text.replace('_', "").trim_start_matches('+').parse::<i64>().ok();
    if let Some(value) = boolean(text) {
        return Json::from(value);
    }
    match whole().filter(|_| is_decimal(text)) {
        Some(number) => Json::from(number),
        None => float(text).map_or_else(|| Json::from(text), Json::from),
    }
}
