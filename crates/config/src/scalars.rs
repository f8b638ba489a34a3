//! Single values: which spellings are a number, a boolean, a port, an address (dataplane.md §1.3).
//!
//! Plain numbers are decimal with `_` allowed between digits, so `0644` is 644 and `0x1F` is none. A quoted number is a
//! number except for ports. A fraction is cut off where a whole number is wanted, with a warning.

use crate::decode::shortened;
use crate::{Context, Decode, Fault, Node, Scalar, Style, Type, Value};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

impl Decode for bool {
    fn describe() -> Type {
        Type::Bool
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<bool> {
        let value = match &node.value {
            Value::Scalar(Scalar { text, style: Style::Plain }) => boolean(text),
            _ => None,
        };
        if value.is_none() {
            cx.wrong_shape(node, &Type::Bool);
        }
        value
    }
}

/// The YAML 1.1 booleans in the three usual capitalisations. `y` and `n` are texts to Linkerd.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let usual = |word: &str| {
        let first_only = text
            .get(1..)
            .is_some_and(|rest| text.starts_with(|c: char| c.is_uppercase()) && word[1..] == *rest);
        text == word
            || (text.eq_ignore_ascii_case(word) && (first_only || text.chars().all(char::is_uppercase)))
    };
    match () {
        () if ["true", "yes", "on"].into_iter().any(usual) => Some(true),
        () if ["false", "no", "off"].into_iter().any(usual) => Some(false),
        () => None,
    }
}

impl Decode for String {
    fn describe() -> Type {
        Type::Text
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<String> {
        let text = node.text().map(str::to_owned);
        if text.is_none() {
            cx.wrong_shape(node, &Type::Text);
        }
        text
    }
}

/// A whole number between 0 and the largest 32-bit signed one, the only integers Linkerd reads.
impl Decode for u32 {
    fn describe() -> Type {
        Type::Int { min: 0, max: i64::from(i32::MAX) }
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<u32> {
        let value = integer(node, cx, &Self::describe())?;
        u32::try_from(value).ok().or_else(|| too_large(node, cx, &Self::describe()))
    }
}

impl Decode for i32 {
    fn describe() -> Type {
        Type::Int { min: i64::from(i32::MIN), max: i64::from(i32::MAX) }
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<i32> {
        let value = integer(node, cx, &Self::describe())?;
        i32::try_from(value).ok().or_else(|| too_large(node, cx, &Self::describe()))
    }
}

/// A TCP port.
impl Decode for u16 {
    fn describe() -> Type {
        Type::Port
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<u16> {
        if !matches!(&node.value, Value::Scalar(Scalar { style: Style::Plain, .. })) {
            // Linkerd takes the last number it read before a quoted port for the port; refusing is kinder.
            cx.wrong_shape(node, &Type::Port);
            return None;
        }
        let value = whole(node, cx, &Type::Port)?;
        let port = u16::try_from(value).ok();
        if port.is_none() {
            cx.wrong(node, format!("{value} outside valid range for ports"), &Type::Port);
        }
        port
    }
}

fn integer(node: &Node, cx: &mut Context, expected: &Type) -> Option<i64> {
    let value = whole(node, cx, expected)?;
    let Type::Int { min, max } = *expected else { return Some(value) };
    if let Some(key) = cx.key().filter(|_| min == 0 && value < 0) {
        cx.wrong(node, format!("{key} must be non-negative: {value}"), expected);
        return None;
    }
    if value < min || value > max {
        return too_large(node, cx, expected);
    }
    Some(value)
}

fn too_large<T>(node: &Node, cx: &mut Context, expected: &Type) -> Option<T> {
    let text = node.text().map(shortened).unwrap_or_default();
    cx.wrong(node, format!("{text} is out of range"), expected);
    None
}

/// A whole number of any size; a fraction is cut off, with a warning. Numbers past 64 bits saturate.
fn whole(node: &Node, cx: &mut Context, expected: &Type) -> Option<i64> {
    let text = node.text().filter(|text| is_decimal(text));
    if let Some(text) = text {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        let limit = if text.starts_with('-') { i64::MIN } else { i64::MAX };
        return Some(digits.parse().unwrap_or(limit));
    }
    match node.text().and_then(float) {
        Some(number) => {
            let whole = number.trunc();
            if whole != number {
                let message =
                    format!("{} is read as {whole}", node.text().map(shortened).unwrap_or_default());
                cx.fault(Fault::new(node.span, message).expected(expected.describe()).warning());
            }
            // A float-to-integer `as` saturates, which is what is wanted.
            Some(whole as i64)
        }
        None => {
            cx.wrong_shape(node, expected);
            None
        }
    }
}

/// `[+-]?[0-9][0-9_]*`
pub(crate) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// A number with a fraction or an exponent, or a decimal one. Infinities and `nan` are none.
pub(crate) fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = text.replace('_', "").parse().ok().filter(|_| starts)?;
    number.is_finite().then_some(number)
}

impl Decode for f64 {
    fn describe() -> Type {
        Type::Number
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<f64> {
        let number = node.text().and_then(float);
        if number.is_none() {
            cx.wrong_shape(node, &Type::Number);
        }
        number
    }
}

impl Decode for IpAddr {
    fn describe() -> Type {
        Type::Ip
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<IpAddr> {
        let Some(text) = node.text() else {
            cx.wrong_shape(node, &Type::Ip);
            return None;
        };
        let address = text.parse().ok();
        if address.is_none() {
            cx.wrong(node, format!("'{}' is not an IP string literal.", shortened(text)), &Type::Ip);
        }
        address
    }
}

/// A directory that exists when the document is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl std::ops::Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Decode for Directory {
    fn describe() -> Type {
        Type::Directory
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Directory> {
        let path = PathBuf::from(String::decode(node, cx)?);
        if cx.is_directory(&path) {
            return Some(Directory(path));
        }
        cx.wrong(node, format!("{} is not a directory", path.display()), &Type::Directory);
        None
    }
}

/// A file that exists when the document is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingFile(PathBuf);

impl std::ops::Deref for ExistingFile {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Decode for ExistingFile {
    fn describe() -> Type {
        Type::File
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<ExistingFile> {
        let path = PathBuf::from(String::decode(node, cx)?);
        if cx.is_file(&path) {
            return Some(ExistingFile(path));
        }
        cx.wrong(node, format!("{} is not a file", path.display()), &Type::File);
        None
    }
}
