//! What holds for all kinds, and `p2c` and `ewma` in particular.

mod aperture;
mod heap;
mod newcomers;
mod reach;
mod round_robin;

use super::picker::draw;
use super::*;
use crate::{AccrualPolicy, Backoff};
use fastrand::Rng;
use proptest::prelude::*;

struct Replica {
    load: Load,
    accrual: Accrual,
}

impl Node for Replica {
    fn load(&self) -> &Load {
        &self.load
    }
    fn accrual(&self) -> &Accrual {
        &self.accrual
    }
}

const NOW: Nanos = Nanos::from_secs(1);
const PAIRS: [Balancer; 2] = [Balancer::p2c(), Balancer::ewma()];

fn all_kinds() -> [Balancer; 5] {
    [Balancer::p2c(), Balancer::ewma(), Balancer::aperture(), Balancer::Heap, Balancer::round_robin()]
}

/// Those that use the whole set.
fn whole_set() -> [Balancer; 4] {
    [Balancer::p2c(), Balancer::ewma(), Balancer::Heap, Balancer::round_robin()]
}

fn replicas(balancer: Balancer, n: usize) -> Vec<Arc<Replica>> {
    let policy =
        AccrualPolicy::ConsecutiveFailures { failures: 1, backoff: Backoff::Constant(Nanos::from_secs(10)) };
    (0..n).map(|_| Arc::new(Replica { load: balancer.new_load(), accrual: Accrual::new(policy) })).collect()
}

fn kill(replica: &Replica) {
    replica.accrual.failure(NOW, &mut Rng::with_seed(0));
}

fn outstanding(replica: &Replica, n: u32) {
    for _ in 0..n {
        replica.load.begin(NOW);
    }
}

/// How often each of the replicas is picked in 10,000 tries.
fn picks(balancer: Balancer, nodes: &[Arc<Replica>]) -> Vec<u32> {
    let (mut counts, mut rng, picker) = (vec![0; nodes.len()], Rng::with_seed(42), Picker::new(balancer));
    for _ in 0..10_000 {
        counts[picker.pick(nodes, NOW, &mut rng).unwrap()] += 1;
    }
    counts
}

#[test]
fn none_and_one() {
    for balancer in all_kinds() {
        let picker = Picker::new(balancer);
        assert_eq!(picker.pick::<Arc<Replica>>(&[], NOW, &mut Rng::with_seed(1)), None);
        let one = replicas(balancer, 1);
        assert_eq!(picker.pick(&one, NOW, &mut Rng::with_seed(1)), Some(0));
        kill(&one[0]);
        assert_eq!(picker.pick(&one, NOW, &mut Rng::with_seed(1)), Some(0), "fails open");
    }
}

#[test]
fn names() {
    let names =
        ["p2c_least_loaded", "p2c_peak_ewma", "aperture_least_loaded", "heap_least_loaded", "round_robin"];
    assert_eq!(all_kinds().map(|b| b.algorithm()), names);
}

#[test]
fn spreads_evenly_when_all_are_equal() {
    for balancer in whole_set() {
        for n in [2usize, 3, 7, 50] {
            let each = 10_000 / n as u32;
            for (i, count) in picks(balancer, &replicas(balancer, n)).iter().enumerate() {
                let off = count.abs_diff(each);
                assert!(off * off < 30 * each, "{balancer:?}: replica {i} of {n} picked {count} times");
            }
        }
    }
}

#[test]
fn a_tie_goes_to_the_first_drawn() {
    for balancer in PAIRS {
        let nodes = replicas(balancer, 5);
        for seed in 0..100 {
            let (mut rng, mut same) = (Rng::with_seed(seed), Rng::with_seed(seed));
            assert_eq!(Picker::new(balancer).pick(&nodes, NOW, &mut rng), Some(draw(5, &mut same).0));
        }
    }
}

#[test]
fn draws_two_different_ones() {
    let mut rng = Rng::with_seed(1);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..1_000 {
        let (a, b) = draw(4, &mut rng);
        assert!(a != b && a < 4 && b < 4);
        seen.insert((a, b));
    }
    assert_eq!(seen.len(), 12, "each ordered pair comes up");
}

#[test]
fn prefers_fewer_outstanding() {
    let nodes = replicas(Balancer::p2c(), 3);
    outstanding(&nodes[0], 2);
    outstanding(&nodes[1], 1);
    let counts = picks(Balancer::p2c(), &nodes);
    assert_eq!(counts[0], 0, "loses to both others: {counts:?}");
    assert!(counts[2].abs_diff(6_667) < 300, "in two of three draws: {counts:?}");
}

#[test]
fn ewma_prefers_the_faster() {
    let nodes = replicas(Balancer::ewma(), 2);
    for (node, rtt) in nodes.iter().zip([10, 30]) {
        node.load.begin(NOW);
        node.load.answered(Nanos::from_millis(rtt), NOW);
        node.load.end(true);
    }
    assert_eq!(picks(Balancer::ewma(), &nodes), [10_000, 0]);
    // Two waiting: 10 × 3 against 30 × 1 is a tie, three waiting lose.
    outstanding(&nodes[0], 2);
    assert!(picks(Balancer::ewma(), &nodes).iter().all(|n| *n > 4_000));
    outstanding(&nodes[0], 1);
    assert_eq!(picks(Balancer::ewma(), &nodes), [0, 10_000]);
    assert!(picks(Balancer::p2c(), &nodes)[0] == 0);
}

#[test]
fn ewma_tries_a_newcomer_once_and_waits_for_its_answer() {
    let nodes = replicas(Balancer::ewma(), 2);
    nodes[0].load.begin(NOW);
    nodes[0].load.answered(Nanos::from_millis(10), NOW);
    nodes[0].load.end(true);
    assert_eq!(picks(Balancer::ewma(), &nodes), [0, 10_000]);
    outstanding(&nodes[1], 1);
    assert_eq!(picks(Balancer::ewma(), &nodes), [10_000, 0]);
}

#[test]
fn a_dead_replica_gets_nothing_while_another_lives() {
    for balancer in all_kinds() {
        for n in [2usize, 3, 20] {
            let nodes = replicas(balancer, n);
            nodes[..n - 1].iter().for_each(|node| kill(node));
            outstanding(&nodes[n - 1], 100);
            assert_eq!(picks(balancer, &nodes)[n - 1], 10_000, "{balancer:?} of {n}");
        }
    }
}

#[test]
fn the_living_share_the_load_of_the_dead() {
    for balancer in whole_set() {
        let nodes = replicas(balancer, 40);
        nodes[..36].iter().for_each(|node| kill(node));
        let counts = picks(balancer, &nodes);
        assert_eq!(counts[..36].iter().sum::<u32>(), 0);
        assert!(counts[36..].iter().all(|n| n.abs_diff(2_500) < 250), "{counts:?}");
    }
}

#[test]
fn all_dead_fails_open_to_the_less_loaded() {
    let nodes = replicas(Balancer::p2c(), 3);
    nodes.iter().for_each(|node| kill(node));
    outstanding(&nodes[1], 1);
    let counts = picks(Balancer::p2c(), &nodes);
    assert!(counts[0] > 4_000 && counts[1] == 0 && counts[2] > 4_000, "{counts:?}");
}

#[test]
fn choose_claims_the_probe_once_due() {
    for balancer in [Balancer::p2c(), Balancer::ewma(), Balancer::Heap] {
        let (mut rng, picker) = (Rng::with_seed(3), Picker::new(balancer));
        let nodes = replicas(balancer, 2);
        kill(&nodes[0]);
        // The living one is busy, so that the due one would win each draw.
        outstanding(&nodes[1], 5);
        nodes[0].load.begin(NOW);
        nodes[0].load.answered(Nanos(1), NOW);
        nodes[0].load.end(true);
        nodes[1].load.begin(NOW);
        nodes[1].load.answered(Nanos(1_000), NOW);
        nodes[1].load.end(true);
        let before = picker.choose(&nodes, Nanos::from_secs(10), &mut rng).unwrap();
        assert!(before.index == 1 && before.probe.is_none());
        let due = Nanos::from_secs(11);
        let first = picker.choose(&nodes, due, &mut rng).unwrap();
        assert!(first.index == 0 && first.probe.is_some(), "{balancer:?}: {first:?}");
        for _ in 0..100 {
            let other = picker.choose(&nodes, due, &mut rng).unwrap();
            assert!(other.index == 1 && other.probe.is_none());
        }
        nodes[0].accrual.release(first.probe.unwrap());
        assert!(picker.choose(&nodes, due, &mut rng).unwrap().probe.is_some());
    }
}

/// A replica whose probe another worker takes between the pick and the claim.
struct Contested {
    replica: Arc<Replica>,
    looks: std::cell::Cell<u32>,
}

impl Node for Contested {
    fn load(&self) -> &Load {
        &self.replica.load
    }
    fn accrual(&self) -> &Accrual {
        self.looks.set(self.looks.get() + 1);
        if self.looks.get() == 2 {
            let _ = self.replica.accrual.begin_probe(Nanos::from_secs(11));
        }
        &self.replica.accrual
    }
}

#[test]
fn who_loses_the_race_for_a_probe_picks_again() {
    let balancer = Balancer::p2c();
    let nodes = replicas(balancer, 2);
    kill(&nodes[0]);
    outstanding(&nodes[1], 5);
    let nodes: Vec<_> =
        nodes.into_iter().map(|replica| Contested { replica, looks: std::cell::Cell::new(0) }).collect();
    let choice = Picker::new(balancer).choose(&nodes, Nanos::from_secs(11), &mut Rng::with_seed(1)).unwrap();
    assert!(choice.index == 1 && choice.probe.is_none(), "{choice:?}");
}

#[test]
fn choose_fails_open_without_a_probe() {
    for balancer in all_kinds() {
        for n in 1..4 {
            let nodes = replicas(balancer, n);
            nodes.iter().for_each(|node| kill(node));
            let choice = Picker::new(balancer).choose(&nodes, NOW, &mut Rng::with_seed(1)).unwrap();
            assert!(
                choice.index < n && choice.probe.is_none() && !choice.available,
                "{balancer:?}: {choice:?}"
            );
        }
    }
}

#[test]
fn threads_share_one_probe_for_each_back_off() {
    let balancer = Balancer::p2c();
    let nodes = replicas(balancer, 3);
    outstanding(&nodes[1], 9);
    outstanding(&nodes[2], 9);
    kill(&nodes[0]);
    for round in 1..=200 {
        let now = Nanos::from_secs(1 + 10 * round);
        let reached: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|seed| {
                    scope.spawn({
                        let nodes = &nodes;
                        move || hits(nodes, now, seed)
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(reached, 1, "round {round}");
        nodes[0].accrual.failure(now, &mut Rng::with_seed(1));
    }
}

/// How many of 50 requests reach the replica that always fails.
fn hits(nodes: &[Arc<Replica>], now: Nanos, seed: u64) -> usize {
    let (mut rng, picker) = (Rng::with_seed(seed), Picker::new(Balancer::p2c()));
    (0..50).filter(|_| picker.choose(nodes, now, &mut rng).unwrap().index == 0).count()
}

/// Not a test of behaviour: prints nanoseconds and holds them to the budget of a request. Run with
/// `cargo test --release -p balance -- --ignored --nocapture --test-threads 1`.
#[test]
#[ignore = "timing, for release builds"]
#[allow(clippy::disallowed_methods, reason = "a stopwatch")]
fn speed() {
    fn time(name: &str, bound: f64, mut work: impl FnMut(u64)) {
        const N: u64 = 5_000_000;
        let best = (0..5).map(|_| {
            let start = std::time::Instant::now();
            (0..N).for_each(&mut work);
            start.elapsed().as_nanos() as f64 / N as f64
        });
        let best = best.fold(f64::MAX, f64::min);
        println!("{name:32} {best:6.1} ns");
        assert!(best < bound, "{name}: {best} ns, bound {bound}");
    }
    let mut rng = Rng::with_seed(1);
    for balancer in all_kinds() {
        let (nodes, picker) = (replicas(balancer, 3), Picker::new(balancer));
        for node in &nodes {
            node.load.begin(NOW);
            node.load.answered(Nanos::from_millis(2), NOW);
            node.load.end(true);
        }
        // One request each microsecond, for which the endpoints were measured a moment ago, as under load.
        let at = |i: u64| Nanos(NOW.0 + (i % 500_000) * 1_000);
        time(&format!("{} pick", balancer.algorithm()), 30.0, |i| {
            std::hint::black_box(picker.pick(&nodes, at(i), &mut rng));
        });
        time(&format!("{} choose", balancer.algorithm()), 35.0, |i| {
            let _ = std::hint::black_box(picker.choose(&nodes, at(i), &mut rng));
        });
        let load = balancer.new_load();
        let idle = |i: u64| Nanos(NOW.0 * 10 + i * 1_000);
        time(&format!("{} pick, long idle", balancer.algorithm()), 50.0, |i| {
            std::hint::black_box(picker.pick(&nodes, idle(i), &mut rng));
        });
        time(&format!("{} begin + end", balancer.algorithm()), 20.0, |i| {
            load.begin(at(i));
            load.answered(Nanos(1_000_000 + i % 1_000), at(i));
            load.end(true);
        });
    }
    let accrual = Accrual::new(AccrualPolicy::default());
    time("accrual success", 5.0, |_| {
        std::hint::black_box(accrual.success(NOW));
    });
    let budget = crate::Budget::new(crate::BudgetConfig::default());
    time("budget deposit", 10.0, |i| budget.deposit(Nanos(i * 40_000)));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..20_000_000).for_each(|i| budget.deposit(Nanos(i * 40_000))));
        }
        time("budget deposit, 3 others at it", 60.0, |i| budget.deposit(Nanos(i * 40_000)));
    });
}

proptest! {
    #[test]
    fn picks_an_available_one_whenever_there_is_one(
        states in prop::collection::vec((any::<bool>(), 0u32..5), 1..30), seed: u64, kind in 0usize..5,
    ) {
        let balancer = all_kinds()[kind];
        let nodes = replicas(balancer, states.len());
        for (node, (dead, waiting)) in nodes.iter().zip(&states) {
            outstanding(node, *waiting);
            if *dead {
                kill(node);
            }
        }
        let picked = Picker::new(balancer).pick(&nodes, NOW, &mut Rng::with_seed(seed)).unwrap();
        prop_assert!(!states[picked].0 || states.iter().all(|s| s.0));
    }
}
