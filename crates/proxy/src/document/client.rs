//! `client`: what holds for a bound name, a set of replicas (dataplane.md §6).

use super::budget::{Backoff, RetryBudget};
use super::service::NoKeys;
use super::session::{HostConnectionPool, Session};
use super::socket::SocketOptions;
use super::{millis, positive};
use config::{Context, Fault, Places, config, kinds};
use std::time::Duration;

config! {
    /// What holds for the replica sets that match: balancing, failure accrual, requeues, timeouts.
    pub scope struct ClientSettings {
        /// How a replica is chosen.
        load_balancer "loadBalancer": LoadBalancer = "{kind: p2c}", example "{kind: ewma}";
        /// When a failing replica is left alone, and for how long.
        failure_accrual "failureAccrual": FailureAccrual = "{kind: io.l5d.consecutiveFailures, failures: 5}",
            example "{kind: none}";
        /// Whether one failed connect takes a replica out at once, for 1 s, then growing with jitter to 32 s; afterwards one
        /// request connects to find out whether it is back. While all replicas are out, requests fail without a try.
        fail_fast "failFast": bool = "false", example "true";
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
        "tls", "requestAuthorizers",
    }
    only {
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
    /// How a replica is chosen among those of a set. Replicas of different weights (`host port * weight`) are groups, drawn by
    /// weight times size; the kind says how to choose within a group.
    pub enum LoadBalancer: "load balancer", key "kind", default "p2c" {
        "p2c" => P2c(P2c),
        "ewma" => Ewma(Ewma),
        "aperture" => Aperture(Aperture),
        "heap" => Heap(Heap),
        "roundRobin" => RoundRobin(RoundRobin),
    }
}

impl LoadBalancer {
    /// Whether an endpoint that discovery took away stays while it is healthy.
    pub fn enable_probation(&self) -> bool {
        match self {
            LoadBalancer::P2c(kind) => kind.enable_probation,
            LoadBalancer::Ewma(kind) => kind.enable_probation,
            LoadBalancer::Aperture(kind) => kind.enable_probation,
            LoadBalancer::Heap(kind) => kind.enable_probation,
            LoadBalancer::RoundRobin(kind) => kind.enable_probation,
        }
    }
}

config! {
    /// Two replicas at random; the one with fewer outstanding requests is taken.
    pub struct P2c {
        /// How often to pick again when the pick is not available.
        max_effort "maxEffort": u32 = "5", from 1, check positive, example "10";
        /// Over how many milliseconds the share of a replica that joins others grows from a tenth to the whole, for programs
        /// that are slow until they have run for a while; 0 gives it its share at once. A key of Wayleave.
        warm_up_ms "warmUpMs": u32 = "0", example "30000";
        /// Whether an endpoint that discovery took away stays while it is healthy.
        enable_probation "enableProbation": bool = "false", example "true";
    }
}

config! {
    /// Two replicas at random; the one with the smaller product of peak-sensitive latency average and load is taken.
    pub struct Ewma {
        /// How often to pick again when the pick is not available.
        max_effort "maxEffort": u32 = "5", from 1, check positive, example "10";
        /// Over how many milliseconds the latency average forgets.
        decay_time_ms "decayTimeMs": u32 = "10000", from 1, check positive, example "5000";
        /// Over how many milliseconds the share of a replica that joins others grows from a tenth to the whole, for programs
        /// that are slow until they have run for a while; 0 gives it its share at once. A key of Wayleave.
        warm_up_ms "warmUpMs": u32 = "0", example "30000";
        /// Whether an endpoint that discovery took away stays while it is healthy.
        enable_probation "enableProbation": bool = "false", example "true";
    }
}

config! {
    /// Like `p2c` among a part of the set, which is as large as the load needs: few connections to a large set.
    pub struct Aperture {
        /// How often to pick again when the pick is not available.
        max_effort "maxEffort": u32 = "5", from 1, check positive, example "10";
        /// Over how many milliseconds the load is averaged.
        smooth_window_ms "smoothWindowMs": u32 = "5000", example "10000";
        /// The part grows when its replicas have so many outstanding requests each, or more.
        high_load "highLoad": f64 = "2.0", example "4.0";
        /// It shrinks when they have so many, or fewer.
        low_load "lowLoad": f64 = "0.5", example "1.0";
        /// It has at least so many replicas.
        min_aperture "minAperture": u32 = "1", example "3";
        /// Whether an endpoint that discovery took away stays while it is healthy.
        enable_probation "enableProbation": bool = "false", example "true";
    }
    rule loads;
}

/// Linkerd starts with loads the wrong way round; the part then goes up and down without end.
fn loads(aperture: &Aperture, places: Places<'_>, cx: &mut Context) -> Option<()> {
    let Aperture { low_load, high_load, .. } = aperture;
    if low_load >= high_load {
        let key = if places.has("lowLoad") { "lowLoad" } else { "highLoad" };
        let message = format!("lowLoad ({low_load}) is not below highLoad ({high_load})");
        let fault = Fault::new(places.of(key), message);
        cx.fault(fault.expected("a lowLoad below highLoad, or the aperture never rests").warning());
    }
    Some(())
}

config! {
    /// Of all replicas the one with the fewest outstanding requests.
    pub struct Heap {
        /// Whether an endpoint that discovery took away stays while it is healthy.
        enable_probation "enableProbation": bool = "false", example "true";
    }
}

config! {
    /// One replica after the other.
    pub struct RoundRobin {
        /// How often to pick again when the pick is not available.
        max_effort "maxEffort": u32 = "5", from 1, check positive, example "10";
        /// Whether an endpoint that discovery took away stays while it is healthy.
        enable_probation "enableProbation": bool = "false", example "true";
    }
}

kinds! {
    /// When a failing replica is left alone for a while. What a failure is, the response classifier of the service says;
    /// connects that fail are failures too. Afterwards one request finds out whether the replica is back.
    pub enum FailureAccrual: "failure accrual", key "kind" {
        "io.l5d.consecutiveFailures" => ConsecutiveFailures(ConsecutiveFailures),
        "io.l5d.successRate" => SuccessRate(SuccessRate),
        "io.l5d.successRateWindowed" => SuccessRateWindowed(SuccessRateWindowed),
        /// Never.
        "none" => None(NoKeys),
    }
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

config! {
    /// When the moving average of successes over a number of requests is too low.
    pub struct SuccessRate {
        /// The least share of successes, from 0 to 1; judged at failures.
        success_rate "successRate": f64 = "0.0", from 0 to 1, check rate, example "0.9";
        /// The window of the average in requests; nothing is judged before so many.
        requests "requests": i32, from 1, check seen_through, missing "window must be positive: 0",
            example "20";
        /// How long it is left alone; absent: 5 s, then growing with equal jitter to 300 s.
        backoff "backoff": Option<Backoff>, example "{kind: constant, ms: 10000}";
    }
}

config! {
    /// When the moving average of successes over a span of time is too low.
    pub struct SuccessRateWindowed {
        /// The least share of successes, from 0 to 1; judged at failures.
        success_rate "successRate": f64 = "0.0", from 0 to 1, check rate, example "0.9";
        /// The window of the average in seconds; nothing is judged before so long.
        window "window": i32, from 1, check seen_through, missing "window must be positive: 0",
            example "20";
        /// How long it is left alone; absent: 5 s, then growing with equal jitter to 300 s.
        backoff "backoff": Option<Backoff>, example "{kind: constant, ms: 10000}";
    }
}

/// A share; Linkerd starts with any and then answers every request with 502.
fn rate(rate: &f64) -> Result<(), String> {
    if (0.0..=1.0).contains(rate) {
        Ok(())
    } else {
        Err(format!("requiredSuccessRate must be [0, 1]: {rate:?}"))
    }
}

/// A window something can be seen through, be it of requests or of seconds.
fn seen_through(window: &i32) -> Result<(), String> {
    if *window > 0 { Ok(()) } else { Err(format!("window must be positive: {window}")) }
}
