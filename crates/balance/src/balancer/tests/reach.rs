//! `failFast`: replicas that cannot be reached, beside those that answer badly.

use super::*;

/// A replica that is watched for connects too.
struct Reached {
    replica: Arc<Replica>,
    reach: Accrual,
}

impl Node for Reached {
    fn load(&self) -> &Load {
        &self.replica.load
    }
    fn accrual(&self) -> &Accrual {
        &self.replica.accrual
    }
    fn reach(&self) -> Option<&Accrual> {
        Some(&self.reach)
    }
}

fn watched(balancer: Balancer, n: usize) -> Vec<Reached> {
    let watch = |replica| Reached { replica, reach: Accrual::new(AccrualPolicy::FAIL_FAST) };
    replicas(balancer, n).into_iter().map(watch).collect()
}

fn refuse(node: &Reached, now: Nanos) -> crate::Change {
    node.reach.failure(now, &mut Rng::with_seed(3))
}

#[test]
fn one_failed_connect_is_enough() {
    for balancer in all_kinds() {
        let (nodes, picker) = (watched(balancer, 3), Picker::new(balancer));
        assert_eq!(refuse(&nodes[1], NOW), crate::Change::Removed(Nanos::from_secs(1)));
        let mut rng = Rng::with_seed(4);
        for _ in 0..500 {
            let choice = picker.choose(&nodes, NOW, &mut rng).unwrap();
            assert!(choice.index != 1 && choice.available && choice.reconnect.is_none(), "{balancer:?}");
        }
    }
}

#[test]
fn the_first_request_after_the_delay_connects() {
    let picker = Picker::new(Balancer::p2c());
    let nodes = watched(Balancer::p2c(), 1);
    refuse(&nodes[0], NOW);
    let mut rng = Rng::with_seed(4);
    let now = Nanos::from_millis(1_999);
    let choice = picker.choose(&nodes, now, &mut rng).unwrap();
    assert!(!choice.available && choice.reconnect.is_none(), "{choice:?}");
    let now = Nanos::from_secs(2);
    let choice = picker.choose(&nodes, now, &mut rng).unwrap();
    assert!(choice.available && choice.reconnect.is_some() && choice.probe.is_none(), "{choice:?}");
    assert!(!picker.choose(&nodes, now, &mut rng).unwrap().available, "one at a time");
    // Still not there: the next delay is longer.
    let crate::Change::StillDead(delay) = refuse(&nodes[0], now) else {
        panic!("it was the one to find out")
    };
    assert!((Nanos::from_secs(1)..Nanos::from_secs(2)).contains(&delay), "{delay:?}");
    let now = now + delay + Nanos::from_millis(1);
    assert!(picker.choose(&nodes, now, &mut rng).unwrap().reconnect.is_some());
    assert_eq!(nodes[0].reach.success(now), crate::Change::Revived);
    assert!(picker.choose(&nodes, now, &mut rng).unwrap().available);
}

#[test]
fn dead_and_out_of_reach_needs_both_probes() {
    let picker = Picker::new(Balancer::p2c());
    let nodes = watched(Balancer::p2c(), 1);
    let mut rng = Rng::with_seed(4);
    kill(&nodes[0].replica);
    refuse(&nodes[0], NOW);
    // Its answers are due in 10 s, its connects in 1 s.
    assert!(!picker.choose(&nodes, Nanos::from_secs(5), &mut rng).unwrap().available);
    let now = Nanos::from_secs(20);
    let choice = picker.choose(&nodes, now, &mut rng).unwrap();
    let (probe, reconnect) = (choice.probe.unwrap(), choice.reconnect.unwrap());
    nodes[0].replica.accrual.release(probe);
    assert!(!picker.choose(&nodes, now, &mut rng).unwrap().available, "somebody connects already");
    nodes[0].reach.release(reconnect);
    let both = picker.choose(&nodes, now, &mut rng).unwrap();
    assert!(both.probe.is_some() && both.reconnect.is_some(), "neither was lost on the way: {both:?}");
}
