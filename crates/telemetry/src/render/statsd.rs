//! StatsD's packets (observability.md §5), made of what has changed since the last time.
//!
//! Linkerd sends a packet for each event. Here counters are read once in a while and sent as exact differences, and of a
//! histogram's new samples as many are sent as the rate asks for: the sums a server arrives at are the same, and a request
//! costs nothing more.

use std::collections::HashMap;
use std::fmt::Write;

use super::scope_path::ScopePath;
use super::{Value, Visitor, walk};
use crate::histogram::Cumulative;
use crate::histogram::buckets::midpoint;
use crate::tree::Metrics;

/// Most bytes of a datagram: what fits into an Ethernet frame.
const DATAGRAM: usize = 1432;
/// Most packets for the samples of one bucket in one round; what they stand for is said by their rate.
const SAMPLES: f64 = 10.0;

/// What is sent, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StatsdRates {
    /// Before every name, with a dot between.
    pub prefix: String,
    /// Which part of the samples of histograms is sent, from 0 to 1. Counters are always exact.
    pub sample_rate: f64,
}

/// Remembers what has been sent.
#[derive(Debug)]
pub struct Statsd {
    rates: StatsdRates,
    seen: HashMap<String, Seen>,
    round: u64,
}

#[derive(Debug)]
struct Seen {
    round: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Counter(u64),
    Samples(Vec<(u16, u64)>),
}

impl Statsd {
    /// Nothing has been sent: the first round tells everything there is.
    #[must_use]
    pub fn new(rates: StatsdRates) -> Statsd {
        Statsd { rates, seen: HashMap::new(), round: 0 }
    }

    /// Sends what has changed since the last round, and the gauges if they are due. `draw` gives random numbers from 0 to
    /// below 1; `send` takes one datagram at a time.
    pub fn round(
        &mut self,
        metrics: &Metrics,
        gauges: bool,
        draw: &mut dyn FnMut() -> f64,
        send: &mut dyn FnMut(&str),
    ) {
        self.round += 1;
        let mut packets = Packets {
            rates: &self.rates,
            seen: &mut self.seen,
            round: self.round,
            gauges,
            draw,
            send,
            path: ScopePath::default(),
            datagram: String::new(),
            line: String::new(),
        };
        walk(metrics.node(), &mut packets);
        packets.flush();
        // What is gone from the tree begins at nothing should it come back.
        self.seen.retain(|_, seen| seen.round == self.round);
    }
}

struct Packets<'a> {
    rates: &'a StatsdRates,
    seen: &'a mut HashMap<String, Seen>,
    round: u64,
    gauges: bool,
    draw: &'a mut dyn FnMut() -> f64,
    send: &'a mut dyn FnMut(&str),
    path: ScopePath,
    datagram: String,
    line: String,
}

impl Visitor for Packets<'_> {
    fn enter(&mut self, key: &str) {
        self.path.enter(key);
    }

    fn leave(&mut self) {
        self.path.leave();
    }

    fn metric(&mut self, name: &str, value: Value) {
        match value {
            Value::Counter(n) => self.at(name, |packets| packets.counter(n)),
            Value::Gauge(v) if self.gauges && v.is_finite() => self.at(name, |packets| packets.gauge(v)),
            Value::Gauge(_) | Value::Stat(_) => {}
        }
    }

    fn wants_samples(&self, _name: &str) -> bool {
        self.rates.sample_rate > 0.0
    }

    fn samples(&mut self, name: &str, all: &Cumulative) {
        self.at(name, |packets| packets.timings(&all.samples));
    }
}

impl Packets<'_> {
    /// Runs `work` with the whole name in `path`.
    fn at(&mut self, name: &str, work: impl FnOnce(&mut Self)) {
        let length = self.path.text.len();
        if name.is_empty() {
            self.path.text.pop();
        } else {
            self.path.text.push_str(name);
        }
        work(self);
        self.path.text.truncate(length);
        if name.is_empty() {
            self.path.text.push('/');
        }
    }

    fn counter(&mut self, n: u64) {
        let before = match self.seen.get_mut(&self.path.text) {
            Some(Seen { round, what: What::Counter(before) }) => {
                *round = self.round;
                std::mem::replace(before, n)
            }
            _ => {
                self.seen.insert(self.path.text.clone(), Seen { round: self.round, what: What::Counter(n) });
                0
            }
        };
        // A smaller one was made anew.
        let more = if n < before { n } else { n - before };
        if more > 0 {
            self.packet(|line| write!(line, "{more}|c|@1.000000"));
        }
    }

    fn gauge(&mut self, value: f32) {
        self.packet(|line| write!(line, "{value}|g"));
    }

    fn timings(&mut self, now: &[(u16, u64)]) {
        let before = match self.seen.get_mut(&self.path.text) {
            Some(Seen { round, what: What::Samples(before) }) => {
                *round = self.round;
                if before == now {
                    return;
                }
                std::mem::replace(before, now.to_vec())
            }
            _ if now.is_empty() => return,
            _ => {
                let what = What::Samples(now.to_vec());
                self.seen.insert(self.path.text.clone(), Seen { round: self.round, what });
                Vec::new()
            }
        };
        for &(bucket, n) in now {
            let at = before.binary_search_by_key(&bucket, |b| b.0);
            let old = at.map_or(0, |at| before[at].1);
            let more = if n < old { n } else { n - old };
            self.bucket(midpoint(usize::from(bucket)), more);
        }
    }

    /// So many packets that, each taken as often as its rate says, they come to `n` samples on average.
    fn bucket(&mut self, value: u64, n: u64) {
        let rate = self.rates.sample_rate;
        let due = (n as f64 * rate + (self.draw)()).floor();
        let (packets, rate) = if due > SAMPLES { (SAMPLES, SAMPLES / n as f64) } else { (due, rate) };
        for _ in 0..packets as u64 {
            self.packet(|line| write!(line, "{value}|ms|@{rate:.6}"));
        }
    }

    /// One packet, behind the others of its datagram if there is room.
    fn packet(&mut self, value: impl FnOnce(&mut String) -> std::fmt::Result) {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        if !self.rates.prefix.is_empty() {
            line.push_str(&self.rates.prefix);
            line.push('.');
        }
        push_name(&mut line, &self.path.text);
        line.push(':');
        value(&mut line).expect("a String takes everything");
        if !self.datagram.is_empty() && self.datagram.len() + 1 + line.len() > DATAGRAM {
            self.flush();
        }
        if !self.datagram.is_empty() {
            self.datagram.push('\n');
        }
        self.datagram.push_str(&line);
        self.line = line;
    }

    fn flush(&mut self) {
        if !self.datagram.is_empty() {
            (self.send)(&self.datagram);
            self.datagram.clear();
        }
    }
}

/// Dots between the levels, underscores for all that is no letter and no digit.
fn push_name(out: &mut String, path: &str) {
    let mut slash = false;
    for c in path.chars() {
        if c == '/' && slash {
            continue;
        }
        slash = c == '/';
        out.push(match c {
            '/' => '.',
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BlockSpec;

    fn statsd(prefix: &str, sample_rate: f64) -> Statsd {
        Statsd::new(StatsdRates { prefix: prefix.to_owned(), sample_rate })
    }

    /// The packets of one round; the numbers drawn are always one half.
    fn round(statsd: &mut Statsd, metrics: &Metrics, gauges: bool) -> Vec<String> {
        let mut packets = Vec::new();
        statsd.round(metrics, gauges, &mut || 0.5, &mut |datagram| {
            assert!(datagram.len() <= DATAGRAM, "{datagram}");
            packets.extend(datagram.lines().map(str::to_owned));
        });
        packets
    }

    /// Row 5 of observability.md §9.
    #[test]
    fn row_5_names() {
        let check = |path: &str, want: &str| {
            let mut out = String::new();
            push_name(&mut out, path);
            assert_eq!(out, want);
        };
        check(
            "rt/http/client/#/io.l5d.fs/default/path/http/1.1/GET/default/request_latency_ms",
            "rt.http.client._.io_l5d_fs.default.path.http.1_1.GET.default.request_latency_ms",
        );
        check("rt/out/server/0.0.0.0/4140/requests", "rt.out.server.0_0_0_0.4140.requests");
        check("a//b/c-d", "a.b.c_d");
    }

    /// The packets of the recording `wire-statsd`.
    #[test]
    fn packets_are_those_of_linkerd() {
        const SPEC: BlockSpec = BlockSpec {
            counters: &["requests"],
            histograms: &["connection_duration"],
            status: true,
            total: None,
        };
        let metrics = Metrics::new(2);
        let server = metrics.scope(&["rt", "outgoing", "server", "127.0.0.1/4140"]);
        let block = server.block(&SPEC);
        server.gauge("connections", || 1.0);
        server.gauge("load", || 0.25);
        let mut sender = statsd("pre", 1.0);
        assert_eq!(round(&mut sender, &metrics, false), Vec::<String>::new());
        block.shard(0).inc(0);
        block.shard(1).status(200);
        block.shard(1).record(0, 13);
        let name = "pre.rt.outgoing.server.127_0_0_1.4140";
        let first = ["requests:1|c|@1.000000", "status.200:1|c|@1.000000", "status.2XX:1|c|@1.000000"];
        let mut want: Vec<String> = first.iter().map(|line| format!("{name}.{line}")).collect();
        want.push(format!("{name}.connection_duration:13|ms|@1.000000"));
        assert_eq!(round(&mut sender, &metrics, false), want);
        let gauges = [format!("{name}.connections:1|g"), format!("{name}.load:0.25|g")];
        assert_eq!(round(&mut sender, &metrics, true), gauges);
        block.shard(0).add(0, 4);
        block.shard(0).record(0, 13);
        assert_eq!(
            round(&mut sender, &metrics, false),
            [format!("{name}.requests:4|c|@1.000000"), format!("{name}.connection_duration:13|ms|@1.000000")]
        );
    }

    #[test]
    fn many_samples_are_told_by_rate() {
        let metrics = Metrics::new(1);
        let histogram = metrics.root().histogram("h");
        let check = |rate: f64, n: u64, want: &[&str]| {
            let mut sender = statsd("", rate);
            round(&mut sender, &metrics, false);
            (0..n).for_each(|_| histogram.record(3));
            assert_eq!(round(&mut sender, &metrics, false), want, "{rate} {n}");
        };
        check(1.0, 2, &["h:3|ms|@1.000000"; 2]);
        check(1.0, 1000, &["h:3|ms|@0.010000"; 10]);
        check(0.01, 1, &[]);
        check(0.01, 50, &["h:3|ms|@0.010000"]);
        check(0.01, 300, &["h:3|ms|@0.010000"; 3]);
        check(0.0, 300, &[]);
    }

    #[test]
    fn what_went_and_came_begins_anew() {
        let metrics = Metrics::new(1);
        let mut sender = statsd("", 1.0);
        metrics.scope(&["a"]).counter("c").add(5);
        assert_eq!(round(&mut sender, &metrics, false), ["a.c:5|c|@1.000000"]);
        metrics.scope(&["a"]).prune();
        metrics.scope(&["a"]).counter("c").add(2);
        assert_eq!(round(&mut sender, &metrics, false), ["a.c:2|c|@1.000000"]);
        metrics.scope(&["a"]).prune();
        round(&mut sender, &metrics, false);
        assert!(sender.seen.is_empty());
        metrics.scope(&["a"]).counter("c").add(7);
        assert_eq!(round(&mut sender, &metrics, false), ["a.c:7|c|@1.000000"]);
    }

    #[test]
    fn many_packets_are_many_datagrams() {
        let metrics = Metrics::new(1);
        (0..500).for_each(|i| metrics.root().counter(&format!("counter-{i}")).inc());
        assert_eq!(round(&mut statsd("linkerd", 1.0), &metrics, false).len(), 500);
    }
}
