//! A rolling replacement of all pods of a service under load.

use super::bed::{Bed, Pod};
use testkit::Load;

const PODS: u16 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pods_of_a_service_under_load() {
    let Some(bed) = Bed::start("replaced::all_pods_of_a_service_under_load", "").await else { return };
    let mut pods = Vec::new();
    for number in 1..=PODS {
        pods.push((number, Pod::start(number).await));
    }
    bed.create("web", &numbers(&pods)).await;
    let load = Load::start(bed.world.router, "web", 8);
    bed.wait_known("web", PODS).await;
    for number in PODS + 1..=2 * PODS {
        let (_, old) = pods.remove(0);
        pods.push((number, Pod::start(number).await));
        bed.set("web", &numbers(&pods)).await;
        leave(&load, old).await;
        let new = &pods.last().expect("just pushed").1;
        new.backend.wait_requests(1).await;
    }
    load.pass(200).await;
    load.stop().await.assert_flawless(1000);
    bed.finish().await;
}

fn numbers(pods: &[(u16, Pod)]) -> Vec<u16> {
    pods.iter().map(|(number, _)| *number).collect()
}

/// A pod ends as a pod does: it goes on answering while its end gets about, then it is gone.
async fn leave(load: &Load, pod: Pod) {
    let mut before = None;
    while before != Some(pod.backend.requests()) {
        before = Some(pod.backend.requests());
        load.pass(200).await;
    }
    pod.backend.kill().await;
}
