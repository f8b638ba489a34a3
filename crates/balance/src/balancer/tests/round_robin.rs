//! `kind: roundRobin`: one after the other, in the whole process.

use super::*;

#[test]
fn one_after_the_other() {
    let nodes = replicas(Balancer::round_robin(), 3);
    // Load says nothing.
    outstanding(&nodes[1], 100);
    let (picker, mut rng) = (Picker::new(Balancer::round_robin()), Rng::with_seed(1));
    let order: Vec<_> = (0..7).map(|_| picker.pick(&nodes, NOW, &mut rng).unwrap()).collect();
    assert_eq!(order, [0, 1, 2, 0, 1, 2, 0]);
}

#[test]
fn the_dead_lose_their_turns_to_all_others_alike() {
    let nodes = replicas(Balancer::round_robin(), 10);
    for dead in [3, 4, 5] {
        kill(&nodes[dead]);
    }
    let counts = picks(Balancer::round_robin(), &nodes);
    assert_eq!(counts[3..6], [0; 3]);
    for (i, count) in counts.iter().enumerate().filter(|(i, _)| !(3..6).contains(i)) {
        assert!(count.abs_diff(1_428) < 3, "replica {i}: {counts:?}");
    }
}

/// What is random is only who takes the turns that `max_effort` picks could not give away.
#[test]
fn more_dead_in_a_row_than_the_effort() {
    let nodes = replicas(Balancer::round_robin(), 20);
    nodes[..16].iter().for_each(|node| kill(node));
    let counts = picks(Balancer::round_robin(), &nodes);
    assert_eq!(counts[..16].iter().sum::<u32>(), 0);
    assert!(counts[16..].iter().all(|n| n.abs_diff(2_500) < 400), "{counts:?}");
}

#[test]
fn four_threads_share_one_turn() {
    let nodes = replicas(Balancer::round_robin(), 7);
    let picker = Picker::new(Balancer::round_robin());
    let counts: Vec<_> = (0..7).map(|_| std::sync::atomic::AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn({
                let (nodes, picker, counts) = (&nodes, &picker, &counts);
                move || {
                    let mut rng = Rng::with_seed(seed);
                    for _ in 0..7_000 {
                        let index = picker.pick(nodes, NOW, &mut rng).unwrap();
                        counts[index].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let counts: Vec<_> = counts.into_iter().map(|n| n.into_inner()).collect();
    assert_eq!(counts, [4_000; 7]);
}
