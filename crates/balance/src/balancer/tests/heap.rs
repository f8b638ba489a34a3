//! `kind: heap`: strictly the fewest outstanding requests.

use super::*;

#[test]
fn takes_the_least_loaded_of_all() {
    let check = |loads: &[u32], want: &[usize]| {
        let nodes = replicas(Balancer::Heap, loads.len());
        nodes.iter().zip(loads).for_each(|(node, load)| outstanding(node, *load));
        let counts = picks(Balancer::Heap, &nodes);
        let each = 10_000 / want.len() as u32;
        for (i, count) in counts.iter().enumerate() {
            let expected = if want.contains(&i) { each } else { 0 };
            let room = if want.len() > 1 && expected > 0 { 300 } else { 0 };
            assert!(count.abs_diff(expected) <= room, "{loads:?}: {counts:?}");
        }
    };
    check(&[3, 1, 2], &[1]);
    check(&[5, 4, 3, 2, 1], &[4]);
    check(&[1, 0, 1, 0], &[1, 3]);
    check(&[7, 7, 7], &[0, 1, 2]);
    check(&[0, 9], &[0]);
}

#[test]
fn requests_that_stay_spread_to_the_last_one() {
    let nodes = replicas(Balancer::Heap, 7);
    let (picker, mut rng) = (Picker::new(Balancer::Heap), Rng::with_seed(9));
    for _ in 0..700 {
        nodes[picker.pick(&nodes, NOW, &mut rng).unwrap()].load.begin(NOW);
    }
    assert!(nodes.iter().all(|node| node.load.outstanding() == 100));
}

#[test]
fn a_busy_living_one_before_an_idle_dead_one() {
    let nodes = replicas(Balancer::Heap, 3);
    outstanding(&nodes[1], 50);
    kill(&nodes[0]);
    kill(&nodes[2]);
    assert_eq!(picks(Balancer::Heap, &nodes), [0, 10_000, 0]);
}

#[test]
fn of_the_dead_the_least_loaded() {
    let nodes = replicas(Balancer::Heap, 3);
    nodes.iter().for_each(|node| kill(node));
    outstanding(&nodes[0], 2);
    outstanding(&nodes[1], 1);
    outstanding(&nodes[2], 3);
    assert_eq!(picks(Balancer::Heap, &nodes), [0, 10_000, 0]);
}
