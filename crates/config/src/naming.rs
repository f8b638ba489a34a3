//! Names, dtabs and patterns as values of keys. Their parsers count bytes of the text they were given; a fault has to
//! point into the document, where that text may be indented, folded or escaped.

use crate::decode::shortened;
use crate::{Context, Decode, Fault, Node, Scalar, Source, Span, Style, Type, Value};
use names::{Dtab, ParseError, Path, PathPattern};

impl Decode for Path {
    fn describe() -> Type {
        Type::Path
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Path> {
        parsed(node, cx, &Type::Path, Path::parse)
    }
}

impl Decode for Dtab {
    fn describe() -> Type {
        Type::Dtab
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Dtab> {
        parsed(node, cx, &Type::Dtab, Dtab::parse)
    }
}

impl Decode for PathPattern {
    fn describe() -> Type {
        Type::Pattern
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<PathPattern> {
        String::decode(node, cx).map(|text| PathPattern::parse(&text))
    }
}

fn parsed<T>(
    node: &Node,
    cx: &mut Context,
    expected: &Type,
    parse: impl Fn(&[u8]) -> Result<T, ParseError>,
) -> Option<T> {
    let Value::Scalar(scalar) = &node.value else {
        cx.wrong_shape(node, expected);
        return None;
    };
    match parse(scalar.text.as_bytes()) {
        Ok(value) => Some(value),
        Err(error) => {
            let span = inner_span(cx.source(), node.span, scalar, error.offset);
            let fault = Fault::new(span, one_line(&error, &scalar.text));
            cx.fault(match missing_semicolon(&error, &scalar.text, expected) {
                Some(hint) => Fault { hint: Some(hint), ..fault },
                None => fault.expected(expected.describe()),
            });
            None
        }
    }
}

/// The commonest slip: an entry that begins where the one before has not ended.
fn missing_semicolon(error: &ParseError, text: &str, expected: &Type) -> Option<String> {
    let begins = matches!(expected, Type::Dtab)
        && text.as_bytes().get(error.offset) == Some(&b'/')
        && error.to_string().starts_with("end of input expected")
        && text.get(..error.offset).is_some_and(|before| before.ends_with(char::is_whitespace));
    begins.then(|| "is the `;` between this entry and the one before missing?".to_owned())
}

/// The parser's message; of a long text it quotes the part around the place, because the caret shows the rest.
fn one_line(error: &ParseError, text: &str) -> String {
    let message = error.to_string();
    if text.len() <= 60 && !text.contains('\n') {
        return message.chars().flat_map(visible).collect();
    }
    let end = message.find(" at '").unwrap_or(message.len());
    let line: String = message[..end].chars().flat_map(visible).collect();
    format!("{} at '{}'", shortened(&line), around(error.offset, text))
}

/// How much of a long text is quoted before the place where it stops making sense, and behind it, in characters.
const AROUND: usize = 20;

/// The part of a long text around an offset, with the character there in brackets; empty ones mean the end.
fn around(offset: usize, text: &str) -> String {
    let at = (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (before, from) = text.split_at(at);
    let start = before.char_indices().rev().nth(AROUND - 1).map_or(0, |(start, _)| start);
    let mut rest = from.chars();
    let found: String = rest.next().into_iter().flat_map(visible).collect();
    let after: String = rest.by_ref().take(AROUND).flat_map(visible).collect();
    let dots = |cut: bool| if cut { "…" } else { "" };
    let before_shown: String = before[start..].chars().flat_map(visible).collect();
    let more = rest.next().is_some();
    format!("{}{before_shown}[{found}]{after}{}", dots(start > 0), dots(more))
}

fn visible(char: char) -> Vec<char> {
    if char.is_control() { char.escape_default().collect() } else { vec![char] }
}

/// Where a byte of a scalar's resolved text stands in the document.
pub fn inner_span(source: &Source, span: Span, scalar: &Scalar, offset: usize) -> Span {
    if span.is_nowhere() {
        return span;
    }
    let written = source.slice(span);
    let at = span.start as usize + written_offset(written, scalar, offset);
    let width = source.text().get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    Span::new(at..at + width)
}

/// Walks the resolved text and the written one side by side. What is no blank stands in both in the same order, except
/// for escapes, so skipping blanks and escapes keeps the two in step.
fn written_offset(written: &str, scalar: &Scalar, offset: usize) -> usize {
    let mut at = body(written, scalar.style);
    let mut last = at;
    for (index, wanted) in scalar.text.char_indices() {
        at += continuation(&written[at..], scalar.style);
        if !wanted.is_whitespace() {
            at += blanks(&written[at..]);
            at += continuation(&written[at..], scalar.style);
        }
        last = at;
        if index >= offset {
            return at;
        }
        at += step(&written[at..], wanted, scalar.style);
        last = last.max(at);
    }
    // The end of the text: behind its last character, before closing quotes and the blanks of a block.
    last.min(written.trim_end().len())
}

/// Where the text begins: behind the opening quote, or on the line after `|`.
fn body(written: &str, style: Style) -> usize {
    match style {
        Style::Plain => 0,
        Style::SingleQuoted | Style::DoubleQuoted => usize::from(written.starts_with(['\'', '"'])),
        Style::Block if written.starts_with(['|', '>']) => {
            written.find('\n').map_or(written.len(), |end| end + 1)
        }
        Style::Block => 0,
    }
}

fn blanks(written: &str) -> usize {
    written.len() - written.trim_start().len()
}

/// The length of a line break that is taken back by a backslash, with the blanks the next line begins with: it stands for
/// nothing.
fn continuation(written: &str, style: Style) -> usize {
    let mut rest = written;
    if style == Style::DoubleQuoted {
        while let Some(next) = rest.strip_prefix("\\\n").or_else(|| rest.strip_prefix("\\\r\n")) {
            rest = next.trim_start_matches([' ', '\t', '\r', '\n']);
        }
    }
    written.len() - rest.len()
}

/// How many written bytes one resolved character takes.
fn step(written: &str, wanted: char, style: Style) -> usize {
    let Some(first) = written.chars().next() else { return 0 };
    match style {
        Style::SingleQuoted if first == '\'' && written.starts_with("''") => 2,
        Style::DoubleQuoted if first == '\\' => escape(written),
        // Folding may turn several blanks into one, or drop them; the next visible character catches up.
        _ if wanted.is_whitespace() && !first.is_whitespace() => 0,
        _ => first.len_utf8(),
    }
}

/// The length of an escape sequence.
fn escape(written: &str) -> usize {
    let kind = written.chars().nth(1);
    let length = match kind {
        Some('x') => 4,
        Some('u') => 6,
        Some('U') => 10,
        Some(other) => 1 + other.len_utf8(),
        None => 1,
    };
    length.min(written.len())
}

#[cfg(test)]
mod tests {
    use super::written_offset;
    use crate::{Scalar, Style};

    #[test]
    fn offsets_point_at_the_same_character() {
        let check = |written: &str, style: Style, text: &str, marked: char| {
            let scalar = Scalar { text: text.to_owned(), style };
            let offset = text.find(marked).expect("the mark is in the text");
            let at = written_offset(written, &scalar, offset);
            assert_eq!(written.find(marked), Some(at), "{written:?}");
        };
        check("/a => !", Style::Plain, "/a => !", '!');
        check("/a =>\n    !", Style::Plain, "/a => !", '!');
        check("'/a''b => !'", Style::SingleQuoted, "/a'b => !", '!');
        check("\"\\t/a\\x20\\u0041 => !\"", Style::DoubleQuoted, "\t/a A => !", '!');
        check("\"/a => \\\n   /b;\\\r\n  \\ /c => !\"", Style::DoubleQuoted, "/a => /b; /c => !", '!');
        check("\"/a => b  \\\n   c !\"", Style::DoubleQuoted, "/a => b  c !", 'c');
        check("|\n    /a => /b ;\n    /c => !\n", Style::Block, "/a => /b ;\n/c => !\n", '!');
        check(">- # folded\n    /a => /b ;\n\n    /c => !\n", Style::Block, "/a => /b ;\n/c => !", '!');
        check("/ä => !", Style::Plain, "/ä => !", '!');
    }

    #[test]
    fn the_end_is_behind_the_last_character() {
        let check = |written: &str, style: Style, text: &str, expected: usize| {
            let scalar = Scalar { text: text.to_owned(), style };
            assert_eq!(written_offset(written, &scalar, text.len()), expected, "{written:?}");
        };
        check("/a", Style::Plain, "/a", 2);
        check("'/a'", Style::SingleQuoted, "/a", 3);
        check("|\n  /a\n", Style::Block, "/a\n", 6);
        check("", Style::Plain, "", 0);
    }
}
