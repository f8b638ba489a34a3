//! What metrics cost: the writes of one request, and the pages of a mesh of 200 services and 200 clients.

use bench::timing::Table;
use std::process::ExitCode;
use telemetry::{BlockSpec, JsonQuery, Metrics, render_json, render_prometheus};

/// About as many as a client has (observability.md §2.4).
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
        "read_timeout",
        "write_timeout",
        "retries/requeues",
        "retries/budget_exhausted",
        "retries/request_limit",
        "retries/not_open",
        "retries/cannot_retry",
        "service_creation/failures",
        "failure_accrual/removals",
        "failure_accrual/revivals",
        "failure_accrual/probes",
    ],
    histograms: &[
        "request_latency_ms",
        "connect_latency_ms",
        "connection_duration",
        "connection_requests",
        "connection_received_bytes",
        "connection_sent_bytes",
        "request_payload_bytes",
        "response_payload_bytes",
    ],
    status: true,
    total: None,
};

const SERVICE: BlockSpec = BlockSpec {
    counters: &["requests", "success", "failures", "retries/total", "retries/budget_exhausted"],
    histograms: &["request_latency_ms", "retries/per_request"],
    status: false,
    total: None,
};

const SCOPES: usize = 200;

fn main() -> ExitCode {
    let mut table = Table::new();
    let metrics = Metrics::new(1);
    let client = metrics.scope(&["rt", "http", "client", "/#/io.l5d.fs/svc-000"]).block(&CLIENT);
    let shard = client.shard(0);
    let mut value = 0;
    table.row("count", Some(20.0), || shard.inc(0));
    table.row("count a status", Some(20.0), || shard.status(200));
    table.row("record in a histogram", Some(50.0), || {
        value = (value + 7) % 5_000;
        shard.record(0, value);
    });
    // Server, service and client: three counters, a status and a histogram each.
    table.row("all of one request", Some(300.0), || {
        for _ in 0..3 {
            shard.inc(0);
            shard.inc(1);
            shard.add(6, 540);
            shard.status(200);
            shard.record(0, value);
        }
    });
    pages(&mut table);
    table.finish()
}

fn pages(table: &mut Table) {
    let metrics = Metrics::new(1);
    for i in 0..SCOPES {
        let service = metrics.scope(&["rt", "http", "service", &format!("svc/svc-{i:03}")]).block(&SERVICE);
        let client =
            metrics.scope(&["rt", "http", "client", &format!("#/io.l5d.fs/svc-{i:03}")]).block(&CLIENT);
        for value in 0..100 {
            service.shard(0).record(0, value);
            client.shard(0).status(200);
            (0..CLIENT.histograms.len()).for_each(|h| client.shard(0).record(h, value));
        }
    }
    table.row("end the minute of 200 services and 200 clients", None, || metrics.snapshot_histograms());
    (0..SCOPES).for_each(|i| {
        let client =
            metrics.scope(&["rt", "http", "client", &format!("#/io.l5d.fs/svc-{i:03}")]).block(&CLIENT);
        (0..CLIENT.histograms.len())
            .for_each(|h| (0..100).for_each(|value| client.shard(0).record(h, value)));
    });
    metrics.snapshot_histograms();
    let size = render_prometheus(&metrics, "").len();
    let name = format!("their Prometheus page ({} series, {} KB)", metrics.series(), size >> 10);
    table.row(&name, None, || render_prometheus(&metrics, ""));
    table.row("their JSON page", None, || render_json(&metrics, &JsonQuery::default()));
}
