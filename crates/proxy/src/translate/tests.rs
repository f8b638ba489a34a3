//! That numbers of a document reach the rooms that use them, where the effect itself takes thousands of requests to see.

use super::*;

fn balancer_of(keys: &str) -> Option<Balancer> {
    let text = format!(
        "routers: [{{protocol: http, servers: [{{port: 4140}}], client: {{loadBalancer: {{{keys}}}}}}}]\n"
    );
    let document = doc::load("linkerd.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let doc::Router::Http(from) = &document.routers[0];
    router(from, 0).clients[0].settings.balancer
}

/// What draws and decay do, tests of the room `balance` show.
#[test]
fn numbers_of_balancers() {
    let decay = Nanos::from_secs(10);
    let check = |keys: &str, expected: Balancer| assert_eq!(balancer_of(keys), Some(expected), "{keys}");
    check("kind: p2c", Balancer::P2c { max_effort: 5 });
    check("kind: p2c, maxEffort: 9", Balancer::P2c { max_effort: 9 });
    check("kind: ewma", Balancer::Ewma { decay, max_effort: 5 });
    check("kind: ewma, maxEffort: 2", Balancer::Ewma { decay, max_effort: 2 });
    check("kind: ewma, decayTimeMs: 1500", Balancer::Ewma { decay: Nanos::from_millis(1500), max_effort: 5 });
}
