//! Which failures are tried again, by classifier and method, and what counts as a success (dataplane.md §5.4, §13 rows 6
//! to 12, 36 to 38, 81 and 82).

use std::net::UdpSocket;
use testkit::{Backend, Play, Setup, World, each_width};

each_width!(
    rows_6_to_11_methods,
    row_12_per_service,
    row_36_the_default_budget,
    rows_37_and_38_attempt_timeouts,
    row_81_binding_timeout,
    row_82_five_failures
);

const ERROR: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
const METHODS: [&str; 9] = ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "CONNECT"];

fn service(keys: &str) -> String {
    format!("  service: {{{keys}}}")
}

async fn world(workers: usize, web: &Backend, router: &str) -> World {
    Setup::new().replicas("web", &[web.address]).router(router).start(workers).await
}

/// Each classifier and the methods whose failures it has tried again.
async fn rows_6_to_11_methods(workers: usize) {
    let rows: [(&str, &[&str]); 5] = [
        ("nonRetryable5XX", &[]),
        ("retryableRead5XX", &METHODS[..4]),
        ("retryableIdempotent5XX", &METHODS[..6]),
        ("retryableAll5XX", &METHODS[..8]),
        ("allSuccessful", &[]),
    ];
    for (kind, retried) in rows {
        let web = Backend::start([Play::reply(ERROR)]).await;
        let world =
            world(workers, &web, &service(&format!("responseClassifier: {{kind: io.l5d.http.{kind}}}")))
                .await;
        for method in METHODS {
            web.play([Play::reply(ERROR), Play::text("")]);
            let before = web.requests();
            let response = world.ask(method, format!("{method} / HTTP/1.1\r\nHost: web\r\n\r\n")).await;
            let again = retried.contains(&method);
            let (status, class) = match again {
                true => (200, "1.0"),
                false => (500, if kind == "allSuccessful" { "1.0" } else { "0.0" }),
            };
            assert_eq!(response.status(), status, "{kind} {method}");
            assert_eq!(response.head.get("l5d-success-class"), Some(class), "{kind} {method}");
            assert_eq!(web.requests() - before, if again { 2 } else { 1 }, "{kind} {method}");
        }
        let failures = match kind {
            "allSuccessful" => 0.0,
            _ => (METHODS.len() - retried.len()) as f64,
        };
        world.wait_metric("rt/out/service/svc/web/requests", METHODS.len() as f64).await;
        let m = world.metrics().await;
        assert_eq!(m.get("rt/out/service/svc/web/failures"), failures, "{kind}");
        assert_eq!(m.get(&world.server("failures")), failures, "{kind}");
        assert_eq!(m.get("rt/out/service/svc/web/retries/total"), retried.len() as f64, "{kind}");
        let tried = if kind == "allSuccessful" { 0.0 } else { METHODS.len() as f64 };
        assert_eq!(m.get("rt/out/client/#/io.l5d.fs/web/failures"), tried, "{kind}");
        drop(web);
        world.finish().await;
    }
}

async fn row_12_per_service(workers: usize) {
    let kind = |name: &str| format!("responseClassifier: {{kind: io.l5d.http.{name}}}");
    let keys = format!(
        "kind: io.l5d.static, configs: [{{prefix: /svc/a, {}}}, {{prefix: /svc/b, {}}}]",
        kind("retryableRead5XX"),
        kind("nonRetryable5XX")
    );
    let web = Backend::start([Play::reply(ERROR), Play::text("ok"), Play::reply(ERROR)]).await;
    let setup = Setup::new().dtab("/svc => /#/io.l5d.fs/web;").replicas("web", &[web.address]);
    let world = setup.router(&service(&keys)).start(workers).await;
    assert_eq!(world.get("a").await.status(), 200);
    assert_eq!(world.get("b").await.status(), 500);
    assert_eq!(web.requests(), 3);
    drop(web);
    world.finish().await;
}

/// A failure that does not end is tried 100 times more, on one connection.
async fn row_36_the_default_budget(workers: usize) {
    let error = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n";
    let web = Backend::start([Play::reply(error)]).await;
    let router = format!(
        "{}\n  client: {{failureAccrual: {{kind: none}}}}",
        service("responseClassifier: {kind: io.l5d.http.retryableRead5XX}")
    );
    let world = world(workers, &web, &router).await;
    let response = world.get("web").await;
    assert_eq!((response.status(), response.text().as_str(), web.requests()), (500, "bad", 101));
    assert_eq!((web.open(), web.connections()), (1, 1));
    world.wait_metric("rt/out/service/svc/web/retries/budget_exhausted", 1.0).await;
    drop(web);
    world.finish().await;
}

async fn rows_37_and_38_attempt_timeouts(workers: usize) {
    for (kind, status, requests) in [("retryableRead5XX", 200, 2), ("nonRetryable5XX", 503, 1)] {
        let web = Backend::start([Play::never_answer(), Play::text("ok")]).await;
        let router = format!(
            "{}\n  client: {{requestAttemptTimeoutMs: 300}}",
            service(&format!("responseClassifier: {{kind: io.l5d.http.{kind}}}"))
        );
        let world = world(workers, &web, &router).await;
        let response = world.get("web").await;
        assert_eq!((response.status(), web.requests()), (status, requests), "{kind}");
        if status == 503 {
            let text = response.text();
            assert!(text.starts_with("exceeded 300.milliseconds to #/io.l5d.fs/web while waiting"), "{text}");
        }
        drop(web);
        world.finish().await;
    }
}

/// A name whose source does not answer: here a DNS server that says nothing.
async fn row_81_binding_timeout(workers: usize) {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let server = silent.local_addr().expect("a bound socket");
    let document = format!(
        "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}\nusage: {{enabled: false}}\ntelemetry:\n- kind: io.l5d.prometheus\n\
         namers:\n- {{kind: io.l5d.dnssrv, experimental: true, dnsHosts: ['{server}']}}\nrouters:\n- protocol: http\n  \
         label: out\n  dtab: /svc => /#/io.l5d.dnssrv\n  bindingTimeoutMs: 200\n  servers:\n  - {{ip: 127.0.0.1, port: ${{ROUTER}}}}\n"
    );
    let world = Setup::new().document(&document).start(workers).await;
    let response = world.get("web").await;
    let text = response.text();
    assert_eq!(response.status(), 502, "{text}");
    assert!(text.starts_with("Exceeded 200.milliseconds binding timeout while "), "{text}");
    assert!(text.ends_with("name: /svc/web"), "{text}");
    world.finish().await;
}

async fn row_82_five_failures(workers: usize) {
    let web = Backend::start([Play::reply(ERROR)]).await;
    let world = world(workers, &web, "").await;
    let removals = "rt/out/client/#/io.l5d.fs/web/failure_accrual/removals";
    // Each on a connection of its own, so that all workers have their share.
    for n in 1..=4 {
        assert_eq!(world.get("web").await.status(), 500);
        world.wait_metric("rt/out/service/svc/web/failures", f64::from(n)).await;
    }
    assert_eq!(world.metrics().await.get(removals), 0.0);
    assert_eq!(world.get("web").await.status(), 500);
    world.wait_metric(removals, 1.0).await;
    drop(web);
    world.finish().await;
}
