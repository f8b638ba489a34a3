//! `PathPattern`: which names a client or service configuration is for, and the pieces of a name that
//! go into certificates and rewritten names (routing.md §2.12, dataplane.md §6.1).

use std::borrow::Cow;
use std::fmt;

use crate::path::is_showable;
use crate::{Path, show_elem};

/// A pattern matched against the beginning of a path.
///
/// Segments between slashes are literal, `*` (any one element), or hold captures `{name}`. Captures are
/// greedy, and a segment with captures is searched for within the element, not anchored to its ends:
/// `{A}:http` also matches `bas:https`. Elements are compared in their show form. Empty segments count for
/// nothing, so `/` matches every path. Every text is a pattern: braces that enclose no proper name are
/// literal, as in Linkerd.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    text: Box<str>,
    segments: Vec<Segment>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Segment {
    Any,
    Literal(Box<str>),
    /// `head`, then captures, each with the literal text behind it.
    Capture {
        head: Box<str>,
        captures: Vec<(Box<str>, Box<str>)>,
    },
}

impl PathPattern {
    /// Reads a pattern; there is no text that is none.
    pub fn parse(text: &str) -> PathPattern {
        let segments = text.split('/').filter(|segment| !segment.is_empty()).map(Segment::parse);
        PathPattern { text: text.into(), segments: segments.collect() }
    }

    /// The number of elements a path must have at least to match.
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether this is `/`, which matches every path.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// What was captured if `path` begins with this pattern. Linear in the length of the path.
    pub fn matches(&self, path: &Path) -> Option<Captures> {
        let mut captures = Captures::default();
        let mut elems = path.elems();
        for segment in &self.segments {
            if !segment.matches(elems.next()?, &mut captures) {
                return None;
            }
        }
        Some(captures)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathPattern({})", self.text)
    }
}

impl Segment {
    fn parse(text: &str) -> Segment {
        if text == "*" {
            return Segment::Any;
        }
        let Some((head, name, rest)) = next_capture(text) else { return Segment::Literal(text.into()) };
        let (mut name, mut rest) = (name, rest);
        let mut captures = Vec::new();
        while let Some((literal, next, behind)) = next_capture(rest) {
            captures.push((name.into(), literal.into()));
            (name, rest) = (next, behind);
        }
        captures.push((name.into(), rest.into()));
        Segment::Capture { head: head.into(), captures }
    }

    fn matches(&self, elem: &[u8], found: &mut Captures) -> bool {
        match self {
            Segment::Any => true,
            Segment::Literal(text) => text.as_bytes() == shown(elem).as_bytes(),
            Segment::Capture { head, captures } => capture(head, captures, &shown(elem), found).is_some(),
        }
    }
}

/// Matches `head` and then captures with literals between them, greedily, anywhere in `text`.
///
/// Each literal takes the last place that leaves room for those behind it, which is where greedy captures
/// put it; so one walk from the right does what a regular expression would search for.
fn capture(head: &str, captures: &[(Box<str>, Box<str>)], text: &str, found: &mut Captures) -> Option<()> {
    let start = text.find(head)? + head.len();
    let mut end = text.len();
    let mut places = vec![0; captures.len()];
    for ((_, literal), place) in captures.iter().zip(&mut places).rev() {
        end = start + text[start..end].rfind(&**literal)?;
        *place = end;
    }
    let mut from = start;
    for ((name, literal), place) in captures.iter().zip(places) {
        found.set(name, &text[from..place]);
        from = place + literal.len();
    }
    Some(())
}

/// The show form of an element; borrowed when it is the element itself.
fn shown(elem: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(elem) {
        Ok(text) if elem.iter().copied().all(is_showable) => Cow::Borrowed(text),
        _ => Cow::Owned(show_elem(elem).to_string()),
    }
}

/// The text before the first `{name}`, the name, and the text behind it.
fn next_capture(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text[from..].find('{')?;
        let inside = &text[open + 1..];
        let length = inside.bytes().position(|b| !is_name_byte(b)).unwrap_or(inside.len());
        if length > 0 && inside[length..].starts_with('}') {
            return Some((&text[..open], &inside[..length], &inside[length + 1..]));
        }
        from = open + 1 + length;
    }
}

/// Letters, digits, `.`, and the characters from `:` to `_`; the original's range, so `-` is not one.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || (b':'..=b'_').contains(&byte)
}

/// What the captures of a [`PathPattern`] stood for, in show form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    found: Vec<(Box<str>, Box<str>)>,
}

impl Captures {
    /// What `{name}` captured; of several captures of one name the last.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.found.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// Names and what they captured, in the order of the pattern.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether the pattern had no captures.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// `template` with every known `{name}` replaced; unknown ones stay as they are.
    pub fn substitute(&self, template: &str) -> String {
        let mut out = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, name, behind)) = next_capture(rest) {
            out.push_str(before);
            match self.get(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["{", name, "}"]),
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    fn set(&mut self, name: &str, value: &str) {
        match self.found.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, old)) => *old = value.into(),
            None => self.found.push((name.into(), value.into())),
        }
    }
}
