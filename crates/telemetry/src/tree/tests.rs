//! Names, clashes, pruning and leases.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{JsonQuery, render_json};

const SPEC: BlockSpec = BlockSpec {
    counters: &["requests", "retries/total"],
    histograms: &["latency"],
    status: true,
    total: None,
};

fn json(metrics: &Metrics) -> String {
    render_json(metrics, &JsonQuery::default()).unwrap()
}

#[test]
fn the_same_name_is_the_same_metric() {
    let metrics = Metrics::new(2);
    metrics.scope(&["a"]).counter("b/c").inc();
    metrics.scope(&["a", "b"]).counter("c").inc();
    assert_eq!(metrics.root().counter("a/b/c").get(), 2);

    metrics.root().histogram("h").record(1);
    metrics.root().histogram("h").record(1);
    metrics.snapshot_histograms();
    assert_eq!(metrics.root().histogram("h").summary().map(|s| s.count), Some(2));

    let scope = metrics.scope(&["s"]);
    let block = scope.block(&SPEC);
    // Another instance of an equal specification, as another copy of the code would have.
    let again = BlockSpec { counters: Box::leak(SPEC.counters.into()), ..SPEC };
    assert_eq!(scope.block(&again), block);
    block.shard(0).inc(0);
    scope.block(&again).shard(1).add(0, 2);
    assert_eq!((block.counter_sum(0), block.counter_sum(1)), (3, 0));
}

#[test]
fn the_newest_gauge_counts() {
    let metrics = Metrics::new(1);
    metrics.root().gauge("g", || 1.0);
    metrics.root().gauge("g", || 2.0);
    const NAMES: &[&str] = &["x", "y"];
    metrics.root().gauges(NAMES, |_| 3.0);
    metrics.root().gauges(NAMES, |i| i as f64);
    assert_eq!(json(&metrics), r#"{"x":0.0,"y":1.0,"g":2.0}"#);
}

#[test]
fn one_name_cannot_be_two_metrics() {
    let check = |first: &dyn Fn(&Scope), second: &dyn Fn(&Scope), message: &str| {
        let metrics = Metrics::new(1);
        let scope = metrics.scope(&["rt", "out"]);
        first(&scope);
        let panic = catch_unwind(AssertUnwindSafe(|| second(&scope))).expect_err(message);
        let text = panic.downcast_ref::<String>().unwrap();
        assert_eq!(text, message);
    };
    let counter = |s: &Scope| drop(s.counter("retries/total"));
    let gauge = |s: &Scope| s.gauge("retries/total", || 0.0);
    let histogram = |s: &Scope| drop(s.histogram("retries/total"));
    let gauges = |s: &Scope| s.gauges(&["retries/total"], |_| 0.0);
    let nested = |s: &Scope| s.scope("retries").gauges(&["total"], |_| 0.0);
    let block = |s: &Scope| drop(s.block(&SPEC));
    let name = "metric rt/out/retries/total";
    check(&counter, &gauge, &format!("{name} is already a counter and cannot be a gauge"));
    check(&gauge, &counter, &format!("{name} is already a gauge and cannot be a counter"));
    check(&gauge, &histogram, &format!("{name} is already a gauge and cannot be a histogram"));
    check(&histogram, &counter, &format!("{name} is already a histogram and cannot be a counter"));
    check(
        &gauges,
        &counter,
        &format!("{name} is already a gauge declared elsewhere and cannot be a counter here"),
    );
    check(
        &counter,
        &gauges,
        &format!("{name} is already a counter declared elsewhere and cannot be a gauge here"),
    );
    check(
        &block,
        &gauges,
        &format!("{name} is already a counter declared elsewhere and cannot be a gauge here"),
    );
    check(
        &nested,
        &block,
        &format!("{name} is already a gauge declared elsewhere and cannot be a counter here"),
    );
    check(
        &block,
        &nested,
        &format!("{name} is already a counter declared elsewhere and cannot be a gauge here"),
    );
    check(
        &block,
        &counter,
        &format!(
            "{name} is already a metric of the same kind declared elsewhere and cannot be a counter here"
        ),
    );
    check(
        &block,
        &|s| drop(s.counter("status/200")),
        "metric rt/out/status/200 is already a status counter declared elsewhere and cannot be a counter here",
    );
}

#[test]
fn names_that_only_look_alike_do_not_clash() {
    let metrics = Metrics::new(1);
    let scope = metrics.scope(&["x"]);
    scope.block(&SPEC);
    // One key with a slash is not two levels.
    scope.scope("retries/total").counter("n");
    scope.counter("retries");
    scope.counter("retries/total/deeper");
    scope.counter("status/error");
    scope.counter("requests/sub");
    scope.block(&BlockSpec { counters: &["failures"], histograms: &[], status: false, total: None });
}

#[test]
fn pruning_removes_the_subtree_and_its_late_writers_harm_nobody() {
    let metrics = Metrics::new(1);
    let kept = metrics.scope(&["rt", "out", "client"]);
    kept.scope("a").counter("n").inc();
    let scope = kept.scope("b");
    let block = scope.block(&SPEC);
    let counter = scope.scope("service").scope("svc/x").counter("requests");
    let below = scope.scope("service");
    scope.prune();
    assert_eq!(json(&metrics), r#"{"rt/out/client/a/n":1}"#);

    counter.inc();
    block.shard(0).inc(0);
    block.shard(0).record(0, 5);
    block.shard(0).status(500);
    scope.counter("late").inc();
    scope.gauge("late_gauge", || 1.0);
    scope.gauges(&["late_gauges"], |_| 1.0);
    scope.histogram("late_histogram").record(1);
    scope.block(&SPEC).shard(0).inc(0);
    below.scope("svc/y").counter("late").inc();
    scope.prune();
    metrics.snapshot_histograms();
    assert_eq!(json(&metrics), r#"{"rt/out/client/a/n":1}"#);

    let fresh = kept.scope("b").block(&SPEC);
    assert_ne!(fresh, block);
    assert_eq!(fresh.counter_sum(0), 0, "the name begins again at zero");
    scope.prune();
    assert_eq!(kept.scope("b").block(&SPEC), fresh, "an old handle does not prune its successor");
}

/// Counts how many of it live.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, Ordering::Relaxed);
        Alive(count.clone())
    }

    fn value(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn gauges_let_go_of_what_they_own() {
    let metrics = Metrics::new(1);
    let count = Arc::new(AtomicUsize::new(0));
    let scope = metrics.scope(&["a", "b"]);
    let add = |scope: &Scope| {
        let (one, two) = (Alive::new(&count), Alive::new(&count));
        scope.gauge("g", move || one.value());
        scope.gauges(&["s"], move |_| two.value());
    };
    add(&scope);
    add(&scope);
    assert_eq!(count.load(Ordering::Relaxed), 2, "a gauge that was replaced is dropped");
    metrics.scope(&["a"]).prune();
    assert_eq!(count.load(Ordering::Relaxed), 0, "a gauge of a pruned scope is dropped");
    add(&scope);
    assert_eq!(count.load(Ordering::Relaxed), 0, "a pruned scope keeps no gauge");
}

#[test]
fn a_lease_that_is_owned_by_its_own_gauge_can_be_pruned() {
    let metrics = Metrics::new(1);
    let lease = Arc::new(metrics.root().lease("a"));
    let owned = lease.clone();
    lease.gauge("g", move || owned.workers() as f64);
    lease.lease("nested").counter("c");
    lease.prune();
    assert_eq!(Arc::strong_count(&lease), 1);
    drop(lease);
    assert_eq!(metrics.series(), 0);
}

#[test]
fn the_last_lease_prunes() {
    let metrics = Metrics::new(1);
    let parent = metrics.scope(&["rt", "out", "service"]);
    let old = parent.lease("svc/a");
    old.counter("requests").inc();
    let new = parent.lease("svc/a");
    drop(old);
    assert_eq!(json(&metrics), r#"{"rt/out/service/svc/a/requests":1}"#, "the new owner keeps it");
    drop(new);
    assert_eq!(json(&metrics), "{}");
    let again = parent.lease("svc/a");
    again.counter("requests");
    assert_eq!(json(&metrics), r#"{"rt/out/service/svc/a/requests":0}"#);
}

#[test]
fn series_are_counted() {
    let metrics = Metrics::new(1);
    assert_eq!(metrics.series(), 0);
    let scope = metrics.scope(&["s"]);
    scope.block(&SPEC).shard(0).status(204);
    assert_eq!(metrics.series(), 2 + 1 + 5 + 1);
    scope.gauges(&["a", "b"], |_| 0.0);
    scope.counter("c/d");
    assert_eq!(metrics.series(), 12);
    scope.prune();
    assert_eq!(metrics.series(), 0);
}

#[test]
fn pruning_the_root_empties_a_tree_that_lives_on() {
    let metrics = Metrics::new(1);
    metrics.root().counter("a").inc();
    metrics.root().prune();
    assert_eq!(json(&metrics), "{}");
    metrics.root().counter("a");
    assert_eq!(json(&metrics), r#"{"a":0}"#);
}
