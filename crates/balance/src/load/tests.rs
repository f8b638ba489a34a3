use super::*;
use proptest::prelude::*;

const DECAY: Nanos = Nanos::from_secs(10);

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}

/// A load that saw these (moment, round trip) pairs, in milliseconds.
fn seen(samples: &[(u64, u64)]) -> Load {
    let load = Load::measured(DECAY);
    for (at, rtt) in samples {
        load.begin(ms(*at));
        load.answered(ms(*rtt), ms(*at));
        load.end(true);
    }
    load
}

#[track_caller]
fn about(got: f64, millis: f64) {
    let want = millis * 1e6;
    assert!((got - want).abs() <= want * 1e-3, "got {got} ns, expected {want}");
}

#[test]
fn outstanding_counts() {
    let load = Load::counted();
    load.begin(ms(0));
    load.begin(ms(0));
    assert_eq!(load.outstanding(), 2);
    load.answered(ms(5), ms(1));
    load.end(true);
    load.end(false);
    assert_eq!(load.outstanding(), 0);
    assert_eq!(load.cost(ms(1)), 0.0, "p2c does not measure");
}

#[test]
fn average_follows_the_formula() {
    let e = std::f64::consts::E;
    about(seen(&[(0, 100)]).cost(ms(0)), 100.0);
    // A peak counts in full.
    about(seen(&[(0, 100), (1, 700)]).cost(ms(1)), 700.0);
    // A faster answer one decay time later: w = 1/e.
    about(seen(&[(0, 700), (10_000, 100)]).cost(ms(10_000)), 700.0 / e + 100.0 * (1.0 - 1.0 / e));
    // A fifth of the decay time.
    let w = (-0.2f64).exp();
    about(seen(&[(0, 700), (2_000, 100)]).cost(ms(2_000)), 700.0 * w + 100.0 * (1.0 - w));
    // A hundredth: by the series.
    let w = (-0.01f64).exp();
    about(seen(&[(0, 700), (100, 100)]).cost(ms(100)), 700.0 * w + 100.0 * (1.0 - w));
    // Reading decays towards 0.
    about(seen(&[(0, 100)]).cost(ms(20_000)), 100.0 / (e * e));
}

#[test]
fn no_answer_is_not_a_measurement() {
    let load = seen(&[(0, 100)]);
    load.begin(ms(0));
    load.end(false);
    about(load.cost(ms(0)), 100.0);
}

#[test]
fn many_small_steps_are_not_lost_to_rounding() {
    // One answer each millisecond for 50 s moves the average as one answer 50 s later would, within the peak's remains.
    let load = seen(&[(0, 1_000)]);
    for at in 1..50_000 {
        load.begin(ms(0));
        load.answered(ms(10), ms(at));
        load.end(true);
    }
    let w = (-5.0f64).exp();
    let want = 1_000.0 * w + 10.0 * (1.0 - w);
    let got = load.cost(ms(50_000)) / 1e6;
    assert!((got - want).abs() < want * 0.02, "{got} ms instead of {want} ms");
}

#[test]
fn tiny_differences_move_the_average_in_the_end() {
    // With an hour of decay a step of 1 ms is less than an f32 can tell; time must not be lost over that.
    let load = Load::measured(Nanos::from_secs(3_600));
    load.begin(ms(0));
    load.answered(ms(100), ms(0));
    load.end(true);
    for at in 1..1_000_000 {
        load.begin(ms(0));
        load.answered(ms(99), ms(at));
        load.end(true);
    }
    let w = (-1_000.0f64 / 3_600.0).exp();
    let (got, want) = (load.cost(ms(999_999)) / 1e6, 100.0 * w + 99.0 * (1.0 - w));
    assert!((got - want).abs() < 0.02, "{got} ms instead of {want} ms");
}

#[test]
fn never_measured_and_waited_for_is_the_last_choice() {
    let load = Load::measured(DECAY);
    assert_eq!(load.score(ms(0)), 0.0, "nobody waits: try it");
    load.begin(ms(0));
    assert_eq!(load.score(ms(0)), (1u64 << 47) as f64 + 1.0);
    load.begin(ms(0));
    assert_eq!(load.score(ms(0)), (1u64 << 47) as f64 + 2.0);
    load.answered(ms(3), ms(3));
    load.end(true);
    about(load.score(ms(3)), 3.0 * 2.0);
}

#[test]
fn the_moment_wraps_safely() {
    let wrap = u64::from(u32::MAX);
    about(
        seen(&[(wrap - 5_000, 100), (wrap + 5_000, 50)]).cost(ms(wrap + 5_000)),
        50.0 + 50.0 / std::f64::consts::E,
    );
}

#[test]
fn a_clock_slightly_behind_sees_no_decay() {
    about(seen(&[(10_000, 100)]).cost(ms(9_990)), 100.0);
    about(seen(&[(10_000, 100), (9_990, 50)]).cost(ms(10_000)), 100.0);
}

#[test]
fn a_peak_survives_a_race() {
    let load = Load::measured(DECAY);
    std::thread::scope(|scope| {
        for worker in 0..4u64 {
            let load = &load;
            scope.spawn(move || {
                for i in 0..50_000 {
                    let rtt = Nanos(1_000 + 4 * i + worker);
                    load.begin(ms(0));
                    load.answered(rtt, ms(1));
                    load.end(true);
                    assert!(load.cost(ms(1)) >= rtt.0 as f64, "a peak of {rtt:?} was lost");
                }
            });
        }
    });
    assert_eq!(load.outstanding(), 0);
}

proptest! {
    #[test]
    fn stays_between_the_extremes_seen(samples in prop::collection::vec((0u64..1_000, 1u64..5_000), 1..50)) {
        let mut at = 0;
        let samples: Vec<_> = samples.into_iter().map(|(step, rtt)| { at += step; (at, rtt) }).collect();
        let cost = seen(&samples).cost(ms(at)) / 1e6;
        let low = samples.iter().map(|s| s.1).min().unwrap() as f64;
        let high = samples.iter().map(|s| s.1).max().unwrap() as f64;
        prop_assert!(cost >= low * 0.9999 && cost <= high * 1.0001, "{cost} outside {low}..{high}");
    }

    #[test]
    fn converges(first in 1u64..10_000, then in 1u64..10_000) {
        let load = seen(&[(0, first)]);
        for at in 1..=1_000 {
            load.begin(ms(0));
            load.answered(ms(then), ms(at * 200));
            load.end(true);
        }
        let cost = load.cost(ms(200_000)) / 1e6;
        prop_assert!((cost - then as f64).abs() < then as f64 * 1e-3 + 1e-3, "{cost} instead of {then}");
    }
}

/// A load that answered in 10 ms, once a millisecond, and is silent since second 1.
fn silent() -> Load {
    let load = seen(&(900..=1_000).map(|at| (at, 10)).collect::<Vec<_>>());
    load.begin(ms(1_000));
    load
}

#[test]
fn an_endpoint_that_does_not_answer_looks_slower_from_moment_to_moment() {
    let load = silent();
    about(load.score(ms(1_000)), 2.0 * 10.0);
    about(load.score(ms(1_009)), 2.0 * 10.0 * (-0.0009f64).exp());
    about(load.score(ms(1_101)), 2.0 * 100.0);
    about(load.score(ms(3_001)), 2.0 * 2_000.0);
    // More requests to it are no sign of life.
    load.begin(ms(3_001));
    about(load.score(ms(3_001)), 3.0 * 2_000.0);
    // An answer is.
    load.answered(ms(12), ms(3_001));
    load.end(true);
    about(load.score(ms(3_001)), 2.0 * 12.0);
    // Nobody waits: silence is no wonder.
    load.answered(ms(12), ms(3_002));
    load.end(true);
    about(load.score(ms(3_900)), 12.0 * (-0.0898f64).exp());
}

#[test]
fn what_was_given_up_counts_when_it_was_slower_than_the_average() {
    let load = silent();
    load.give_up(ms(500), ms(1_500));
    about(load.cost(ms(1_500)), 500.0);
    assert_eq!(load.outstanding(), 0);
    // A caller that went away early says nothing.
    load.begin(ms(1_500));
    load.give_up(ms(20), ms(1_520));
    about(load.cost(ms(1_520)), 500.0 * (-0.002f64).exp());
    // An endpoint that never answered is no newcomer any more.
    let load = Load::measured(DECAY);
    load.begin(ms(0));
    load.give_up(ms(1_000), ms(1_000));
    about(load.score(ms(1_000)), 1_000.0);
}

/// Downloads, streams and tunnels: outstanding, but the endpoint is no slower for them and no newcomer.
#[test]
fn an_answer_that_goes_on_is_neither_silence_nor_a_lack_of_answers() {
    let load = silent();
    load.answered(ms(10), ms(1_010));
    about(load.score(ms(1_010)), 2.0 * 10.0);
    about(load.score(ms(2_010)), 2.0 * 10.0 * (-0.1f64).exp());
    // The silence of the next one begins when it is sent.
    load.begin(ms(2_010));
    about(load.score(ms(2_010)), 3.0 * 10.0 * (-0.1f64).exp());
    about(load.score(ms(2_511)), 3.0 * 500.0);
    load.end(false);
    load.end(true);
    assert_eq!(load.outstanding(), 0);
    // Never measured before, and the first answer goes on.
    let load = Load::measured(DECAY);
    load.begin(ms(0));
    load.answered(ms(5), ms(5));
    about(load.score(ms(5)), 2.0 * 5.0);
    // Without measuring, nothing is kept apart.
    let load = Load::counted();
    (0..3).for_each(|_| load.begin(ms(0)));
    load.answered(ms(5), ms(5));
    load.end(true);
    load.end(false);
    assert_eq!(load.outstanding(), 1);
}
