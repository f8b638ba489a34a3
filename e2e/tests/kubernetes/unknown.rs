//! Callers that ask for thousands of hosts nobody knows: watches stay within bounds and are given back, and so is memory.
//!
//! Two thousand hosts; `WAYLEAVE_LONG=1` asks for ten thousand (issue 7; `.ci/long cluster`).

use super::bed::{Bed, Pod, long};
use std::time::Duration;
use testkit::{PATIENCE, eventually, procfs};
use tokio::task::JoinSet;

const CALLERS: usize = 16;
/// Names that may be followed at a time, whether anything stands for them or not, with two watches each.
const MOST: f64 = 2.0 * 3000.0;
/// Names of nothing among them, once none is being looked up any more and the watches of the last ones have ended.
const MOST_OF_NOTHING: f64 = 2.0 * 500.0;
/// What the process may keep of the flood: pages of which a little is in use. Of the flood itself nothing is: a heap profile
/// shows less than a megabyte alive, and 2,000 hosts leave as much as 10,000, about 5 MB. At its height it is ten times that.
/// The allocator gives back what has not been used for ten seconds.
const KEPT: u64 = 10 << 20;
/// How long that and the names may take to go: names are kept for half a minute.
const GONE: Duration = Duration::from_secs(240);

fn hosts() -> usize {
    if long() { 10_000 } else { 2_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_hosts_that_nobody_knows() {
    let keys = "  bindingCache: {idleTtlSecs: 2}\n";
    let Some(bed) = Bed::start("unknown::thousands_of_hosts_that_nobody_knows", keys).await else { return };
    let _pod = Pod::start(1).await;
    bed.create("web", &[1]).await;
    assert_eq!(bed.world.get("web").await.status(), 200);
    let (pid, at_first) = (bed.world.process.pid(), bed.watches().await);
    let before = procfs::anonymous(pid);
    flood(&bed, at_first).await;
    let back = || async { procfs::anonymous(pid) <= before + KEPT };
    let peak = procfs::anonymous(pid);
    eventually(GONE, "memory given back", back).await;
    eprintln!(
        "memory: {before} before, {peak} with the last name gone, {} in the end",
        procfs::anonymous(pid)
    );
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
    assert_eq!(bed.world.get("web").await.status(), 200, "a name that exists is found meanwhile");
    eventually(GONE, "the watches of unknown hosts gone", || async { bed.watches().await <= at_first }).await;
}

/// Asks for every host once; the most watches seen meanwhile.
async fn ask_all(bed: &Bed) -> f64 {
    let (mut callers, hosts) = (JoinSet::new(), hosts());
    for first in 0..CALLERS {
        let mut caller = bed.world.client().await;
        callers.spawn(async move {
            for n in (first..hosts).step_by(CALLERS) {
                let answer = caller.get("/", &format!("unknown-{n}")).await;
                assert!(answer.status() >= 400, "{answer:?}");
                if answer.head.get("connection") == Some("close") {
                    return n;
                }
            }
            hosts
        });
    }
    let mut most = 0f64;
    while !callers.is_empty() {
        most = most.max(bed.watches().await);
        while let Some(done) = callers.try_join_next() {
            assert_eq!(done.expect("a caller did not panic"), hosts, "a caller's connection was closed");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    most
}
