//! How long rendering and recording take. What counts is the processor time of this thread, so that a busy machine does not
//! matter. The bounds are those of a build that was optimised (`cargo test --release -p telemetry --test speed --
//! --nocapture`); any other has a tenth of the services and ten times the time, which is enough to see what grows faster
//! than it should.

use std::hint::black_box;
use std::time::Duration;

use telemetry::{
    BlockSpec, JsonQuery, Metrics, PrometheusOptions, render_json, render_prometheus,
    render_prometheus_pieces,
};

/// How many fewer services there are, and how much longer all may take, where nothing was optimised.
const SLOWER: u32 = if cfg!(debug_assertions) { 10 } else { 1 };
const SERVICES: usize = 200;
const MANY: usize = 5000 / SLOWER as usize;

const COUNTERS: &[&str] = &[
    "requests",
    "success",
    "failures",
    "status/error",
    "connects",
    "closes",
    "received_bytes",
    "sent_bytes",
    "retries/requeues",
    "retries/budget_exhausted",
    "loadbalancer/adds",
    "loadbalancer/removes",
    "failure_accrual/removals",
    "failure_accrual/revivals",
    "failure_accrual/probes",
];
const CLIENT: BlockSpec = BlockSpec {
    counters: COUNTERS,
    histograms: &["request_latency_ms", "connect_latency_ms", "connection_duration", "time/2XX", "time/5XX"],
    status: true,
    total: None,
};
const SERVICE: BlockSpec = BlockSpec {
    counters: &["requests", "success", "failures", "retries/total", "retries/budget_exhausted"],
    histograms: &["request_latency_ms", "retries/per_request"],
    status: false,
    total: None,
};
const GAUGES: &[&str] = &["connections", "pending", "load", "loadbalancer/size", "loadbalancer/available"];

fn populate(metrics: &Metrics, services: usize) {
    let router = metrics.scope(&["rt", "outgoing"]);
    let fill = |block: &telemetry::Block, spec: &BlockSpec| {
        (0..spec.counters.len()).for_each(|i| block.shard(0).add(i, 123_456));
        for i in 0..spec.histograms.len() {
            (1..200).for_each(|v| block.shard(0).record(i, v * v));
        }
        if spec.status {
            [200, 204, 404, 503].into_iter().for_each(|code| block.shard(0).status(code));
        }
    };
    for i in 0..services {
        fill(&router.scope("service").scope(&format!("svc/service-{i:04}")).block(&SERVICE), &SERVICE);
    }
    for i in 0..services {
        let client = router.scope("client").scope(&format!("#/io.l5d.fs/service-{i:04}"));
        client.gauges(GAUGES, |i| i as f64 * 1.5);
        fill(&client.block(&CLIENT), &CLIENT);
        let service = client.scope("service").scope(&format!("svc/service-{i:04}"));
        fill(&service.block(&SERVICE), &SERVICE);
    }
}

/// The quickest of several runs.
fn fastest(mut work: impl FnMut()) -> Duration {
    let mut time = || {
        let start = processor_time();
        work();
        processor_time() - start
    };
    (0..20).map(|_| time()).min().expect("twenty runs")
}

/// What this thread has used of processors so far.
fn processor_time() -> Duration {
    // The kernel brings its books up to date when it looks for another thread to run.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let first = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(first.expect("the first number is nanoseconds on a processor"))
}

#[test]
fn rendering_two_hundred_services_and_clients() {
    let metrics = Metrics::new(4);
    populate(&metrics, SERVICES);
    let snapshot = fastest(|| metrics.snapshot_histograms());
    // The snapshots above emptied the windows: fill them again, so that every histogram has lines.
    populate(&metrics, SERVICES);
    metrics.snapshot_histograms();
    let text = render_prometheus(&metrics, "");
    eprintln!("{} series, {} lines, {} kB", metrics.series(), text.lines().count(), text.len() / 1024);
    eprintln!("snapshot    {snapshot:?}");
    let check = |name: &str, limit: u64, work: &dyn Fn() -> String| {
        let took = fastest(|| drop(black_box(work())));
        eprintln!("{name:<13} {took:?}");
        assert!(took < SLOWER * Duration::from_millis(limit), "{name} took {took:?}");
    };
    check("prometheus", 15, &|| render_prometheus(&metrics, ""));
    // Sorting everything is for people, who ask seldom.
    for (query, limit) in [("", 15), ("tree=1", 25), ("pretty=1", 100)] {
        let parsed = JsonQuery::parse(query);
        check(&format!("json {query}"), limit, &|| render_json(&metrics, &parsed).unwrap());
    }
}

/// The bar of issue 6 is 200 ms for all of a scrape of services nobody has used in the last minute.
#[test]
fn rendering_five_thousand_services() {
    let metrics = Metrics::new(4);
    populate(&metrics, MANY);
    let options = PrometheusOptions { prefix: String::new(), histograms: true };
    let mut bytes = 0;
    let mut scrape = || {
        bytes = 0;
        render_prometheus_pieces(&metrics, &options, &mut |piece| bytes += black_box(piece).len());
    };
    let idle = fastest(&mut scrape);
    metrics.snapshot_histograms();
    let busy = fastest(&mut scrape);
    eprintln!("{} kB: {idle:?} without summaries, {busy:?} with those of a busy minute", bytes / 1024);
    assert!(idle < Duration::from_millis(150), "without what the socket takes: {idle:?}");
}

#[test]
fn recording_one_request() {
    let metrics = Metrics::new(1);
    let block = metrics.scope(&["s"]).block(&CLIENT);
    let shard = block.shard(0);
    const REQUESTS: u64 = 1_000_000 / SLOWER as u64;
    let each = |took: Duration| took.as_nanos() as f64 / REQUESTS as f64;
    let all = fastest(|| {
        for i in 0..REQUESTS {
            let shard = black_box(shard);
            shard.inc(0);
            shard.inc(1);
            shard.record(0, black_box(i % 50));
            shard.status(black_box(200));
        }
    });
    let record = fastest(|| (0..REQUESTS).for_each(|i| black_box(shard).record(0, black_box(i % 3000))));
    let (all, record) = (each(all), each(record));
    eprintln!("two counters, a histogram and a status: {all:.1} ns; a histogram alone: {record:.1} ns");
    assert!(all < 100.0 * f64::from(SLOWER), "{all} ns for what is counted of a request");
}
