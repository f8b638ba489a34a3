//! Prometheus text (observability.md §3): Linkerd's names, Linkerd's labels, one sample a line, no types, no times.
//!
//! Linkerd's summaries speak of the last full minute only, and quantiles of several proxies cannot be added up. So each
//! `request_latency_ms` has a true histogram beside it in servers, services and clients, under a name of its own since
//! `_count` and `_sum` are taken.

use super::{Value, Visitor, walk};
use crate::histogram::buckets::bucket_of;
use crate::histogram::{Cumulative, Summary};
use crate::number::{push_f32, push_f64, push_u64};
use crate::tree::Metrics;

/// What the text holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrometheusOptions {
    /// Before every name.
    pub prefix: String,
    /// Whether latencies have true histograms beside their summaries.
    pub histograms: bool,
}

/// Every metric as Prometheus text, each name preceded by `prefix`. Histograms that recorded nothing in their last
/// window are left out.
pub fn render_prometheus(metrics: &Metrics, prefix: &str) -> String {
    let options = PrometheusOptions { prefix: prefix.to_owned(), histograms: false };
    let mut whole = String::new();
    render_prometheus_pieces(metrics, &options, &mut |piece| whole.push_str(&piece));
    whole
}

/// Every metric as Prometheus text, in pieces that each end with a line, so that a proxy that knows thousands of services
/// need not hold all of it. Nothing is locked while `take` runs. (`dyn`, so that this is compiled with the rest of the room
/// and not with its callers, which are built to be built quickly.)
pub fn render_prometheus_pieces(
    metrics: &Metrics,
    options: &PrometheusOptions,
    take: &mut dyn FnMut(String),
) {
    let mut text = Text::new(options, take);
    walk(metrics.node(), &mut text);
    text.finish();
}

/// Bytes of a piece, about.
const PIECE: usize = 128 << 10;
/// More than the lines of one metric, so that a piece is hardly ever made larger.
const ROOM: usize = 8 << 10;

/// Which histograms of servers, services and clients are shown with all they have counted. Those of the services of a
/// client are not: there may be as many as both multiplied.
const LATENCY: &str = "request_latency_ms";
/// What its series are called behind the summary's name.
const HISTOGRAM: &str = "_histogram";

/// The upper bounds of the histograms in milliseconds, included in their buckets. Counts are exact up to 100 ms; above,
/// a sample less than one percent over a bound counts as within it.
const BOUNDS: [(u32, &str); 15] = [
    (1, "1"),
    (2, "2"),
    (5, "5"),
    (10, "10"),
    (20, "20"),
    (50, "50"),
    (100, "100"),
    (200, "200"),
    (500, "500"),
    (1000, "1000"),
    (2000, "2000"),
    (5000, "5000"),
    (10_000, "10000"),
    (30_000, "30000"),
    (60_000, "60000"),
];

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
    /// In `kubernetes`: the next key is the API that is asked.
    Apis,
    Plain,
}

/// The text so far, and the name and labels of the place of the walk.
struct Text<'a> {
    take: &'a mut dyn FnMut(String),
    out: String,
    /// Prefix and name, ready to be copied.
    name: String,
    prefix: usize,
    histograms: bool,
    /// Labels without braces, ready to be copied.
    labels: String,
    place: Place,
    /// What to go back to: lengths of `name` and `labels`, place; and the name's tail if it was replaced.
    outer: Vec<(usize, usize, Place)>,
}

impl<'a> Text<'a> {
    fn new(options: &PrometheusOptions, take: &'a mut dyn FnMut(String)) -> Text<'a> {
        let mut name = String::new();
        push_name(&mut name, &options.prefix);
        Text {
            take,
            out: String::new(),
            prefix: name.len(),
            name,
            histograms: options.histograms,
            labels: String::new(),
            place: Place::Root,
            outer: Vec::new(),
        }
    }

    fn finish(self) {
        if !self.out.is_empty() {
            (self.take)(self.out);
        }
    }

    /// Runs `write` in the place of a metric.
    fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        if self.out.len() >= PIECE {
            let next = String::with_capacity(PIECE + ROOM);
            (self.take)(std::mem::replace(&mut self.out, next));
        }
        let levels = if name.is_empty() { 0 } else { name.split('/').map(|level| self.enter(level)).count() };
        write(self);
        (0..levels).for_each(|_| self.leave());
    }
}

impl Visitor for Text<'_> {
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
        self.within(name, |text| text.sample(value));
    }

    fn wants_samples(&self, name: &str) -> bool {
        self.histograms && name == LATENCY && matches!(self.place, Place::Stack(_))
    }

    fn samples(&mut self, name: &str, all: &Cumulative) {
        self.within(name, |text| text.histogram(all));
    }
}

const EXN: &str = "exn";

impl Text<'_> {
    fn step(&mut self, key: &str) -> Place {
        match (self.place, key) {
            (Place::Root, "rt") => self.level(key, Place::Routers),
            (Place::Routers, _) => self.label("rt", key, Place::Router),
            (Place::Root, "kubernetes") => self.level(key, Place::Apis),
            (Place::Apis, _) => self.label("api", key, Place::Plain),
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
            Value::Counter(n) => self.line("", None, |out| push_u64(out, n)),
            Value::Gauge(v) => self.line("", None, |out| push_gauge(out, v)),
            Value::Stat(Some(summary)) => self.summary(&summary),
            Value::Stat(None) => {}
        }
    }

    fn summary(&mut self, s: &Summary) {
        self.line("_count", None, |out| push_u64(out, s.count));
        self.line("_sum", None, |out| push_u64(out, s.sum));
        self.line("_avg", None, |out| push_f64(out, s.avg()));
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
            self.line("", Some(("quantile", quantile)), |out| push_u64(out, value));
        }
    }

    /// A histogram as Prometheus knows them: cumulative, from the beginning on.
    fn histogram(&mut self, all: &Cumulative) {
        let plain = self.name.len();
        self.name.push_str(HISTOGRAM);
        let mut samples = all.samples.iter().peekable();
        let mut below = 0;
        for (bound, shown) in BOUNDS {
            let last = bucket_of(bound);
            while let Some((_, n)) = samples.next_if(|(bucket, _)| usize::from(*bucket) <= last) {
                below += n;
            }
            self.line("_bucket", Some(("le", shown)), |out| push_u64(out, below));
        }
        let count = below + samples.map(|(_, n)| n).sum::<u64>();
        self.line("_bucket", Some(("le", "+Inf")), |out| push_u64(out, count));
        self.line("_sum", None, |out| push_u64(out, all.sum));
        self.line("_count", None, |out| push_u64(out, count));
        self.name.truncate(plain);
    }

    /// One sample; `last` is a label behind those of the place.
    fn line(&mut self, suffix: &str, last: Option<(&str, &str)>, value: impl FnOnce(&mut String)) {
        let out = &mut self.out;
        out.push_str(&self.name);
        out.push_str(suffix);
        if !self.labels.is_empty() || last.is_some() {
            out.push('{');
            out.push_str(&self.labels);
            if let Some((label, shown)) = last {
                out.push_str(if self.labels.is_empty() { "" } else { ", " });
                out.push_str(label);
                out.push_str("=\"");
                out.push_str(shown);
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
    // Nearly every key is a name as it stands.
    if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':' || b == b'_') {
        out.push_str(key);
        return;
    }
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
