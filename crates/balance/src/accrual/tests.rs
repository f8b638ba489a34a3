//! States, probes and counting failures in a row; the policies over rates are in `rates`.

mod rates;

use super::*;
use std::sync::atomic::AtomicU32;

fn s(n: u64) -> Nanos {
    Nanos::from_secs(n)
}

/// 5 failures, always 10 s.
fn five() -> Accrual {
    Accrual::new(policy(5))
}

fn policy(failures: u32) -> AccrualPolicy {
    AccrualPolicy::ConsecutiveFailures { failures, backoff: Backoff::Constant(s(10)) }
}

fn rng() -> Rng {
    Rng::with_seed(7)
}

/// Dead since second 0, due at second 10.
fn dead() -> Accrual {
    let accrual = five();
    for _ in 0..5 {
        accrual.failure(s(0), &mut rng());
    }
    assert!(!accrual.is_available(s(9)));
    accrual
}

#[test]
fn row_82_four_failures_alive_the_fifth_dead() {
    let accrual = five();
    for _ in 0..4 {
        assert_eq!(accrual.failure(s(1), &mut rng()), Change::None);
        assert!(accrual.is_alive() && accrual.is_available(s(1)));
    }
    assert_eq!(accrual.failure(s(1), &mut rng()), Change::Removed(s(10)));
    assert!(!accrual.is_alive() && !accrual.is_available(s(1)));
}

#[test]
fn dead_after_so_many_in_a_row() {
    /// `x` a failure, `.` a success.
    fn check(failures: u32, results: &str, alive: bool) {
        let accrual = Accrual::new(policy(failures));
        for result in results.chars() {
            match result {
                'x' => accrual.failure(s(0), &mut rng()),
                _ => accrual.success(s(0)),
            };
        }
        assert_eq!(accrual.is_alive(), alive, "{failures} {results}");
    }
    check(5, "xxxx.xxxx.xxxx", true);
    check(5, "xxxx.xxxxx", false);
    check(1, "....", true);
    check(1, "....x", false);
    check(0, "x", false);
    check(0, ".", true);
    check(3, "xxx....", false);
}

#[test]
fn none_never_dies() {
    let accrual = Accrual::new(AccrualPolicy::None);
    for _ in 0..1_000 {
        assert_eq!(accrual.failure(s(0), &mut rng()), Change::None);
    }
    assert!(accrual.is_available(s(0)));
    assert!(accrual.begin_probe(s(0)).is_none());
}

#[test]
fn open_for_one_probe_after_the_back_off() {
    let accrual = dead();
    assert!(accrual.begin_probe(Nanos(s(10).0 - 1)).is_none());
    assert!(accrual.is_available(s(10)));
    let probe = accrual.begin_probe(s(10));
    assert!(probe.is_some());
    assert!(!accrual.is_available(s(10)) && !accrual.is_available(s(1_000)));
    assert!(accrual.begin_probe(s(10)).is_none());
}

#[test]
fn the_probe_decides() {
    let accrual = dead();
    let _probe = accrual.begin_probe(s(10));
    assert_eq!(accrual.failure(s(11), &mut rng()), Change::StillDead(s(10)));
    assert!(!accrual.is_available(s(20)) && accrual.is_available(s(21)));
    let _probe = accrual.begin_probe(s(21));
    assert_eq!(accrual.success(s(0)), Change::Revived);
    assert!(accrual.is_alive());
    // History is forgotten: four more failures do no harm.
    for _ in 0..4 {
        assert_eq!(accrual.failure(s(22), &mut rng()), Change::None);
    }
    assert_eq!(accrual.failure(s(22), &mut rng()), Change::Removed(s(10)));
}

#[test]
fn a_probe_given_back_can_be_claimed_at_once() {
    let accrual = dead();
    for _ in 0..3 {
        let probe = accrual.begin_probe(s(10)).unwrap();
        assert!(!accrual.is_available(s(10)));
        accrual.release(probe);
        assert!(accrual.is_available(s(10)) && !accrual.is_alive());
    }
}

#[test]
fn an_old_probe_given_back_late_frees_nothing() {
    let accrual = dead();
    let old = accrual.begin_probe(s(10)).unwrap();
    accrual.failure(s(11), &mut rng());
    let _new = accrual.begin_probe(s(30)).unwrap();
    accrual.release(old);
    assert!(!accrual.is_available(s(1_000)), "the new probe is still out");
    // The same with a next probe in the same back-off.
    let accrual = dead();
    accrual.success(s(0));
    let old = accrual.begin_probe(s(10)).unwrap();
    assert_eq!(accrual.failure(s(10), &mut rng()), Change::ProbeAgain);
    let _new = accrual.begin_probe(s(10)).unwrap();
    accrual.release(old);
    assert!(!accrual.is_available(s(1_000)), "the new probe is still out");
    let accrual = dead();
    let old = accrual.begin_probe(s(10)).unwrap();
    accrual.success(s(0));
    accrual.release(old);
    assert!(accrual.is_alive());
}

#[test]
fn results_of_requests_sent_before_the_death_do_not_move_it() {
    let accrual = dead();
    assert_eq!(accrual.failure(s(9), &mut rng()), Change::None);
    assert_eq!(accrual.success(s(0)), Change::None);
    assert!(!accrual.is_available(s(9)) && accrual.is_available(s(10)));
    assert_eq!(accrual.failure(s(10), &mut rng()), Change::None, "open for a probe, but this was none");
    assert!(accrual.is_available(s(10)));
}

#[test]
fn successes_since_the_death_speak_for_the_endpoint() {
    let accrual = dead();
    accrual.success(s(0));
    for _ in 0..4 {
        assert!(accrual.begin_probe(s(10)).is_some());
        assert_eq!(accrual.failure(s(10), &mut rng()), Change::ProbeAgain);
        assert!(accrual.is_available(s(10)));
    }
    assert!(accrual.begin_probe(s(10)).is_some());
    assert_eq!(accrual.failure(s(10), &mut rng()), Change::StillDead(s(10)));
}

#[test]
fn the_default_policy_waits_longer_each_time_and_begins_anew_after_a_revival() {
    let accrual = Accrual::new(AccrualPolicy::default());
    let (mut rng, mut now) = (rng(), s(0));
    let mut delays = Vec::new();
    for round in 0..20 {
        for _ in 0..if round == 0 { 5 } else { 1 } {
            match accrual.failure(now, &mut rng) {
                Change::Removed(d) | Change::StillDead(d) => delays.push(d),
                other => assert_eq!((round, other), (0, Change::None)),
            }
        }
        now = Nanos(now.0 + delays.last().unwrap().0 + 1_000_000);
        assert!(accrual.begin_probe(now).is_some());
    }
    assert_eq!(delays.len(), 20);
    assert_eq!(delays[0], s(5));
    assert!(delays.is_sorted() && (s(5)..s(10)).contains(&delays[1]) && (s(10)..s(20)).contains(&delays[2]));
    assert_eq!(delays[8..], [s(300); 12]);
    assert_eq!(accrual.success(s(0)), Change::Revived);
    for _ in 0..4 {
        accrual.failure(now, &mut rng);
    }
    assert_eq!(accrual.failure(now, &mut rng), Change::Removed(s(5)));
}

#[test]
fn exactly_one_thread_marks_dead() {
    for _ in 0..200 {
        let accrual = five();
        let removed: usize = on_four_threads(|_| {
            (0..10).filter(|_| matches!(accrual.failure(s(0), &mut rng()), Change::Removed(_))).count()
        });
        assert_eq!(removed, 1);
    }
}

#[test]
fn exactly_one_probe_for_each_back_off_in_the_process() {
    let accrual = dead();
    for round in 1..=500 {
        // The first moment at which the endpoint is due in this round; the failing probe puts it off by 10 s.
        let now = s(10 * round);
        let probes: usize = on_four_threads(|_| {
            let claimed = (0..20).filter_map(|_| accrual.begin_probe(now)).count();
            if claimed > 0 {
                assert_eq!(accrual.failure(now, &mut rng()), Change::StillDead(s(10)));
            }
            claimed
        });
        assert_eq!(probes, 1, "round {round}");
    }
}

#[test]
fn probes_given_back_are_claimed_by_one_at_a_time() {
    let accrual = dead();
    let holders = AtomicU32::new(0);
    let claims: usize = on_four_threads(|_| {
        let mut claims = 0;
        for _ in 0..20_000 {
            if let Some(probe) = accrual.begin_probe(s(10)) {
                assert_eq!(holders.fetch_add(1, AcqRel), 0, "two probes at once");
                claims += 1;
                holders.fetch_sub(1, AcqRel);
                accrual.release(probe);
            }
        }
        claims
    });
    assert!(claims > 0);
    assert!(accrual.is_available(s(10)), "not stuck");
}

/// The sum of what four threads return.
fn on_four_threads(work: impl Fn(u64) -> usize + Sync) -> usize {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|i| {
                scope.spawn({
                    let work = &work;
                    move || work(i)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    })
}
