//! The numbers of servers, services and clients, under Linkerd's names (observability.md §2.4).
//!
//! A scope's counters and histograms are one [`Block`]; the request path writes by index into its worker's shard.

use crate::answer::Fault;
use balance::Nanos;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use telemetry::{Counter, Scope, Shard, Total};

/// Declares the metrics of a scope: a `BlockSpec` and the index of each name.
macro_rules! block_spec {
    ($(#[$doc:meta])* $spec:ident: status $status:literal, total $total:expr,
     counters { $($counter:ident = $cname:literal),* $(,)? }, histograms { $($hist:ident = $hname:literal),* $(,)? }) => {
        $(#[$doc])*
        pub(crate) static $spec: BlockSpec = BlockSpec {
            counters: &[$($cname),*],
            histograms: &[$($hname),*],
            status: $status,
            total: $total,
        };
        block_spec!(@index 0usize; $($counter)*);
        block_spec!(@index 0usize; $($hist)*);
    };
    (@index $at:expr; $name:ident $($rest:ident)*) => {
        #[allow(dead_code, reason = "some names are only shown, at zero")]
        pub(crate) const $name: usize = $at;
        block_spec!(@index $at + 1; $($rest)*);
    };
    (@index $at:expr;) => {};
}

/// `request_latency_ms` of servers and clients, the sum of `time/1XX` to `time/5XX` and `time/error`.
const LATENCY_OF_ALL: Option<Total> =
    Some(Total { at: server::LATENCY as u8, of: (server::TIME_1XX as u8, server::TIME_ERROR as u8) });

/// Metrics of a server, `rt/<label>/server/<ip>/<port>`.
pub(crate) mod server {
    use telemetry::BlockSpec;
    block_spec! {
        SPEC: status true, total super::LATENCY_OF_ALL,
        counters {
            REQUESTS = "requests", SUCCESS = "success", FAILURES = "failures", STATUS_ERROR = "status/error",
            CONNECTS = "connects", CLOSES = "closes", RECEIVED = "received_bytes", SENT = "sent_bytes",
            READ_TIMEOUT = "read_timeout", WRITE_TIMEOUT = "write_timeout", CANCELLED = "cancelled",
            NACKS = "nacks", NONRETRYABLE_NACKS = "nonretryable_nacks",
        },
        histograms {
            LATENCY = "request_latency_ms", TIME_1XX = "time/1XX", TIME_2XX = "time/2XX", TIME_3XX = "time/3XX",
            TIME_4XX = "time/4XX", TIME_5XX = "time/5XX", TIME_ERROR = "time/error", HANDLE_TIME = "handletime_us",
            REQUEST_BYTES = "request_payload_bytes", RESPONSE_BYTES = "response_payload_bytes",
            CONNECTION_DURATION = "connection_duration", CONNECTION_REQUESTS = "connection_requests",
            CONNECTION_RECEIVED = "connection_received_bytes", CONNECTION_SENT = "connection_sent_bytes",
            TRANSIT_LATENCY = "transit_latency_ms", DTAB_SIZE = "dtab/size",
        }
    }
}

/// Metrics of a service, `rt/<label>/service/<path>`.
pub(crate) mod service {
    use telemetry::BlockSpec;
    block_spec! {
        SPEC: status false, total None,
        counters {
            REQUESTS = "requests", SUCCESS = "success", FAILURES = "failures", RETRIES = "retries/total",
            BUDGET_EXHAUSTED = "retries/budget_exhausted",
        },
        histograms { LATENCY = "request_latency_ms", RETRIES_PER_REQUEST = "retries/per_request" }
    }
}

/// Metrics of a client, `rt/<label>/client/<id>`.
pub(crate) mod client {
    use telemetry::BlockSpec;
    block_spec! {
        SPEC: status true, total super::LATENCY_OF_ALL,
        counters {
            REQUESTS = "requests", SUCCESS = "success", FAILURES = "failures", STATUS_ERROR = "status/error",
            CONNECTS = "connects", CLOSES = "closes", CANCELLED_CONNECTS = "cancelled_connects",
            RECEIVED = "received_bytes", SENT = "sent_bytes", READ_TIMEOUT = "read_timeout",
            WRITE_TIMEOUT = "write_timeout", REQUEUES = "retries/requeues",
            BUDGET_EXHAUSTED = "retries/budget_exhausted", REQUEST_LIMIT = "retries/request_limit",
            NOT_OPEN = "retries/not_open", CANNOT_RETRY = "retries/cannot_retry",
            CREATION_FAILURES = "service_creation/failures", REMOVALS = "failure_accrual/removals",
            REVIVALS = "failure_accrual/revivals", PROBES = "failure_accrual/probes",
            REMOVED_FOR = "failure_accrual/removed_for_ms",
            EFFORT_EXHAUSTED = "loadbalancer/max_effort_exhausted", POOL_WAITED = "pool_num_waited",
            POOL_REFUSED = "pool_num_too_many_waiters",
        },
        histograms {
            LATENCY = "request_latency_ms", TIME_1XX = "time/1XX", TIME_2XX = "time/2XX", TIME_3XX = "time/3XX",
            TIME_4XX = "time/4XX", TIME_5XX = "time/5XX", TIME_ERROR = "time/error",
            REQUEUES_PER_REQUEST = "retries/requeues_per_request",
            ACQUISITION = "service_creation/service_acquisition_latency_ms",
            REQUEST_BYTES = "request_payload_bytes", RESPONSE_BYTES = "response_payload_bytes",
            CONNECT_LATENCY = "connect_latency_ms", FAILED_CONNECT_LATENCY = "failed_connect_latency_ms",
            CONNECTION_DURATION = "connection_duration", CONNECTION_REQUESTS = "connection_requests",
            CONNECTION_RECEIVED = "connection_received_bytes", CONNECTION_SENT = "connection_sent_bytes",
            DTAB_SIZE = "dtab/size",
        }
    }
}

/// Metrics of a service within a client, `rt/<label>/client/<id>/service/<path>`.
pub(crate) mod pair {
    use telemetry::BlockSpec;
    block_spec! {
        SPEC: status false, total None,
        counters { REQUESTS = "requests", SUCCESS = "success", FAILURES = "failures" },
        histograms { LATENCY = "request_latency_ms" }
    }
}

/// Metrics of one of the binding caches, `rt/<label>/bindcache/<cache>`.
pub(crate) struct CacheStats {
    pub(crate) misses: Counter,
    pub(crate) evicts: Counter,
    pub(crate) expires: Counter,
    pub(crate) oneshots: Counter,
}

impl CacheStats {
    pub(crate) fn new(router: &Scope, cache: &str) -> CacheStats {
        let scope = router.scope("bindcache").scope(cache);
        CacheStats {
            misses: scope.counter("misses"),
            evicts: scope.counter("evicts"),
            expires: scope.counter("expires"),
            oneshots: scope.counter("oneshots"),
        }
    }
}

/// Counts one finished request: `requests` is `success` + `failures` at all times. All blocks begin with these three.
#[inline]
pub(crate) fn count(shard: &Shard, success: bool) {
    const _: () = assert!(
        server::REQUESTS == 0 && service::REQUESTS == 0 && client::REQUESTS == 0 && pair::REQUESTS == 0
    );
    shard.inc(server::REQUESTS);
    shard.inc(if success { server::SUCCESS } else { server::FAILURES });
}

/// Counts a reply's status and its time, which is the request's latency as well. The blocks of servers and clients begin with the same histograms.
#[inline]
pub(crate) fn count_status(shard: &Shard, status: u16, latency_ms: u64) {
    const _: () = assert!(
        server::LATENCY == client::LATENCY
            && server::TIME_1XX == client::TIME_1XX
            && server::TIME_ERROR == client::TIME_ERROR
            && server::TIME_ERROR == server::TIME_1XX + 5
    );
    shard.status(status);
    let class = usize::from(status / 100);
    shard.record(server::TIME_1XX + if (1..=5).contains(&class) { class - 1 } else { 5 }, latency_ms);
}

/// Counters `failures/<name>`, made when the first failure of their kind happens.
pub(crate) struct Faults {
    scope: Scope,
    counters: [OnceLock<Counter>; Fault::NAMES.len()],
}

impl Faults {
    pub(crate) fn new(scope: &Scope) -> Faults {
        Faults { scope: scope.clone(), counters: Default::default() }
    }

    #[cold]
    pub(crate) fn count(&self, fault: Fault) {
        let at = fault as usize;
        self.counters[at].get_or_init(|| self.scope.counter(Fault::NAMES[at])).inc();
    }
}

/// Counters of `failFast`, `failfast/<name>` of a client that has it.
pub(crate) struct FailFastStats {
    pub(crate) marked_dead: Counter,
    pub(crate) marked_available: Counter,
}

impl FailFastStats {
    pub(crate) fn new(client: &Scope) -> FailFastStats {
        let scope = client.scope("failfast");
        FailFastStats {
            marked_dead: scope.counter("marked_dead"),
            marked_available: scope.counter("marked_available"),
        }
    }
}

/// A gauge that each worker raises and lowers in a cell of its own, without a read-modify-write.
#[derive(Debug)]
pub(crate) struct PerWorker(Box<[Cell]>);

/// A cache line of its own, so that workers do not disturb one another.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell(AtomicI64);

impl PerWorker {
    pub(crate) fn new(workers: usize) -> PerWorker {
        PerWorker((0..workers).map(|_| Cell::default()).collect())
    }

    /// Adds to the cell of one worker, which must be the caller's.
    #[inline]
    pub(crate) fn add(&self, worker: usize, n: i64) {
        let cell = &self.0[worker].0;
        cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The sum over all workers; never below zero.
    pub(crate) fn sum(&self) -> f64 {
        self.0.iter().map(|cell| cell.0.load(Relaxed)).sum::<i64>().max(0) as f64
    }
}

/// The time as workers last told it, for gauges, which have no clock: a second old at most. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn advance(&self, now: Nanos) {
        self.0.fetch_max(now.0, Relaxed);
    }

    pub(crate) fn now(&self) -> Nanos {
        Nanos(self.0.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_those_of_the_names() {
        let check = |names: &[&str], at: usize, want: &str| assert_eq!(names[at], want);
        check(server::SPEC.counters, server::WRITE_TIMEOUT, "write_timeout");
        check(server::SPEC.histograms, server::TIME_5XX, "time/5XX");
        check(server::SPEC.histograms, server::DTAB_SIZE, "dtab/size");
        check(client::SPEC.counters, client::REMOVED_FOR, "failure_accrual/removed_for_ms");
        check(client::SPEC.counters, client::REQUEUES, "retries/requeues");
        check(client::SPEC.histograms, client::CONNECTION_SENT, "connection_sent_bytes");
        check(service::SPEC.counters, service::BUDGET_EXHAUSTED, "retries/budget_exhausted");
        check(service::SPEC.histograms, service::RETRIES_PER_REQUEST, "retries/per_request");
        check(&Fault::NAMES, Fault::Cut as usize, "failures/cut");
        check(&Fault::NAMES, Fault::Nack as usize, "failures/nack");
        for spec in [&server::SPEC, &service::SPEC, &client::SPEC, &pair::SPEC] {
            assert_eq!(spec.counters[..3], ["requests", "success", "failures"]);
        }
    }

    #[test]
    fn a_gauge_is_the_sum_of_its_cells() {
        let gauge = PerWorker::new(2);
        gauge.add(0, 1);
        gauge.add(1, 3);
        gauge.add(0, -1);
        assert_eq!(gauge.sum(), 3.0);
    }
}
