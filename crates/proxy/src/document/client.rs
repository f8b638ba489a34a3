//! `client`: what holds for a bound name, a set of replicas (dataplane.md §6).

use super::budget::{Backoff, RetryBudget};
use super::service::NoKeys;
use super::session::{HostConnectionPool, Session};
use super::socket::SocketOptions;
use super::{millis, positive};
use config::{config, kinds};
use std::time::Duration;

config! {
    /// What holds for the replica sets that match: balancing, failure accrual, requeues, timeouts.
    pub scope struct ClientSettings {
        /// How a replica is chosen.
        load_balancer "loadBalancer": LoadBalancer = "{kind: p2c}", example "{kind: ewma}";
        /// When a failing replica is left alone, and for how long.
        failure_accrual "failureAccrual": FailureAccrual = "{kind: io.l5d.consecutiveFailures, failures: 5}",
            example "{kind: none}";
        /// How many requests that had no effect (refused connections and the like) are tried on another replica.
        requeue_budget "requeueBudget": RetryBudget = "{}", example "{percentCanRetry: 0.5}";
        /// How long one attempt may take, in milliseconds; 0 or less is no limit.
        request_attempt_timeout_ms "requestAttemptTimeoutMs": i32, example "100";
        /// Options of connections.
        socket_options "socketOptions": SocketOptions = "{}", example "{noDelay: true}";
        /// How many connections an endpoint may have.
        host_connection_pool "hostConnectionPool": HostConnectionPool = "{}", example "{maxSize: 100, maxWaiters: 5000}";
        /// How long connections live.
        client_session "clientSession": Session = "{}", example "{idleTimeMs: 60000}";
    }
    later {
        "tls", "requestAuthorizers", "loggers",
    }
    only {
        /// Whether one failed connect takes an endpoint out at once.
        "failFast": bool = "false";
        /// Whether callers' certificates are told to back ends.
        "forwardClientCert": bool = "false";
    }
    former { "engine" until "1.3.0" => "there is one engine" }
}

impl ClientSettings {
    /// The limit of one attempt, if there is one.
    pub fn request_attempt_timeout(&self) -> Option<Duration> {
        millis(self.request_attempt_timeout_ms)
    }
}

kinds! {
    /// How a replica is chosen among those of a set.
    pub enum LoadBalancer: "load balancer", key "kind", default "p2c" {
        "p2c" => P2c(P2c),
        "ewma" => Ewma(Ewma),
    }
    later { "aperture", "heap", "roundRobin" }
}

config! {
    /// Two replicas at random; the one with fewer outstanding requests is taken.
    pub struct P2c {
        /// How often to pick again when the pick is not available.
        max_effort "maxEffort": u32 = "5", from 1, check positive, example "10";
    }
    only {
        /// Whether an endpoint that discovery took away stays while it is healthy.
        "enableProbation": bool = "false";
    }
}

config! {
    /// Two replicas at random; the one with the smaller product of peak-sensitive latency average and load is taken.
    pub struct Ewma {
        /// How often to pick again when the pick is not available.
        max_effort "maxEffort": u32 = "5", from 1, check positive, example "10";
        /// Over how many milliseconds the latency average forgets.
        decay_time_ms "decayTimeMs": u32 = "10000", from 1, check positive, example "5000";
    }
    only {
        /// Whether an endpoint that discovery took away stays while it is healthy.
        "enableProbation": bool = "false";
    }
}

kinds! {
    /// When a failing replica is left alone for a while.
    pub enum FailureAccrual: "failure accrual", key "kind" {
        "io.l5d.consecutiveFailures" => ConsecutiveFailures(ConsecutiveFailures),
        /// Never.
        "none" => None(NoKeys),
    }
    later { "io.l5d.successRate", "io.l5d.successRateWindowed" }
}

config! {
    /// After a number of failures in a row.
    pub struct ConsecutiveFailures {
        /// How many failures in a row; 0 is like 1.
        failures "failures": u32 = "0", example "5";
        /// How long it is left alone; absent: 5 s, then growing with equal jitter to 300 s.
        backoff "backoff": Option<Backoff>, example "{kind: constant, ms: 10000}";
    }
}
