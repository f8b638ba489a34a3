//! What is tried again, where, and how often (dataplane.md §5).

use testkit::{Backend, Metrics, Play, Setup, World, each_width, free_port};

each_width!(
    reads_after_5xx,
    not_writes,
    not_by_default,
    asked_by_the_back_end,
    closed_port,
    another_replica,
    total_timeout,
    budget,
    row_30_refused_connections,
    row_33_budgets_are_independent,
    row_36_the_default_budget_ends,
    row_82_accrual
);

const READS: &str = "  service:\n    responseClassifier: {kind: io.l5d.http.retryableRead5XX}";
const ERROR: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad";

fn service(m: &Metrics, name: &str) -> f64 {
    m.get(&format!("rt/out/service/svc/web/{name}"))
}

fn client(m: &Metrics, name: &str) -> f64 {
    m.get(&format!("rt/out/client/#/io.l5d.fs/web/{name}"))
}

async fn world(workers: usize, router: &str, plays: Vec<Play>) -> (World, Backend) {
    let web = Backend::start(plays).await;
    (Setup::new().router(router).replicas("web", &[web.address]).start(workers).await, web)
}

fn request(method: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: web\r\n\r\n")
}

/// dataplane.md §13 row 6, observability.md §2.4's example.
async fn reads_after_5xx(workers: usize) {
    let (world, web) = world(workers, READS, vec![Play::reply(ERROR), Play::text("ok")]).await;
    for (n, method) in ["GET", "OPTIONS", "TRACE"].into_iter().enumerate() {
        web.play([Play::reply(ERROR), Play::text("ok")]);
        assert_eq!(world.ask(method, request(method)).await.status(), 200, "{method}");
        assert_eq!(web.requests(), 2 * (n + 1), "{method}");
    }
    world.wait_metric(&world.server("requests"), 3.0).await;
    let m = world.metrics().await;
    assert_eq!((m.get(&world.server("requests")), m.get(&world.server("success"))), (3.0, 3.0));
    let names = ["requests", "success", "failures", "status/200", "status/500"];
    assert_eq!(names.map(|n| client(&m, n)), [6.0, 3.0, 3.0, 3.0, 3.0]);
    assert_eq!(["requests", "success", "retries/total"].map(|n| service(&m, n)), [3.0, 3.0, 3.0]);
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 row 7.
async fn not_writes(workers: usize) {
    let (world, web) = world(workers, READS, vec![Play::reply(ERROR)]).await;
    for (n, method) in ["POST", "PUT", "DELETE", "PATCH"].into_iter().enumerate() {
        let response = world
            .ask(method, format!("{method} / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi"))
            .await;
        assert_eq!((response.status(), response.text().as_str()), (500, "bad"), "{method}");
        assert_eq!(response.head.get("l5d-success-class"), Some("0.0"));
        assert_eq!(web.requests(), n + 1, "{method}");
    }
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 rows 4 and 9.
async fn not_by_default(workers: usize) {
    let (world, web) = world(workers, "", vec![Play::reply(ERROR)]).await;
    assert_eq!(world.get("web").await.status(), 500);
    assert_eq!(web.requests(), 1);
    world.wait_metric(&world.server("requests"), 1.0).await;
    let m = world.metrics().await;
    assert_eq!(
        (m.get(&world.server("failures")), client(&m, "failures"), service(&m, "failures")),
        (1.0, 1.0, 1.0)
    );
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 rows 34 and 35: `l5d-retryable` is honoured for any method.
async fn asked_by_the_back_end(workers: usize) {
    let please = "HTTP/1.1 500 Oops\r\nl5d-retryable: true\r\nContent-Length: 0\r\n\r\n";
    let (world, web) = world(workers, "", vec![Play::reply(please), Play::text("ok")]).await;
    assert_eq!(world.get("web").await.text(), "ok");
    web.play([Play::reply(please), Play::text("ok")]);
    let post = "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(world.ask("POST", post).await.text(), "ok");
    assert_eq!((web.requests(), web.last().body.data.as_slice()), (4, &b"hi"[..]));
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 row 5, §4.6; architecture.md §8: no more attempts than Linkerd's defaults.
async fn closed_port(workers: usize) {
    let nobody = ([127, 0, 0, 1], free_port()).into();
    let world = Setup::new().router(READS).replicas("web", &[nobody]).start(workers).await;
    let response = world.get("web").await;
    assert_eq!(response.status(), 502);
    let expected = format!(
        "Unable to establish connection to {nobody}.\n\nservice name: /svc/web\nclient name: /#/io.l5d.fs/web\n\
         addresses: [{nobody}]\nselected address: {nobody}\n"
    );
    assert_eq!(response.text(), expected);
    world.wait_metric(&world.server("requests"), 1.0).await;
    let m = world.metrics().await;
    assert_eq!(
        (m.get(&world.server("failures")), service(&m, "requests"), service(&m, "failures")),
        (1.0, 1.0, 1.0)
    );
    assert!(client(&m, "retries/requeues") <= 25.0);
    world.finish().await;
}

/// A connection that cannot be made is nobody's failure while another replica can be reached.
async fn another_replica(workers: usize) {
    let web = Backend::text("ok").await;
    let dead = ([127, 0, 0, 1], free_port()).into();
    let world = Setup::new().replicas("web", &[dead, web.address]).start(workers).await;
    let mut caller = world.client().await;
    for _ in 0..100 {
        let post = "POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        caller.send(post).await;
        assert_eq!(caller.response().await.text(), "ok");
    }
    drop((caller, web));
    world.finish().await;
}

/// dataplane.md §4.6: 503 with the time in words.
async fn total_timeout(workers: usize) {
    let (world, web) =
        world(workers, "  service:\n    totalTimeoutMs: 200", vec![Play::never_answer()]).await;
    let response = world.get("web").await;
    assert_eq!(response.status(), 503);
    let text = response.text();
    assert!(
        text.starts_with(
            "exceeded 200.milliseconds to unspecified while waiting for a response for the request"
        ),
        "{text}"
    );
    testkit::eventually(testkit::PATIENCE, "the back end's connection closed", || async {
        world.metrics().await.sum("rt/out/client/", "/connections") == 0.0
    })
    .await;
    assert!(web.last().head.get("l5d-ctx-deadline").is_some());
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 row 32: no reserve and half a retry for each request.
async fn budget(workers: usize) {
    let router = "  service:\n    responseClassifier: {kind: io.l5d.http.retryableRead5XX}\n    retries:\n      \
        budget: {minRetriesPerSec: 0, percentCanRetry: 0.5, ttlSecs: 10}";
    let plays = vec![Play::text("1"), Play::reply(ERROR), Play::text("2"), Play::reply(ERROR)];
    let (world, web) = world(workers, router, plays).await;
    for status in [200, 200, 500] {
        assert_eq!(world.get("web").await.status(), status);
    }
    world.wait_metric(&world.server("requests"), 3.0).await;
    let m = world.metrics().await;
    assert_eq!((service(&m, "retries/budget_exhausted"), service(&m, "retries/total")), (1.0, 1.0));
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 row 30, §5.2: without accrual 25 further connections are tried, with the default the fifth refusal is the
/// last.
async fn row_30_refused_connections(workers: usize) {
    for (keys, requeues) in [("  client: {failureAccrual: {kind: none}}", 25.0), ("", 4.0)] {
        let nobody = ([127, 0, 0, 1], free_port()).into();
        let world = Setup::new().router(keys).replicas("web", &[nobody]).start(workers).await;
        assert_eq!(world.get("web").await.status(), 502);
        let m = world.metrics().await;
        let names = ["retries/requeues", "service_creation/failures", "closes"];
        assert_eq!(names.map(|n| client(&m, n)), [requeues, requeues + 1.0, requeues + 1.0], "{keys}");
        world.finish().await;
    }
}

/// dataplane.md §13 row 33: ten requests to one name, over as many connections as there may be workers.
async fn row_33_budgets_are_independent(workers: usize) {
    let (a, b) = (Backend::text("a").await, Backend::text("b").await);
    let world = Setup::new().replicas("a", &[a.address]).replicas("b", &[b.address]).start(workers).await;
    assert_eq!(world.get("b").await.text(), "b");
    for _ in 0..10 {
        assert_eq!(world.get("a").await.text(), "a");
    }
    for scope in ["service/svc/a", "client/#/io.l5d.fs/a"] {
        world.wait_metric(&format!("rt/out/{scope}/retries/budget"), 102.0).await;
    }
    // The one request to b does not make a whole retry.
    for scope in ["service/svc/b", "client/#/io.l5d.fs/b"] {
        world.wait_metric(&format!("rt/out/{scope}/retries/budget"), 100.0).await;
    }
    drop((a, b));
    world.finish().await;
}

/// dataplane.md §13 row 36: a chunked 500 each time; 101 requests, one connection.
async fn row_36_the_default_budget_ends(workers: usize) {
    let chunked = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n";
    let (world, web) = world(workers, READS, vec![Play::reply(chunked)]).await;
    let response = world.get("web").await;
    assert_eq!((response.status(), response.text().as_str()), (500, "bad"));
    assert_eq!((web.requests(), web.open()), (101, 1));
    // The next request, whichever worker has it, finds the budget spent.
    assert_eq!(world.get("web").await.status(), 500);
    assert_eq!(web.requests(), 102);
    drop(web);
    world.finish().await;
}

/// dataplane.md §13 row 82: the fifth failure in a row, whichever workers saw them, marks the replica dead.
async fn row_82_accrual(workers: usize) {
    let policy = "  client: {failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 5}}";
    let (world, web) = world(workers, policy, vec![Play::reply(ERROR)]).await;
    for n in 1..=6 {
        // A connection of its own each, so that workers take turns.
        assert_eq!(world.get("web").await.status(), 500, "dead or alive, it is all there is");
        let dead = f64::from(u8::from(n >= 5));
        let m = world.metrics().await;
        assert_eq!(client(&m, "failure_accrual/removals"), dead, "after {n} failures");
        assert_eq!(client(&m, "loadbalancer/available"), 1.0 - dead, "after {n} failures");
    }
    drop(web);
    world.finish().await;
}
