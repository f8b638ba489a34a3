//! Balancers, failure accrual and what else a `client` says about replicas (dataplane.md §6.2 to §6.4).

use super::super::{
    Aperture, ClientSettings, ConsecutiveFailures, FailureAccrual, LoadBalancer, Router, SuccessRate,
    SuccessRateWindowed,
};
use super::{anywhere, router, wrong};

/// The settings of a client scope with these keys, and the warnings.
fn client(keys: &str) -> (ClientSettings, Vec<String>) {
    let text = router(&format!("  client: {{{keys}}}\n"));
    let document = anywhere(&text).unwrap_or_else(|faults| panic!("{text}\n{faults}"));
    let Some(Router::Http(router)) = document.routers.first() else { panic!("no router in {text}") };
    (router.client.resolve(&"/#/x".parse().expect("a path")), wrong(&document.warnings))
}

fn faults(keys: &str) -> Vec<String> {
    let faults = anywhere(&router(&format!("  client: {{{keys}}}\n"))).expect_err("a fault");
    faults.iter().map(|fault| fault.message.clone()).collect()
}

#[test]
fn all_balancers_and_their_defaults() {
    let balancer = |text: &str| client(&format!("loadBalancer: {text}")).0.load_balancer();
    for kind in ["p2c", "ewma", "aperture", "heap", "roundRobin"] {
        let built = balancer(&format!("{{kind: {kind}}}"));
        assert_eq!((built.kind(), built.enable_probation()), (kind, false));
        assert!(balancer(&format!("{{kind: {kind}, enableProbation: true}}")).enable_probation(), "{kind}");
    }
    assert_eq!(client("failFast: false").0.load_balancer().kind(), "p2c");
    let defaults = Aperture {
        max_effort: 5,
        smooth_window_ms: 5000,
        high_load: 2.0,
        low_load: 0.5,
        min_aperture: 1,
        enable_probation: false,
    };
    assert_eq!(balancer("{kind: aperture}"), LoadBalancer::Aperture(defaults));
    let given = Aperture {
        max_effort: 6,
        smooth_window_ms: 7,
        high_load: 8.5,
        low_load: 0.25,
        min_aperture: 9,
        enable_probation: true,
    };
    let text = "{kind: aperture, maxEffort: 6, smoothWindowMs: 7, highLoad: 8.5, lowLoad: 0.25, minAperture: 9, \
                enableProbation: true}";
    assert_eq!(balancer(text), LoadBalancer::Aperture(given));
    assert!(
        matches!(balancer("{kind: roundRobin, maxEffort: 9}"), LoadBalancer::RoundRobin(r) if r.max_effort == 9)
    );
}

#[test]
fn keys_of_one_balancer_are_not_keys_of_another() {
    let check = |text: &str, message: &str| assert_eq!(faults(&format!("loadBalancer: {text}")), [message]);
    check("{kind: heap, maxEffort: 5}", "unknown key `maxEffort`");
    check("{kind: roundRobin, minAperture: 5}", "unknown key `minAperture`");
    check("{kind: p2c, decayTimeMs: 5}", "unknown key `decayTimeMs`");
    check("{kind: aperture, decayTimeMs: 5}", "unknown key `decayTimeMs`");
    check("{kind: aperture, maxEffort: 0}", "0 is not positive");
    check("{kind: apertures}", "unknown load balancer `apertures`");
}

/// Linkerd starts with them too (conformance case client-lb-aperture-bad).
#[test]
fn loads_the_wrong_way_round_are_worth_a_warning() {
    let check = |keys: &str, expected: &[&str]| {
        assert_eq!(client(&format!("loadBalancer: {{kind: aperture{keys}}}")).1, expected, "{keys}");
    };
    check("", &[]);
    check(", lowLoad: 1.0, highLoad: 1.5", &[]);
    check(", lowLoad: 3.0, highLoad: 1.0", &["3: lowLoad (3) is not below highLoad (1)"]);
    check(", lowLoad: 2.0", &["3: lowLoad (2) is not below highLoad (2)"]);
    check(", highLoad: 0.1", &["3: lowLoad (0.5) is not below highLoad (0.1)"]);
}

/// A missing rate is 0 (dataplane.md §6.4).
#[test]
fn all_accrual_policies() {
    let accrual = |text: &str| client(&format!("failureAccrual: {text}")).0.failure_accrual();
    assert_eq!(
        accrual("{kind: io.l5d.consecutiveFailures}"),
        FailureAccrual::ConsecutiveFailures(ConsecutiveFailures { failures: 0, backoff: None })
    );
    assert_eq!(
        accrual("{kind: io.l5d.successRate, requests: 5}"),
        FailureAccrual::SuccessRate(SuccessRate { success_rate: 0.0, requests: 5, backoff: None })
    );
    assert_eq!(
        accrual("{kind: io.l5d.successRateWindowed, window: 5}"),
        FailureAccrual::SuccessRateWindowed(SuccessRateWindowed {
            success_rate: 0.0,
            window: 5,
            backoff: None
        })
    );
    let FailureAccrual::SuccessRate(rate) = accrual(
        "{kind: io.l5d.successRate, successRate: 0.9, requests: 20, backoff: {kind: constant, ms: 5}}",
    ) else {
        panic!("another policy")
    };
    assert_eq!((rate.success_rate, rate.requests), (0.9, 20));
    assert!(rate.backoff.is_some());
    let windowed = "{kind: io.l5d.successRateWindowed, successRate: 0.5, window: 30}";
    assert!(
        matches!(accrual(windowed), FailureAccrual::SuccessRateWindowed(w) if (w.success_rate, w.window) == (0.5, 30))
    );
    assert_eq!(
        faults("failureAccrual: {kind: io.l5d.successRate, requests: 1, window: 5}"),
        ["unknown key `window`"],
        "that is the other one's"
    );
}

#[test]
fn fail_fast() {
    let check = |value: &str, expected: bool| {
        assert_eq!(client(&format!("failFast: {value}")).0.fail_fast(), expected, "{value}");
    };
    check("true", true);
    check("yes", true);
    check("Off", false);
    check("~", false);
    assert!(!client("requestAttemptTimeoutMs: 1").0.fail_fast());
    assert_eq!(faults("failFast: maybe"), ["`maybe` does not fit key `failFast`"]);
}
