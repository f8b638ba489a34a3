//! The numbers of the dashboard, once a second (less often where there are very many) while somebody looks: counters as
//! they stand, from which the page makes rates, and the latencies of the last minute.

use admin::Events;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::time::Duration;
use telemetry::{Metrics, Value, Visitor};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How many may look at a time.
pub(super) const LISTENERS: usize = 16;
/// How often there are new numbers.
const PERIOD: Duration = Duration::from_secs(1);
/// The least time between two, however many come to look.
const PAUSE: Duration = Duration::from_millis(100);
/// How many times longer than gathering them took: thousands of services have numbers less often, so that whoever looks
/// never costs more than a fortieth of a processor.
const REST: u32 = 40;
/// How many rows of a kind are shown of each router: the busiest.
const ROWS: usize = 100;
/// How many services of a client.
const PAIRS: usize = 20;

/// Tells everybody who looks, for ever.
pub(super) async fn tell(events: Events, metrics: Metrics) {
    let begun = Instant::now();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = Before::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = events.joined() => {}
        }
        if events.has_listeners() {
            let asked = Instant::now();
            let millis = (asked - begun).as_millis() as u64;
            events.tell(&numbers(&metrics, millis, &mut before).to_string());
            sleep(PAUSE.max(asked.elapsed() * REST)).await;
        } else {
            before.clear();
        }
    }
}

/// What was counted when it was last looked at, by router and kind.
type Before = HashMap<(String, &'static str), Counted>;

/// Requests of each row by its name, and the time of the look that found it last.
type Counted = HashMap<String, (u64, u64)>;

/// A server, service or client.
#[derive(Debug, Default)]
struct Row {
    name: String,
    requests: u64,
    success: u64,
    failures: u64,
    retries: u64,
    connections: f32,
    pending: f32,
    budget: Option<f32>,
    available: f32,
    size: Option<f32>,
    /// p50, p95, p99 and the longest, of the last full minute.
    latency: Option<[u64; 4]>,
    /// Of a client: requests, successes and failures by service.
    by: Vec<(String, [u64; 3])>,
}

/// The rows of a router, by name.
#[derive(Debug, Default)]
struct Router {
    name: String,
    servers: Vec<Row>,
    services: Vec<Row>,
    clients: Vec<Row>,
}

/// A Kubernetes API that is asked for names.
#[derive(Debug, Default)]
struct Api {
    name: String,
    watches: f32,
    failing: f32,
    /// Of what was heard of longest ago, in seconds.
    age: f32,
}

/// Picks the dashboard's numbers out of the tree, which is ordered by names. There may be thousands of rows and a hundred
/// metrics of each: what is done for a metric must be little.
#[derive(Default)]
struct Collector {
    /// Keys of the scopes we are in, of the first `depth`; the rest is room for further ones.
    path: Vec<String>,
    depth: usize,
    routers: Vec<Router>,
    apis: Vec<Api>,
}

impl Visitor for Collector {
    fn enter(&mut self, key: &str) {
        if self.depth == self.path.len() {
            self.path.push(String::new());
        }
        self.path[self.depth].clear();
        self.path[self.depth].push_str(key);
        self.depth += 1;
        match &self.path[..self.depth] {
            [root, label] if root == "rt" => {
                self.routers.push(Router { name: label.clone(), ..Router::default() });
            }
            [root, name] if root == "kubernetes" => {
                self.apis.push(Api { name: name.clone(), ..Api::default() });
            }
            [root, _, kind, owner] if root == "rt" => {
                if let Some(rows) = self.routers.last_mut().and_then(|router| router.rows(kind)) {
                    rows.push(Row { name: owner.clone(), ..Row::default() });
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn metric(&mut self, name: &str, value: Value) {
        let (root, kind, rest) = match &self.path[..self.depth] {
            [root, _] if root == "kubernetes" => {
                return self.apis.last_mut().map_or((), |api| api.put(name, value));
            }
            [root, _, kind, _, rest @ ..] => (root, kind, rest),
            _ => return,
        };
        if root != "rt" {
            return;
        }
        let rows = self.routers.last_mut().and_then(|router| router.rows(kind));
        let Some(row) = rows.and_then(|rows| rows.last_mut()) else { return };
        match rest {
            [] => row.put(name, value),
            [metric] if name.is_empty() => row.put(metric, value),
            [service, path] if service == "service" => row.pair(path, name, value),
            [service, path, metric] if service == "service" && name.is_empty() => {
                row.pair(path, metric, value);
            }
            _ => {}
        }
    }
}

impl Api {
    fn put(&mut self, name: &str, value: Value) {
        let Value::Gauge(value) = value else { return };
        match name {
            "watches" => self.watches = value,
            "watches_failing" => self.failing = value,
            "watch_age_seconds" => self.age = value,
            _ => {}
        }
    }

    fn json(&self) -> Json {
        json!({ "n": self.name, "w": self.watches, "f": self.failing, "a": self.age })
    }
}

impl Row {
    fn put(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("requests", Value::Counter(n)) => self.requests = n,
            ("success", Value::Counter(n)) => self.success = n,
            ("failures", Value::Counter(n)) => self.failures = n,
            ("retries/total" | "retries/requeues", Value::Counter(n)) => self.retries = n,
            ("retries/budget", Value::Gauge(g)) => self.budget = Some(g),
            ("connections", Value::Gauge(g)) => self.connections = g,
            ("pending", Value::Gauge(g)) => self.pending = g,
            ("loadbalancer/available", Value::Gauge(g)) => self.available = g,
            ("loadbalancer/size", Value::Gauge(g)) => self.size = Some(g),
            ("request_latency_ms", Value::Stat(Some(s))) if s.count > 0 => {
                self.latency = Some([s.p50, s.p95, s.p99, s.max]);
            }
            _ => {}
        }
    }

    fn pair(&mut self, service: &str, name: &str, value: Value) {
        let at = match name {
            "requests" => 0,
            "success" => 1,
            "failures" => 2,
            _ => return,
        };
        let Value::Counter(n) = value else { return };
        if self.by.last().is_none_or(|(last, _)| last != service) {
            self.by.push((service.to_owned(), [0; 3]));
        }
        if let Some((_, counts)) = self.by.last_mut() {
            counts[at] = n;
        }
    }

    fn json(&self) -> Json {
        let mut pairs: Vec<_> = self.by.iter().collect();
        pairs.sort_by_key(|(_, counts)| std::cmp::Reverse(counts[0]));
        let pair = |(name, [r, s, f]): &&(String, [u64; 3])| json!({ "n": name, "r": r, "s": s, "f": f });
        json!({
            "n": self.name, "r": self.requests, "s": self.success, "f": self.failures, "y": self.retries,
            "c": self.connections, "p": self.pending, "b": self.budget, "l": self.latency,
            "e": self.size.map(|size| [self.available, size]),
            "by": pairs.iter().take(PAIRS).map(pair).collect::<Vec<_>>(),
        })
    }
}

/// The numbers of all routers, and of what tells them where to go, at `millis`, which is later than when they were last asked for.
fn numbers(metrics: &Metrics, millis: u64, before: &mut Before) -> Json {
    let mut all = Collector::default();
    metrics.visit(&mut all);
    let routers = all.routers.iter().filter(|router| !router.is_empty());
    let routers: Vec<Json> = routers.map(|router| router.json(millis, before)).collect();
    before.retain(|_, rows| {
        rows.retain(|_, (_, seen)| *seen == millis);
        !rows.is_empty()
    });
    let apis: Vec<Json> = all.apis.iter().map(Api::json).collect();
    json!({ "t": millis, "routers": routers, "kubernetes": apis })
}

/// The rows that have gained most requests since they were last looked at, and how many there are beside them.
fn busiest(rows: &[Row], millis: u64, counted: &mut Counted) -> (Vec<Json>, usize) {
    let mut ranked: Vec<_> =
        rows.iter().map(|row| ((gained(row, millis, counted), row.requests), row)).collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.name.cmp(&b.1.name)));
    let shown = ranked.iter().take(ROWS).map(|(_, row)| row.json()).collect();
    (shown, ranked.len().saturating_sub(ROWS))
}

/// How many requests a row has gained; of one that was not there before nobody knows.
fn gained(row: &Row, millis: u64, counted: &mut Counted) -> u64 {
    if let Some((requests, seen)) = counted.get_mut(&row.name) {
        *seen = millis;
        return row.requests.saturating_sub(std::mem::replace(requests, row.requests));
    }
    counted.insert(row.name.clone(), (row.requests, millis));
    0
}

impl Router {
    /// The rows of a kind, if it is one that is shown.
    fn rows(&mut self, kind: &str) -> Option<&mut Vec<Row>> {
        match kind {
            "server" => Some(&mut self.servers),
            "service" => Some(&mut self.services),
            "client" => Some(&mut self.clients),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        [&self.servers, &self.services, &self.clients].iter().all(|rows| rows.is_empty())
    }

    fn json(&self, millis: u64, before: &mut Before) -> Json {
        let mut shown = |kind: &'static str, rows: &[Row]| {
            busiest(rows, millis, before.entry((self.name.clone(), kind)).or_default())
        };
        let (servers, more_servers) = shown("servers", &self.servers);
        let (services, more_services) = shown("services", &self.services);
        let (clients, more_clients) = shown("clients", &self.clients);
        json!({
            "name": self.name, "total": self.total(),
            "servers": servers, "services": services, "clients": clients,
            "more": { "servers": more_servers, "services": more_services, "clients": more_clients },
        })
    }

    /// What the servers count, the retries of services and clients, the connections (`o`) of clients. Of several servers'
    /// latencies the longest.
    fn total(&self) -> Json {
        let servers = || self.servers.iter();
        let retries = self.services.iter().chain(&self.clients).map(|row| row.retries).sum::<u64>();
        let longest = |a: [u64; 4], b: [u64; 4]| [0, 1, 2, 3].map(|at| a[at].max(b[at]));
        json!({
            "r": servers().map(|row| row.requests).sum::<u64>(),
            "s": servers().map(|row| row.success).sum::<u64>(),
            "f": servers().map(|row| row.failures).sum::<u64>(),
            "y": retries,
            "c": sum(&self.servers, |row| row.connections),
            "o": sum(&self.clients, |row| row.connections),
            "p": sum(&self.servers, |row| row.pending),
            "l": servers().filter_map(|row| row.latency).reduce(longest),
        })
    }
}

/// The sum of a gauge; that of nothing is 0 (and not -0, as the standard library has it).
fn sum(rows: &[Row], of: impl Fn(&Row) -> f32) -> f32 {
    rows.iter().fold(0.0, |sum, row| sum + of(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_tree() {
        let metrics = Metrics::new(1);
        let server = metrics.scope(&["rt", "a", "server", "0.0.0.0/4140"]);
        server.counter("requests").add(5);
        server.counter("success").add(4);
        server.counter("failures").add(1);
        server.gauge("connections", || 2.0);
        server.histogram("request_latency_ms").record(7);
        metrics.snapshot_histograms();
        let client = metrics.scope(&["rt", "a", "client", "#/io.l5d.fs/web"]);
        client.gauges(&["loadbalancer/size", "loadbalancer/available"], |at| [3.0, 2.0][at]);
        client.scope("service").scope("svc/web").counter("requests").add(4);
        metrics.scope(&["process"]).counter("requests").add(99);
        let got = numbers(&metrics, 17, &mut Before::new());
        assert_eq!(got["t"], 17);
        let router = &got["routers"][0];
        assert_eq!((&router["name"], got["routers"].as_array().unwrap().len()), (&json!("a"), 1));
        let total = &router["total"];
        assert_eq!([&total["r"], &total["s"], &total["f"]], [&json!(5), &json!(4), &json!(1)]);
        assert_eq!((&total["c"], &total["l"][0]), (&json!(2.0), &json!(7)));
        let client = &router["clients"][0];
        assert_eq!((&client["n"], &client["e"]), (&json!("#/io.l5d.fs/web"), &json!([2.0, 3.0])));
        assert_eq!(client["by"], json!([{ "n": "svc/web", "r": 4, "s": 0, "f": 0 }]));
        assert_eq!(got["kubernetes"], json!([]));
    }

    #[test]
    fn apis_say_how_their_watches_are() {
        let metrics = Metrics::new(1);
        let api = metrics.scope(&["kubernetes", "10.96.0.1:443"]);
        api.gauges(&["watches", "watches_failing", "watch_age_seconds"], |at| [24.0, 2.0, 31.5][at]);
        api.counter("watch_errors_total").add(9);
        let got = numbers(&metrics, 17, &mut Before::new());
        assert_eq!(got["kubernetes"], json!([{ "n": "10.96.0.1:443", "w": 24.0, "f": 2.0, "a": 31.5 }]));
        assert_eq!(got["routers"], json!([]));
    }

    #[test]
    fn the_busiest_rows_are_shown() {
        let metrics = Metrics::new(1);
        let count = |at: usize, n: u64| {
            metrics.scope(&["rt", "a", "service", &format!("svc/{at:04}")]).counter("requests").add(n);
        };
        (0..ROWS + 50).for_each(|at| count(at, 1000 - at as u64));
        let mut before = Before::new();
        numbers(&metrics, 0, &mut before);
        // One that had little to do so far is busy now.
        count(ROWS + 49, 1);
        let got = numbers(&metrics, 1000, &mut before);
        let router = &got["routers"][0];
        assert_eq!(router["services"].as_array().unwrap().len(), ROWS);
        assert_eq!(router["more"]["services"], 50);
        assert_eq!(router["services"][0]["n"], format!("svc/{:04}", ROWS + 49));
        assert_eq!(router["services"][1]["n"], "svc/0000");
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_is_told_at_once_and_then_each_second() {
        let events = Events::new(1);
        let listening = events.listen();
        let told = tokio::spawn(tell(events.clone(), Metrics::new(1)));
        let begun = Instant::now();
        // Nobody reads: the queue fills, and then there is nobody.
        while events.has_listeners() {
            sleep(Duration::from_millis(10)).await;
        }
        let took = begun.elapsed();
        assert!(took > PERIOD * 2 && took < PERIOD * 5, "{took:?}");
        drop(listening);
        told.abort();
    }
}
