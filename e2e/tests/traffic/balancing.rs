//! The balancers as a configuration names them: who gets how many requests (dataplane.md §6.3), and which endpoints are left
//! alone (§6.2, §6.4).

use std::net::SocketAddr;
use testkit::{Backend, Client, Load, PATIENCE, Play, Setup, World, each_width, eventually, free_port};

each_width!(
    round_robin,
    aperture,
    heap,
    weights,
    probation,
    fail_fast,
    success_rate,
    success_rate_windowed,
    names_of_the_algorithms
);

const LB: &str = "rt/out/client/#/io.l5d.fs/web/loadbalancer";

fn client(keys: &str) -> String {
    format!("  client: {{{keys}}}")
}

async fn backends(names: &[&str]) -> Vec<Backend> {
    let mut all = Vec::new();
    for name in names {
        all.push(Backend::text(name).await);
    }
    all
}

fn addresses(backends: &[Backend]) -> Vec<SocketAddr> {
    backends.iter().map(|b| b.address).collect()
}

async fn world(workers: usize, keys: &str, backends: &[Backend]) -> World {
    Setup::new().router(&client(keys)).replicas("web", &addresses(backends)).start(workers).await
}

/// Requests in turn over so many connections, which the proxy spreads over its workers.
async fn ask(world: &World, connections: usize, requests: usize) {
    let mut callers: Vec<Client> = Vec::new();
    for _ in 0..connections {
        callers.push(world.client().await);
    }
    for i in 0..requests {
        assert_eq!(callers[i % connections].get("/", "web").await.status(), 200);
    }
}

fn counts(backends: &[Backend]) -> Vec<usize> {
    backends.iter().map(Backend::requests).collect()
}

/// Exactly in turn, whichever worker has the request.
async fn round_robin(workers: usize) {
    let web = backends(&["a", "b", "c"]).await;
    let world = world(workers, "loadBalancer: {kind: roundRobin}", &web).await;
    ask(&world, 8, 300).await;
    assert_eq!(counts(&web), [100; 3]);
    drop(web);
    world.finish().await;
}

/// One request at a time needs one replica, `minAperture` asks for more.
async fn aperture(workers: usize) {
    for (keys, used) in [("", 1), (", minAperture: 3", 3)] {
        let web = backends(&["a", "b", "c", "d", "e"]).await;
        let world = world(workers, &format!("loadBalancer: {{kind: aperture{keys}}}"), &web).await;
        ask(&world, 8, 200).await;
        assert_eq!(counts(&web).iter().filter(|n| **n > 0).count(), used, "{keys} {:?}", counts(&web));
        world.wait_metric(&format!("{LB}/logical_aperture"), used as f64).await;
        drop(web);
        world.finish().await;
    }
}

/// Requests that stay are spread to the last one.
async fn heap(workers: usize) {
    let mut web = Vec::new();
    for _ in 0..4 {
        web.push(Backend::start([Play::never_answer()]).await);
    }
    let world = world(workers, "loadBalancer: {kind: heap}", &web).await;
    let mut callers = Vec::new();
    for n in 1..=20 {
        let mut caller = world.client().await;
        caller.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        callers.push(caller);
        eventually(PATIENCE, "the request is there", || async { counts(&web).iter().sum::<usize>() == n })
            .await;
    }
    assert_eq!(counts(&web), [5; 4]);
    drop((callers, web));
    world.finish().await;
}

/// `host port * weight` (routing.md §2.3), with any balancer.
async fn weights(workers: usize) {
    for kind in ["p2c", "ewma", "roundRobin"] {
        let web = backends(&["a", "b"]).await;
        let world = world(workers, &format!("loadBalancer: {{kind: {kind}}}"), &web).await;
        let line = |b: &Backend, weight| format!("127.0.0.1 {} * {weight}\n", b.address.port());
        std::fs::write(world.disco().join("web"), line(&web[0], 9) + &line(&web[1], 1))
            .expect("a writable folder");
        ask(&world, 4, 1).await;
        world.wait_metric(&format!("{LB}/meanweight"), 5.0).await;
        let before = counts(&web)[1];
        ask(&world, 4, 1_000).await;
        let light = counts(&web)[1] - before;
        assert!((60..=140).contains(&light), "{kind}: {light} of 1,000");
        drop(web);
        world.finish().await;
    }
}

/// `enableProbation`: what discovery removed serves on until it fails, and nobody notices when it does.
async fn probation(workers: usize) {
    let mut web = backends(&["a", "b"]).await;
    let keys = "loadBalancer: {kind: roundRobin, enableProbation: true}";
    let world = world(workers, keys, &web).await;
    let load = Load::start(world.router, "web", 4);
    load.pass(100).await;
    world.set_replicas("web", &addresses(&web[..1]));
    // Discovery has seen the change when a replica that joined with it is used.
    let more = Backend::text("c").await;
    world.set_replicas("web", &[web[0].address, more.address]);
    eventually(PATIENCE, "the new one is used", || async { more.requests() > 0 }).await;
    let before = web[1].requests();
    load.pass(300).await;
    assert!(web[1].requests() > before + 50, "still used");
    world.wait_metric(&format!("{LB}/size"), 3.0).await;
    web.pop().expect("the removed one").kill().await;
    load.pass(300).await;
    world.wait_metric(&format!("{LB}/size"), 2.0).await;
    let report = load.stop().await;
    // What was under way on its connections when it was killed is sent again only where that is safe.
    assert!(report.total() - report.ok() <= 4, "{report:?}");
    drop((web, more));
    world.finish().await;
}

/// One refused connection, then nobody tries until it is time (dataplane.md §4.6, §6.2).
async fn fail_fast(workers: usize) {
    let at: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let world = Setup::new().router(&client("failFast: true")).replicas("web", &[at]).start(workers).await;
    let first = world.get("web").await;
    assert_eq!(first.status(), 502);
    assert!(first.text().starts_with(&format!("Unable to establish connection to {at}.")), "{first:?}");
    let second = world.get("web").await;
    assert_eq!(second.status(), 502);
    let text = second.text();
    assert!(text.starts_with("Endpoint #/io.l5d.fs/web is marked down. For more details see: "), "{text}");
    world.wait_metric("rt/out/client/#/io.l5d.fs/web/failfast/marked_dead", 1.0).await;
    let web = Backend::start_at(at, [Play::text("back")]).await;
    eventually(PATIENCE, "it is found again", || async { world.get("web").await.status() == 200 }).await;
    world.wait_metric("rt/out/client/#/io.l5d.fs/web/failfast/marked_available", 1.0).await;
    assert_eq!(world.get("web").await.status(), 200);
    drop(web);
    world.finish().await;
}

/// A replica whose every third answer fails: five in a row never come together, but its rate is too low.
async fn accrual(workers: usize, policy: &str) {
    let bad = Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    let ok = || Play::text("ok");
    let good = Backend::text("ok").await;
    let plays: Vec<Play> = (0..3_000).map(|i| if i % 3 == 2 { bad.clone() } else { ok() }).collect();
    let flaky = Backend::start(plays).await;
    let keys = format!("loadBalancer: {{kind: roundRobin}}, failureAccrual: {policy}");
    let world = Setup::new()
        .router(&client(&keys))
        .replicas("web", &[good.address, flaky.address])
        .start(workers)
        .await;
    let load = Load::start(world.router, "web", 2);
    world.wait_metric("rt/out/client/#/io.l5d.fs/web/failure_accrual/removals", 1.0).await;
    let before = flaky.requests();
    load.pass(300).await;
    assert!(flaky.requests() <= before + 2, "left alone: {before} then {}", flaky.requests());
    let report = load.stop().await;
    assert!(report.broken.is_empty() && report.statuses[&500] >= 3, "{report:?}");
    drop((good, flaky));
    world.finish().await;
}

async fn success_rate(workers: usize) {
    accrual(
        workers,
        "{kind: io.l5d.successRate, successRate: 0.8, requests: 20, backoff: {kind: constant, ms: 600000}}",
    )
    .await;
}

async fn success_rate_windowed(workers: usize) {
    accrual(
        workers,
        "{kind: io.l5d.successRateWindowed, successRate: 0.8, window: 1, backoff: {kind: constant, ms: 600000}}",
    )
    .await;
}

async fn names_of_the_algorithms(workers: usize) {
    let kinds = [
        ("p2c", "p2c_least_loaded"),
        ("ewma", "p2c_peak_ewma"),
        ("aperture", "aperture_least_loaded"),
        ("heap", "heap_least_loaded"),
        ("roundRobin", "round_robin"),
    ];
    for (kind, name) in kinds {
        let web = backends(&["a", "b"]).await;
        let world = world(workers, &format!("loadBalancer: {{kind: {kind}}}"), &web).await;
        ask(&world, 2, 10).await;
        world.wait_metric(&format!("{LB}/algorithm/{name}"), 1.0).await;
        assert_eq!(counts(&web).iter().sum::<usize>(), 10);
        drop(web);
        world.finish().await;
    }
}
