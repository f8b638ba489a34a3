//! Every request is counted once in each scope, whatever became of it.

use testkit::{Backend, Client, Load, Play, Setup, each_width, free_port};

each_width!(requests_are_successes_and_failures, names_of_the_metrics, prometheus, workers_add_up);

async fn requests_are_successes_and_failures(workers: usize) {
    let replies = ["200 OK", "404 Not Found", "500 Oops", "503 Busy", "301 Moved"];
    let plays = replies.map(|r| Play::reply(format!("HTTP/1.1 {r}\r\nContent-Length: 0\r\n\r\n")));
    let web = Backend::start(plays).await;
    let dead = ([127, 0, 0, 1], free_port()).into();
    let world = Setup::new().replicas("web", &[web.address]).replicas("dead", &[dead]).start(workers).await;
    let mut client = world.client().await;
    let mut statuses = Vec::new();
    for host in ["web", "web", "web", "web", "web", "dead", "nobody"] {
        statuses.push(client.get("/", host).await.status());
    }
    assert_eq!(statuses, [200, 404, 500, 503, 301, 502, 502]);
    world.wait_metric(&world.server("requests"), 7.0).await;
    let m = world.metrics().await;
    let server = ["requests", "success", "failures", "status/200", "status/404", "status/4XX", "status/5XX"];
    assert_eq!(server.map(|n| m.get(&world.server(n))), [7.0, 3.0, 4.0, 1.0, 1.0, 1.0, 4.0]);
    let service = ["requests", "success", "failures"].map(|n| m.get(&format!("rt/out/service/svc/web/{n}")));
    assert_eq!(service, [5.0, 3.0, 2.0]);
    assert_eq!(m.get("rt/out/service/svc/dead/failures"), 1.0);
    let client_scope = "rt/out/client/#/io.l5d.fs/web";
    assert_eq!(
        ["requests", "success", "failures"].map(|n| m.get(&format!("{client_scope}/{n}"))),
        [5.0, 3.0, 2.0]
    );
    assert_eq!(m.get(&format!("{client_scope}/service/svc/web/requests")), 5.0);
    drop((client, web));
    world.finish().await;
}

/// observability.md §2.4: what dashboards and tests read must be there under its name.
async fn names_of_the_metrics(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..3 {
        client.get("/", "web").await;
    }
    world.wait_metric(&world.server("requests"), 3.0).await;
    let m = world.metrics().await;
    let scope = "rt/out/client/#/io.l5d.fs/web";
    let mut missing: Vec<String> =
        ["requests", "success", "connections", "load", "connects", "status/200", "status/2XX"]
            .map(|n| world.server(n))
            .into_iter()
            .chain(
                ["retries/total", "retries/budget", "retries/budget_exhausted", "requests"]
                    .map(|n| format!("rt/out/service/svc/web/{n}")),
            )
            .chain(
                [
                    "connections",
                    "connects",
                    "status/200",
                    "retries/requeues",
                    "retries/budget",
                    "loadbalancer/size",
                    "loadbalancer/available",
                ]
                .map(|n| format!("{scope}/{n}")),
            )
            .chain(
                ["jvm/uptime", "jvm/num_cpus", "jvm/thread/count", "jvm/fd_count", "jvm/heap/used"]
                    .map(str::to_owned),
            )
            .collect();
    missing.retain(|n| !m.has(n));
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!((m.get(&world.server("connections")), m.get(&format!("{scope}/connections"))), (1.0, 1.0));
    assert_eq!(
        (m.get(&format!("{scope}/loadbalancer/size")), m.get(&format!("{scope}/pending"))),
        (1.0, 0.0)
    );
    drop((client, web));
    world.finish().await;
}

/// observability.md §3: names, labels, one sample a line.
async fn prometheus(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    world.get("web").await;
    world.wait_metric(&world.server("requests"), 1.0).await;
    let response = Client::connect(world.admin).await.get("/admin/metrics/prometheus", "admin").await;
    assert_eq!((response.status(), response.head.get("content-type")), (200, Some("text/plain")));
    let text = response.text();
    let server = format!("rt:server:requests{{rt=\"out\", server=\"127.0.0.1/{}\"}} 1", world.router.port());
    for line in [
        server.as_str(),
        "rt:client:requests{rt=\"out\", client=\"#/io.l5d.fs/web\"} 1",
        "rt:service:success{rt=\"out\", service=\"svc/web\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
    }
    drop(web);
    world.finish().await;
}

/// Shards of all workers are in the sum, and it never falls.
async fn workers_add_up(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let load = Load::start(world.router, "web", 16);
    let mut last = 0.0;
    for _ in 0..10 {
        load.pass(100).await;
        let now = world.metrics().await.get(&world.server("requests"));
        assert!(now >= last, "{now} after {last}");
        last = now;
    }
    let report = load.stop().await;
    report.assert_flawless(1_000);
    world.wait_metric(&world.server("requests"), report.total() as f64).await;
    world.wait_metric("rt/out/service/svc/web/success", report.total() as f64).await;
    drop(web);
    world.finish().await;
}
