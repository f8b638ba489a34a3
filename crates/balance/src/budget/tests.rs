use super::*;
use proptest::prelude::*;

fn s(n: u64) -> Nanos {
    Nanos::from_secs(n)
}

fn budget(min_retries_per_sec: u32, percent_can_retry: f64) -> Budget {
    Budget::new(BudgetConfig { min_retries_per_sec, percent_can_retry, ttl: s(10) })
}

/// How many withdrawals succeed until one does not.
fn drain(budget: &Budget, now: Nanos) -> u64 {
    (0..).take_while(|_| budget.try_withdraw(now)).count() as u64
}

#[test]
fn withdrawals_after_deposits() {
    fn check(min: u32, percent: f64, deposits: u32, expected: u64) {
        let budget = budget(min, percent);
        for _ in 0..deposits {
            budget.deposit(s(0));
        }
        assert_eq!(budget.balance(s(0)), expected, "{min}/{percent} after {deposits}");
        assert_eq!(drain(&budget, s(0)), expected, "{min}/{percent} after {deposits}");
        assert_eq!(budget.balance(s(0)), 0);
    }
    check(0, 0.0, 1_000, 0);
    check(0, f64::NAN, 1_000, 0);
    check(0, -1.0, 1_000, 0);
    check(10, 0.0, 1_000, 100);
    check(10, 0.2, 0, 100);
    check(10, 0.2, 4, 100);
    check(10, 0.2, 5, 101);
    check(10, 0.2, 10, 102);
    check(0, 0.5, 1, 0);
    check(0, 0.5, 3, 1);
    check(0, 1.0, 7, 7);
    check(0, 10.0, 7, 70);
    check(0, 0.3, 10, 3);
    check(0, 1e-12, 1_000, 0);
    check(0, 1e12, 1, 1_000);
}

#[test]
fn row_32_half_a_retry_for_each_request() {
    let (budget, now) = (budget(0, 0.5), s(3));
    // Request 1 succeeds.
    budget.deposit(now);
    assert_eq!(budget.balance(now), 0);
    // Request 2 fails and is retried.
    budget.deposit(now);
    assert!(budget.try_withdraw(now));
    assert_eq!(budget.balance(now), 0);
    // Request 3 fails: exhausted.
    budget.deposit(now);
    assert!(!budget.try_withdraw(now));
}

#[test]
fn row_33_ten_requests_raise_the_default_gauge_from_100_to_102() {
    let (a, b) = (Budget::new(BudgetConfig::default()), Budget::new(BudgetConfig::default()));
    for _ in 0..10 {
        a.deposit(s(0));
    }
    assert_eq!((a.balance(s(0)), b.balance(s(0))), (102, 100));
}

#[test]
fn row_36_a_permanent_failure_is_retried_100_times_on_the_default_budget() {
    let budget = Budget::new(BudgetConfig::default());
    budget.deposit(s(0));
    assert_eq!(drain(&budget, s(0)), 100);
}

#[test]
fn rows_29_and_31_requeues() {
    /// Statuses when the writes of a client go as in `writes` (`x` fails, `.` works), one request after the other. The
    /// tables come out when a request deposits once a write of it has worked.
    fn check(percent: f64, writes: &str, expected: &[u16]) {
        let (budget, now) = (budget(0, percent), s(0));
        let mut writes = writes.chars();
        for (i, expected) in expected.iter().enumerate() {
            let mut limit = budget.request_limit(now);
            let status = loop {
                if writes.next() == Some('.') {
                    budget.deposit(now);
                    break 200;
                }
                if limit == 0 || !budget.try_withdraw(now) {
                    break 502;
                }
                limit -= 1;
            };
            assert_eq!(status, *expected, "request {} at {percent}", i + 1);
        }
    }
    check(0.5, "..x.x", &[200, 200, 200, 502]);
    check(0.5, ".x.x.x.x.", &[200, 502, 200, 200, 502, 200, 200]);
    check(1.0, &".x".repeat(11), &[200; 11]);
}

#[test]
fn request_limit_is_a_fifth_rounded_up() {
    fn check(retries: u32, expected: u64) {
        let budget = budget(0, 1.0);
        for _ in 0..retries {
            budget.deposit(s(0));
        }
        assert_eq!(budget.request_limit(s(0)), expected, "{retries}");
    }
    check(0, 0);
    check(1, 1);
    check(5, 1);
    check(6, 2);
    check(100, 20);
}

#[test]
fn deposits_are_forgotten_after_the_ttl() {
    let budget = budget(0, 1.0);
    for second in 0..10 {
        budget.deposit(s(second));
    }
    assert_eq!(budget.balance(s(9)), 10);
    for second in 10..20 {
        assert_eq!(budget.balance(s(second)), 19 - second, "at {second} s");
    }
    assert_eq!(budget.balance(s(100_000)), 0);
}

#[test]
fn the_reserve_comes_back_after_the_ttl() {
    let budget = budget(10, 0.2);
    assert_eq!(drain(&budget, s(0)), 100);
    assert_eq!(drain(&budget, s(5)), 0);
    assert_eq!(drain(&budget, s(9)), 0);
    assert_eq!(drain(&budget, s(10)), 100);
    assert_eq!(drain(&budget, s(1_000)), 100);
}

#[test]
fn withdrawals_outlive_the_deposits_they_spent() {
    let budget = budget(0, 1.0);
    budget.deposit(s(0));
    assert!(budget.try_withdraw(s(5)));
    budget.deposit(s(10));
    assert!(!budget.try_withdraw(s(10)), "the first deposit is gone, its withdrawal is not");
    assert_eq!(budget.balance(s(10)), 0);
    assert!(budget.try_withdraw(s(15)));
}

#[test]
fn idle_for_very_long() {
    let budget = budget(0, 1.0);
    for start in [0, 1_000, 5_000_000, 1_000_000_000] {
        budget.deposit(s(start));
        budget.deposit(s(start + 1));
        assert_eq!(budget.balance(s(start + 2)), 2, "at {start}");
        assert_eq!(drain(&budget, s(start + 2)), 2, "at {start}");
    }
}

#[test]
fn clocks_that_differ_a_little() {
    let budget = budget(0, 1.0);
    budget.deposit(s(21));
    assert_eq!(budget.balance(s(20)), 1, "a deposit one slice ahead counts");
    assert!(budget.try_withdraw(s(21)));
    budget.deposit(s(20));
    assert!(budget.try_withdraw(s(20)), "spent in the newest slice");
    assert!(!budget.try_withdraw(s(20)) && !budget.try_withdraw(s(21)));
}

#[test]
fn short_and_long_ttl() {
    fn check(ttl: Nanos) {
        let budget = Budget::new(BudgetConfig { min_retries_per_sec: 0, percent_can_retry: 1.0, ttl });
        budget.deposit(s(100));
        assert_eq!(budget.balance(Nanos(s(100).0 + ttl.0 * 8 / 10)), 1, "{ttl:?}");
        assert_eq!(budget.balance(Nanos(s(100).0 + ttl.0 * 11 / 10)), 0, "{ttl:?}");
    }
    check(Nanos::from_millis(10));
    check(s(1));
    check(s(60));
    check(s(3_600));
}

/// Threads deposit and withdraw at once, all slices of the ring in use: never more withdrawals than tokens.
#[test]
fn threads_together_never_overspend() {
    for seed in 0..20 {
        let budget = budget(0, 0.5);
        let spent: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4u64)
                .map(|worker| {
                    scope.spawn({
                        let budget = &budget;
                        move || traffic(budget, seed * 4 + worker)
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        // 4 × 5,000 deposits, all within the ttl, at half a retry each.
        assert!(spent <= 10_000, "spent {spent}");
        assert_eq!(spent + drain(&budget, s(9)), 10_000, "nothing is lost either");
    }
}

/// 5,000 requests over ten seconds, each asking for a retry at once and sometimes for more.
fn traffic(budget: &Budget, seed: u64) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut spent = 0;
    for i in 0..5_000 {
        let now = Nanos::from_millis(i * 2);
        budget.deposit(now);
        for _ in 0..rng.u32(0..3) {
            spent += u64::from(budget.try_withdraw(now));
        }
    }
    spent
}

/// Threads at a slice's boundary, some before it and some behind, race for a single token.
#[test]
fn one_token_is_spent_once_even_at_the_edge_of_a_slice() {
    for round in 0..2_000 {
        let budget = budget(0, 1.0);
        budget.deposit(s(5));
        let spent: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|worker| {
                    scope.spawn({
                        let budget = &budget;
                        move || u64::from(budget.try_withdraw(s(5 + worker % 2)))
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(spent, 1, "round {round}");
    }
}

proptest! {
    /// Against a ledger that remembers every deposit and withdrawal with its moment.
    #[test]
    fn never_more_than_the_bound(
        percent in prop_oneof![Just(0.0), 0.01f64..2.0],
        min in 0u32..5,
        steps in prop::collection::vec((0u64..1_500, any::<bool>()), 1..400),
    ) {
        let budget = budget(min, percent);
        // Whole tokens: 0.7 costs 1428 of 1000, not 1428.57.
        let share = if percent == 0.0 { 0.0 } else { 1_000.0 / (1_000.0 / percent).floor() };
        let (mut now, mut deposits, mut withdrawals) = (0, Vec::new(), Vec::new());
        for (step, is_deposit) in steps {
            now += step;
            if is_deposit {
                budget.deposit(Nanos::from_millis(now));
                deposits.push(now);
            } else if budget.try_withdraw(Nanos::from_millis(now)) {
                withdrawals.push(now);
                // Slices: what is younger than 9 s counts, what is older than 10 s does not.
                let made = deposits.iter().filter(|at| **at + 10_000 > now).count() as f64;
                let taken = withdrawals.iter().filter(|at| **at + 9_000 > now).count() as f64;
                let bound = made * share + f64::from(min) * 10.0;
                prop_assert!(taken <= bound + 1e-6, "{taken} of {bound} at {now}");
            }
        }
    }

    #[test]
    fn any_numbers_any_time(min: u32, percent: f64, ttl: u64, moments in prop::collection::vec(any::<u64>(), 1..20)) {
        let budget = Budget::new(BudgetConfig { min_retries_per_sec: min, percent_can_retry: percent, ttl: Nanos(ttl) });
        for now in moments.into_iter().map(Nanos) {
            budget.deposit(now);
            let _ = budget.try_withdraw(now);
            let _ = budget.balance(now);
        }
    }
}
