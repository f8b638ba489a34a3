//! What a scope costs, by the process's own resident set (alone in its test binary, so that nothing else counts).

use telemetry::{Block, BlockSpec, Metrics};

/// What the proxy uses by default.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const SCOPES: usize = 20_000;

/// As large as the client scope of observability.md §2.4: 25 counters, 8 histograms, status codes.
const CLIENT: BlockSpec = BlockSpec {
    counters: &[
        "requests",
        "success",
        "failures",
        "status/error",
        "connects",
        "closes",
        "received_bytes",
        "sent_bytes",
        "cancelled_connects",
        "retries/requeues",
        "retries/budget_exhausted",
        "retries/request_limit",
        "retries/not_open",
        "retries/cannot_retry",
        "loadbalancer/adds",
        "loadbalancer/removes",
        "loadbalancer/rebuilds",
        "loadbalancer/updates",
        "loadbalancer/max_effort_exhausted",
        "failure_accrual/removals",
        "failure_accrual/revivals",
        "failure_accrual/probes",
        "pool_num_waited",
        "pool_num_too_many_waiters",
        "service_creation/failures",
    ],
    histograms: &[
        "request_latency_ms",
        "connect_latency_ms",
        "failed_connect_latency_ms",
        "connection_duration",
        "connection_requests",
        "connection_received_bytes",
        "connection_sent_bytes",
        "retries/requeues_per_request",
    ],
    status: true,
    total: None,
};

fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<usize>().ok().map(|kb| kb * 1024)
}

/// Bytes per scope that `work` adds; at most `limit` are in order. The limits leave a fifth for the allocator's moods.
fn cost(name: &str, limit: usize, work: impl FnOnce()) -> usize {
    let Some(before) = resident() else { return 0 };
    work();
    let bytes = resident().expect("it was there before").saturating_sub(before) / SCOPES;
    eprintln!("{name}: {bytes} bytes");
    assert!(bytes <= limit, "{name}: {bytes} bytes per scope, at most {limit} expected");
    bytes
}

fn clients(metrics: &Metrics) -> Vec<Block> {
    let parent = metrics.scope(&["rt", "out", "client"]);
    // Ordered names, as a sorted directory listing would give them; about the length of a real id.
    (0..SCOPES).map(|i| parent.scope(&format!("#/io.l5d.fs/service-{i:08}")).block(&CLIENT)).collect()
}

#[test]
fn a_client_scope_costs_little() {
    // Kept to the end: memory given back and used again would not show.
    let mut kept = Vec::new();
    for workers in [1, 4] {
        let metrics = Metrics::new(workers);
        let mut blocks = Vec::with_capacity(SCOPES);
        let scope =
            cost(&format!("W={workers}, nothing used"), 400 + 90 * workers, || blocks = clients(&metrics));
        let used = cost("+ counters of one worker", 300, || blocks.iter().for_each(|b| b.shard(0).inc(3)));
        if workers == 1 {
            assert!(scope + used < 700, "the bar: 25 counters in use and 8 histograms that are not");
        }
        cost("+ one histogram of one worker, values below 64", 1100, || {
            blocks.iter().for_each(|b| b.shard(0).record(0, 5));
        });
        cost("+ its snapshot", 560, || metrics.snapshot_histograms());
        kept.push((metrics, blocks));
    }
}
