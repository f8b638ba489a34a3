//! An authority that is not the server's: said clearly, what is known stays, and a new one in the file is taken.

use super::bed::{Bed, failing, wait_well};
use crate::bed::{Pod, slice};
use serde_json::json;
use std::fs;
use testkit::Load;
use testkit::cluster::Part;

const DISTRUST: &str = "invalid peer certificate: UnknownIssuer; look at the authority";

/// The cluster gets another authority, and the pod hears of it later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_changes() {
    let Some(bed) = Bed::start("access::authorities::that_changes").await else { return };
    let second = Pod::start(2).await;
    bed.mount(&bed.token().await, &bed.cluster.authority());
    let mut world = bed.proxy_in_pod().await;
    let load = Load::start(world.router, "web", 2);
    load.pass(50).await;
    let [other, key] = bed.certificate("other", "/CN=other-authority", "authority", None);
    let server = bed.certificate("server", "/CN=testbed-server", "server", Some((&other, &key)));
    bed.cluster.kill(Part::Front).await;
    bed.cluster.kill(Part::Api).await;
    for (from, to) in server.iter().zip(["server.crt", "server.key"]) {
        fs::copy(from, bed.key(to)).expect("the cluster's folder is ours");
    }
    // Its other parts trust both.
    let both = [&bed.key("ca.crt"), &other].map(|file| fs::read_to_string(file).expect("a certificate"));
    fs::write(bed.key("ca.crt"), both.concat()).expect("the cluster's folder is ours");
    bed.cluster.restart(Part::Api);
    bed.cluster.restart(Part::Front);
    bed.cluster.ready().await;
    world.process.wait_line("the reason", |line| line.contains(DISTRUST)).await;
    assert!(failing(&world).await > 0.0);
    let changes = json!({"endpoints": slice("web", &[2])["endpoints"]});
    bed.cluster.patch(&format!("{}/web-1", super::bed::SLICES), &changes).await;
    load.pass(50).await;
    assert_eq!(second.requests_for("web"), 0, "who is not trusted is not heard");
    bed.mount(&bed.token().await, &other);
    second.backend.wait_requests(1).await;
    wait_well(&world).await;
    load.stop().await.assert_flawless(100);
}
