//! Shards under concurrency: nothing is lost, nothing is counted twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proptest::prelude::*;
use telemetry::{Block, BlockSpec, Metrics, Summary, Total};

const SPEC: BlockSpec =
    BlockSpec { counters: &["n", "m"], histograms: &["small", "wide"], status: true, total: None };

/// A histogram that is the total of others has the samples of all of them, and costs no memory of its own.
#[test]
fn a_total_has_the_samples_of_its_parts() {
    let spec = BlockSpec {
        counters: &[],
        histograms: &["all", "other", "a", "b", "c"],
        status: false,
        total: Some(Total { at: 0, of: (2, 4) }),
    };
    let metrics = Metrics::new(2);
    let block = metrics.scope(&["s"]).block(&spec);
    for (worker, histogram, value) in [(0, 1, 100), (0, 2, 1), (1, 2, 2), (0, 4, 40)] {
        block.shard(worker).record(histogram, value);
    }
    metrics.snapshot_histograms();
    let of = |i: usize| block.summary(i).map(|s| (s.count, s.sum, s.min, s.max));
    assert_eq!(of(0), Some((3, 43, 1, 40)));
    assert_eq!((of(1).unwrap().0, of(2).unwrap().0, of(3).unwrap().0, of(4).unwrap().0), (1, 2, 0, 1));
    block.shard(1).record(3, 5);
    metrics.snapshot_histograms();
    assert_eq!(of(0).map(|s| (s.0, s.1)), Some((1, 5)));
}

/// Takes a snapshot and adds its windows to `totals`: count and sum per histogram.
fn take(metrics: &Metrics, block: &Block, totals: &mut [(u64, u64); 2]) -> [Summary; 2] {
    metrics.snapshot_histograms();
    let windows = [0, 1].map(|i| block.summary(i).expect("a snapshot was just taken"));
    for (total, window) in totals.iter_mut().zip(windows) {
        *total = (total.0 + window.count, total.1 + window.sum);
    }
    windows
}

/// Two workers write `samples` values each with `pause` spins between, beside a thread that takes snapshots.
/// Answers how many windows there were and how many of them had a sum that did not go with their count.
fn run_beside_a_snapshotter(samples: u64, pause: usize) -> (usize, usize) {
    let metrics = Metrics::new(2);
    let block = metrics.scope(&["s"]).block(&SPEC);
    let mut totals = [(0, 0); 2];
    let (mut snapshots, mut torn) = (0, 0);
    let left = AtomicBool::new(true);
    thread::scope(|threads| {
        let writers = [0, 1].map(|worker| {
            let block = block.clone();
            threads.spawn(move || {
                let shard = block.shard(worker);
                for i in 0..samples {
                    shard.inc(0);
                    // Always the same value: a window whose sum and count disagree was torn.
                    shard.record(0, 3);
                    shard.record(1, i * 7 % 100_000);
                    shard.status(200 + (i % 20) as u16);
                    (0..pause).for_each(|_| std::hint::spin_loop());
                }
            })
        });
        let reader = threads.spawn(|| {
            while left.load(Ordering::Acquire) {
                let windows = take(&metrics, &block, &mut totals);
                torn += usize::from(windows[0].sum != windows[0].count * 3);
                snapshots += 1;
            }
        });
        writers.into_iter().for_each(|w| w.join().expect("the writer"));
        left.store(false, Ordering::Release);
        reader.join().expect("the reader");
    });
    take(&metrics, &block, &mut totals);
    let wide: u64 = (0..samples).map(|i| i * 7 % 100_000).sum();
    assert_eq!(totals, [(2 * samples, 6 * samples), (2 * samples, 2 * wide)]);
    assert_eq!(block.counter_sum(0), 2 * samples);
    for code in 200..220 {
        assert_eq!(block.status_sum(code), 2 * samples / 20, "{code}");
    }
    (snapshots, torn)
}

#[test]
fn at_full_speed_the_totals_are_exact() {
    let (snapshots, _) = run_beside_a_snapshotter(400_000, 0);
    assert!(snapshots > 1, "the reader ran beside the writers");
}

#[test]
fn at_a_million_a_second_each_window_is_whole() {
    let (snapshots, torn) = run_beside_a_snapshotter(40_000, 100);
    // A writer that is preempted in the middle of a record leaves a torn picture for as long as that takes.
    assert!(snapshots > 1 && torn <= 2 + snapshots / 50, "{torn} of {snapshots} torn");
}

#[test]
fn many_writers_of_one_control_histogram_lose_nothing() {
    let metrics = Metrics::new(1);
    let histogram = metrics.root().histogram("h");
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..10_000).for_each(|i| histogram.record(i)));
        }
    });
    metrics.snapshot_histograms();
    let summary = histogram.summary().unwrap();
    assert_eq!((summary.count, summary.sum), (40_000, 4 * 49_995_000));
}

#[test]
fn reading_and_pruning_beside_each_other() {
    let metrics = Metrics::new(1);
    let left = AtomicBool::new(true);
    thread::scope(|threads| {
        let reader = threads.spawn(|| {
            while left.load(Ordering::Acquire) {
                metrics.snapshot_histograms();
                telemetry::render_prometheus(&metrics, "");
                telemetry::render_json(&metrics, &telemetry::JsonQuery::parse("tree=1")).unwrap();
            }
        });
        let owners = [0, 1].map(|worker| {
            let metrics = metrics.clone();
            threads.spawn(move || {
                for i in 0..3_000 {
                    let lease = metrics.scope(&["rt", "out", "client"]).lease(&format!("#/{}", i % 7));
                    lease.block(&SPEC);
                    lease.counter("control").inc();
                    lease.gauge("g", move || f64::from(worker));
                }
            })
        });
        owners.into_iter().for_each(|o| o.join().unwrap());
        left.store(false, Ordering::Release);
        reader.join().unwrap();
    });
    assert_eq!(metrics.series(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    Add(usize, usize, u64),
    Record(usize, usize, u64),
    Status(usize, u16),
    Snapshot,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..3usize, 0..2usize, 0..1000u64).prop_map(|(w, i, n)| Op::Add(w, i, n)),
        (0..3usize, 0..2usize, prop_oneof![0..300u64, 0..4_000_000_000u64])
            .prop_map(|(w, i, v)| Op::Record(w, i, v)),
        (0..3usize, 100..640u16).prop_map(|(w, c)| Op::Status(w, c)),
        Just(Op::Snapshot),
    ]
}

proptest! {
    /// Whatever the order of writes and snapshots, the sums are those of a plain model.
    #[test]
    fn sums_of_snapshots_equal_totals(ops in proptest::collection::vec(op(), 0..400)) {
        let metrics = Metrics::new(3);
        let block = metrics.scope(&["s"]).block(&SPEC);
        let (mut counters, mut samples) = ([0u64; 2], [(0u64, 0u64); 2]);
        let (mut codes, mut totals) = (HashMap::<u16, u64>::new(), [(0u64, 0u64); 2]);
        for op in ops {
            match op {
                Op::Add(worker, i, n) => {
                    block.shard(worker).add(i, n);
                    counters[i] += n;
                }
                Op::Record(worker, i, value) => {
                    block.shard(worker).record(i, value);
                    samples[i] = (samples[i].0 + 1, samples[i].1 + value.min(i32::MAX as u64));
                }
                Op::Status(worker, code) => {
                    block.shard(worker).status(code);
                    *codes.entry(code).or_default() += 1;
                }
                Op::Snapshot => {
                    take(&metrics, &block, &mut totals);
                }
            }
        }
        take(&metrics, &block, &mut totals);
        prop_assert_eq!(totals, samples);
        prop_assert_eq!([block.counter_sum(0), block.counter_sum(1)], counters);
        for (code, n) in codes {
            prop_assert_eq!(block.status_sum(code), n, "code {}", code);
        }
    }

    /// A window's percentiles are those of its samples, to half a percent.
    #[test]
    fn percentiles_are_close(mut values in proptest::collection::vec(0..3_000_000u64, 1..300)) {
        let metrics = Metrics::new(1);
        let block = metrics.scope(&["s"]).block(&SPEC);
        values.iter().for_each(|&v| block.shard(0).record(0, v));
        metrics.snapshot_histograms();
        let summary = block.summary(0).unwrap();
        values.sort_unstable();
        let exact = |p: f64| values[((p * values.len() as f64 + 0.5).floor() as usize).max(1) - 1];
        for (p, got) in [(0.5, summary.p50), (0.9, summary.p90), (0.99, summary.p99), (0.9999, summary.p9999)] {
            let exact = exact(p);
            prop_assert!(got.abs_diff(exact) <= exact / 190 + 1, "p{} {} {}", p, got, exact);
        }
    }
}
