//! A real Prometheus scrapes two proxies under a known load, and every query of the linkerd-viz dashboards returns the
//! right number (observability.md §8, row 27 of §9). Takes a little more than a minute: summaries speak of a full one.

use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Act, Backend, Client, Delay, Pace, Play, Process, Setup, World, eventually, free_port};
use tokio::task::JoinSet;

/// From the start of the proxies until summaries are scraped, and a good deal more for a busy machine.
const DEADLINE: Duration = Duration::from_secs(150);

const DOCUMENT: &str = "
admin: {ip: 0.0.0.0, port: ${ADMIN}}
usage: {enabled: false}
telemetry: [{kind: io.l5d.prometheus}]
namers:
- {kind: io.l5d.fs, rootDir: '${DIR}/disco'}
- {kind: io.l5d.k8s, host: 127.0.0.1, port: 1}
routers:
- protocol: http
  label: out
  dtab: /svc => /#/io.l5d.fs; /svc/nowhere => /#/io.l5d.k8s/default/http/nowhere;
  servers: [{ip: 127.0.0.1, port: ${ROUTER}}]
- protocol: http
  label: in
  servers: [{ip: 127.0.0.1, port: 0}]
";

/// Relabelling as linkerd-viz has it.
const SCRAPE: &str = "
global: {scrape_interval: 2s, scrape_timeout: 2s, evaluation_interval: 2s}
rule_files: [alerts.yml]
scrape_configs:
- job_name: linkerd
  metrics_path: /admin/metrics/prometheus
  static_configs: [{targets: [TARGETS]}]
  relabel_configs:
  - {source_labels: [__address__], action: replace, target_label: instance, regex: '(.+)(?::\\d+)', replacement: $1}
  metric_relabel_configs:
  - {source_labels: [client], action: replace, target_label: client, regex: '.*/([^/]+)', replacement: $1}
  - {source_labels: [service], action: replace, target_label: service, regex: '.*/([^/]+)', replacement: $1}
";

/// What only a Java process has: these panels stay empty (observability.md §8.3).
const JAVA: &[&str] =
    &["ConcurrentMarkSweep", "ParNew", "Par_Eden", "Par_Survivor", "CMS_Old", "gc:eden:pause"];

/// A query, the labels that tell its series apart, and each series' least and greatest value.
type Expected = (&'static str, &'static [(&'static str, f64, f64)]);

/// The load is 40/s of `web`, 10/s of `bad` (500) and 10/s of `missing` (404, after 40 ms) on 127.0.0.1, and 20/s of `web`
/// on 127.0.0.2. Rates of two scrapes are not quite even.
const EXPECTED: &[Expected] = &[
    ("count(count(rt:client:requests{rt=\"$router\"}) by (client))", &[("", 3.0, 3.0)]),
    ("count(count(jvm:uptime) by(instance))", &[("", 2.0, 2.0)]),
    (
        "sum(irate(rt:client:success{rt=\"$router\"}[1m])) / sum(irate(rt:client:requests{rt=\"$router\"}[1m]))",
        &[("", 0.82, 0.93)],
    ),
    ("sum(irate(rt:client:requests{rt=\"$router\"}[1m]))", &[("", 68.0, 92.0)]),
    ("sum(irate(rt:client:status:4XX{rt=\"$router\"}[1m]))", &[("", 8.0, 12.0)]),
    ("sum(irate(rt:client:status:5XX{rt=\"$router\"}[1m]))", &[("", 8.0, 12.0)]),
    (
        "round(sum(irate(rt:client:success{rt=\"$router\",client=~\"$service\",instance=~\"$instance\"}[1m])) by (client) \
         / sum(irate(rt:client:requests{rt=\"$router\", client=~\"$service\",instance=~\"$instance\"}[1m])) by (client), \
         .0001)",
        &[("bad", 0.0, 0.0), ("missing", 1.0, 1.0), ("web", 1.0, 1.0)],
    ),
    (
        "sum(irate(rt:client:requests{rt=\"$router\",client=~\"$service\",instance=~\"$instance\"}[1m])) by (client)",
        &[("bad", 8.0, 12.0), ("missing", 8.0, 12.0), ("web", 51.0, 69.0)],
    ),
    (
        "max(rt:client:request_latency_ms{rt=\"$router\",quantile=\"0.95\",client=~\"$service\",instance=~\"$instance\"}) \
         by (client)",
        &[("bad", 0.0, 39.0), ("missing", 40.0, 500.0), ("web", 0.0, 39.0)],
    ),
    (
        "round(sum(irate(rt:server:success{rt=\"$router\",instance=~\"$instance\"}[1m])) by (instance) / \
         sum(irate(rt:server:requests{rt=\"$router\",instance=~\"$instance\"}[1m])) by (instance), .0001)",
        &[("127.0.0.1", 0.78, 0.89), ("127.0.0.2", 1.0, 1.0)],
    ),
    (
        "sum(irate(rt:server:requests{rt=\"$router\",instance=~\"$instance\"}[1m])) by (instance)",
        &[("127.0.0.1", 51.0, 69.0), ("127.0.0.2", 17.0, 23.0)],
    ),
    (
        "rt:server:request_latency_ms{rt=\"$router\",quantile=\"1\",instance=~\"$instance\"}",
        &[("127.0.0.1", 40.0, 5000.0), ("127.0.0.2", 0.0, 5000.0)],
    ),
    ("avg(jvm:uptime)", &[("", 1000.0, 600_000.0)]),
    ("sum(jvm:num_cpus)", &[("", 2.0, 4096.0)]),
    ("sum(jvm:heap:used)/sum(jvm:heap:max)", &[("", 1e-9, 1.0)]),
    (
        "irate(jvm:gc:cycles{instance=~\"$instance\"}[1m])",
        &[("127.0.0.1", 0.0, 0.0), ("127.0.0.2", 0.0, 0.0)],
    ),
];

/// Beside the dashboards: quantiles over both proxies, from the true histograms.
const OURS: &[Expected] = &[
    ("sum(up)", &[("", 2.0, 2.0)]),
    (
        "histogram_quantile(0.5, sum(rate(rt:server:request_latency_ms_histogram_bucket{rt=\"out\"}[1m])) by (le))",
        &[("", 0.0, 20.0)],
    ),
    (
        "histogram_quantile(0.5, sum(rate(rt:service:request_latency_ms_histogram_bucket{service=\"missing\"}[1m])) \
         by (le))",
        &[("", 20.0, 200.0)],
    ),
    (
        "sum(rate(rt:service:request_latency_ms_histogram_count{rt=\"out\"}[30s])) by (service)",
        &[("bad", 8.0, 12.0), ("missing", 8.0, 12.0), ("nowhere", 0.0, 0.0), ("web", 51.0, 69.0)],
    ),
];

/// The first proxy has asked a Kubernetes API at which nobody listens, for both kinds of endpoints.
const ALARMS: &[Expected] = &[
    ("max by (instance) (kubernetes:watches_failing)", &[("127.0.0.1", 2.0, 2.0), ("127.0.0.2", 0.0, 0.0)]),
    ("count by (instance) (ALERTS{alertname=\"WayleaveCannotAskKubernetes\"})", &[("127.0.0.1", 1.0, 1.0)]),
];

/// Back ends, two proxies, and callers that never stop.
struct Mesh {
    nodes: [World; 2],
    back_ends: [Backend; 3],
    _load: JoinSet<()>,
}

async fn mesh() -> Mesh {
    let answer = |status: &str| format!("HTTP/1.1 {status}\r\nContent-Length: 1\r\n\r\nx");
    let web = Backend::text("web").await;
    let bad = Backend::start([Play::reply(answer("500 Bad"))]).await;
    let pause = Act::Pause(Delay::of(Duration::from_millis(40)));
    let slow = Play::acts([Act::Request, pause, Play::write(answer("404 Not Found"))]);
    let missing = Backend::start([slow]).await;
    let node = || {
        let setup = Setup::new().document(DOCUMENT).replicas("web", &[web.address]);
        setup.replicas("bad", &[bad.address]).replicas("missing", &[missing.address]).start(1)
    };
    let nodes = [node().await, node().await];
    let mut load = JoinSet::new();
    for (node, host, per_second) in [(0, "web", 40), (0, "bad", 10), (0, "missing", 10), (1, "web", 20)] {
        let router = nodes[node].router;
        let pace = Pace { per_second, length: 2 * DEADLINE, patience: Duration::from_secs(10), fresh: 0 };
        load.spawn(async move { drop(pace.run(router, host).await) });
    }
    Mesh { nodes, back_ends: [web, bad, missing], _load: load }
}

fn start_prometheus(folder: &Path, nodes: &[World; 2]) -> (Process, SocketAddr) {
    let targets = format!("'127.0.0.1:{}', '127.0.0.2:{}'", nodes[0].admin.port(), nodes[1].admin.port());
    let config = folder.join("prometheus.yml");
    std::fs::write(folder.join("alerts.yml"), alerts()).expect("the test's folder can be written");
    std::fs::write(&config, SCRAPE.replace("TARGETS", &targets)).expect("the test's folder can be written");
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let args = [
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", folder.join("data").display()),
        format!("--web.listen-address={at}"),
        "--log.level=warn".to_owned(),
    ];
    (Process::start("prometheus", Path::new("prometheus"), args, folder), at)
}

/// The alerts docs/operation.md recommends.
fn alerts() -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operation.md"));
    let page = page.expect("it is there");
    let (_, behind) = page.split_once("To be woken by").expect("it says by what");
    let (_, behind) = behind.split_once("```yaml\n").expect("rules");
    behind.split_once("```").expect("an end of the rules").0.to_owned()
}

/// The metrics the alerts look at.
fn alarming() -> BTreeSet<String> {
    let text = alerts();
    let expressions = text.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '_';
    let names = expressions.flat_map(|line| line.split(move |c| !is_part(c)).map(str::to_owned));
    names.filter(|name| name.contains(':')).collect()
}

async fn ask(prometheus: SocketAddr, path: &str) -> Option<Value> {
    let mut client = Client::try_connect(prometheus).await.ok()?;
    client.try_send(format!("GET {path} HTTP/1.1\r\nHost: prometheus\r\n\r\n")).await.ok()?;
    let answer = client.try_response("GET").await.ok()?;
    let answer: Value = serde_json::from_slice(&answer.body.data).ok()?;
    (answer["status"] == "success").then(|| answer["data"].clone())
}

/// The series a query finds: the value of its `client`, `service` or `instance`, and its number.
async fn query(prometheus: SocketAddr, query: &str) -> Vec<(String, f64)> {
    let filled = query.replace("$router", "out").replace("$service", ".+").replace("$instance", ".+");
    let encoded: String = filled.bytes().map(|b| format!("%{b:02X}")).collect();
    let data = ask(prometheus, &format!("/api/v1/query?query={encoded}")).await.unwrap_or_default();
    let series = data["result"].as_array().cloned().unwrap_or_default();
    let name = |of: &Value| {
        let label = ["client", "service", "instance"].iter().find_map(|label| of["metric"][label].as_str());
        label.unwrap_or_default().to_owned()
    };
    let number = |of: &Value| of["value"][1].as_str().and_then(|v| v.parse().ok()).unwrap_or(f64::NAN);
    let mut found: Vec<_> = series.iter().map(|of| (name(of), number(of))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// What is not as expected at present.
async fn wrong(prometheus: SocketAddr, expected: &[Expected]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (asked, want) in expected {
        let found = query(prometheus, asked).await;
        let right = found.len() == want.len()
            && found.iter().zip(*want).all(|(f, w)| f.0 == w.0 && f.1 >= w.1 && f.1 <= w.2);
        if !right {
            wrong.push(format!("{asked}\n  found {found:?}\n  want  {want:?}"));
        }
    }
    wrong
}

/// All queries of the dashboards.
fn dashboards() -> Option<Vec<String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/reference/linkerd-viz/grafana/dashboards");
    let mut queries = Vec::new();
    for name in ["linkerd-viz-dashboard.json", "linkerd-health-dashboard.json"] {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        collect(&serde_json::from_str(&text).expect("a dashboard is JSON"), &mut queries);
    }
    Some(queries)
}

fn collect(of: &Value, queries: &mut Vec<String>) {
    if let Some(query) = of["expr"].as_str() {
        queries.push(query.to_owned());
    }
    match of {
        Value::Array(items) => items.iter().for_each(|item| collect(item, queries)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, queries)),
        _ => {}
    }
}

/// Waits until `expected` holds, and says what does not if it never does.
async fn settle(prometheus: SocketAddr, expected: &[Expected]) {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        let wrong = wrong(prometheus, expected).await;
        if wrong.is_empty() {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{}", wrong.join("\n"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_27_dashboards_show_the_load() {
    if std::process::Command::new("prometheus").arg("--version").output().is_err() {
        eprintln!("SKIPPED prometheus: it is not installed");
        return;
    }
    let mesh = mesh().await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (_process, prometheus) = start_prometheus(folder.path(), &mesh.nodes);
    let another = Backend::text("web").await;
    mesh.nodes[0].set_replicas("web", &[mesh.back_ends[0].address, another.address]);
    // Nobody listens where this name is looked up.
    let nobody = mesh.nodes[0].get("nowhere").await;
    assert_eq!(nobody.status(), 502);
    settle(prometheus, EXPECTED).await;
    settle(prometheus, OURS).await;
    settle(prometheus, ALARMS).await;
    for name in alarming() {
        let asked = format!("count(last_over_time({{__name__=\"{name}\"}}[10m]))");
        eventually(DEADLINE, &asked, || async { !query(prometheus, &asked).await.is_empty() }).await;
    }
    for (label, want) in [("rt", &["in", "out"][..]), ("client", &["bad", "missing", "web"])] {
        let values = ask(prometheus, &format!("/api/v1/label/{label}/values")).await.unwrap_or_default();
        assert_eq!(values, serde_json::json!(want), "label_values({label})");
    }
    let Some(queries) = dashboards() else {
        eprintln!("SKIPPED dashboards: ../shared/reference is not there");
        return;
    };
    for (expected, _) in EXPECTED {
        assert!(queries.iter().any(|query| query == expected), "no dashboard asks {expected}");
    }
    assert!(queries.len() > 30, "{queries:?}");
    for asked in queries {
        let java = JAVA.iter().any(|name| asked.contains(name));
        eventually(DEADLINE, &asked, || async { query(prometheus, &asked).await.is_empty() == java }).await;
    }
}
