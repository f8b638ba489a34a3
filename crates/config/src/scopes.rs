//! Settings by prefix: `io.l5d.global` and `io.l5d.static` (dataplane.md §5.1, §6.1).

use crate::decode::shortened;
use crate::{Context, Declared, Decode, Fault, Node, Object, Type};
use names::{Path, PathPattern};

/// Settings of which every key may be absent, merged key by key. Declared with `scope struct` in
/// [`config!`](crate::config).
pub trait Scope: Declared + Default {
    /// Takes over the keys that `later` has; whole values are replaced, not merged.
    fn merge(&mut self, later: &Self);
}

/// The settings of all names, in the order of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Scopes<S> {
    /// Each prefix with its settings; later ones win.
    pub entries: Vec<ScopeEntry<S>>,
}

/// What one prefix sets.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeEntry<S> {
    /// The names it is for.
    pub prefix: PathPattern,
    /// The keys given for them.
    pub settings: S,
}

impl<S> Default for Scopes<S> {
    fn default() -> Scopes<S> {
        Scopes { entries: Vec::new() }
    }
}

impl<S: Scope> Scopes<S> {
    /// The settings of one name: all matching entries in the order of the document, later ones win key by key.
    pub fn resolve(&self, name: &Path) -> S {
        let mut settings = S::default();
        for entry in self.entries.iter().filter(|entry| entry.prefix.matches(name).is_some()) {
            settings.merge(&entry.settings);
        }
        settings
    }
}

const GLOBAL: &str = "io.l5d.global";
const STATIC: &str = "io.l5d.static";

impl<S: Scope> Decode for Scopes<S> {
    fn describe() -> Type {
        Type::Scopes(S::META)
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<Scopes<S>> {
        let mut object = Object::new(node, &Self::describe(), cx)?;
        let kind = object.take("kind");
        if kind.and_then(Node::text) == Some(STATIC) {
            let entries = object.field::<Vec<ScopeEntry<S>>>("configs", None, None, cx);
            let only_these = crate::ObjectMeta { keys: &[], later: &[], only: &[], former: &[], ..*S::META };
            object.finish(&only_these, cx);
            return entries.map(|entries| Scopes { entries });
        }
        if let Some(kind) = kind.filter(|kind| kind.text() != Some(GLOBAL)) {
            // Linkerd falls back without a word; a file it starts with must not be refused.
            let message =
                format!("unknown kind `{}` is taken for `{GLOBAL}`", shortened(kind.text().unwrap_or("")));
            cx.fault(Fault::new(kind.span, message).expected(format!("`{GLOBAL}` or `{STATIC}`")).warning());
        }
        let settings = S::decode_object(object, cx)?;
        Some(Scopes { entries: vec![ScopeEntry { prefix: PathPattern::parse("/"), settings }] })
    }

    fn absent() -> Option<Scopes<S>> {
        Some(Scopes::default())
    }
}

impl<S: Scope> Decode for ScopeEntry<S> {
    fn describe() -> Type {
        Type::Object(S::META)
    }

    fn decode(node: &Node, cx: &mut Context) -> Option<ScopeEntry<S>> {
        let mut object = Object::new(node, &Self::describe(), cx)?;
        let prefix = object.take("prefix");
        if prefix.is_none() {
            let at = crate::Span { end: object.span().start, ..object.span() };
            let fault = Fault::new(at, "key `prefix` is missing, the settings are for every name");
            cx.fault(fault.expected(Type::Pattern.describe()).warning());
        }
        let prefix = match prefix {
            Some(node) => PathPattern::decode(node, cx),
            None => Some(PathPattern::parse("/")),
        };
        let settings = S::decode_object(object, cx)?;
        Some(ScopeEntry { prefix: prefix?, settings })
    }
}
