//! `kind: aperture`: the first replicas of the set, as many as the load needs.

use super::*;

fn settings() -> Aperture {
    Aperture { smooth_window: Nanos::from_secs(1), ..Aperture::default() }
}

/// A set of `n` replicas and its picker.
fn set(n: usize, settings: Aperture) -> (Vec<Arc<Replica>>, Picker) {
    let balancer = Balancer::Aperture(settings);
    let picker = Picker::new(balancer);
    band(&picker).resize(n);
    (replicas(balancer, n), picker)
}

fn band(picker: &Picker) -> &Band {
    picker.band().expect("an aperture has one")
}

/// Holds `load` requests outstanding for so many milliseconds from `from` on; another begins and ends all the time.
fn run(picker: &Picker, load: u32, from: u64, millis: u64) {
    let at = Nanos::from_millis;
    (0..load).for_each(|_| band(picker).begin(at(from)));
    for now in (from..from + millis).map(at) {
        band(picker).begin(now);
        band(picker).end(now);
    }
    (0..load).for_each(|_| band(picker).end(at(from + millis - 1)));
}

#[test]
fn as_wide_as_the_load_needs() {
    let check = |load: u32, n: usize, least: u32, want: std::ops::RangeInclusive<usize>| {
        let (_, picker) = set(n, Aperture { min_aperture: least, ..settings() });
        assert_eq!(band(&picker).width(n), (least as usize).clamp(1, n), "before anything was asked");
        run(&picker, load, 1_000, 10_000);
        let width = band(&picker).width(n);
        assert!(want.contains(&width), "load {load}, {n} replicas: {width}");
        assert!((band(&picker).offered() - f64::from(load)).abs() < 0.6, "{}", band(&picker).offered());
    };
    check(0, 10, 1, 1..=1);
    check(1, 10, 1, 1..=1);
    // Between 0.5 and 2 outstanding requests for each replica.
    check(10, 100, 1, 5..=20);
    check(40, 100, 1, 20..=80);
    // Never more than there are, never fewer than configured.
    check(100, 10, 1, 10..=10);
    check(0, 10, 4, 4..=4);
    check(0, 3, 7, 3..=3);
}

#[test]
fn narrows_when_the_load_goes() {
    let (_, picker) = set(100, settings());
    run(&picker, 40, 1_000, 10_000);
    let busy = band(&picker).width(100);
    run(&picker, 4, 12_000, 10_000);
    let calm = band(&picker).width(100);
    assert!(busy >= 20 && (2..=8).contains(&calm), "{busy} then {calm}");
    run(&picker, 0, 23_000, 10_000);
    assert_eq!(band(&picker).width(100), 1);
}

#[test]
fn a_burst_shorter_than_the_window_hardly_counts() {
    let (_, picker) = set(100, Aperture { smooth_window: Nanos::from_secs(60), ..settings() });
    run(&picker, 0, 1_000, 100);
    run(&picker, 50, 1_100, 20);
    assert_eq!(band(&picker).width(100), 1, "{}", band(&picker).offered());
}

#[test]
fn uses_the_first_of_the_set_only() {
    let (nodes, picker) = set(20, Aperture { min_aperture: 3, ..settings() });
    let (mut counts, mut rng) = (vec![0u32; 20], Rng::with_seed(5));
    for _ in 0..9_000 {
        counts[picker.pick(&nodes, NOW, &mut rng).unwrap()] += 1;
    }
    assert!(counts[..3].iter().all(|n| n.abs_diff(3_000) < 300) && counts[3..] == [0; 17], "{counts:?}");
}

#[test]
fn the_dead_are_replaced_by_the_next_of_the_set() {
    let (nodes, picker) = set(20, Aperture { min_aperture: 3, ..settings() });
    nodes[..4].iter().for_each(|node| kill(node));
    let (mut counts, mut rng) = (vec![0u32; 20], Rng::with_seed(5));
    for _ in 0..9_000 {
        counts[picker.pick(&nodes, NOW, &mut rng).unwrap()] += 1;
    }
    assert!(counts[4..7].iter().all(|n| n.abs_diff(3_000) < 300), "{counts:?}");
    assert_eq!(counts[7..], [0; 13]);
}

#[test]
fn settings_that_contradict_each_other_do_no_harm() {
    // Linkerd starts with these (conformance case client-lb-aperture-bad).
    for (low, high) in [(3.0, 1.0), (0.0, 0.0), (f64::NAN, f64::NAN), (-1.0, f64::INFINITY)] {
        let (nodes, picker) =
            set(10, Aperture { low_load: low, high_load: high, min_aperture: 0, ..settings() });
        run(&picker, 8, 1_000, 3_000);
        assert!((1..=10).contains(&band(&picker).width(10)), "{low} {high}");
        assert!(picker.pick(&nodes, NOW, &mut Rng::with_seed(1)).is_some());
    }
}

#[test]
fn a_moment_without_a_clock_counts_for_nothing() {
    let (_, picker) = set(100, settings());
    run(&picker, 40, 1_000_000, 10_000);
    let (width, offered) = (band(&picker).width(100), band(&picker).offered());
    band(&picker).begin(Nanos::from_millis(1_009_999));
    // An exchange that is dropped does not know the time.
    band(&picker).end(Nanos(0));
    assert_eq!((band(&picker).width(100), band(&picker).offered()), (width, offered));
}

#[test]
fn four_threads_count_every_request() {
    let (_, picker) = set(8, settings());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..20_000u64 {
                    let now = Nanos::from_millis(1_000 + i);
                    band(&picker).begin(now);
                    assert!((1..=8).contains(&band(&picker).width(8)));
                    band(&picker).end(now);
                }
            });
        }
    });
    run(&picker, 0, 30_000, 20_000);
    assert_eq!(band(&picker).width(8), 1, "nothing is left outstanding");
}
