//! Prometheus text (observability.md §3): Linkerd's names, Linkerd's labels, one sample a line, no types, no times.

use super::{Value, Visitor, walk};
use crate::histogram::Summary;
use crate::number::{push_f32, push_f64, push_u64};
use crate::tree::Metrics;

/// Every metric as Prometheus text, each name preceded by `prefix`. Histograms that recorded nothing in their last
/// window are left out.
pub fn render_prometheus(metrics: &Metrics, prefix: &str) -> String {
    let mut text = Text::default();
    push_name(&mut text.name, prefix);
    text.prefix = text.name.len();
    walk(metrics.node(), &mut text);
    text.out
}

/// Where in the tree the walk is, as far as the label rules care.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Root,
    /// In `rt`: the next key is a router.
    Routers,
    Router,
    /// In `rt/<x>/server` and its like: the next key is a server, service or client.
    Stacks(&'static str),
    Stack(&'static str),
    /// In `rt/<x>/client/<id>/service`.
    ClientServices,
    Failures,
    Exns,
    /// In a label `exception`, which deeper keys extend.
    Exception,
    Plain,
}

/// The text so far, and the name and labels of the place of the walk.
struct Text {
    out: String,
    /// Prefix and name, ready to be copied.
    name: String,
    prefix: usize,
    /// Labels without braces, ready to be copied.
    labels: String,
    place: Place,
    /// What to go back to: lengths of `name` and `labels`, place; and the name's tail if it was replaced.
    outer: Vec<(usize, usize, Place)>,
}

impl Default for Text {
    fn default() -> Text {
        let (out, name, labels) = Default::default();
        Text { out, name, prefix: 0, labels, place: Place::Root, outer: Vec::new() }
    }
}

impl Visitor for Text {
    fn enter(&mut self, key: &str) {
        self.outer.push((self.name.len(), self.labels.len(), self.place));
        self.place = self.step(key);
    }

    fn leave(&mut self) {
        let Some((name, labels, place)) = self.outer.pop() else { return };
        if place == Place::Exns {
            self.name.truncate(name - EXN.len());
            self.name.push_str(EXN);
        }
        if place == Place::Exception {
            self.labels.truncate(labels - 1);
            self.labels.push('"');
        }
        self.name.truncate(name);
        self.labels.truncate(labels);
        self.place = place;
    }

    fn metric(&mut self, name: &str, value: Value) {
        if matches!(value, Value::Stat(None | Some(Summary { count: 0, .. }))) {
            return;
        }
        let levels = if name.is_empty() { 0 } else { name.split('/').map(|level| self.enter(level)).count() };
        self.sample(value);
        (0..levels).for_each(|_| self.leave());
    }
}

const EXN: &str = "exn";

impl Text {
    fn step(&mut self, key: &str) -> Place {
        match (self.place, key) {
            (Place::Root, "rt") => self.level(key, Place::Routers),
            (Place::Routers, _) => self.label("rt", key, Place::Router),
            (Place::Router, "server") => self.level(key, Place::Stacks("server")),
            (Place::Router, "service") => self.level(key, Place::Stacks("service")),
            (Place::Router, "client") => self.level(key, Place::Stacks("client")),
            (Place::Stacks(stack), _) => self.label(stack, key, Place::Stack(stack)),
            (Place::Stack("client"), "service") => self.level(key, Place::ClientServices),
            (Place::ClientServices, _) => self.label("service", key, Place::Plain),
            (Place::Stack(_), "failures") => self.level(key, Place::Failures),
            (Place::Stack(_), EXN) => self.level(key, Place::Exns),
            (Place::Failures, _) => self.label("exception", key, Place::Exception),
            (Place::Exns, _) => {
                self.name.truncate(self.name.len() - EXN.len());
                self.name.push_str("exceptions");
                self.label("exception", key, Place::Exception)
            }
            (Place::Exception, _) => {
                self.labels.pop();
                self.labels.push(':');
                push_label_value(&mut self.labels, key);
                self.labels.push('"');
                Place::Exception
            }
            _ => self.level(key, Place::Plain),
        }
    }

    fn level(&mut self, key: &str, then: Place) -> Place {
        if self.name.len() > self.prefix {
            self.name.push(':');
        }
        push_name(&mut self.name, key);
        then
    }

    fn label(&mut self, label: &str, value: &str, then: Place) -> Place {
        if !self.labels.is_empty() {
            self.labels.push_str(", ");
        }
        self.labels.push_str(label);
        self.labels.push_str("=\"");
        push_label_value(&mut self.labels, value);
        self.labels.push('"');
        then
    }

    fn sample(&mut self, value: Value) {
        match value {
            Value::Counter(n) => self.line("", "", |out| push_u64(out, n)),
            Value::Gauge(v) => self.line("", "", |out| push_gauge(out, v)),
            Value::Stat(Some(summary)) => self.summary(&summary),
            Value::Stat(None) => {}
        }
    }

    fn summary(&mut self, s: &Summary) {
        self.line("_count", "", |out| push_u64(out, s.count));
        self.line("_sum", "", |out| push_u64(out, s.sum));
        self.line("_avg", "", |out| push_f64(out, s.avg()));
        let quantiles = [
            ("0", s.min),
            ("0.5", s.p50),
            ("0.9", s.p90),
            ("0.95", s.p95),
            ("0.99", s.p99),
            ("0.999", s.p9990),
            ("0.9999", s.p9999),
            ("1", s.max),
        ];
        for (quantile, value) in quantiles {
            self.line("", quantile, |out| push_u64(out, value));
        }
    }

    fn line(&mut self, suffix: &str, quantile: &str, value: impl FnOnce(&mut String)) {
        let out = &mut self.out;
        out.push_str(&self.name);
        out.push_str(suffix);
        if !(self.labels.is_empty() && quantile.is_empty()) {
            out.push('{');
            out.push_str(&self.labels);
            if !quantile.is_empty() {
                out.push_str(if self.labels.is_empty() { "quantile=\"" } else { ", quantile=\"" });
                out.push_str(quantile);
                out.push('"');
            }
            out.push('}');
        }
        out.push(' ');
        value(out);
        out.push('\n');
    }
}

/// Prometheus spells infinity its own way; otherwise as in JSON.
fn push_gauge(out: &mut String, value: f32) {
    match value {
        f32::INFINITY => out.push_str("+Inf"),
        f32::NEG_INFINITY => out.push_str("-Inf"),
        _ => push_f32(out, value),
    }
}

fn push_name(out: &mut String, key: &str) {
    out.extend(key.chars().map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' }));
}

/// Backslash, quote and newline as Prometheus escapes them (Linkerd loses the quote and the newline).
fn push_label_value(out: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'"' => "\\\"",
            _ => "\\n",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests;
