//! Every number of the document arrives where it has its effect.

use super::*;
use names::Path;

fn settings(client: &str) -> router::ClientSettings {
    let text = format!("routers:\n- protocol: http\n  client: {{{client}}}\n  servers:\n  - port: 4140\n");
    let document = doc::load_with("linkerd.yaml", text.as_bytes(), |_| true)
        .unwrap_or_else(|faults| panic!("{text}\n{faults}"));
    let Some(doc::Router::Http(from)) = document.routers.first() else { panic!("no router in {text}") };
    router(from, 0, &[]).client(&Path::empty())
}

#[test]
fn balancers() {
    let check = |text: &str, want: (Balancer, bool)| {
        let got = settings(&format!("loadBalancer: {{{text}}}"));
        assert_eq!((got.balancer, got.probation), want, "{text}");
    };
    check("kind: p2c", (Balancer::p2c(), false));
    check(
        "kind: p2c, maxEffort: 7, enableProbation: true",
        (Balancer::P2c { max_effort: 7, warm_up: Nanos(0) }, true),
    );
    check("kind: ewma", (Balancer::ewma(), false));
    let warm_up = Nanos::from_millis(9);
    let ewma = Balancer::Ewma { decay: Nanos::from_millis(8), max_effort: 7, warm_up };
    check("kind: ewma, maxEffort: 7, decayTimeMs: 8, warmUpMs: 9", (ewma, false));
    check("kind: p2c, warmUpMs: 9", (Balancer::P2c { max_effort: 5, warm_up }, false));
    check("kind: aperture", (Balancer::aperture(), false));
    let aperture = Aperture {
        smooth_window: Nanos::from_millis(9),
        low_load: 0.25,
        high_load: 4.0,
        min_aperture: 3,
        max_effort: 7,
    };
    check(
        "kind: aperture, smoothWindowMs: 9, lowLoad: 0.25, highLoad: 4.0, minAperture: 3, maxEffort: 7",
        (Balancer::Aperture(aperture), false),
    );
    check("kind: heap, enableProbation: true", (Balancer::Heap, true));
    check("kind: roundRobin", (Balancer::round_robin(), false));
    check("kind: roundRobin, maxEffort: 7", (Balancer::RoundRobin { max_effort: 7 }, false));
}

#[test]
fn accrual_policies() {
    let check = |text: &str, want: AccrualPolicy| {
        assert_eq!(settings(&format!("failureAccrual: {{{text}}}")).accrual, want, "{text}");
    };
    let default = AccrualPolicy::BACKOFF;
    let seven = Backoff::Constant(Nanos::from_millis(7));
    check("kind: none", AccrualPolicy::None);
    check(
        "kind: io.l5d.consecutiveFailures",
        AccrualPolicy::ConsecutiveFailures { failures: 0, backoff: default },
    );
    check(
        "kind: io.l5d.consecutiveFailures, failures: 5, backoff: {kind: constant, ms: 7}",
        AccrualPolicy::ConsecutiveFailures { failures: 5, backoff: seven },
    );
    check(
        "kind: io.l5d.successRate, successRate: 0.9, requests: 20",
        AccrualPolicy::SuccessRate { rate: 0.9, requests: 20, backoff: default },
    );
    let jittered = Backoff::DecorrelatedJitter { min: Nanos::from_millis(1), max: Nanos::from_millis(2) };
    check(
        "kind: io.l5d.successRateWindowed, successRate: 0.5, window: 30, backoff: {kind: jittered, minMs: 1, maxMs: 2}",
        AccrualPolicy::SuccessRateWindowed { rate: 0.5, window: Nanos::from_secs(30), backoff: jittered },
    );
    assert_eq!(settings("failFast: false").accrual, AccrualPolicy::default());
}

#[test]
fn fail_fast() {
    assert!(settings("failFast: true").fail_fast);
    assert!(!settings("requestAttemptTimeoutMs: 1").fail_fast);
}
