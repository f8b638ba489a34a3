//! Assembles parser events into the spanned tree: anchors, aliases, merge keys, duplicate keys, limits.

use crate::{Entry, Fault, Node, Scalar, Span, Spanned, Style, Value};
use granit_parser::{Event, ScalarStyle, Tag};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// How many values a document may have once its aliases are expanded. Aliases of aliases grow without bound otherwise.
const MAX_NODES: usize = 200_000;

/// The tree under construction.
#[derive(Default)]
pub(crate) struct Builder {
    open: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    faults: Vec<Fault>,
}

/// A list or object whose end has not come yet.
struct Frame {
    span: Span,
    anchor: usize,
    shape: Shape,
}

enum Shape {
    List(Vec<Node>),
    Object(Object),
}

#[derive(Default)]
struct Object {
    entries: Vec<Entry>,
    /// Every key seen so far and where, so that duplicates are found without a quadratic search.
    seen: HashMap<String, Span>,
    pending: Option<Key>,
    merges: Vec<Node>,
}

enum Key {
    Named(Spanned<String>),
    /// Plain `<<`.
    Merge,
    /// A duplicate or a key that is no scalar: the value is read and dropped.
    Dropped,
}

impl Builder {
    /// Takes one event. Breaks when a limit is passed; the fault is recorded.
    pub(crate) fn event(&mut self, event: Event<'_>, span: Span) -> ControlFlow<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = Node { span, value: scalar(text.into_owned(), style, tag.as_deref()) };
                self.complete(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(span, anchor, Shape::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.begin(span, anchor, Shape::Object(Object::default())),
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => self.alias(id, span),
            Event::UnresolvedAlias(name) => {
                let fault = Fault::new(span, format!("alias `*{name}` has no anchor"));
                self.faults.push(fault.expected(format!("`&{name}` earlier in the document")));
                self.complete(Node { span, value: Value::Broken }, 0)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    /// The tree, if there is a whole one, and the faults found on the way.
    pub(crate) fn finish(self) -> (Option<Node>, Vec<Fault>) {
        (self.root, self.faults)
    }

    /// The innermost list or object in brackets that is still open at a syntax error: mostly the one not closed.
    pub(crate) fn open_bracket(&self, text: &str) -> Option<(char, Span)> {
        self.open.iter().rev().find_map(|frame| {
            let bracket = text.get(frame.span.start as usize..)?.chars().next()?;
            matches!(bracket, '[' | '{').then_some((bracket, frame.span))
        })
    }

    fn begin(&mut self, span: Span, anchor: usize, shape: Shape) -> ControlFlow<()> {
        self.open.push(Frame { span, anchor, shape });
        ControlFlow::Continue(())
    }

    fn end(&mut self, end: Span) -> ControlFlow<()> {
        let Some(frame) = self.open.pop() else { return ControlFlow::Continue(()) };
        let (value, last) = match frame.shape {
            Shape::List(items) => {
                let last = items.last().map(|item| item.span.end);
                (Value::List(items), last)
            }
            Shape::Object(object) => {
                let last = object.entries.last().map(|entry| entry.value.span.end.max(entry.key.span.end));
                (Value::Object(self.merged(object)), last)
            }
        };
        // A flow collection ends with its bracket; a block one ends with its last value, not where the next key starts.
        let closing = if end.end > end.start { Some(end.end) } else { last };
        let span =
            Span { start: frame.span.start, end: closing.unwrap_or(frame.span.end).max(frame.span.end) };
        self.complete(Node { span, value }, frame.anchor)
    }

    fn alias(&mut self, id: usize, span: Span) -> ControlFlow<()> {
        let node = match self.anchors.get(&id) {
            Some(node) => node.clone(),
            None => {
                self.faults.push(Fault::new(span, "an alias must not stand inside the value it repeats"));
                Node { span, value: Value::Broken }
            }
        };
        self.count(node.size(), span)?;
        self.complete(node, 0)
    }

    fn complete(&mut self, node: Node, anchor: usize) -> ControlFlow<()> {
        self.count(1, node.span)?;
        if anchor != 0 {
            self.count(node.size(), node.span)?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|frame| &mut frame.shape) {
            None => self.root = Some(node),
            Some(Shape::List(items)) => items.push(node),
            Some(Shape::Object(object)) => object.take(node, &mut self.faults),
        }
        ControlFlow::Continue(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> ControlFlow<()> {
        self.nodes += nodes;
        if self.nodes <= MAX_NODES {
            return ControlFlow::Continue(());
        }
        let message = format!("the document has more than {MAX_NODES} values, those of aliases included");
        self.faults.push(Fault::new(span, message));
        ControlFlow::Break(())
    }

    /// The entries of an object, with those of its merge keys behind its own; its own win, earlier merges win.
    fn merged(&mut self, object: Object) -> Vec<Entry> {
        let Object { mut entries, mut seen, merges, .. } = object;
        for merge in merges {
            let sources = match merge.value {
                Value::List(items) => items,
                _ => vec![merge],
            };
            for source in sources {
                match source.value {
                    Value::Object(more) => {
                        let new =
                            |entry: &Entry| seen.insert(entry.key.value.clone(), entry.key.span).is_none();
                        entries.extend(more.into_iter().filter(new));
                    }
                    Value::Broken | Value::Null => {}
                    _ => {
                        let fault = Fault::new(source.span, "`<<` cannot merge this");
                        self.faults.push(fault.expected("an object, or a list of objects"));
                    }
                }
            }
        }
        entries
    }
}

impl Object {
    /// Takes a key or the value of the key before.
    fn take(&mut self, node: Node, faults: &mut Vec<Fault>) {
        match self.pending.take() {
            None => self.pending = Some(self.key(node, faults)),
            Some(Key::Named(key)) => self.entries.push(Entry { key, value: node }),
            Some(Key::Merge) => self.merges.push(node),
            Some(Key::Dropped) => {}
        }
    }

    fn key(&mut self, node: Node, faults: &mut Vec<Fault>) -> Key {
        let span = node.span;
        let text = match node.value {
            Value::Scalar(Scalar { text, style: Style::Plain }) if text == "<<" => return Key::Merge,
            Value::Scalar(scalar) => scalar.text,
            Value::Broken => return Key::Dropped,
            value => {
                let shape = Node { span, value }.shape();
                faults.push(Fault::new(span, format!("{shape} is no key")).expected("a name"));
                return Key::Dropped;
            }
        };
        if self.seen.contains_key(&text) {
            let fault = Fault::new(span, format!("duplicate key `{text}`"));
            faults.push(fault.expected("each key once in an object"));
            return Key::Dropped;
        }
        self.seen.insert(text.clone(), span);
        Key::Named(Spanned { value: text, span })
    }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let style = match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        // `!!str 4140` is a text whatever it looks like.
        ScalarStyle::Plain if tag.is_some_and(|tag| tag.is_yaml_core_schema_tag("str")) => {
            Style::SingleQuoted
        }
        ScalarStyle::Plain => Style::Plain,
    };
    match (style, text.as_str()) {
        (Style::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        _ => Value::Scalar(Scalar { text, style }),
    }
}
