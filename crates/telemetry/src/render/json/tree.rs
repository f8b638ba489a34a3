//! A place in the tree together with the metrics of outer blocks that reach into it, so that names spelt by a block's
//! list (`retries/total`) and names spelt by nodes (`retries` with a child `budget`) make one object.

use std::sync::Arc;

use super::writer::Writer;
use super::{Number, each_field};
use crate::render::scope_path::ScopePath;
use crate::render::{Value, Visitor, own_metrics, walk};
use crate::tree::Node;

/// One scope as JSON sees it.
pub(super) struct View {
    /// Child nodes, ordered by name.
    children: Vec<Arc<Node>>,
    /// Metrics by the rest of their names, ordered.
    metrics: Vec<(String, Value)>,
}

impl View {
    fn of(node: Option<&Arc<Node>>, mut metrics: Vec<(String, Value)>) -> View {
        let Some(node) = node else { return View { children: Vec::new(), metrics } };
        let contents = node.contents();
        own_metrics(&contents, &mut |name, value| metrics.push((name.to_string(), value)));
        metrics.sort_by(|a, b| a.0.cmp(&b.0));
        View { children: contents.children, metrics }
    }

    /// The scope below `node` that the keys lead to, if any metric or scope is there.
    pub(super) fn resolve<'a>(node: &Arc<Node>, levels: impl Iterator<Item = &'a str>) -> Option<View> {
        let mut view = View::of(Some(node), Vec::new());
        for level in levels {
            view = view.child(level)?;
        }
        Some(view)
    }

    fn child(&self, name: &str) -> Option<View> {
        let node = self.children.binary_search_by(|c| c.name().cmp(name)).ok().map(|at| &self.children[at]);
        let metrics = self.below(name);
        (node.is_some() || !metrics.is_empty()).then(|| View::of(node, metrics))
    }

    /// Metrics whose names begin with the level `name`, without it.
    fn below(&self, name: &str) -> Vec<(String, Value)> {
        let rest = |full: &str| {
            let rest = full.strip_prefix(name)?;
            if rest.is_empty() { Some(String::new()) } else { rest.strip_prefix('/').map(str::to_string) }
        };
        self.metrics.iter().filter_map(|(full, value)| Some((rest(full)?, *value))).collect()
    }

    /// Names of everything one level down, in order, once each.
    fn names(&self) -> Vec<&str> {
        let below = self.metrics.iter().filter(|m| !m.0.is_empty()).filter_map(|m| m.0.split('/').next());
        let mut names: Vec<&str> = self.children.iter().map(|c| c.name()).chain(below).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Nested objects: the scope's own metric in the fields `counter`, `gauge` or `stat.*`, each child under its name.
    pub(super) fn write_tree(&self, writer: &mut Writer) {
        writer.open();
        for (_, value) in self.metrics.iter().filter(|m| m.0.is_empty()) {
            let plain = if matches!(value, Value::Counter(_)) { "counter" } else { "gauge" };
            each_field(*value, |suffix, number| match suffix {
                "" => writer.field(plain, number),
                _ => writer.field(&format!("stat.{suffix}"), number),
            });
        }
        for name in self.names() {
            if let Some(child) = self.child(name) {
                writer.key(name);
                child.write_tree(writer);
            }
        }
        writer.close();
    }

    /// One object, keys relative to this scope and in order.
    pub(super) fn write_flat(&self, writer: &mut Writer) {
        let mut fields = Fields::default();
        self.metrics.iter().for_each(|(name, value)| fields.metric(name, *value));
        for child in &self.children {
            fields.enter(child.name());
            walk(child, &mut fields);
            fields.leave();
        }
        fields.list.sort_by(|a, b| a.0.cmp(&b.0));
        writer.open();
        fields.list.iter().for_each(|(key, number)| writer.field(key, *number));
        writer.close();
    }
}

/// Collects keys and numbers, to be put in order.
#[derive(Default)]
struct Fields {
    list: Vec<(String, Number)>,
    path: ScopePath,
}

impl Visitor for Fields {
    fn enter(&mut self, key: &str) {
        self.path.enter(key);
    }

    fn leave(&mut self) {
        self.path.leave();
    }

    fn metric(&mut self, name: &str, value: Value) {
        let path = self.path.before(name);
        each_field(value, |suffix, number| {
            let dot = if suffix.is_empty() { "" } else { "." };
            self.list.push(([path, name, dot, suffix].concat(), number));
        });
    }
}
