//! The golden lines of observability.md §3 and the label rules around them.

use super::*;
use crate::BlockSpec;

fn lines(metrics: &Metrics, prefix: &str) -> Vec<String> {
    let mut lines: Vec<String> = render_prometheus(metrics, prefix).lines().map(str::to_string).collect();
    lines.sort();
    lines
}

#[test]
fn keys_become_names_and_labels() {
    let check = |keys: &[&str], name: &str, expected: &str| {
        let metrics = Metrics::new(1);
        metrics.scope(keys).counter(name).inc();
        assert_eq!(lines(&metrics, "linkerd_"), [expected], "{keys:?} {name}");
    };
    check(&["foo", "bar"], "bas", "linkerd_foo:bar:bas 1");
    check(&[], "foo/bar/bas", "linkerd_foo:bar:bas 1");
    check(
        &["rt", "incoming", "client", "/#/bar", "service", "/svc/foo"],
        "requests",
        r##"linkerd_rt:client:service:requests{rt="incoming", client="/#/bar", service="/svc/foo"} 1"##,
    );
    check(
        &["rt", "incoming", "server", "127.0.0.1/4141"],
        "requests",
        r#"linkerd_rt:server:requests{rt="incoming", server="127.0.0.1/4141"} 1"#,
    );
    check(
        &["rt", "incoming", "service", "/#/foo", "failures", "bar"],
        "qux",
        r##"linkerd_rt:service:failures{rt="incoming", service="/#/foo", exception="bar:qux"} 1"##,
    );
    check(
        &["rt", "foo", "non_stack_match", "bar"],
        "exception/quux",
        r#"linkerd_rt:non_stack_match:bar:exception:quux{rt="foo"} 1"#,
    );
    check(
        &["rt", "o", "server", "0.0.0.0/4140", "exn"],
        "com.x.Y",
        r#"linkerd_rt:server:exceptions{rt="o", server="0.0.0.0/4140", exception="com.x.Y"} 1"#,
    );
    check(
        &["rt", "o", "service", "svc/a"],
        "failures/restartable/com.x.Y/Z",
        r#"linkerd_rt:service:failures{rt="o", service="svc/a", exception="restartable:com.x.Y:Z"} 1"#,
    );
    check(
        &["rt", "o", "client", "#/a"],
        "service_creation/failures/com.twitter.X",
        r##"linkerd_rt:client:service_creation:failures:com_twitter_X{rt="o", client="#/a"} 1"##,
    );
    check(
        &["rt", "o", "client", "#/a", "service", "svc/b"],
        "failures/com.x.Y",
        r##"linkerd_rt:client:service:failures:com_x_Y{rt="o", client="#/a", service="svc/b"} 1"##,
    );
    check(&["rt", "o"], "bindcache/path/misses", r#"linkerd_rt:bindcache:path:misses{rt="o"} 1"#);
    check(&["namer", "#/io.l5d.fs"], "errors", "linkerd_namer:__io_l5d_fs:errors 1");
    check(
        &["kubernetes", "10.96.0.1:443"],
        "watches_failing",
        r#"linkerd_kubernetes:watches_failing{api="10.96.0.1:443"} 1"#,
    );
    check(&["not", "rt", "x", "server", "y"], "z", "linkerd_not:rt:x:server:y:z 1");
}

#[test]
fn a_prefix_is_cleaned_and_may_be_empty() {
    let metrics = Metrics::new(1);
    metrics.root().counter("a/b").add(7);
    assert_eq!(render_prometheus(&metrics, ""), "a:b 7\n");
    assert_eq!(render_prometheus(&metrics, "my.mesh-"), "my_mesh_a:b 7\n");
}

#[test]
fn label_values_are_escaped() {
    let check = |key: &str, shown: &str| {
        let metrics = Metrics::new(1);
        metrics.scope(&["rt", key]).counter("c");
        assert_eq!(render_prometheus(&metrics, ""), format!("rt:c{{rt=\"{shown}\"}} 0\n"));
    };
    check("plain/with.dots", "plain/with.dots");
    check(r"\x5b", r"\\x5b");
    check("un\"esc", r#"un\"esc"#);
    check("two\nlines", r"two\nlines");
    check("\\\"\n", r#"\\\"\n"#);
    check("é\\", r"é\\");
}

#[test]
fn after_exceptions_the_names_are_as_before() {
    let metrics = Metrics::new(1);
    let server = metrics.scope(&["rt", "o", "server", "s"]);
    server.counter("exn/a");
    server.counter("exn/b/c");
    server.counter("failures");
    server.counter("failures/x/y");
    server.counter("failures/x");
    server.counter("failures/z");
    server.counter("zzz");
    let labels = |exception: &str| format!(r#"{{rt="o", server="s", exception="{exception}"}} 0"#);
    assert_eq!(
        render_prometheus(&metrics, "").lines().collect::<Vec<_>>(),
        [
            format!("rt:server:exceptions{}", labels("a")),
            format!("rt:server:exceptions{}", labels("b:c")),
            r#"rt:server:failures{rt="o", server="s"} 0"#.to_string(),
            format!("rt:server:failures{}", labels("x")),
            format!("rt:server:failures{}", labels("x:y")),
            format!("rt:server:failures{}", labels("z")),
            r#"rt:server:zzz{rt="o", server="s"} 0"#.to_string(),
        ]
    );
}

#[test]
fn gauges_are_floats() {
    let check = |value: f64, shown: &str| {
        let metrics = Metrics::new(1);
        metrics.root().gauge("foo/bar/bas", move || value);
        assert_eq!(render_prometheus(&metrics, "linkerd_"), format!("linkerd_foo:bar:bas {shown}\n"));
    };
    check(1.0, "1.0");
    check(123_456.0, "123456.0");
    check(123_456_789.0, "1.2345679E8");
    check(f64::NAN, "NaN");
    check(f64::INFINITY, "+Inf");
    check(f64::NEG_INFINITY, "-Inf");
}

#[test]
fn row_3_histograms_are_summaries_with_quantiles_last() {
    let metrics = Metrics::new(1);
    let server = metrics.scope(&["rt", "out", "server", "0.0.0.0/4140"]);
    let spec = BlockSpec {
        counters: &[],
        histograms: &["request_latency_ms", "untouched"],
        status: false,
        total: None,
    };
    let block = server.block(&spec);
    block.shard(0).record(0, 1);
    block.shard(0).record(0, 2);
    assert_eq!(render_prometheus(&metrics, ""), "", "nothing before the first snapshot");
    metrics.snapshot_histograms();
    let name = "linkerd_rt:server:request_latency_ms";
    let labels = r#"rt="out", server="0.0.0.0/4140""#;
    let mut expected =
        format!("{name}_count{{{labels}}} 2\n{name}_sum{{{labels}}} 3\n{name}_avg{{{labels}}} 1.5\n");
    let quantiles =
        [("0", 1), ("0.5", 1), ("0.9", 2), ("0.95", 2), ("0.99", 2), ("0.999", 2), ("0.9999", 2), ("1", 2)];
    for (quantile, value) in quantiles {
        expected.push_str(&format!("{name}{{{labels}, quantile=\"{quantile}\"}} {value}\n"));
    }
    assert_eq!(render_prometheus(&metrics, "linkerd_"), expected);
    metrics.snapshot_histograms();
    assert_eq!(render_prometheus(&metrics, ""), "", "an empty window shows nothing");
}

#[test]
fn a_quantile_alone_stands_in_braces() {
    let metrics = Metrics::new(1);
    metrics.root().histogram("foo/bar").record(3);
    metrics.snapshot_histograms();
    let text = render_prometheus(&metrics, "");
    assert!(
        text.starts_with("foo:bar_count 1\nfoo:bar_sum 3\nfoo:bar_avg 3.0\nfoo:bar{quantile=\"0\"} 3\n"),
        "{text}"
    );
}

#[test]
fn status_codes_and_classes() {
    let metrics = Metrics::new(2);
    let spec = BlockSpec { counters: &["requests"], histograms: &[], status: true, total: None };
    let block = metrics.scope(&["rt", "out", "client", "#/a"]).block(&spec);
    for code in [200, 200, 404, 503, 299] {
        block.shard(0).status(code);
    }
    block.shard(1).status(200);
    block.shard(1).status(777);
    let labels = r##"{rt="out", client="#/a"}"##;
    let mut expected: Vec<String> = [
        ("requests", 0),
        ("status:1XX", 0),
        ("status:2XX", 4),
        ("status:3XX", 0),
        ("status:4XX", 1),
        ("status:5XX", 1),
        ("status:200", 3),
        ("status:299", 1),
        ("status:404", 1),
        ("status:503", 1),
        ("status:777", 1),
    ]
    .iter()
    .map(|(name, n)| format!("rt:client:{name}{labels} {n}"))
    .collect();
    expected.sort();
    assert_eq!(lines(&metrics, ""), expected);
}

fn pieces(metrics: &Metrics, options: &PrometheusOptions) -> Vec<String> {
    let mut pieces = Vec::new();
    render_prometheus_pieces(metrics, options, &mut |piece| pieces.push(piece));
    pieces
}

#[test]
fn true_histograms_are_cumulative_and_never_reset() {
    const SPEC: BlockSpec = BlockSpec {
        counters: &[],
        histograms: &["request_latency_ms", "time/2XX", "time/error"],
        status: false,
        total: Some(crate::Total { at: 0, of: (1, 2) }),
    };
    let metrics = Metrics::new(2);
    let block = metrics.scope(&["rt", "o", "server", "s"]).block(&SPEC);
    let options = PrometheusOptions { prefix: String::new(), histograms: true };
    let value = |labels: &str| -> u64 {
        let text = pieces(&metrics, &options).concat();
        let start = format!("rt:server:request_latency_ms_histogram{labels} ");
        text.lines()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap_or_else(|| panic!("{text}"))
            .parse()
            .unwrap()
    };
    let bucket = |le: &str| value(&format!(r#"_bucket{{rt="o", server="s", le="{le}"}}"#));
    assert_eq!((bucket("1"), bucket("+Inf")), (0, 0), "there from the beginning, for rates");
    block.shard(0).record(1, 1);
    block.shard(1).record(1, 2);
    block.shard(0).record(2, 150);
    block.shard(0).record(1, 1_000_000);
    for _ in 0..3 {
        let shown = ["1", "2", "5", "100", "200", "60000", "+Inf"].map(bucket);
        assert_eq!(shown, [1, 2, 2, 2, 3, 3, 4]);
        assert_eq!(value(r#"_count{rt="o", server="s"}"#), 4);
        assert_eq!(value(r#"_sum{rt="o", server="s"}"#), 1_000_153);
        metrics.snapshot_histograms();
    }
    let without = pieces(&metrics, &PrometheusOptions::default()).concat();
    assert!(!without.contains("_histogram"), "{without}");
}

#[test]
fn bounds_are_exact_where_buckets_are() {
    const SPEC: BlockSpec =
        BlockSpec { counters: &[], histograms: &["request_latency_ms"], status: false, total: None };
    for (bound, shown) in BOUNDS {
        assert_eq!(bound.to_string(), shown);
        let metrics = Metrics::new(1);
        let block = metrics.scope(&["rt", "o", "service", "s"]).block(&SPEC);
        let options = PrometheusOptions { prefix: String::new(), histograms: true };
        [bound, bound + 1 + bound / 99].into_iter().for_each(|v| block.shard(0).record(0, v.into()));
        let labels = format!("rt=\"o\", service=\"s\", le=\"{shown}\"");
        let want = format!("rt:service:request_latency_ms_histogram_bucket{{{labels}}} 1");
        let text = pieces(&metrics, &options).concat();
        assert!(text.lines().any(|line| line == want), "{want} in {text}");
    }
}

#[test]
fn pieces_are_whole_lines_and_all_of_it() {
    let metrics = Metrics::new(1);
    (0..20_000)
        .for_each(|i| metrics.scope(&["rt", "r", "client", &format!("#/c{i}")]).counter("requests").inc());
    let pieces = pieces(&metrics, &PrometheusOptions::default());
    assert!(pieces.len() > 3 && pieces.iter().all(|p| p.ends_with('\n') && p.len() <= PIECE + ROOM));
    assert_eq!(pieces.concat(), render_prometheus(&metrics, ""));
}
