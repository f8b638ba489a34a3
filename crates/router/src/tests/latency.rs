//! How long it takes from word of a change until requests go by it: `update_latency_us`.

use super::mesh::*;
use super::replicas::spread;
use naming::{Addr, Address, State};
use std::time::Duration;
use tokio::time::{Instant, advance, sleep};

/// Looks at what was counted since the last look, once nothing is left to do.
async fn counted(mesh: &mut Mesh, expected: &str) {
    // Time stands still until all tasks wait.
    sleep(Duration::from_millis(1)).await;
    mesh.metrics.snapshot_histograms();
    mesh.check("bindcache/client", expected);
}

/// The port that a request goes to.
async fn goes_to(mesh: &mut Mesh) -> u16 {
    mesh.get("web", &[status(200)]).await.saw[0].0
}

/// From word of new replicas until they are in use: in use means in use, by the very next request of every worker.
#[tokio::test(start_paused = true)]
async fn how_long_new_replicas_take() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.up("/web", &[1]);
    spread(&mut mesh, 1, 1).await;
    counted(&mut mesh, "update_latency_us.count 0").await;
    let heard = Instant::now();
    advance(Duration::from_millis(7)).await;
    mesh.stage.serve_heard("/web", Addr::bound(vec![Address::new(at(2))]), heard);
    while mesh.metric("client/#/t/web/loadbalancer/updates") < 2.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(spread(&mut mesh, 5, 2).await, [0, 5]);
    counted(&mut mesh, "update_latency_us.count 1, update_latency_us.sum 7000").await;
    // The same once more changes nothing, and takes no time.
    mesh.stage.serve("/web", Addr::bound(vec![Address::new(at(2))]));
    counted(&mut mesh, "update_latency_us.count 0").await;
}

/// The same where a name is bound to another one: because what it was bound to is gone, and because of another dtab.
#[tokio::test(start_paused = true)]
async fn how_long_another_tree_takes() {
    let mut mesh = Mesh::plain("/svc/web=>/#/t/a | /#/t/b");
    for (name, port) in [("/a", 1), ("/b", 2), ("/c", 3)] {
        mesh.stage.up(name, &[port]);
    }
    assert_eq!(goes_to(&mut mesh).await, 1);
    counted(&mut mesh, "update_latency_us.count 0").await;
    // Of two words that take effect together the first one counts.
    let heard = Instant::now();
    advance(Duration::from_millis(9)).await;
    mesh.stage.put_heard("/a", State::failed("for a moment"), heard);
    mesh.stage.put("/a", State::Ok(false));
    counted(&mut mesh, "update_latency_us.count 1, update_latency_us.sum 9000").await;
    assert_eq!(goes_to(&mut mesh).await, 2);
    // Another way to the same.
    mesh.router.binder.set_dtab("/svc/web=>/#/t/b".parse().unwrap());
    counted(&mut mesh, "update_latency_us.count 0").await;
    mesh.router.binder.set_dtab("/svc/web=>/#/t/c".parse().unwrap());
    counted(&mut mesh, "update_latency_us.count 1, update_latency_us.sum 0").await;
    assert_eq!(goes_to(&mut mesh).await, 3);
}

/// What is waited for before a tree takes effect belongs to its time: that it is known what it leads to, and at which
/// addresses, of which the replica set takes note as well.
#[tokio::test(start_paused = true)]
async fn how_long_a_tree_takes_that_waits() {
    let mut mesh = Mesh::plain("/svc/web=>/#/t/a");
    mesh.stage.up("/a", &[1]);
    assert_eq!(goes_to(&mut mesh).await, 1);
    counted(&mut mesh, "update_latency_us.count 0").await;
    mesh.router.binder.set_dtab("/svc/web=>/#/t/late".parse().unwrap());
    sleep(Duration::from_millis(30)).await;
    mesh.stage.put("/late", State::Ok(true));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(goes_to(&mut mesh).await, 1);
    counted(&mut mesh, "update_latency_us.count 0").await;
    mesh.stage.serve("/late", Addr::bound(vec![Address::new(at(4))]));
    counted(&mut mesh, "update_latency_us.count 2, update_latency_us.sum 41000").await;
    assert_eq!(goes_to(&mut mesh).await, 4);
}
