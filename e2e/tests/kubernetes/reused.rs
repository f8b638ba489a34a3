//! A pod's address that goes to another service: the largest class of outages in Linkerd was requests that went on to it.

use super::bed::{Bed, Pod};
use testkit::Load;

const CONNECTIONS: usize = 4;
/// The pod whose address changes hands, and those that stay.
const SHARED: u16 = 1;
const OF_A: u16 = 2;
const OF_B: u16 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_goes_to_another_service() {
    let Some(bed) = Bed::start("reused::an_address_that_goes_to_another_service", "").await else { return };
    let (shared, of_a, of_b) = (Pod::start(SHARED).await, Pod::start(OF_A).await, Pod::start(OF_B).await);
    bed.create("a", &[OF_A, SHARED]).await;
    bed.create("b", &[OF_B]).await;
    for round in 0..4 {
        let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
        hand_over(&bed, &shared, from, to).await;
    }
    assert_eq!(of_a.requests_for("b") + of_b.requests_for("a"), 0, "these have never been the other's");
    bed.finish().await;
}

/// The address goes from one service to the other while both are asked all the time. Whoever listens there stays, and so
/// do the connections to it: nothing but the API's word tells the proxy.
async fn hand_over(bed: &Bed, shared: &Pod, from: &str, to: &str) {
    let own = |service: &str| if service == "a" { OF_A } else { OF_B };
    let [old, new] = [from, to].map(|host| Load::start(bed.world.router, host, CONNECTIONS));
    let before = shared.requests_for(from);
    bed.wait_known(from, 2).await;
    old.pass(200).await;
    assert!(shared.requests_for(from) > before, "{from} is at the address that it will lose");
    bed.set(from, &[own(from)]).await;
    bed.wait_known(from, 1).await;
    // No request is on its way any more that was sent before the proxy knew.
    old.stop().await.assert_flawless(1);
    let (last, first) = (shared.requests_for(from), shared.requests_for(to));
    let old = Load::start(bed.world.router, from, CONNECTIONS);
    bed.set(to, &[own(to), SHARED]).await;
    bed.wait_known(to, 2).await;
    new.pass(200).await;
    old.pass(200).await;
    old.stop().await.assert_flawless(200);
    new.stop().await.assert_flawless(200);
    assert!(shared.requests_for(to) > first, "{to} has the address now");
    assert_eq!(shared.requests_for(from), last, "requests for {from} at an address that is not its own");
}
