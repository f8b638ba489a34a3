//! `/admin/metrics.json` (observability.md §2.3): flat or as a tree, whole or a subtree, compact or pretty.

mod query;
mod tree;
mod writer;

use super::scope_path::ScopePath;
use super::{Value, Visitor, walk};
use crate::histogram::Summary;
use crate::tree::Metrics;
pub use query::{JsonQuery, NoSuchSubtree};
use tree::View;
use writer::Writer;

/// Metrics as JSON text.
///
/// # Errors
/// When the query names a subtree that does not exist; shown, the error is the body of the 404 answer.
pub fn render_json(metrics: &Metrics, query: &JsonQuery) -> Result<String, NoSuchSubtree> {
    if query.is_plain() {
        let mut flat = Flat::default();
        walk(metrics.node(), &mut flat);
        return Ok(flat.finish());
    }
    let missing = || NoSuchSubtree { query: query.subtree.clone().unwrap_or_default() };
    let view = View::resolve(metrics.node(), query.levels()).ok_or_else(missing)?;
    let mut writer = Writer::new(query.pretty);
    if query.tree {
        view.write_tree(&mut writer);
    } else {
        view.write_flat(&mut writer);
    }
    Ok(writer.finish())
}

/// The common case, written straight from the walk: everything, flat, in tree order.
#[derive(Default)]
struct Flat {
    out: String,
    /// With escaped keys.
    path: ScopePath,
}

impl Visitor for Flat {
    fn enter(&mut self, key: &str) {
        self.path.enter_with(|text| writer::push_escaped(text, key));
    }

    fn leave(&mut self) {
        self.path.leave();
    }

    fn metric(&mut self, name: &str, value: Value) {
        let path = self.path.before(name);
        each_field(value, |suffix, number| {
            self.out.push_str(if self.out.is_empty() { "{\"" } else { ",\"" });
            self.out.push_str(path);
            writer::push_escaped(&mut self.out, name);
            if !suffix.is_empty() {
                self.out.push('.');
                self.out.push_str(suffix);
            }
            self.out.push_str("\":");
            number.push(&mut self.out);
        });
    }
}

impl Flat {
    fn finish(mut self) -> String {
        if self.out.is_empty() {
            self.out.push('{');
        }
        self.out.push('}');
        self.out
    }
}

/// A number of a metric, in its own format.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(u64),
    Single(f32),
    Double(f64),
}

/// Calls `each` with every number of a metric; the suffix is `""` for counters and gauges.
fn each_field(value: Value, mut each: impl FnMut(&'static str, Number)) {
    match value {
        Value::Counter(n) => each("", Number::Whole(n)),
        Value::Gauge(v) => each("", Number::Single(v)),
        Value::Stat(None) => {}
        Value::Stat(Some(summary)) => stat_fields(&summary, each),
    }
}

fn stat_fields(s: &Summary, mut each: impl FnMut(&'static str, Number)) {
    each("count", Number::Whole(s.count));
    if s.count == 0 {
        return;
    }
    let whole = [
        ("max", s.max),
        ("min", s.min),
        ("p50", s.p50),
        ("p90", s.p90),
        ("p95", s.p95),
        ("p99", s.p99),
        ("p9990", s.p9990),
        ("p9999", s.p9999),
        ("sum", s.sum),
    ];
    whole.into_iter().for_each(|(name, n)| each(name, Number::Whole(n)));
    each("avg", Number::Double(s.avg()));
}

#[cfg(test)]
mod tests;
