//! How long connections live: `clientSession`, `serverSession` (rows 25 to 27 of dataplane.md §13).

use std::time::Duration;
use testkit::{Backend, Setup, each_width, eventually};
use tokio::time::Instant;

each_width!(row_25, row_25_by_prefix, client_life_time, row_26, row_27);

const CLIENT: &str = "rt/out/client/#/io.l5d.fs/web/";

async fn idle_back_end(workers: usize, client: &str) {
    let web = Backend::text("web").await;
    let world = Setup::new().router(client).replicas("web", &[web.address]).start(workers).await;
    let mut caller = world.client().await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    assert_eq!(world.metrics().await.get(&format!("{CLIENT}connections")), 1.0);
    let closed = || async { world.metrics().await.get(&format!("{CLIENT}connections")) == 0.0 };
    eventually(Duration::from_secs(5), "the connection is closed", closed).await;
    let m = world.metrics().await;
    assert_eq!(["idle", "lifetime", "closes"].map(|n| m.get(&format!("{CLIENT}{n}"))), [1.0, 0.0, 1.0]);
    drop((web, caller));
    world.finish().await;
}

async fn row_25(workers: usize) {
    idle_back_end(workers, "  client: {clientSession: {idleTimeMs: 1500}}").await;
}

async fn row_25_by_prefix(workers: usize) {
    let client =
        "  client: {kind: io.l5d.static, configs: [{prefix: '/*', clientSession: {idleTimeMs: 1500}}]}";
    idle_back_end(workers, client).await;
}

async fn client_life_time(workers: usize) {
    let web = Backend::text("web").await;
    let client = "  client: {clientSession: {lifeTimeMs: 300}}";
    let world = Setup::new().router(client).replicas("web", &[web.address]).start(workers).await;
    let mut caller = world.client().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1000) {
        assert_eq!(caller.get("/", "web").await.status(), 200);
    }
    assert!((2..=5).contains(&web.connections()), "{} connections", web.connections());
    assert!(world.metrics().await.get(&format!("{CLIENT}lifetime")) >= 1.0);
    drop((web, caller));
    world.finish().await;
}

async fn closed_by_the_server(workers: usize, session: &str, counters: [f64; 2]) {
    let web = Backend::text("web").await;
    let session = format!("serverSession: {session}");
    let world = Setup::new().server(&session).replicas("web", &[web.address]).start(workers).await;
    let begun = Instant::now();
    let mut caller = world.client().await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    assert!(caller.ended().await);
    assert!((1400..2900).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    world.wait_metric(&world.server("closes"), 1.0).await;
    let m = world.metrics().await;
    assert_eq!(["idle", "lifetime"].map(|n| m.get(&world.server(n))), counters);
    drop(web);
    world.finish().await;
}

async fn row_26(workers: usize) {
    closed_by_the_server(workers, "{idleTimeMs: 1500, lifeTimeMs: 3000}", [1.0, 0.0]).await;
}

async fn row_27(workers: usize) {
    closed_by_the_server(workers, "{idleTimeMs: 3000, lifeTimeMs: 1500}", [0.0, 1.0]).await;
}
