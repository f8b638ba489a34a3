//! A replica that joins a busy set: neither swamped before it has answered once nor left out (user-demand.md B7).

use super::*;

/// One request under way.
struct Flight {
    replica: usize,
    sent: u64,
    ends: u64,
}

/// A simulation in steps of 100 us: as many requests as there are places, each replaced as soon as it ends. Replica `i` takes
/// `times[i]` microseconds. Returns how many requests each has got when `stop` says so.
struct World {
    nodes: Vec<Arc<Replica>>,
    picker: Picker,
    rng: Rng,
    now: u64,
    flights: Vec<Flight>,
    got: Vec<u32>,
}

impl World {
    fn new(balancer: Balancer, n: usize) -> World {
        World {
            nodes: replicas(balancer, n),
            picker: Picker::new(balancer),
            rng: Rng::with_seed(11),
            now: 1_000_000,
            flights: Vec::new(),
            got: vec![0; n],
        }
    }

    fn at(&self) -> Nanos {
        Nanos(self.now * 1_000)
    }

    fn send(&mut self, times: &[u64]) {
        let replica = self.picker.pick(&self.nodes, self.at(), &mut self.rng).unwrap();
        self.nodes[replica].load.begin(self.at());
        self.got[replica] += 1;
        self.flights.push(Flight { replica, sent: self.now, ends: self.now + times[replica] });
    }

    fn run(&mut self, micros: u64, places: usize, times: &[u64]) {
        let end = self.now + micros;
        while self.now < end {
            self.now += 100;
            let (now, at) = (self.now, self.at());
            for done in self.flights.extract_if(.., |f| f.ends <= now) {
                self.nodes[done.replica].load.answered(Nanos((now - done.sent) * 1_000), at);
                self.nodes[done.replica].load.end(true);
            }
            while self.flights.len() < places {
                self.send(times);
            }
        }
    }

    /// Another replica joins.
    fn join(&mut self, balancer: Balancer) {
        self.nodes.extend(replicas(balancer, 1));
        self.got.push(0);
        self.got.fill(0);
    }
}

#[test]
fn ewma_waits_for_the_first_answer_of_a_newcomer() {
    let mut world = World::new(Balancer::ewma(), 4);
    world.run(2_000_000, 40, &[5_000; 4]);
    world.join(Balancer::ewma());
    // Cold: its first answers take a second.
    world.run(900_000, 40, &[5_000, 5_000, 5_000, 5_000, 1_000_000]);
    assert_eq!(world.got[4], 1, "one request finds out: {:?}", world.got);
    assert!(world.got[..4].iter().all(|n| *n > 1_000));
}

#[test]
fn ewma_gives_a_newcomer_its_share_once_it_has_answered() {
    let mut world = World::new(Balancer::ewma(), 4);
    world.run(2_000_000, 40, &[5_000; 4]);
    world.join(Balancer::ewma());
    world.run(2_000_000, 40, &[5_000; 5]);
    let fair = world.got.iter().sum::<u32>() / 5;
    assert!(world.got[4].abs_diff(fair) < fair / 5, "{:?}", world.got);
}

/// A newcomer that is slow at first is not written off: its average decays, and it is asked again.
#[test]
fn ewma_comes_back_to_a_newcomer_that_was_slow_at_first() {
    let balancer = Balancer::Ewma { decay: Nanos::from_secs(1), max_effort: 5, warm_up: Nanos(0) };
    let mut world = World::new(balancer, 4);
    world.run(2_000_000, 40, &[5_000; 4]);
    world.join(balancer);
    world.run(1_100_000, 40, &[5_000, 5_000, 5_000, 5_000, 1_000_000]);
    world.run(10_000_000, 40, &[5_000; 5]);
    world.got.fill(0);
    world.run(2_000_000, 40, &[5_000; 5]);
    let fair = world.got.iter().sum::<u32>() / 5;
    assert!(world.got[4].abs_diff(fair) < fair / 5, "{:?}", world.got);
}

/// `p2c` fills a newcomer up to the others' outstanding requests, not beyond.
#[test]
fn p2c_gives_a_newcomer_no_more_than_the_others_have() {
    let mut world = World::new(Balancer::p2c(), 4);
    world.run(2_000_000, 40, &[5_000; 4]);
    world.join(Balancer::p2c());
    world.run(900_000, 40, &[5_000, 5_000, 5_000, 5_000, 1_000_000]);
    assert!(world.got[4] <= 14, "ten are the others' share: {:?}", world.got);
}

/// F15 of user-demand.md in small: a replica that stops answering gets next to nothing from that moment on, long before
/// the first request to it is given up.
#[test]
fn ewma_leaves_a_replica_that_stalls() {
    let mut world = World::new(Balancer::ewma(), 11);
    world.run(3_000_000, 11, &[5_000; 11]);
    world.got.fill(0);
    let mut stalled = [5_000; 11];
    stalled[3] = 2_000_000;
    world.run(1_900_000, 11, &stalled);
    assert!(world.got[3] <= 3, "{:?}", world.got);
}

/// With `warmUpMs`, a newcomer's share grows in proportion to its age, from a tenth; those that joined together share as
/// ever.
#[test]
fn warm_up() {
    let span = Nanos::from_secs(10);
    let kinds = [
        Balancer::P2c { max_effort: 5, warm_up: span },
        Balancer::Ewma { decay: Nanos::from_secs(10), max_effort: 5, warm_up: span },
    ];
    for balancer in kinds {
        let (nodes, picker, mut rng) = (replicas(balancer, 4), Picker::new(balancer), Rng::with_seed(5));
        let share = |nodes: &[Arc<Replica>], of: usize, at: Nanos, rng: &mut Rng| {
            let picks = (0..20_000).filter(|_| picker.pick(nodes, at, rng) == Some(of)).count();
            picks as f64 / 20_000.0
        };
        nodes[0].load.settle();
        let at = |seconds: u64| NOW + Nanos::from_secs(seconds);
        let first = share(&nodes[..3], 0, at(20), &mut rng);
        // It meets one of the two cold ones with two pairs in three, and then gets 95 of 100.
        assert!((0.61..=0.66).contains(&first), "{balancer:?}: {first}");
        let equal = share(&nodes[1..3], 0, at(21), &mut rng);
        assert!((0.48..=0.52).contains(&equal), "{balancer:?}: {equal}");
        // Alone for a while, and therefore no newcomer when others join it.
        let alone = replicas(balancer, 2);
        assert_eq!(picker.pick(&alone[..1], at(20), &mut rng), Some(0));
        let first = share(&alone, 0, at(30), &mut rng);
        assert!((0.93..=0.97).contains(&first), "{balancer:?}: {first}");
        for (age, want) in [(0, 0.025), (1, 0.025), (5, 0.125), (10, 0.25), (100, 0.25)] {
            let got = share(&nodes, 3, at(40 + age), &mut rng);
            assert!((got - want).abs() < 0.012, "{balancer:?} after {age} s: {got} instead of {want}");
        }
    }
}
