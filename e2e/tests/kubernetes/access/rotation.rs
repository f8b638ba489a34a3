//! Tokens that are rotated: what the proxy shows is read again when it is refused, and watches that run go on.

use super::bed::{Bed, errors, failing, wait_well};
use super::ways::{kubeconfig, plug_in};
use crate::bed::{Pod, slice};
use serde_json::json;
use testkit::{Load, PATIENCE, World, eventually};

/// A service that the proxy has not asked for yet.
async fn a_new_one(bed: &Bed, world: &World, service: &str) {
    bed.cluster.create(super::bed::SLICES, &slice(service, &[1])).await;
    let answer = world.get(service).await;
    assert_eq!(answer.status(), 200, "{}", world.process.log());
}

/// The token in the file is a new one before the old one is refused: nothing at all fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_service_account() {
    let Some(bed) = Bed::start("access::rotation::of_a_service_account").await else { return };
    let first = bed.token().await;
    bed.mount(&first, &bed.cluster.authority());
    let world = bed.proxy_in_pod().await;
    let load = Load::start(world.router, "web", 2);
    load.pass(50).await;
    bed.revoke(&first).await;
    bed.mount(&bed.token().await, &bed.cluster.authority());
    a_new_one(&bed, &world, "second").await;
    assert!(errors(&world).await < 0.1, "{}", world.process.log());
    // The watch that was there all the time still hears.
    let second = Pod::start(2).await;
    let changes = json!({"endpoints": slice("web", &[1, 2])["endpoints"]});
    bed.cluster.patch(&format!("{}/web-1", super::bed::SLICES), &changes).await;
    second.backend.wait_requests(1).await;
    assert!(
        world.metrics().await.sum("kubernetes/", "/watch_restarts_total") < 0.1,
        "{}",
        world.process.log()
    );
    load.stop().await.assert_flawless(50);
}

/// It is a new one only after: what is known is used meanwhile, the reason is told, and then all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_late() {
    let Some(bed) = Bed::start("access::rotation::too_late").await else { return };
    let first = bed.token().await;
    bed.mount(&first, &bed.cluster.authority());
    let mut world = bed.proxy_in_pod().await;
    let load = Load::start(world.router, "web", 2);
    load.pass(50).await;
    bed.revoke(&first).await;
    // Asks the API, which does not know the proxy any more.
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: second\r\n\r\n").await;
    world.process.wait_line("the reason", |line| line.contains("401")).await;
    assert!(failing(&world).await > 0.0);
    load.pass(50).await;
    bed.cluster.create(super::bed::SLICES, &slice("second", &[1])).await;
    bed.mount(&bed.token().await, &bed.cluster.authority());
    eventually(PATIENCE, "the new name", || async { world.get("second").await.status() == 200 }).await;
    wait_well(&world).await;
    load.stop().await.assert_flawless(100);
}

/// A plug-in is run again when its token is refused, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_plug_in() {
    let Some(bed) = Bed::start("access::rotation::of_a_plug_in").await else { return };
    let first = bed.token().await;
    let token_file = bed.file("token", &first).display().to_string();
    let file = bed.file("kubeconfig", &kubeconfig(&bed, &plug_in(&bed, &token_file))).display().to_string();
    let world = bed.proxy("", &[("KUBECONFIG", &file)]).await;
    assert_eq!(world.get("web").await.status(), 200, "{}", world.process.log());
    a_new_one(&bed, &world, "second").await;
    let runs = || std::fs::read_to_string(bed.folder.path().join("runs")).unwrap_or_default().lines().count();
    let before = runs();
    bed.revoke(&first).await;
    bed.file("token", &bed.token().await);
    a_new_one(&bed, &world, "third").await;
    assert!(runs() > before, "it was run again");
    assert!(errors(&world).await < 0.1, "{}", world.process.log());
    let after = runs();
    a_new_one(&bed, &world, "fourth").await;
    assert_eq!(runs(), after, "a token that is taken is kept");
}
