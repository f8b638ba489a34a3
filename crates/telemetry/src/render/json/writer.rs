//! Writes nested JSON objects of numbers, compact or indented.

use std::fmt::Write;

use super::Number;
use crate::number::{push_f32, push_f64, push_u64};

impl Number {
    /// Appends the number; what JSON has no number for (NaN, the infinities) goes in quotes.
    pub(super) fn push(self, out: &mut String) {
        let special = match self {
            Number::Whole(_) => false,
            Number::Single(v) => !v.is_finite(),
            Number::Double(v) => !v.is_finite(),
        };
        if special {
            out.push('"');
        }
        match self {
            Number::Whole(n) => push_u64(out, n),
            Number::Single(v) => push_f32(out, v),
            Number::Double(v) => push_f64(out, v),
        }
        if special {
            out.push('"');
        }
    }
}

/// The text so far and how deep it is nested.
pub(super) struct Writer {
    out: String,
    pretty: bool,
    depth: usize,
    /// Whether the object that is open has a field yet.
    has_field: bool,
}

impl Writer {
    pub(super) fn new(pretty: bool) -> Writer {
        Writer { out: String::new(), pretty, depth: 0, has_field: false }
    }

    pub(super) fn open(&mut self) {
        self.out.push('{');
        self.depth += 1;
        self.has_field = false;
    }

    pub(super) fn close(&mut self) {
        self.depth -= 1;
        if self.has_field {
            self.new_line();
        }
        self.out.push('}');
        self.has_field = true;
    }

    pub(super) fn key(&mut self, key: &str) {
        if self.has_field {
            self.out.push(',');
        }
        self.new_line();
        self.out.push('"');
        push_escaped(&mut self.out, key);
        self.out.push_str(if self.pretty { "\" : " } else { "\":" });
        self.has_field = true;
    }

    pub(super) fn field(&mut self, key: &str, number: Number) {
        self.key(key);
        number.push(&mut self.out);
    }

    fn new_line(&mut self) {
        if self.pretty {
            self.out.push('\n');
            (0..self.depth).for_each(|_| self.out.push_str("  "));
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Appends `text` as the inside of a JSON string.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    if !text.bytes().any(|b| b < b' ' || b == b'"' || b == b'\\') {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("a String takes everything"),
            c => out.push(c),
        }
    }
}
