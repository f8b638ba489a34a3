//! The one fault the parsers report, in the words clients of Linkerd 1.x know (routing.md §1.2).

use std::fmt;

/// Why a text is no path, name tree or dtab, and where.
///
/// `Display` gives `<expected> expected but <found> found at '<text with the bad character in brackets>'`,
/// to the letter of routing.md §1.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte offset in the text of the character the message marks; the text's length at its end.
    pub offset: usize,
    message: Box<str>,
}

impl ParseError {
    /// A fault at `offset` of `text`; what was found is the character there.
    pub(crate) fn at(text: &[u8], offset: usize, expected: fmt::Arguments<'_>) -> Self {
        let (before, bad, after) = split(text, offset);
        let message = match bad {
            Some(c) => format!("{expected} expected but '{c}' found at '{before}[{c}]{after}'"),
            None => format!("{expected} expected but end of input found at '{before}[]'"),
        };
        ParseError { offset, message: message.into() }
    }

    /// A lone dot where a weight should stand: the marker sits on the character after the dot.
    pub(crate) fn lone_dot(text: &[u8], offset: usize) -> Self {
        let (before, bad, after) = split(text, offset);
        let bad = bad.map(String::from).unwrap_or_default();
        let message = format!("weight expected but '.' found at '{before}[{bad}]{after}'");
        ParseError { offset, message: message.into() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}

/// The text before `offset`, the character there, and the text after that character.
fn split(text: &[u8], offset: usize) -> (String, Option<char>, String) {
    let rest = readable(&text[offset..]);
    let mut chars = rest.chars();
    let bad = chars.next();
    (readable(&text[..offset]), bad, chars.as_str().to_owned())
}

/// Bytes as text: UTF-8 where they are UTF-8, any other byte as the Latin-1 character it would be.
fn readable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|&b| char::from(b)));
    }
    out
}
