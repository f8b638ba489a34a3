//! Which parts of two documents are written the same: those go on as they are when one follows on the other.

use crate::document::Document;
use config::{Node, Value};

/// Whether two values are written the same, wherever they stand. Keys may come in another order.
pub(crate) fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Null, Value::Null) => true,
        (Value::Scalar(a), Value::Scalar(b)) => a.text == b.text && a.is_plain() == b.is_plain(),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(_), Value::Object(_)) => keys(a).chain(keys(b)).all(|key| same_at(key, a, b)),
        _ => false,
    }
}

/// The keys that have a value.
pub(crate) fn keys(of: &Node) -> impl Iterator<Item = &str> {
    let entries = if let Value::Object(entries) = &of.value { entries.as_slice() } else { &[] };
    entries.iter().filter(|entry| !entry.value.is_null()).map(|entry| entry.key.as_str())
}

fn same_at(key: &str, a: &Node, b: &Node) -> bool {
    match (a.get(key), b.get(key)) {
        (None, None) => true,
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    }
}

/// The elements of a list at the top of a document.
fn list<'a>(of: &'a Document, key: &str) -> &'a [Node] {
    of.tree.get(key).and_then(Node::list).unwrap_or_default()
}

/// Whether both have the same namers in the same order.
pub(crate) fn same_namers(a: &Document, b: &Document) -> bool {
    same_at("namers", &a.tree, &b.tree)
}

/// The namer of `before` that is written as the one at `at` in `after`. Namers of a kind that are written the same are as
/// good as one.
pub(crate) fn same_namer(before: &Document, after: &Document, at: usize) -> Option<usize> {
    let wanted = list(after, "namers").get(at)?;
    list(before, "namers").iter().position(|node| same(node, wanted))
}

/// The router of `before` with the label of the one at `at` in `after`, if its interpreter is written the same.
pub(crate) fn same_interpreter(before: &Document, after: &Document, at: usize) -> Option<usize> {
    let (was, old, new) = namesake(before, after, at)?;
    same_at("interpreter", old, new).then_some(was)
}

/// The router of `before` that is written as the one at `at` in `after`.
pub(crate) fn same_router(before: &Document, after: &Document, at: usize) -> Option<usize> {
    let (was, old, new) = namesake(before, after, at)?;
    same(old, new).then_some(was)
}

fn namesake<'a>(before: &'a Document, after: &'a Document, at: usize) -> Option<(usize, &'a Node, &'a Node)> {
    let label = after.routers.get(at)?.label();
    let was = before.routers.iter().position(|router| router.label() == label)?;
    Some((was, list(before, "routers").get(was)?, list(after, "routers").get(at)?))
}
