//! The network to the API is cut without a word: noticed in time, what is known stays, and all is well soon after it is back.

use super::bed::{Bed, SLICES, errors, failing, run};
use crate::bed::{Pod, slice};
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use testkit::{Load, PATIENCE, eventually};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// Where the proxy finds the API: an address that only this test's way there has.
const THERE: [u8; 4] = [10, 99, 0, 1];

/// How soon after the network's return all has to be right: 5 s (issue 7). A machine with much else to do is given more, unless
/// `WAYLEAVE_LONG` says that it has not.
fn soon() -> Duration {
    Duration::from_secs(if std::env::var_os("WAYLEAVE_LONG").is_some() { 5 } else { 15 })
}

/// After so many attempts that failed the pauses are as long as they become.
const MANY: f64 = 7.0;

/// Passes everything on to the API.
async fn way_to(api: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(SocketAddr::from((THERE, 0))).await.expect("the address is ours");
    let there = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(api).await else { return };
                // However it ends, both ends are closed then.
                let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    there
}

/// Packets to and from the address get lost in the loopback device, as behind a switch that has failed.
fn cut() {
    run("ip", "route del local 10.99.0.1/32 dev lo");
    run("ip", "route add 10.99.0.1/32 dev lo");
}

fn mend() {
    run("ip", "route del 10.99.0.1/32 dev lo");
    run("ip", "route add local 10.99.0.1/32 dev lo");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silently() {
    let Some(bed) = Bed::start("access::cut::silently").await else { return };
    run("ip", "route add local 10.99.0.1/32 dev lo");
    let second = Pod::start(2).await;
    let there = way_to(bed.cluster.front()).await;
    let world = bed.proxy(&format!(", host: {}, port: {}", there.ip(), there.port()), &[]).await;
    let load = Load::start(world.router, "web", 2);
    load.pass(50).await;
    assert!(failing(&world).await < 0.1, "{}", world.process.log());
    cut();
    let begun = Instant::now();
    eventually(PATIENCE, "watches that fail", || async { failing(&world).await > 0.0 }).await;
    eprintln!("noticed {:?} after the cut", begun.elapsed());
    let changes = json!({"endpoints": slice("web", &[2])["endpoints"]});
    bed.cluster.patch(&format!("{SLICES}/web-1"), &changes).await;
    eventually(3 * PATIENCE, "many attempts", || async { errors(&world).await >= MANY }).await;
    assert_eq!(second.requests_for("web"), 0, "nobody can know of it");
    mend();
    let back = Instant::now();
    second.backend.wait_requests(1).await;
    let took = back.elapsed();
    eprintln!("known {took:?} after the network was back");
    assert!(took <= soon(), "known only {took:?} after the network was back");
    load.pass(50).await;
    load.stop().await.assert_flawless(100);
}
