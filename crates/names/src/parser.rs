//! The grammar of routing.md §1.1: one pass over bytes, no look-ahead beyond one, nesting bounded.
//! It takes the same steps in the same order as the original, because the place where a text stops
//! making sense is part of the message clients see.

use crate::dtab::{Dentry, Prefix};
use crate::path::is_showable;
use crate::{NameTree, ParseError, Path, PathBuilder, Weighted};

/// How deep parentheses may nest in a name tree.
pub const MAX_NESTING: usize = 200;

/// The largest weight a tree can carry; a longer number in a text means this one, so that sums stay finite.
pub const MAX_WEIGHT: f64 = 1e100;

type Result<T> = std::result::Result<T, ParseError>;

/// A path that is the whole text.
pub(crate) fn path(text: &[u8]) -> Result<Path> {
    whole(text, Parser::path)
}

/// Adds the elements of a path that is the whole text to `out`, whose buffer is used; allocates nothing else. After a fault
/// `out` holds some of them.
pub(crate) fn path_into(text: &[u8], out: &mut PathBuilder) -> Result<()> {
    let mut parser = Parser { scratch: std::mem::take(out), ..Parser::of(text) };
    let parsed = parser.whole(Parser::elems);
    *out = parser.scratch;
    parsed
}

/// A name tree that is the whole text.
pub(crate) fn tree(text: &[u8]) -> Result<NameTree<Path>> {
    whole(text, Parser::tree)
}

/// A dtab prefix that is the whole text.
pub(crate) fn prefix(text: &[u8]) -> Result<Prefix> {
    whole(text, Parser::prefix)
}

/// One dentry that is the whole text.
pub(crate) fn dentry(text: &[u8]) -> Result<Dentry> {
    whole(text, Parser::dentry)
}

/// The entries of a dtab that is the whole text.
pub(crate) fn dtab(text: &[u8]) -> Result<Vec<Dentry>> {
    whole(text, Parser::dentries)
}

fn whole<'t, T>(text: &'t [u8], parse: impl FnOnce(&mut Parser<'t>) -> Result<T>) -> Result<T> {
    Parser::of(text).whole(parse)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last token ended: blanks and comments behind an entry are not part of its span.
    token_end: usize,
    /// Parentheses open at this place.
    nesting: usize,
    scratch: PathBuilder,
}

impl<'a> Parser<'a> {
    fn of(text: &'a [u8]) -> Parser<'a> {
        Parser { text, at: 0, token_end: 0, nesting: 0, scratch: PathBuilder::new() }
    }

    fn whole<T>(&mut self, parse: impl FnOnce(&mut Parser<'a>) -> Result<T>) -> Result<T> {
        self.skip_blank();
        let value = parse(self)?;
        self.skip_blank();
        if self.at < self.text.len() { Err(self.expected("end of input")) } else { Ok(value) }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Consumes one byte as (part of) a token.
    fn advance(&mut self) {
        self.at += 1;
        self.token_end = self.at;
    }

    fn eat_if(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        if there {
            self.advance();
        }
        there
    }

    fn eat(&mut self, byte: u8) -> Result<()> {
        if self.eat_if(byte) { Ok(()) } else { Err(self.expected(format_args!("'{}'", char::from(byte)))) }
    }

    fn expected(&self, what: impl std::fmt::Display) -> ParseError {
        ParseError::at(self.text, self.at, format_args!("{what}"))
    }

    /// Skips white space and comments; the latter reach to the end of their line.
    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => {
                    let line = self.text[self.at..].iter().position(|&b| b == b'\n');
                    self.at = line.map_or(self.text.len(), |length| self.at + length);
                }
                // Java's idea of white space, which the original uses: with the four ASCII separators.
                b' ' | b'\t'..=b'\r' | 0x1c..=0x1f => self.at += 1,
                _ => match wide_blank(&self.text[self.at..]) {
                    0 => break,
                    length => self.at += length,
                },
            }
        }
    }

    fn dentries(&mut self) -> Result<Vec<Dentry>> {
        let mut entries = Vec::new();
        while self.peek().is_some() {
            entries.push(self.dentry()?);
            if !self.eat_if(b';') {
                break;
            }
            self.skip_blank();
        }
        Ok(entries)
    }

    fn dentry(&mut self) -> Result<Dentry> {
        let start = self.at;
        let prefix = self.prefix()?;
        self.skip_blank();
        self.eat(b'=')?;
        self.eat(b'>')?;
        let dst = self.tree()?;
        Ok(Dentry { prefix, dst, span: start..self.token_end })
    }

    fn prefix(&mut self) -> Result<Prefix> {
        self.eat(b'/')?;
        self.scratch.clear();
        let mut wild = false;
        if self.peek() == Some(b'*') || self.at_label() {
            loop {
                if self.eat_if(b'*') {
                    self.scratch.push_wildcard();
                    wild = true;
                } else {
                    self.label()?;
                }
                if !self.eat_if(b'/') {
                    break;
                }
            }
        }
        Ok(Prefix::from_encoded(self.scratch.as_bytes(), wild))
    }

    fn path(&mut self) -> Result<Path> {
        self.scratch.clear();
        self.elems()?;
        Ok(self.scratch.to_path())
    }

    /// The elements of a path, behind what the scratch path holds.
    fn elems(&mut self) -> Result<()> {
        self.eat(b'/')?;
        if self.at_label() {
            self.label()?;
            while self.eat_if(b'/') {
                self.label()?;
            }
        }
        Ok(())
    }

    fn at_label(&self) -> bool {
        self.peek().is_some_and(|byte| is_showable(byte) || byte == b'\\')
    }

    /// One label, at least one character long, into the scratch path.
    fn label(&mut self) -> Result<()> {
        if !self.at_label() {
            return Err(self.expected("label char"));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut outcome = Ok(());
        scratch.push_with(|bytes| outcome = self.label_bytes(bytes));
        self.scratch = scratch;
        outcome
    }

    fn label_bytes(&mut self, out: &mut Vec<u8>) -> Result<()> {
        loop {
            match self.peek() {
                Some(b'\\') => out.push(self.escape()?),
                Some(byte) if is_showable(byte) => {
                    self.advance();
                    out.push(byte);
                }
                _ => return Ok(()),
            }
        }
    }

    /// `\xHH`.
    fn escape(&mut self) -> Result<u8> {
        self.eat(b'\\')?;
        self.eat(b'x')?;
        Ok(self.hex_digit()? << 4 | self.hex_digit()?)
    }

    fn hex_digit(&mut self) -> Result<u8> {
        let digit = match self.peek() {
            Some(byte @ b'0'..=b'9') => byte - b'0',
            Some(byte @ b'a'..=b'f') => byte - b'a' + 10,
            Some(byte @ b'A'..=b'F') => byte - b'A' + 10,
            _ => return Err(self.expected("hex char")),
        };
        self.advance();
        Ok(digit)
    }

    /// Alternatives, with the blanks around them.
    fn tree(&mut self) -> Result<NameTree<Path>> {
        let first = self.union()?;
        if self.peek() != Some(b'|') {
            return Ok(first);
        }
        let mut branches = vec![first];
        while self.eat_if(b'|') {
            branches.push(self.union()?);
        }
        Ok(NameTree::Alt(branches))
    }

    /// Weighted branches, with the blanks around them; a single one loses its weight.
    fn union(&mut self) -> Result<NameTree<Path>> {
        let first = self.weighted()?;
        if self.peek() != Some(b'&') {
            return Ok(first.tree);
        }
        let mut branches = vec![first];
        while self.eat_if(b'&') {
            branches.push(self.weighted()?);
        }
        Ok(NameTree::Union(branches))
    }

    fn weighted(&mut self) -> Result<Weighted<Path>> {
        self.skip_blank();
        let weight = if self.at_number() { self.weight()? } else { 1.0 };
        let tree = self.simple()?;
        self.skip_blank();
        Ok(Weighted { weight, tree })
    }

    fn at_number(&self) -> bool {
        matches!(self.peek(), Some(b'0'..=b'9' | b'.'))
    }

    /// A number, `*`, and the blanks behind each.
    fn weight(&mut self) -> Result<f64> {
        let weight = self.number()?;
        self.skip_blank();
        self.eat(b'*')?;
        self.skip_blank();
        Ok(weight)
    }

    fn number(&mut self) -> Result<f64> {
        let start = self.at;
        let mut dotted = false;
        while self.at_number() {
            if self.peek() == Some(b'.') && std::mem::replace(&mut dotted, true) {
                return Err(self.expected("number char"));
            }
            self.advance();
        }
        let digits = &self.text[start..self.at];
        if digits == b"." {
            return Err(ParseError::lone_dot(self.text, self.at));
        }
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<f64>().ok());
        Ok(number.expect("digits with at most one dot are a number").min(MAX_WEIGHT))
    }

    fn simple(&mut self) -> Result<NameTree<Path>> {
        let constant = match self.peek() {
            Some(b'(') => return self.nested(),
            Some(b'/') => return self.path().map(NameTree::Leaf),
            Some(b'!') => NameTree::Fail,
            Some(b'~') => NameTree::Neg,
            Some(b'$') => NameTree::Empty,
            _ => return Err(self.expected("simple")),
        };
        self.advance();
        Ok(constant)
    }

    fn nested(&mut self) -> Result<NameTree<Path>> {
        if self.nesting == MAX_NESTING {
            return Err(self.expected(format_args!("at most {MAX_NESTING} nested parentheses")));
        }
        self.advance();
        self.nesting += 1;
        let tree = self.tree()?;
        self.nesting -= 1;
        self.eat(b')')?;
        Ok(tree)
    }
}

/// How many bytes of UTF-8 the white space beyond ASCII at the beginning of a text takes, 0 if there is none: Java's, which
/// is Unicode's separators without those that keep words together (U+00A0, U+2007, U+202F).
fn wide_blank(text: &[u8]) -> usize {
    match text {
        // U+1680; U+2000 to U+200A, U+2028, U+2029; U+205F; U+3000.
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x86 | 0x88..=0x8a | 0xa8 | 0xa9, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}
