//! Callers that ask for ten thousand hosts nobody knows: watches stay within bounds and are given back.

use super::bed::{Bed, Pod};
use std::time::Duration;
use testkit::{PATIENCE, eventually, procfs};
use tokio::task::JoinSet;

const HOSTS: usize = 10_000;
const CALLERS: usize = 16;
/// Names that may be followed at a time, whether anything stands for them or not, with two watches each.
const MOST: f64 = 2.0 * 3000.0;
/// Names of nothing among them, once none is being looked up any more and the watches of the last ones have ended.
const MOST_OF_NOTHING: f64 = 2.0 * 500.0;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "on a loaded machine the metrics outgrow the 1 MB that testkit reads of them; memory does not come back"]
async fn ten_thousand_hosts_that_nobody_knows() {
    let keys = "  bindingCache: {idleTtlSecs: 2}\n";
    let Some(bed) = Bed::start("unknown::ten_thousand_hosts_that_nobody_knows", keys).await else { return };
    let _pod = Pod::start(1).await;
    bed.create("web", &[1]).await;
    assert_eq!(bed.world.get("web").await.status(), 200);
    let (pid, at_first) = (bed.world.process.pid(), bed.watches().await);
    let before = procfs::anonymous(pid);
    flood(&bed, at_first).await;
    // Said and not asserted: the allocator keeps most of the pages of a flood while the process has nothing to do, so that
    // memory does not come back as issue 7 asks for. That row is open.
    eprintln!("memory {before} before, {} in the end", procfs::anonymous(pid));
    bed.finish().await;
}

/// All of it, from its first request until nothing watches for it any more.
async fn flood(bed: &Bed, at_first: f64) {
    let most = ask_all(bed).await;
    eprintln!("{at_first} watches at first, {most} at most");
    assert!(most > at_first && most <= MOST, "{most} watches");
    // Sooner than the names are forgotten, which takes half a minute: it is the bound that ends the others.
    eventually(PATIENCE, "watches of no more than so many names of nothing", || async {
        bed.watches().await <= at_first + MOST_OF_NOTHING
    })
    .await;
    assert!(bed.watches().await >= MOST_OF_NOTHING / 2.0, "they were forgotten, not bounded");
    assert_eq!(bed.world.get("web").await.status(), 200, "a name that exists is found meanwhile");
    eventually(Duration::from_secs(240), "the watches of unknown hosts gone", || async {
        bed.watches().await <= at_first
    })
    .await;
}

/// Asks for every host once; the most watches seen meanwhile.
async fn ask_all(bed: &Bed) -> f64 {
    let mut callers = JoinSet::new();
    for first in 0..CALLERS {
        let mut caller = bed.world.client().await;
        callers.spawn(async move {
            for n in (first..HOSTS).step_by(CALLERS) {
                let answer = caller.get("/", &format!("unknown-{n}")).await;
                assert!(answer.status() >= 400, "{answer:?}");
                if answer.head.get("connection") == Some("close") {
                    return n;
                }
            }
            HOSTS
        });
    }
    let mut most = 0f64;
    while !callers.is_empty() {
        most = most.max(bed.watches().await);
        while let Some(done) = callers.try_join_next() {
            assert_eq!(done.expect("a caller did not panic"), HOSTS, "a caller's connection was closed");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    most
}
