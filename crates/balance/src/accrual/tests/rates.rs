//! `io.l5d.successRate` and `io.l5d.successRateWindowed` (dataplane.md §6.4).

use super::*;

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}

fn by_requests(rate: f64, requests: u32) -> Accrual {
    Accrual::new(AccrualPolicy::SuccessRate { rate, requests, backoff: Backoff::Constant(s(10)) })
}

fn by_time(rate: f64, seconds: u64) -> Accrual {
    let backoff = Backoff::Constant(s(10));
    Accrual::new(AccrualPolicy::SuccessRateWindowed { rate, window: s(seconds), backoff })
}

/// Plays results, `x` a failure and `.` a success, one each `step` milliseconds from second 100 on; which of them marked the
/// endpoint dead.
fn dies_at(accrual: &Accrual, step: u64, results: &str) -> Option<usize> {
    results.chars().enumerate().position(|(i, result)| {
        let now = ms(100_000 + i as u64 * step);
        let change = if result == 'x' { accrual.failure(now, &mut rng()) } else { accrual.success(now) };
        matches!(change, Change::Removed(_))
    })
}

/// The average as the specification writes it, over results each `share` windows apart.
fn average(results: &str, share: f64) -> f64 {
    let w = (-share).exp();
    let values = results.chars().map(|c| f64::from(u8::from(c == '.')));
    values.reduce(|old, new| new * (1.0 - w) + old * w).unwrap_or(1.0)
}

/// The first result at which the policy has to say "dead".
fn expected(results: &str, share: f64, rate: f64, seen: usize) -> Option<usize> {
    let dead =
        |i: usize| results.as_bytes()[i] == b'x' && i + 1 >= seen && average(&results[..=i], share) < rate;
    (0..results.len()).find(|&i| dead(i))
}

#[test]
fn over_requests_the_average_decides_once_enough_were_seen() {
    let check = |rate: f64, requests: u32, results: &str| {
        let want = expected(results, 1.0 / f64::from(requests), rate, requests as usize);
        assert_eq!(dies_at(&by_requests(rate, requests), 1, results), want, "{rate} {requests} {results}");
        want
    };
    let dots = |n: usize| ".".repeat(n);
    // One failure in twenty is 95 %, two in a row are 90.5 %, three 86 %.
    assert_eq!(check(0.9, 20, &format!("{}xxxx", dots(20))), Some(22));
    // Before twenty results nothing is judged, however bad they are.
    assert_eq!(check(0.9, 20, &"x".repeat(25)), Some(19));
    assert_eq!(check(0.9, 20, &format!("{}{}", "x".repeat(10), dots(300))), None);
    // A success is never the last straw: the rate is judged at failures.
    assert_eq!(check(0.5, 10, &format!("{}{}x", "x".repeat(9), dots(1))), Some(10));
    assert_eq!(check(0.8, 1, "..x"), Some(2));
    // At a steady tenth of failures 0.8 holds and 0.95 does not.
    let tenth = format!("{}x", dots(9)).repeat(50);
    assert_eq!(check(0.8, 100, &tenth), None);
    assert!(check(0.95, 100, &tenth).is_some());
}

#[test]
fn over_time_the_average_decides_once_observed_for_the_window() {
    let check = |rate: f64, seconds: u64, step: u64, results: &str| {
        let seen = (seconds * 1_000).div_ceil(step) as usize + 1;
        let want = expected(results, step as f64 / (seconds as f64 * 1_000.0), rate, seen);
        assert_eq!(dies_at(&by_time(rate, seconds), step, results), want, "{rate} {seconds} {step}");
        want
    };
    let dots = |n: usize| ".".repeat(n);
    // A failure each 100 ms: 1 % of a window of 10 s each.
    assert_eq!(check(0.9, 10, 100, &format!("{}{}", dots(200), "x".repeat(30))), Some(210));
    // Not before 10 s of observation.
    assert_eq!(check(0.9, 10, 100, &"x".repeat(120)), Some(100));
    // Half the requests fail: the average is near 0.5 after some windows.
    assert!(check(0.55, 2, 100, &".x".repeat(200)).is_some());
    assert_eq!(check(0.45, 2, 100, &".x".repeat(200)), None);
}

#[test]
fn seldom_requests_weigh_more_over_time() {
    // After a minute of silence one failure outweighs all before.
    let accrual = by_time(0.5, 10);
    assert_eq!(dies_at(&accrual, 100, &".".repeat(200)), None);
    assert_eq!(accrual.failure(s(180), &mut rng()), Change::Removed(s(10)));
}

#[test]
fn results_of_one_millisecond_count_once_over_time() {
    let accrual = by_time(0.9, 1);
    assert_eq!(dies_at(&accrual, 10, &".".repeat(200)), None);
    for _ in 0..1_000 {
        assert_eq!(accrual.failure(ms(102_001), &mut rng()), Change::None, "1 % of the window");
    }
}

/// `kind` alone parses: missing numbers are 0.
#[test]
fn numbers_of_zero() {
    assert_eq!(dies_at(&by_requests(0.0, 0), 1, "xxxx.xx"), None, "no rate is below 0");
    assert_eq!(dies_at(&by_requests(0.5, 0), 1, ".x"), Some(1));
    assert_eq!(dies_at(&by_time(0.0, 0), 1, "xxxx.xx"), None);
    assert_eq!(dies_at(&by_time(0.5, 0), 1, ".x"), Some(1));
    assert_eq!(dies_at(&by_time(0.5, 0), 0, ".x"), Some(1), "even within a millisecond");
    // Linkerd starts with a rate above 1 (conformance case client-accrual-rate-2).
    assert_eq!(dies_at(&by_requests(2.0, 1), 1, "....x"), Some(4));
}

#[test]
fn history_is_forgotten_with_the_revival() {
    for accrual in [by_requests(0.9, 20), by_time(0.9, 1)] {
        assert!(dies_at(&accrual, 100, &"x".repeat(30)).is_some());
        let now = s(200);
        let _probe = accrual.begin_probe(now).expect("its back-off is over");
        assert_eq!(accrual.success(now), Change::Revived);
        let quick = |i: u64| ms(200_000 + i * 40);
        for i in 1..19 {
            assert_eq!(accrual.failure(quick(i), &mut rng()), Change::None, "not enough seen: {i}");
        }
    }
}

#[test]
fn a_probe_that_fails_is_judged_as_any_failure() {
    let accrual = by_requests(0.9, 20);
    assert!(dies_at(&accrual, 1, &"x".repeat(20)).is_some());
    let _probe = accrual.begin_probe(s(200)).expect("its back-off is over");
    assert_eq!(accrual.failure(s(200), &mut rng()), Change::StillDead(s(10)));
}

/// No result is lost when four threads tell theirs at a time: what they see is what one thread would.
#[test]
fn four_threads_share_one_average() {
    let accrual = by_requests(0.5, 4_000);
    let died = on_four_threads(|_| {
        let mut rng = Rng::with_seed(1);
        (0..1_000).filter(|_| matches!(accrual.failure(s(1), &mut rng), Change::Removed(_))).count()
    });
    assert_eq!(died, 1, "the last of 4,000 failures marks it, and only that one");
}
