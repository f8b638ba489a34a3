//! Three routers in a row, all of which retry, and what is behind the last one fails every time: retries must not multiply
//! (user-demand.md B6).

use std::time::Duration;
use testkit::{Backend, PATIENCE, Pace, Play, Setup, each_width, eventually, free_port};

each_width!(retries_do_not_multiply);

/// The reserve of the default budget: 10 retries a second for 10 s.
const RESERVE: u64 = 100;

/// Routers `out`, `middle` and `last`, each with default budgets, each retrying reads.
fn document(middle: u16, last: u16, back_end: u16) -> String {
    let retries = "service: {responseClassifier: {kind: io.l5d.http.retryableRead5XX}}";
    let router = |label: &str, port: &str, next: u16| {
        format!(
            "- protocol: http\n  label: {label}\n  dtab: /svc/* => /$/inet/127.1/{next}\n  {retries}\n\
             \x20 servers: [{{ip: 127.0.0.1, port: {port}}}]\n"
        )
    };
    format!(
        "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}\nusage: {{enabled: false}}\nrouters:\n{}{}{}",
        router("out", "${ROUTER}", middle),
        router("middle", &middle.to_string(), last),
        router("last", &last.to_string(), back_end)
    )
}

/// 1.2 times the requests and one reserve arrive where three multiplied budgets would let 1.7 times and more through.
async fn retries_do_not_multiply(workers: usize) {
    let failing = Backend::start([Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad")]).await;
    let (middle, last) = (free_port(), free_port());
    let mut world =
        Setup::new().document(&document(middle, last, failing.address.port())).start(workers).await;
    let pace =
        Pace { per_second: 300, length: Duration::from_secs(5), patience: Duration::from_secs(20), fresh: 0 };
    let report = pace.run(world.router, "web").await;
    let asked = pace.requests();
    assert_eq!(report.statuses.get(&500), Some(&asked), "every caller is told: {report:?}");
    let arrived = failing.requests() as u64;
    let most = asked + asked / 5 + RESERVE;
    assert!(arrived <= most, "{asked} requests became {arrived}, {most} are allowed");
    assert!(arrived > asked + asked / 5, "the budget was not used: {asked} requests became {arrived}");
    world.wait_metric("rt/out/service/svc/web/requests", asked as f64).await;
    let metrics = world.metrics().await;
    let retries = |router: &str| metrics.get(&format!("rt/{router}/service/svc/web/retries/total"));
    assert_eq!(
        (retries("out"), retries("middle")),
        (0.0, 0.0),
        "only the router that sees the failure retries"
    );
    assert_eq!(retries("last") as u64, arrived - asked);
    drop(failing);
    // The routers keep connections to one another, so those are no sign that something is left over.
    eventually(PATIENCE, "nothing pending, all counted", || async {
        let metrics = world.metrics().await;
        metrics.in_flight().iter().all(|n| n.contains("/connections")) && metrics.unbalanced().is_empty()
    })
    .await;
    world.process.signal("TERM");
    let status = world.process.wait(PATIENCE).await;
    assert!(status.success(), "{status}:\n{}", world.process.log());
}
