//! From the spanned tree to typed values. A wrong value becomes a fault and decoding goes on, so that all faults of a
//! document are found at once.

use crate::nearest::nearest;
use crate::{
    Entry, Fault, FormerMeta, Node, ObjectMeta, OnlyMeta, Scalar, Source, Span, Spanned, Style, Type, Value,
};
use std::path::Path;

/// What decoding carries along: the text, the faults so far, and the little it asks of the world.
pub struct Context {
    source: Source,
    faults: Vec<Fault>,
    is_directory: fn(&Path) -> bool,
    is_file: fn(&Path) -> bool,
    variable: fn(&str) -> Option<String>,
    /// The key whose value is being read, for messages.
    key: Option<&'static str>,
}

impl Context {
    /// A context that asks the real file system.
    pub fn new(source: Source) -> Context {
        let variable = |name: &str| std::env::var(name).ok();
        let (is_directory, is_file) = (Path::is_dir, Path::is_file);
        Context { source, faults: Vec::new(), is_directory, is_file, variable, key: None }
    }

    /// Replaces the question whether a file or a directory exists, for checks away from the machine the document is
    /// meant for.
    #[must_use]
    pub fn with_files(self, is_there: fn(&Path) -> bool) -> Context {
        Context { is_directory: is_there, is_file: is_there, ..self }
    }

    /// Replaces the question for an environment variable, for the same.
    #[must_use]
    pub fn with_variables(self, variable: fn(&str) -> Option<String>) -> Context {
        Context { variable, ..self }
    }

    /// The value of an environment variable, if it is set.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    /// Records a fault.
    pub fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// All faults so far.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }

    /// The text being decoded.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether a directory exists.
    pub fn is_directory(&self, path: &Path) -> bool {
        (self.is_directory)(path)
    }

    /// Whether a file exists.
    pub fn is_file(&self, path: &Path) -> bool {
        (self.is_file)(path)
    }

    /// Decodes without recording faults: for checks that compare values elsewhere decoded, and reported, already.
    pub fn quietly<T: Decode>(&mut self, node: &Node) -> Option<T> {
        let before = self.faults.len();
        let value = T::decode(node, self);
        self.faults.truncate(before);
        value
    }

    /// Records that a value is not what its key takes.
    pub(crate) fn wrong(&mut self, node: &Node, message: String, expected: &Type) {
        self.fault(Fault::new(node.span, message).expected(expected.describe()));
    }

    /// The key whose value is being read, if it is one's.
    pub(crate) fn key(&self) -> Option<&'static str> {
        self.key
    }

    /// Records that a value has the wrong shape altogether; unreadable ones were reported before.
    pub(crate) fn wrong_shape(&mut self, node: &Node, expected: &Type) {
        if matches!(node.value, Value::Broken) {
            return;
        }
        let what = match &node.value {
            Value::Scalar(Scalar { text, style: Style::Plain }) => format!("`{}`", shortened(text)),
            Value::Scalar(Scalar { text, .. }) => format!("the text \"{}\"", shortened(text)),
            _ => node.shape().to_owned(),
        };
        let place = self.key.map_or("here".to_owned(), |key| format!("key `{key}`"));
        self.wrong(node, format!("{what} does not fit {place}"), expected);
    }
}

/// A value as it is quoted in a message: one short line.
pub(crate) fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    let mut short: String = line.chars().take(60).collect();
    if short.len() < text.trim_end().len() {
        short.push('…');
    }
    short
}

/// A type that can be read from a document.
pub trait Decode: Sized {
    /// The type, for messages, reference and schema.
    fn describe() -> Type;

    /// Reads a value that is there (not null). `None` means that the fault is recorded.
    fn decode(node: &Node, cx: &mut Context) -> Option<Self>;

    /// The value when the key is absent and has no default; `None` makes the key required.
    fn absent() -> Option<Self> {
        None
    }
}

/// An optional value: absent is a value of its own.
impl<T: Decode> Decode for Option<T> {
    fn describe() -> Type {
        T::describe()
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Option<T>> {
        T::decode(node, cx).map(Some)
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

impl<T: Decode> Decode for Spanned<T> {
    fn describe() -> Type {
        T::describe()
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Spanned<T>> {
        T::decode(node, cx).map(|value| Spanned { value, span: node.span })
    }
}

/// Elements that are faulty are left out, so that the others are still looked at; the fault spoils the document anyway.
impl<T: Decode> Decode for Vec<T> {
    fn describe() -> Type {
        Type::List(T::describe)
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Vec<T>> {
        let Some(items) = node.list() else {
            cx.wrong_shape(node, &Vec::<T>::describe());
            return None;
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            if item.is_null() {
                cx.wrong(item, "an empty list element".to_owned(), &T::describe());
                continue;
            }
            values.extend(T::decode(item, cx));
        }
        Some(values)
    }
}

/// A value that may be written alone or as a list; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMore<T>(Vec<T>);

impl<T> std::ops::Deref for OneOrMore<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Decode> Decode for OneOrMore<T> {
    fn describe() -> Type {
        Type::OneOrMore(T::describe)
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<OneOrMore<T>> {
        if node.list().is_none() {
            return T::decode(node, cx).map(|one| OneOrMore(vec![one]));
        }
        if node.list().is_some_and(<[Node]>::is_empty) {
            let noun = match T::describe() {
                Type::Family(family) => format!("{} ", family.noun),
                _ => String::new(),
            };
            cx.wrong(node, format!("empty {noun}list"), &T::describe());
            return None;
        }
        // A list that lost all its elements to faults is not a list this type can hold.
        Vec::decode(node, cx).filter(|values| !values.is_empty()).map(OneOrMore)
    }
}

/// A struct declared with [`config!`](crate::config).
pub trait Declared: Sized {
    /// Its keys and documentation.
    const META: &'static ObjectMeta;

    /// Takes its keys from an object, which may have others.
    fn decode_keys(object: &mut Object<'_>, cx: &mut Context) -> Option<Self>;

    /// The rule it has to keep beside those of its keys, which records its own faults.
    fn check(&self, _: Places<'_>, _: &mut Context) -> Option<()> {
        Some(())
    }

    /// Reads all of an object, of which an enclosing declaration may have taken some keys (`kind`).
    fn decode_object(mut object: Object<'_>, cx: &mut Context) -> Option<Self> {
        let value = Self::decode_keys(&mut object, cx);
        let places = object.places();
        object.finish(Self::META, cx);
        value.filter(|value| value.check(places, cx).is_some())
    }
}

/// An object whose keys are being taken one by one; what remains at the end is unknown.
pub struct Object<'a> {
    entries: &'a [Entry],
    taken: Vec<&'static str>,
    span: Span,
}

impl<'a> Object<'a> {
    /// The object of a node; records a fault when it is none.
    pub fn new(node: &'a Node, expected: &Type, cx: &mut Context) -> Option<Object<'a>> {
        match &node.value {
            Value::Object(entries) => Some(Object { entries, taken: Vec::new(), span: node.span }),
            _ => {
                cx.wrong_shape(node, expected);
                None
            }
        }
    }

    /// The whole object's place.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Takes a key. `None` when absent or null.
    pub fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        self.taken.push(key);
        self.entries
            .iter()
            .find(|entry| *entry.key == key)
            .map(|entry| &entry.value)
            .filter(|node| !node.is_null())
    }

    /// Takes and decodes a key; its default, or absence, when it is not there. `None` means a fault was recorded, of a key
    /// that is not there with the text `missing`, if any.
    pub fn field<T: Decode>(
        &mut self,
        key: &'static str,
        default: Option<&str>,
        missing: Option<&str>,
        cx: &mut Context,
    ) -> Option<T> {
        if let Some(node) = self.take(key) {
            let around = cx.key.replace(key);
            let value = T::decode(node, cx);
            cx.key = around;
            return value;
        }
        let value = match default {
            Some(text) => Some(default_of(text)),
            None => T::absent(),
        };
        if value.is_none() {
            let expected = T::describe().describe();
            let (message, expected) = match missing {
                Some(text) => (text.to_owned(), format!("the key `{key}`: {expected}")),
                None => (format!("key `{key}` is missing"), expected),
            };
            cx.fault(Fault::new(Span { end: self.span.start, ..self.span }, message).expected(expected));
        }
        value
    }

    /// Holds a decoded value to a rule of its declaration; the rule's text becomes a fault at the value.
    pub fn checked<D: Declared, T>(
        &self,
        key: &str,
        value: Option<T>,
        rule: impl Fn(&T) -> Result<(), String>,
        cx: &mut Context,
    ) -> Option<T> {
        let value = value?;
        match rule(&value) {
            Ok(()) => Some(value),
            Err(broken) => {
                let fault = Fault::new(self.places().of(key), broken);
                let bounds = D::META.keys.iter().find(|meta| meta.key == key).and_then(|meta| meta.bounds);
                cx.fault(match bounds {
                    Some(bounds) => fault.expected(bounds.describe()),
                    None => fault,
                });
                None
            }
        }
    }

    /// Where the keys stand, for rules that look at several of them.
    pub fn places(&self) -> Places<'a> {
        Places { entries: self.entries, span: self.span }
    }

    /// Records what nobody took: keys that are not built yet and ask for something, or not with this value, keys of older
    /// Linkerds, and unknown ones.
    pub fn finish(self, meta: &ObjectMeta, cx: &mut Context) {
        for Entry { key, value } in
            self.entries.iter().filter(|entry| !self.taken.contains(&entry.key.as_str()))
        {
            if meta.later.contains(&key.as_str()) {
                if is_nothing(value) {
                    continue;
                }
                cx.fault(Fault::not_built(key.span, format!("key `{}`", key.value)));
            } else if let Some(only) = meta.only.iter().find(|only| only.key == key.value) {
                only_default(only, value, cx);
            } else if let Some(former) = meta.former.iter().find(|former| former.key == key.value) {
                let FormerMeta { until, reason, .. } = former;
                let message =
                    format!("key `{}` ended with Linkerd {until} and is ignored: {reason}", key.value);
                let hint = Some("the key can be removed".to_owned());
                cx.fault(Fault { hint, ..Fault::new(key.span, message).warning() });
            } else {
                cx.fault(self.unknown(key, meta));
            }
        }
    }

    fn unknown(&self, key: &Spanned<String>, meta: &ObjectMeta) -> Fault {
        let built = self.taken.iter().copied().chain(meta.only.iter().map(|only| only.key));
        let fault = Fault::new(key.span, format!("unknown key `{}`", shortened(key)));
        if let Some(home) = meta.home_of(key) {
            let hint = format!("`{}` is a key of `{home}`: should it stand there?", key.value);
            return Fault { hint: Some(hint), ..fault };
        }
        // What is not built is worth recognising, not worth proposing.
        match nearest(key, built.clone().chain(meta.later.iter().copied())) {
            Some(near) => fault.perhaps(near),
            None => fault.expected(list_of(built)),
        }
    }
}

/// Whether a value asks for nothing: null is like no key at all (dataplane.md §1.3), and so is a list without elements.
fn is_nothing(value: &Node) -> bool {
    value.is_null() || value.list().is_some_and(<[Node]>::is_empty)
}

/// Holds a value to the only one that is built.
fn only_default(only: &'static OnlyMeta, value: &Node, cx: &mut Context) {
    if value.is_null() {
        return;
    }
    let around = cx.key.replace(only.key);
    if (only.is_default)(value, cx) == Some(false) {
        let what = format!("key `{}` with another value than `{}`", only.key, only.default);
        cx.fault(Fault::not_built(value.span, what));
    }
    cx.key = around;
}

/// Where the keys of an object stand.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    entries: &'a [Entry],
    span: Span,
}

impl Places<'_> {
    /// Whether the object has the key, with a value.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| *entry.key == key && !entry.value.is_null())
    }

    /// The place of a key's value; the object's beginning when the key is not there.
    pub fn of(&self, key: &str) -> Span {
        let entry = self.entries.iter().find(|entry| *entry.key == key);
        entry.map_or(Span { end: self.span.start, ..self.span }, |entry| entry.value.span)
    }
}

/// `one of `a`, `b``; long lists are cut.
pub(crate) fn list_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let more = names.len() > 24;
    names.truncate(24);
    let dots = if more { ", …" } else { "" };
    match names.as_slice() {
        [] => "no key here".to_owned(),
        [one] => one.clone(),
        _ => format!("one of {}{dots}", names.join(", ")),
    }
}

/// Decodes a default of a declaration.
///
/// # Panics
/// When the text is no value of the type. A test walks all declarations, so a released program has no such default.
pub fn default_of<T: Decode>(text: &str) -> T {
    from_fragment(text).unwrap_or_else(|fault| panic!("the default `{text}` of a declaration: {fault}"))
}

/// Decodes a value that stands in the program.
///
/// # Errors
/// What is wrong with the text.
pub fn from_fragment<T: Decode>(text: &str) -> Result<T, String> {
    let (source, mut node) = crate::parse::fragment(text).ok_or("no YAML value")?;
    nowhere(&mut node);
    let mut cx = Context::new(source).with_files(|_| true);
    let value = T::decode(&node, &mut cx);
    let faults: Vec<String> = cx.faults.into_iter().map(|fault| fault.message).collect();
    value.filter(|_| faults.is_empty()).ok_or_else(|| faults.join("; "))
}

/// Takes the places away from values that stand in no document.
fn nowhere(node: &mut Node) {
    node.span = Span::NOWHERE;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(nowhere),
        Value::Object(entries) => entries.iter_mut().for_each(|entry| {
            entry.key.span = Span::NOWHERE;
            nowhere(&mut entry.value);
        }),
        Value::Null | Value::Scalar(_) | Value::Broken => {}
    }
}
