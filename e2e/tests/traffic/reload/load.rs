//! Many reloads: under load, and one after the other for as long as it takes to see what is left behind.

use super::{Changing, get};
use std::time::Duration;
use testkit::{Backend, Client, Load, PATIENCE, Pace, Setup, each_width, eventually, procfs};

each_width!(fifty_reloads_under_load, fifty_at_full_rate, a_thousand_leave_nothing_behind);

/// The acceptance row: keep-alive connections and new ones together, at whatever rate this machine can do; `.ci/long`
/// does the full one.
async fn fifty_reloads_under_load(workers: usize) {
    let web = Backend::text("web").await;
    let setup = Setup::new().replicas("web", &[web.address]).router("  maxHeadersKB: 8");
    let changing = Changing::start(setup, workers).await;
    let router = changing.world.router;
    let kept = Load::start(router, "web", 8);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let fresh = tokio::spawn(async move {
        let mut count = 0;
        while !*stopped.borrow() {
            let mut client = Client::connect(router).await;
            let request = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
            client.send(request).await;
            assert_eq!(client.response().await.status(), 200);
            count += 1;
        }
        count
    });
    for i in 0..50 {
        kept.pass(20).await;
        changing.edit(&format!("maxHeadersKB: {}", 8 + i), &format!("maxHeadersKB: {}", 9 + i));
        let told = changing.reload().await;
        assert!(
            told.starts_with(&format!("changed routers[out].maxHeadersKB: {} -> {}", 8 + i, 9 + i)),
            "{told}"
        );
    }
    kept.pass(20).await;
    let connections = web.connections();
    kept.stop().await.assert_flawless(1_000);
    stop.send(true).expect("the callers run");
    assert!(fresh.await.expect("no new connection is lost") > 50);
    let total = web.requests() as f64;
    changing.world.wait_metric("rt/out/client/#/io.l5d.fs/web/requests", total).await;
    changing.world.wait_metric(&changing.world.server("requests"), total).await;
    let metrics = changing.world.metrics().await;
    assert_eq!(metrics.get("config/reloads/success"), 50.0);
    assert_eq!(metrics.get("config/reloads/failure"), 0.0);
    assert!(connections <= 9 * workers + 9, "{connections} connections to the back end: the pools were kept");
    drop(web);
    changing.world.finish().await;
}

/// The acceptance row in full, on a build that was optimised: 3,000 requests each second for half a minute. `.ci/long
/// reloads` only.
async fn fifty_at_full_rate(workers: usize) {
    if std::env::var_os("WAYLEAVE_LONG").is_none() {
        return;
    }
    let web = Backend::text("web").await;
    let setup = Setup::new().replicas("web", &[web.address]).router("  maxHeadersKB: 8");
    let changing = Changing::start(setup, workers).await;
    let pace = Pace::full_rate(Duration::from_secs(30));
    let router = changing.world.router;
    let callers = tokio::spawn(pace.run(router, "web"));
    let mut ticks = tokio::time::interval(pace.length / 52);
    for i in 0..50 {
        ticks.tick().await;
        changing.edit(&format!("maxHeadersKB: {}", 8 + i), &format!("maxHeadersKB: {}", 9 + i));
        changing.reload().await;
    }
    assert!(!callers.is_finished(), "all reloads were under load");
    let report = callers.await.expect("the callers run");
    report.assert_flawless(pace.requests());
    report.assert_rate(f64::from(pace.per_second));
    drop(web);
    changing.world.finish().await;
}

/// No watch, no descriptor, no series stays behind, and what memory grows by is little.
async fn a_thousand_leave_nothing_behind(workers: usize) {
    let web = Backend::text("web").await;
    let setup = Setup::new().replicas("web", &[web.address]).router("  maxHeadersKB: 8");
    let changing = Changing::start(setup, workers).await;
    let second = testkit::free_port();
    let (one, port) = (changing.text(), changing.world.router.port());
    let two = one.replace(&format!("    port: {port}\n"), &format!("    port: {port}\n  - port: {second}\n"));
    let mut client = changing.world.client().await;
    let mut base = None;
    for i in 0..1_000 {
        let text = if i % 10 == 5 { &two } else { &one };
        changing.write(&text.replace("maxHeadersKB: 8", &format!("maxHeadersKB: {}", 8 + i % 7)));
        changing.ask("POST").await;
        assert_eq!(get(&mut client, "web").await, "web");
        if i == 99 {
            base = Some(standing(&changing).await);
        }
    }
    changing.write(&one);
    changing.reload().await;
    let (descriptors, memory) = base.expect("a hundred were done");
    eventually(PATIENCE, "as few descriptors as before", || async {
        standing(&changing).await.0 <= descriptors + 2
    })
    .await;
    let grown = standing(&changing).await.1.saturating_sub(memory);
    assert!(grown < 8 << 20, "grown by {grown} bytes in 900 reloads");
    eventually(PATIENCE, "one server's metrics", || async {
        !changing.world.metrics().await.has(&format!("rt/out/server/127.0.0.1/{second}/requests"))
    })
    .await;
    drop((client, web));
    changing.world.finish().await;
}

/// Descriptors and resident bytes.
async fn standing(changing: &Changing) -> (usize, u64) {
    let pid = changing.world.process.pid();
    (procfs::descriptors(pid), procfs::anonymous(pid))
}
