//! Replicas come, go and die under load, and no request fails that another replica can serve.

use testkit::{Backend, Load, PATIENCE, Setup, World, each_width, eventually};

each_width!(killed, killed_and_back, added_and_removed, emptied_and_refilled, rewritten_in_place);

const READS: &str = "  service:\n    responseClassifier: {kind: io.l5d.http.retryableRead5XX}";

async fn three(workers: usize) -> (World, Vec<Backend>) {
    let mut replicas = Vec::new();
    for name in ["r0", "r1", "r2"] {
        replicas.push(Backend::text(name).await);
    }
    let at: Vec<_> = replicas.iter().map(|r| r.address).collect();
    (Setup::new().router(READS).replicas("web", &at).start(workers).await, replicas)
}

async fn killed(workers: usize) {
    let (world, mut replicas) = three(workers).await;
    let load = Load::start(world.router, "web", 8);
    load.pass(300).await;
    for _ in 0..2 {
        replicas.pop().expect("two of three are killed").kill().await;
        load.pass(300).await;
    }
    load.stop().await.assert_flawless(900);
    drop(replicas);
    world.finish().await;
}

/// A replica that returns at its old address is used again, once its probation is over.
async fn killed_and_back(workers: usize) {
    let one = Backend::text("one").await;
    let two = Backend::text("two").await;
    let at = two.address;
    let router = format!(
        "{READS}\n  client:\n    failureAccrual: {{kind: io.l5d.consecutiveFailures, failures: 2, backoff: {{kind: constant, ms: 100}}}}"
    );
    let world = Setup::new().router(&router).replicas("web", &[one.address, at]).start(workers).await;
    let load = Load::start(world.router, "web", 4);
    load.pass(200).await;
    two.kill().await;
    load.pass(200).await;
    let two = Backend::start_at(at, [testkit::Play::text("back")]).await;
    eventually(PATIENCE, "the replica that returned is used", || async { two.requests() > 20 }).await;
    load.stop().await.assert_flawless(400);
    drop((one, two));
    world.finish().await;
}

async fn added_and_removed(workers: usize) {
    let (world, replicas) = three(workers).await;
    let at: Vec<_> = replicas.iter().map(|r| r.address).collect();
    world.set_replicas("web", &at[..1]);
    let load = Load::start(world.router, "web", 4);
    for _ in 0..5 {
        world.set_replicas("web", &at);
        let before = replicas[2].requests();
        eventually(PATIENCE, "the added replica is used", || async { replicas[2].requests() > before + 10 })
            .await;
        world.set_replicas("web", &at[..1]);
        eventually(PATIENCE, "the removed replicas are let go", || async {
            replicas[1].open() + replicas[2].open() == 0
        })
        .await;
        let before = replicas[2].requests();
        load.pass(50).await;
        assert_eq!(replicas[2].requests(), before, "a removed replica gets nothing");
    }
    load.stop().await.assert_flawless(250);
    drop(replicas);
    world.finish().await;
}

async fn emptied_and_refilled(workers: usize) {
    let (world, replicas) = three(workers).await;
    let at: Vec<_> = replicas.iter().map(|r| r.address).collect();
    let load = Load::start(world.router, "web", 4);
    load.pass(100).await;
    let file = world.disco().join("web");
    for round in 0..3 {
        std::fs::remove_file(&file).expect("the file is there");
        eventually(PATIENCE, "502", || async { world.get("web").await.status() == 502 }).await;
        world.set_replicas("web", &at);
        eventually(PATIENCE, "200 again", || async { world.get("web").await.status() == 200 }).await;
        let before = load.so_far();
        load.pass(100).await;
        let after = load.so_far();
        assert!(after.ok() >= before.ok() + 90, "round {round}: {before:?} then {after:?}");
    }
    let report = load.stop().await;
    let known = report.statuses.keys().all(|s| [200, 502].contains(s));
    assert!(known && report.broken.is_empty(), "{report:?}");
    drop(replicas);
    world.finish().await;
}

/// An editor that writes into the file instead of renaming; a half-written line never takes the name away for good.
async fn rewritten_in_place(workers: usize) {
    let (world, replicas) = three(workers).await;
    let line = |r: &Backend| format!("{} {}\n", r.address.ip(), r.address.port());
    let file = world.disco().join("web");
    let text = || async { world.get("web").await.text() };
    std::fs::write(&file, line(&replicas[0])).expect("the file can be written");
    eventually(PATIENCE, "only the first", || async {
        let mut all = Vec::new();
        for _ in 0..8 {
            all.push(text().await);
        }
        all.iter().all(|t| t == "r0")
    })
    .await;
    std::fs::write(&file, line(&replicas[1])).expect("the file can be written");
    eventually(PATIENCE, "only the second", || async { text().await == "r1" && text().await == "r1" }).await;
    drop(replicas);
    world.finish().await;
}
