//! What a decision costs: picking a replica, keeping its load, the budgets. All mesh work of a request together may
//! cost 1 us (BASELINES.md §7).

use balance::{Accrual, AccrualPolicy, Backoff, Balancer, Budget, BudgetConfig, Load, Nanos, Node, Picker};
use bench::timing::Table;
use std::process::ExitCode;
use std::sync::Arc;

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

fn main() -> ExitCode {
    let mut table = Table::new();
    for balancer in [Balancer::p2c(), Balancer::ewma(), Balancer::aperture(), Balancer::round_robin()] {
        for count in [3, 1_000] {
            pick(&mut table, balancer, count, 200.0);
        }
    }
    // The heap looks through the set once it finds no idle replica at a glance.
    for (count, bound) in [(3, 200.0), (100, 1_000.0), (1_000, 10_000.0)] {
        pick(&mut table, Balancer::Heap, count, bound);
    }
    let replica = replica(Balancer::ewma());
    let mut now = Nanos::from_secs(1);
    table.row("ewma: begin and end of a request", Some(100.0), || {
        now = Nanos(now.0 + 20_000);
        replica.load.begin(now);
        replica.load.answered(Nanos::from_millis(1), now);
        replica.load.end(true);
    });
    table.row("accrual: a success", Some(100.0), || replica.accrual.success(now));
    let windowed = Accrual::new(AccrualPolicy::SuccessRateWindowed {
        rate: 0.9,
        window: Nanos::from_secs(10),
        backoff: Backoff::NONE,
    });
    table.row("accrual by success rate over time: a success", Some(100.0), || {
        now = Nanos(now.0 + 20_000);
        windowed.success(now)
    });
    let budget = Budget::new(BudgetConfig::default());
    table.row("retry budget: a deposit", Some(100.0), || {
        now = Nanos(now.0 + 20_000);
        budget.deposit(now);
    });
    table.finish()
}

fn replica(balancer: Balancer) -> Arc<Replica> {
    Arc::new(Replica { load: balancer.new_load(), accrual: Accrual::new(AccrualPolicy::default()) })
}

/// Picks among replicas of which each has answered once and a third are busy; all of them for the heap, to which that makes a
/// difference.
fn pick(table: &mut Table, balancer: Balancer, count: u64, bound: f64) {
    let start = Nanos::from_secs(1);
    let replicas: Vec<_> = (0..count)
        .map(|i| {
            let replica = replica(balancer);
            replica.load.begin(start);
            replica.load.answered(Nanos(1_000_000 + i * 1_000), start);
            replica.load.end(true);
            if i % 3 == 0 || balancer == Balancer::Heap {
                replica.load.begin(start);
            }
            replica
        })
        .collect();
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut now, picker) = (start, Picker::new(balancer));
    table.row(&format!("{}: one of {count} replicas", balancer.algorithm()), Some(bound), || {
        now = Nanos(now.0 + 20_000);
        picker.pick(&replicas, now, &mut rng)
    });
}
