//! Telemeters: what is refused and what is only warned of.

use super::{anywhere, wrong};

fn with(telemeter: &str) -> String {
    format!("telemetry:\n- {{{telemeter}}}\nrouters: [{{protocol: http, servers: [{{}}]}}]\n")
}

/// Rows 5, 25 (as far as it is built) and 26 of observability.md §9.
#[test]
fn what_does_not_start() {
    let check = |telemeter: &str, want: &str| {
        let faults = anywhere(&with(telemeter)).expect_err(telemeter);
        assert!(faults.to_string().contains(want), "{telemeter}: {faults}");
    };
    check(
        "kind: io.l5d.statsd",
        "telemeter is experimental and must be explicitly enabled by setting the `experimental' parameter to `true'.",
    );
    check("kind: io.l5d.statsd, experimental: false", "must be explicitly enabled");
    check("kind: io.l5d.statsd, experimental: true, sampleRate: 1.5", "between 0.0 and 1.0");
    check("kind: io.l5d.statsd, experimental: true, gaugeIntervalMs: 0", "not positive");
    check("kind: io.l5d.recentRequests", "sampleRate");
    check("kind: io.l5d.recentRequests, sampleRate: -0.1", "sampleRate must be between 0.0 and 1.0");
    check("kind: io.l5d.recentRequests, sampleRate: 1, capacity: 0", "between 1 and 10000");
    check("kind: io.l5d.tracelog", "not built yet");
    check("kind: io.l5d.nothing", "io.l5d.statsd");
}

#[test]
fn common_metrics_are_a_warning() {
    let document = anywhere(&with("kind: io.l5d.commonMetrics")).expect("a document");
    let warned = wrong(&document.warnings);
    assert!(warned.len() == 1 && warned[0].contains("deprecated"), "{warned:?}");
    for quiet in ["kind: io.l5d.influxdb", "kind: io.l5d.statsd, experimental: true"] {
        assert!(anywhere(&with(quiet)).expect("a document").warnings.is_empty(), "{quiet}");
    }
}
