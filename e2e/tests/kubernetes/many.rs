//! A cluster of many services of which few are used: nothing is watched that nobody uses, so that the others cost nothing.
//!
//! Five hundred services beside ten, and what was asked of the API; `WAYLEAVE_LONG=1` has ten thousand and weighs the
//! process as well (issue 7; `.ci/long cluster`), with a release build (`WAYLEAVE_BIN`).

use super::bed::{Bed, Pod, end, long};
use testkit::{PATIENCE, World, eventually, procfs};
use tokio::time::{Duration, sleep};

const USED: u16 = 10;
/// All services have this pod.
const POD: u16 = 1;
/// Endpoints and EndpointSlices of each name that is used.
const WATCHES: f64 = (2 * USED) as f64;
/// At most so many bytes of the API for each.
const BYTES: f64 = 10_000.0;
/// What ten thousand services may cost more than ten (issue 7).
const MORE: u64 = 2 << 20;

fn services() -> u16 {
    if long() { 10_000 } else { 500 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_of_many_services() {
    let Some(bed) = Bed::wide("many::few_of_many_services", "", 2).await else { return };
    let _pod = Pod::start(POD).await;
    bed.create_all(some(0, USED)).await;
    use_all(&bed.world).await;
    let few = weigh(&bed.world).await;
    // A proxy that has seen only this cluster as it is from now on, beside one that saw it grow.
    bed.create_all(some(USED, services())).await;
    let other = bed.another(2).await;
    use_all(&other).await;
    let many = weigh(&other).await;
    let grown = weigh(&bed.world).await;
    eprintln!("{few} bytes with {USED} services, {many} with {}; {grown} where they came later", services());
    for world in [&bed.world, &other] {
        let metrics = world.metrics().await;
        assert!((metrics.sum("kubernetes/", "/watches") - WATCHES).abs() < 0.1, "{metrics:?}");
        // A list and a stream of each, and not a word of any other service; bookmarks come once a minute.
        let bytes = metrics.sum("kubernetes/", "/watch_bytes_total");
        assert!(bytes > 0.0 && bytes <= BYTES * WATCHES, "{bytes} bytes");
    }
    if long() {
        assert!(many <= few + MORE && grown <= few + MORE, "{few} bytes, then {many} and {grown}");
    }
    end(other).await;
    bed.finish().await;
}

fn some(from: u16, to: u16) -> Vec<(String, Vec<u16>)> {
    (from..to).map(|n| (format!("web-{n}"), vec![POD])).collect()
}

/// Uses ten services, each a few times, and waits until all they need is watched.
async fn use_all(world: &World) {
    for _ in 0..20 {
        for n in 0..USED {
            assert_eq!(world.get(&format!("web-{n}")).await.status(), 200);
        }
    }
    eventually(PATIENCE, "all that is used is watched", || async {
        (world.metrics().await.sum("kubernetes/", "/watches") - WATCHES).abs() < 0.1
    })
    .await;
}

/// The least memory of the process in a while: what it has given back by then, it does not need.
async fn weigh(world: &World) -> u64 {
    let mut least = u64::MAX;
    let rounds = if long() { 150 } else { 1 };
    for _ in 0..rounds {
        least = least.min(procfs::anonymous(world.process.pid()));
        sleep(Duration::from_millis(200)).await;
    }
    least
}
