//! The API server is away for a minute, under load: nobody notices, and what changed meanwhile is known soon after.

use super::bed::{Bed, Pod, long, slice};
use serde_json::json;
use std::time::Duration;
use testkit::cluster::Part;
use testkit::{Load, PATIENCE, eventually};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How soon after the API's return all that changed has to be known (issue 7).
const SOON: Duration = Duration::from_secs(5);

/// A minute, or ten with `WAYLEAVE_LONG=1` (`.ci/long cluster`); `KUBERNETES_OUTAGE_SECONDS` says otherwise, for a quick try.
fn outage() -> Duration {
    let told = std::env::var("KUBERNETES_OUTAGE_SECONDS").ok();
    let seconds = told.map(|text| text.parse().expect("KUBERNETES_OUTAGE_SECONDS is a number of seconds"));
    Duration::from_secs(seconds.unwrap_or(if long() { 600 } else { 60 }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_api_server_fails_no_request() {
    let Some(bed) = Bed::start("outage::a_killed_api_server_fails_no_request", "").await else { return };
    let (first, second) = (Pod::start(1).await, Pod::start(2).await);
    bed.create("web", &[1]).await;
    let load = Load::paced(bed.world.router, "web", 4, Duration::from_millis(10));
    bed.wait_known("web", 1).await;
    bed.cluster.kill(Part::Api).await;
    bed.cluster.kill(Part::Etcd).await;
    eventually(PATIENCE, "watches that fail", || async { bed.failing().await > 0.0 }).await;
    // Not a wait for something: the outage itself is so long.
    tokio::time::sleep(outage()).await;
    assert!(bed.failing().await > 0.0, "the API is still away");
    load.pass(200).await;

    // The API returns, but not yet to the proxy: all it hears through is away too until the objects have changed.
    bed.cluster.kill(Part::Front).await;
    bed.cluster.restart(Part::Etcd);
    bed.cluster.restart(Part::Api);
    let changed = slice("web", &[2]).to_string();
    apply_when_there(&bed, &changed).await;
    bed.cluster.restart(Part::Front);
    let back = accepts(&bed).await;
    second.backend.wait_requests(1).await;
    let took = back.elapsed();
    eprintln!("known {took:?} after the API was back");
    assert!(took <= SOON, "known only {took:?} after the API was back");
    eventually(PATIENCE, "no watch that fails", || async { bed.failing().await < 0.1 }).await;
    load.pass(200).await;
    let last = first.requests_for("web");
    load.pass(200).await;
    assert_eq!(first.requests_for("web"), last, "requests for a pod that is gone");
    load.stop().await.assert_flawless(1000);
    bed.finish().await;
}

/// The moment when the proxy can reach the API again: whoever takes connections for it has an API that works behind it.
async fn accepts(bed: &Bed) -> Instant {
    eventually(3 * PATIENCE, "somebody who takes connections for the API", || async {
        TcpStream::connect(bed.cluster.front()).await.is_ok()
    })
    .await;
    Instant::now()
}

/// Writes an object as soon as the API server takes it.
async fn apply_when_there(bed: &Bed, object: &str) {
    let object: serde_json::Value = serde_json::from_str(object).expect("it was just written");
    let patch = json!({ "endpoints": object["endpoints"] }).to_string();
    let args = ["patch", "endpointslice", "web-1", "--type=merge", "-p", &patch];
    eventually(3 * PATIENCE, "an API server that takes changes", || async {
        bed.cluster.try_kubectl(&args).await.is_ok()
    })
    .await;
}
