//! InfluxDB's line protocol (observability.md §4): one line for each scope, its direct metrics as fields, the keys that
//! name routers, servers, services and clients as tags.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Value, own_metrics};
use crate::histogram::Summary;
use crate::number::{push_f32, push_f64, push_u64};
use crate::tree::{Contents, Metrics, Node};

/// Every metric as InfluxDB lines. `host` becomes the tag of that name; Linkerd puts the request's `Host` there, or `none`.
pub fn render_influx(metrics: &Metrics, host: &str) -> String {
    let mut lines = Lines { out: String::new(), place: Place::Root, keys: Vec::new(), tags: Vec::new() };
    lines.tags.push(("host", host.to_owned()));
    lines.scope(&metrics.node().contents(), Vec::new());
    lines.out
}

/// Where in the tree a line is, as far as its tags care.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Routers,
    Router,
    /// The next key is a server, service or client.
    Stacks(&'static str),
    Client,
    /// The next key is the Kubernetes API that is asked.
    Apis,
    Plain,
}

struct Lines {
    out: String,
    place: Place,
    /// The measurement's parts.
    keys: Vec<String>,
    /// In the order they were met.
    tags: Vec<(&'static str, String)>,
}

/// Metrics by the rest of their names.
type Named = Vec<(String, Value)>;

impl Lines {
    /// The line of a scope and those of all below it. `reaching` are the metrics of outer blocks that reach into it.
    fn scope(&mut self, contents: &Contents, reaching: Named) {
        let children: Vec<(Arc<Node>, Contents)> =
            contents.children.iter().map(|child| (child.clone(), child.contents())).collect();
        let (fields, mut below) = sort_out(contents, &children, reaching);
        self.line(&fields);
        for (child, contents) in children {
            let reaching = below.remove(child.name()).unwrap_or_default();
            self.within(child.name(), |lines| lines.scope(&contents, reaching));
        }
        for (key, reaching) in below {
            self.within(&key, |lines| lines.scope(&Contents::default(), reaching));
        }
    }

    fn within(&mut self, key: &str, work: impl FnOnce(&mut Lines)) {
        let (place, keys, tags) = (self.place, self.keys.len(), self.tags.len());
        self.place = self.step(key);
        work(self);
        self.place = place;
        self.keys.truncate(keys);
        self.tags.truncate(tags);
    }

    fn step(&mut self, key: &str) -> Place {
        let (tag, then) = match (self.place, key) {
            (Place::Routers, _) => ("rt", Place::Router),
            (Place::Stacks("client"), _) => ("client", Place::Client),
            (Place::Stacks(stack), _) => (stack, Place::Plain),
            (Place::Apis, _) => ("api", Place::Plain),
            (place, _) => {
                self.keys.push(key.to_owned());
                return match (place, key) {
                    (Place::Root, "rt") => Place::Routers,
                    (Place::Root, "kubernetes") => Place::Apis,
                    (Place::Router, "server") => Place::Stacks("server"),
                    (Place::Router | Place::Client, "service") => Place::Stacks("service"),
                    (Place::Router, "client") => Place::Stacks("client"),
                    _ => Place::Plain,
                };
            }
        };
        self.tags.push((tag, key.to_owned()));
        then
    }

    fn line(&mut self, fields: &BTreeMap<String, String>) {
        if fields.is_empty() {
            return;
        }
        if self.keys.is_empty() {
            self.out.push_str("root");
        }
        for (i, key) in self.keys.iter().enumerate() {
            if i > 0 {
                self.out.push(':');
            }
            self.out.extend(key.chars().map(|c| if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' }));
        }
        let mut tags: Vec<&(&str, String)> = self.tags.iter().collect();
        tags.sort_by_key(|(name, _)| *name);
        for (name, value) in tags {
            self.out.push(',');
            self.out.push_str(name);
            self.out.push('=');
            push_tag(&mut self.out, value);
        }
        for (i, (name, value)) in fields.iter().enumerate() {
            self.out.push(if i == 0 { ' ' } else { ',' });
            push_tag(&mut self.out, name);
            self.out.push('=');
            self.out.push_str(value);
        }
        self.out.push('\n');
    }
}

/// The fields of a scope by name, and the metrics further down by their next key.
fn sort_out(
    contents: &Contents,
    children: &[(Arc<Node>, Contents)],
    reaching: Named,
) -> (BTreeMap<String, String>, BTreeMap<String, Named>) {
    let (mut fields, mut below) = (BTreeMap::new(), BTreeMap::<String, Named>::new());
    let mut metric = |name: &str, value: Value| match name.split_once('/') {
        // The scope itself: a field of the scope above.
        None if name.is_empty() => {}
        None => push_fields(&mut fields, name, value),
        Some((key, rest)) => below.entry(key.to_owned()).or_default().push((rest.to_owned(), value)),
    };
    own_metrics(contents, &mut metric);
    reaching.into_iter().for_each(|(name, value)| metric(&name, value));
    for (child, contents) in children {
        own_metrics(contents, &mut |name, value| {
            if name.is_empty() {
                push_fields(&mut fields, child.name(), value);
            }
        });
    }
    (fields, below)
}

fn push_fields(fields: &mut BTreeMap<String, String>, name: &str, value: Value) {
    let mut field = |name: String, write: &dyn Fn(&mut String)| {
        let mut text = String::new();
        write(&mut text);
        fields.insert(name, text);
    };
    match value {
        Value::Counter(n) => field(name.to_owned(), &|out| push_u64(out, n)),
        // The protocol has no word for what is no number.
        Value::Gauge(v) if v.is_finite() => field(name.to_owned(), &|out| push_f32(out, v)),
        Value::Gauge(_) | Value::Stat(None) => {}
        Value::Stat(Some(summary)) => {
            for (suffix, n) in whole_numbers(&summary) {
                field([name, suffix].concat(), &|out| push_u64(out, n));
            }
            field([name, "_avg"].concat(), &|out| push_f64(out, summary.avg()));
        }
    }
}

fn whole_numbers(s: &Summary) -> [(&'static str, u64); 10] {
    [
        ("_count", s.count),
        ("_max", s.max),
        ("_min", s.min),
        ("_p50", s.p50),
        ("_p90", s.p90),
        ("_p95", s.p95),
        ("_p99", s.p99),
        ("_p999", s.p9990),
        ("_p9999", s.p9999),
        ("_sum", s.sum),
    ]
}

/// As the protocol wants it; Linkerd writes separators as they are, and the line falls apart.
fn push_tag(out: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            ',' | '=' | ' ' => out.extend(['\\', c]),
            c if c.is_control() => out.push('_'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockSpec;

    /// Row 4 of observability.md §9: the golden lines of §4.
    #[test]
    fn row_4_golden_lines() {
        let check = |keys: &[&str], names: &[(&str, u64)], want: &str| {
            let metrics = Metrics::new(1);
            names.iter().for_each(|(name, n)| metrics.scope(keys).counter(name).add(*n));
            assert_eq!(render_influx(&metrics, "none"), want);
        };
        check(
            &["rt", "incoming", "client", "/#/bar", "service", "/svc/foo"],
            &[("requests", 1)],
            "rt:client:service,client=/#/bar,host=none,rt=incoming,service=/svc/foo requests=1\n",
        );
        check(&[], &[("def", 2), ("abc", 1)], "root,host=none abc=1,def=2\n");
        check(
            &["rt", "in", "server", "127.0.0.1/4141"],
            &[("status/5XX", 2), ("status/503", 2), ("failures", 2), ("failures/a.b", 1)],
            "rt:server,host=none,rt=in,server=127.0.0.1/4141 failures=2\n\
             rt:server:failures,host=none,rt=in,server=127.0.0.1/4141 a.b=1\n\
             rt:server:status,host=none,rt=in,server=127.0.0.1/4141 503=2,5XX=2\n",
        );
        check(
            &["kubernetes", "10.96.0.1:443"],
            &[("watch_errors_total", 1)],
            "kubernetes,api=10.96.0.1:443,host=none watch_errors_total=1\n",
        );
        check(&["a b", "x,y"], &[("c=d", 1)], "a_b:x_y,host=none c\\=d=1\n");
        let metrics = Metrics::new(1);
        let histogram = metrics.scope(&["foo", "bar"]).histogram("bas");
        assert_eq!(render_influx(&metrics, "none"), "", "not summarised yet");
        [1, 2].into_iter().for_each(|n| histogram.record(n));
        metrics.snapshot_histograms();
        assert_eq!(
            render_influx(&metrics, "none"),
            "foo:bar,host=none bas_avg=1.5,bas_count=2,bas_max=2,bas_min=1,bas_p50=1,bas_p90=2,bas_p95=2,bas_p99=2,\
             bas_p999=2,bas_p9999=2,bas_sum=3\n"
        );
        metrics.snapshot_histograms();
        assert!(render_influx(&metrics, "none").contains("bas_count=0"), "printed even when empty");
    }

    #[test]
    fn blocks_and_nodes_make_one_line() {
        const SPEC: BlockSpec = BlockSpec {
            counters: &["requests", "retries/total", "retries/deep/x"],
            histograms: &[],
            status: false,
            total: None,
        };
        let metrics = Metrics::new(1);
        let scope = metrics.scope(&["rt", "r", "service", "svc/a"]);
        scope.block(&SPEC);
        scope.gauges(&["pending", "retries/budget"], |i| i as f64);
        scope.gauge("odd", || f64::NAN);
        scope.counter("retries/deep/y");
        assert_eq!(
            render_influx(&metrics, "a b"),
            "rt:service,host=a\\ b,rt=r,service=svc/a pending=0.0,requests=0\n\
             rt:service:retries,host=a\\ b,rt=r,service=svc/a budget=1.0,total=0\n\
             rt:service:retries:deep,host=a\\ b,rt=r,service=svc/a x=0,y=0\n"
        );
    }
}
