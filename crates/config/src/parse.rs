//! From text to the spanned tree: YAML and JSON through one event parser (every JSON document is a YAML one; that it is one
//! is seen to before).

use crate::build::Builder;
use crate::json;
use crate::{Fault, Faults, Node, Source, Span, Value};
use granit_parser::{Event, Marker, Options, Parser, ScanError};

/// The largest document read, in bytes: thousands of times the largest known configuration.
const MAX_BYTES: usize = 16 << 20;

/// How deep lists and objects may nest.
const MAX_DEPTH: usize = 100;

/// A parsed document: its text and its tree.
#[derive(Clone, Debug)]
pub struct Document {
    /// The text.
    pub source: Source,
    /// The root of the tree; always an object.
    pub root: Node,
    /// Faults that did not keep the tree from being built: duplicate keys, unknown anchors.
    pub faults: Vec<Fault>,
}

impl Document {
    /// Reads the first document of a YAML or JSON text; further ones are ignored, as Linkerd does.
    ///
    /// # Errors
    /// When there is no tree to speak of: not UTF-8, too large, a syntax error, nothing inside, no object at the top.
    pub fn parse(source_name: &str, bytes: &[u8]) -> Result<Document, Faults> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
            Err(error) => return Err(not_utf8(source_name, bytes, error.valid_up_to())),
        };
        let source = Source::new(source_name, text.to_owned());
        if text.len() > MAX_BYTES {
            let message = format!("the document has {} bytes, the limit is {MAX_BYTES}", text.len());
            return Err(Faults::new(source, vec![Fault::new(Span::NOWHERE, message)]));
        }
        if let Some(fault) = json::fault(&source) {
            return Err(Faults::new(source, vec![fault]));
        }
        let (root, mut faults) = tree(&source);
        match root {
            Some(root) if matches!(root.value, Value::Object(_)) => Ok(Document { source, root, faults }),
            root => {
                faults.extend(no_object(root.as_ref(), &faults));
                Err(Faults::new(source, faults))
            }
        }
    }
}

/// Reads a value that stands in the program, not in a document: a default or an example of a declaration.
pub(crate) fn fragment(text: &str) -> Option<(Source, Node)> {
    let source = Source::new("default", text.to_owned());
    let (root, faults) = tree(&source);
    root.filter(|_| faults.is_empty()).map(|root| (source, root))
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Faults {
    let source = Source::new(name, String::from_utf8_lossy(bytes).into_owned());
    let fault = Fault::new(Span::new(valid..valid + 1), "the text is not UTF-8");
    Faults::new(source, vec![fault.expected("a YAML or JSON document in UTF-8")])
}

fn no_object(root: Option<&Node>, faults: &[Fault]) -> Option<Fault> {
    let expected = "an object with the key `routers`";
    match root {
        // A syntax error or an unknown alias explains already why there is no tree.
        None if !faults.is_empty() => None,
        Some(Node { value: Value::Broken, .. }) => None,
        None | Some(Node { value: Value::Null, .. }) => {
            Some(Fault::new(Span::new(0..0), "the document is empty").expected(expected))
        }
        Some(node) => {
            let message = format!("the document is {}", node.shape());
            Some(Fault::new(node.span, message).expected(expected))
        }
    }
}

fn tree(source: &Source) -> (Option<Node>, Vec<Fault>) {
    let mut options = Options::default();
    options.emit_unresolved_aliases = true;
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(source.text(), options) {
        match event {
            // Only the first document counts; a fault in a later one harms nobody.
            Ok((Event::DocumentEnd, _)) => break,
            Ok((event, span)) => {
                let span = span.byte_range().map_or(Span::NOWHERE, Span::new);
                if builder.event(event, span).is_break() {
                    return (None, builder.finish().1);
                }
            }
            Err(error) => {
                let fault = syntax(source, &error, builder.open_bracket(source.text()));
                let mut faults = builder.finish().1;
                faults.push(fault);
                return (None, faults);
            }
        }
    }
    builder.finish()
}

fn syntax(source: &Source, error: &ScanError, open: Option<(char, Span)>) -> Fault {
    let offset = byte_offset(source, error.marker()).min(source.text().len());
    let language = if json::is_json(source.text()) { "JSON" } else { "YAML" };
    let bracket = open.map(|(bracket, span)| {
        format!("is the `{bracket}` of line {} closed?", source.position(span.start).line)
    });
    let hint = bracket.or_else(|| slip(source, &error.kind().to_string()));
    let fault = Fault::new(Span::new(offset..offset), format!("not valid {language}: {}", error.kind()));
    Fault { hint, ..fault }
}

/// What is mostly behind a syntax error; the parser says what it met, not what was meant.
fn slip(source: &Source, message: &str) -> Option<String> {
    let says = |words: &str| message.contains(words);
    if says("tab") {
        let line = source.text().lines().position(|line| line.trim_start_matches(' ').starts_with('\t'))? + 1;
        return Some(format!("line {line} begins with a tab: YAML is indented with blanks"));
    }
    let hint = match () {
        () if says("mapping values are not allowed") => {
            "a text with `: ` in it stands in quotes; or is the line above indented differently?"
        }
        () if says("simple key expected") => {
            "is a `:` missing? The lines of a text after `|` are indented further than its key"
        }
        () if says("did not find expected key") => "is this line indented exactly like its neighbours?",
        () if says("did not find expected '-' indicator") => {
            "is this line indented exactly like its neighbours?"
        }
        () if says("quoted scalar") => "is a quote of an earlier line closed?",
        () => return None,
    };
    Some(hint.to_owned())
}

fn byte_offset(source: &Source, marker: &Marker) -> usize {
    let by_index = || source.text().char_indices().nth(marker.index()).map_or(usize::MAX, |(at, _)| at);
    marker.byte_offset().unwrap_or_else(by_index)
}
