//! What is wrong with a document: where, what, and what was expected; all of it at once, in the order of the text.

use crate::{Source, Span};
use std::fmt::{self, Display, Formatter, Write as _};

/// How much of a long source line a fault shows, in characters.
const SHOWN_COLUMNS: usize = 120;

/// Whether a fault keeps the document from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document must not be used.
    Error,
    /// The document works, but somebody should know.
    Warning,
}

/// Why a fault exists, for programs and tests; people read the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The text is not the document it should be: syntax, unknown keys, wrong values, conflicts.
    Wrong,
    /// Linkerd 1.7 knows this key or kind, Wayleave does not build it yet.
    NotBuilt,
}

/// One thing wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub span: Span,
    /// What, one line, without a final period.
    pub message: String,
    /// What would have been right, one line: `expected …`, `did you mean …?`.
    pub hint: Option<String>,
    /// Fatal or not.
    pub severity: Severity,
    /// What sort of fault.
    pub reason: Reason,
}

impl Fault {
    /// A fatal fault.
    pub fn new(span: Span, message: impl Into<String>) -> Fault {
        let (hint, severity, reason) = (None, Severity::Error, Reason::Wrong);
        Fault { span, message: one_line(message.into()), hint, severity, reason }
    }

    /// A fault of a key or kind that Linkerd knows and Wayleave does not build yet. `what` names it: ``key `tls` ``.
    pub fn not_built(span: Span, what: impl Display) -> Fault {
        let message = format!("{what} is known to Linkerd but not built yet in Wayleave");
        Fault { reason: Reason::NotBuilt, ..Fault::new(span, message) }
    }

    /// Adds what would have been right.
    #[must_use]
    pub fn expected(self, expected: impl Display) -> Fault {
        Fault { hint: Some(one_line(format!("expected {expected}"))), ..self }
    }

    /// Adds the name that was probably meant.
    #[must_use]
    pub fn perhaps(self, name: &str) -> Fault {
        Fault { hint: Some(format!("did you mean `{name}`?")), ..self }
    }

    /// Turns it into a warning.
    #[must_use]
    pub fn warning(mut self) -> Fault {
        self.severity = Severity::Warning;
        self
    }
}

/// A message quotes documents; what they hold must not break its line nor reach the terminal.
fn one_line(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let visible =
        |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    text.chars().map(visible).collect()
}

/// The faults of one document, in the order of its text.
#[derive(Clone, Debug)]
pub struct Faults {
    source: Source,
    list: Vec<Fault>,
}

impl Faults {
    /// Sorts the faults by place. What an alias makes appear twice is kept once.
    pub fn new(source: Source, mut list: Vec<Fault>) -> Faults {
        list.sort_by(|a, b| (a.span, &a.message).cmp(&(b.span, &b.message)));
        list.dedup();
        Faults { source, list }
    }

    /// Splits into (errors, warnings).
    pub fn split(self) -> (Faults, Faults) {
        let (errors, warnings) = self.list.into_iter().partition(|fault| fault.severity == Severity::Error);
        (Faults { source: self.source.clone(), list: errors }, Faults { source: self.source, list: warnings })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True if nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// The document the faults are about.
    pub fn source(&self) -> &Source {
        &self.source
    }
}

impl std::error::Error for Faults {}

impl Display for Faults {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            show(&self.source, fault, f)?;
        }
        Ok(())
    }
}

fn show(source: &Source, fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    let kind = if fault.severity == Severity::Warning { "warning: " } else { "" };
    if fault.span.is_nowhere() {
        write!(f, "{}: {kind}{}", source.name(), fault.message)?;
    } else {
        let start = source.position(fault.span.start);
        write!(f, "{}:{}:{}: {kind}{}", source.name(), start.line, start.column, fault.message)?;
        let excerpt = Excerpt::new(source, fault.span);
        let margin = " ".repeat(start.line.to_string().len());
        write!(f, "\n{margin} |\n{} | {}\n{margin} | {}", start.line, excerpt.line, excerpt.carets)?;
    }
    match &fault.hint {
        Some(hint) => write!(f, "\n  = {hint}"),
        None => Ok(()),
    }
}

/// A source line fit for a terminal and the carets under it.
struct Excerpt {
    line: String,
    carets: String,
}

impl Excerpt {
    fn new(source: &Source, span: Span) -> Excerpt {
        let (start, end) = (source.position(span.start), source.position(span.end));
        let line: Vec<char> = source.line(start.line).chars().collect();
        let first = (start.column - 1).min(line.len());
        let last = if end.line == start.line { end.column - 1 } else { line.len() };
        let skipped = if first >= SHOWN_COLUMNS { first - SHOWN_COLUMNS / 2 } else { 0 };
        let until = line.len().min(skipped + SHOWN_COLUMNS);
        let mut excerpt = Excerpt { line: String::new(), carets: String::new() };
        if skipped > 0 {
            excerpt.line.push('…');
            excerpt.carets.push(' ');
        }
        for (column, char) in line.iter().enumerate().take(until).skip(skipped) {
            // A tab stays a tab above and below so that the caret lines up at any tab width.
            excerpt.line.push(if char.is_control() && *char != '\t' { '\u{FFFD}' } else { *char });
            if column < first {
                excerpt.carets.push(if *char == '\t' { '\t' } else { ' ' });
            }
        }
        if until < line.len() {
            excerpt.line.push('…');
        }
        let width = last.min(until).saturating_sub(first).max(1);
        let _ = write!(excerpt.carets, "{}", "^".repeat(width));
        excerpt
    }
}
