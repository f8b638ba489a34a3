//! `/admin/metrics.json` as observability.md §2.3 and rows 1 and 2 of §9 describe it.

use super::*;
use crate::BlockSpec;

fn json(metrics: &Metrics, query: &str) -> String {
    render_json(metrics, &JsonQuery::parse(query)).unwrap()
}

fn sample() -> Metrics {
    let metrics = Metrics::new(1);
    metrics.scope(&["foo", "bar"]).counter("bas").inc();
    metrics.scope(&["foo", "bar"]).counter("bass").inc();
    metrics.scope(&["qux"]).gauge("load", || 1.0);
    metrics
}

#[test]
fn row_1_flat_tree_and_subtree() {
    let metrics = Metrics::new(1);
    assert_eq!(json(&metrics, ""), "{}");
    metrics.scope(&["foo", "bar"]).counter("bas").inc();
    assert_eq!(json(&metrics, ""), r#"{"foo/bar/bas":1}"#);
    assert_eq!(json(&metrics, "tree=1"), r#"{"foo":{"bar":{"bas":{"counter":1}}}}"#);

    let check = |query: &str, expected: &str| assert_eq!(json(&sample(), query), expected, "{query}");
    check("", r#"{"foo/bar/bas":1,"foo/bar/bass":1,"qux/load":1.0}"#);
    check("q=foo/bar", r#"{"bas":1,"bass":1}"#);
    check("q=foo", r#"{"bar/bas":1,"bar/bass":1}"#);
    check("q=foo/bar/bas", r#"{"":1}"#);
    check("q=foo/bar&tree=t", r#"{"bas":{"counter":1},"bass":{"counter":1}}"#);
    check("q=qux&tree=true", r#"{"load":{"gauge":1.0}}"#);
    check("q=qux&pretty=1", "{\n  \"load\" : 1.0\n}");
    check("pretty=true", "{\n  \"foo/bar/bas\" : 1,\n  \"foo/bar/bass\" : 1,\n  \"qux/load\" : 1.0\n}");
    check("q=qux&pretty=1&tree=1", "{\n  \"load\" : {\n    \"gauge\" : 1.0\n  }\n}");
}

#[test]
fn row_1_unknown_subtrees() {
    let check = |query: &str, expected: &str| {
        let missing = render_json(&sample(), &JsonQuery::parse(query)).unwrap_err();
        assert_eq!(missing.to_string(), expected);
    };
    check("q=nope", r#"{"error": "No such subtree: nope"}"#);
    check("q=foo/bar/nope", r#"{"error": "No such subtree: foo/bar/nope"}"#);
    check("q=foo/ba", r#"{"error": "No such subtree: foo/ba"}"#);
    check("q=a%22b", r#"{"error": "No such subtree: a\"b"}"#);
}

#[test]
fn a_key_with_slashes_is_one_level() {
    let metrics = Metrics::new(1);
    metrics.scope(&["rt", "out", "client", "$/inet/127.1/8080"]).counter("requests").inc();
    assert_eq!(json(&metrics, "q=rt/out/client"), r#"{"$/inet/127.1/8080/requests":1}"#);
    assert!(render_json(&metrics, &JsonQuery::parse("q=rt/out/client/$")).is_err());
    assert_eq!(
        json(&metrics, "q=rt/out&tree=1"),
        r#"{"client":{"$/inet/127.1/8080":{"requests":{"counter":1}}}}"#
    );
}

const SPEC: BlockSpec = BlockSpec {
    counters: &["requests", "retries/total"],
    histograms: &["latency", "retries/per"],
    status: true,
    total: None,
};

#[test]
fn names_of_a_block_and_nodes_make_one_tree() {
    let metrics = Metrics::new(1);
    let scope = metrics.scope(&["s"]);
    let block = scope.block(&SPEC);
    scope.gauges(&["retries/budget", "load"], |i| i as f64);
    scope.counter("retries/other/deep");
    scope.counter("requests/sub");
    block.shard(0).inc(0);
    block.shard(0).status(204);
    let check = |query: &str, expected: &str| assert_eq!(json(&metrics, query), expected, "{query}");
    check(
        "q=s&tree=1",
        concat!(
            r#"{"load":{"gauge":1.0},"requests":{"counter":1,"sub":{"counter":0}},"#,
            r#""retries":{"budget":{"gauge":0.0},"other":{"deep":{"counter":0}},"total":{"counter":0}},"#,
            r#""status":{"1XX":{"counter":0},"204":{"counter":1},"2XX":{"counter":1},"3XX":{"counter":0},"#,
            r#""4XX":{"counter":0},"5XX":{"counter":0}}}"#
        )
        .replace(r#"{"load""#, r#"{"latency":{},"load""#)
        .replace(r#","total""#, r#","per":{},"total""#)
        .as_str(),
    );
    check("q=s/retries", r#"{"budget":0.0,"other/deep":0,"total":0}"#);
    check("q=s/retries/total", r#"{"":0}"#);
    check("q=s/status/204&tree=1", r#"{"counter":1}"#);
}

#[test]
fn row_2_histograms_show_the_last_window_only() {
    let metrics = Metrics::new(1);
    let block = metrics.scope(&["rt", "x"]).block(&BlockSpec {
        counters: &[],
        histograms: &["y", "z"],
        status: false,
        total: None,
    });
    let shard = block.shard(0);
    shard.record(0, 1);
    assert_eq!(json(&metrics, ""), "{}");
    assert_eq!(json(&metrics, "q=rt/x"), "{}");
    metrics.snapshot_histograms();
    let one = |v: u64, avg: &str| {
        let mut text = r#"{"rt/x/y.count":1"#.to_string();
        for field in ["max", "min", "p50", "p90", "p95", "p99", "p9990", "p9999", "sum"] {
            text.push_str(&format!(r#","rt/x/y.{field}":{v}"#));
        }
        text + &format!(r#","rt/x/y.avg":{avg},"rt/x/z.count":0}}"#)
    };
    assert_eq!(json(&metrics, ""), one(1, "1.0"));
    shard.record(0, 5);
    assert_eq!(json(&metrics, ""), one(1, "1.0"), "not visible until the next snapshot");
    metrics.snapshot_histograms();
    assert_eq!(json(&metrics, ""), one(5, "5.0"), "only the new sample");
    metrics.snapshot_histograms();
    assert_eq!(json(&metrics, ""), r#"{"rt/x/y.count":0,"rt/x/z.count":0}"#);
}

#[test]
fn histograms_in_a_tree() {
    let metrics = Metrics::new(1);
    let histogram = metrics.root().histogram("a/lat");
    metrics.root().counter("a/lat/below");
    assert_eq!(json(&metrics, "tree=1"), r#"{"a":{"lat":{"below":{"counter":0}}}}"#);
    metrics.snapshot_histograms();
    assert_eq!(json(&metrics, "tree=1"), r#"{"a":{"lat":{"stat.count":0,"below":{"counter":0}}}}"#);
    histogram.record(2);
    metrics.snapshot_histograms();
    assert_eq!(
        json(&metrics, "q=a/lat&tree=1"),
        concat!(
            r#"{"stat.count":1,"stat.max":2,"stat.min":2,"stat.p50":2,"stat.p90":2,"stat.p95":2,"stat.p99":2,"#,
            r#""stat.p9990":2,"stat.p9999":2,"stat.sum":2,"stat.avg":2.0,"below":{"counter":0}}"#
        )
    );
}

#[test]
fn any_output_is_json() {
    let metrics = Metrics::new(1);
    metrics.scope(&["quote\"d", "back\\slash", "line\n\u{1}é"]).counter("c").add(u64::MAX);
    metrics.root().gauge("nan", || f64::NAN);
    metrics.root().gauge("inf", || f64::INFINITY);
    metrics.root().gauge("big", || 1e30);
    metrics.root().histogram("h").record(7);
    metrics.snapshot_histograms();
    for query in ["", "pretty=1", "tree=1", "tree=1&pretty=1"] {
        let text = json(&metrics, query);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let (flat, tree) =
            ("quote\"d/back\\slash/line\n\u{1}é/c", &value["quote\"d"]["back\\slash"]["line\n\u{1}é"]);
        let found = if query.contains("tree") { &tree["c"]["counter"] } else { &value[flat] };
        assert_eq!(found.as_u64(), Some(u64::MAX), "{text}");
    }
    let empty = Metrics::new(1);
    for query in ["", "pretty=1", "tree=1", "tree=1&pretty=1"] {
        assert_eq!(json(&empty, query), "{}");
    }
}
