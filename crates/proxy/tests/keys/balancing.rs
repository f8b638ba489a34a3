//! Keys of `loadBalancer`: how wide, how long remembered, how often tried, and who may stay.

use super::*;
use std::fs;
use std::path::Path;
use std::time::Duration;
use testkit::{Act, Backend, Play, free_port};

const CLIENT: &str = "rt/r/client/#/io.l5d.fs/web";
const GET: &str = "GET / HTTP/1.1\r\nHost: web\r\n\r\n";

/// Replaces the replicas of `web` in one step.
fn set_replicas(folder: &Path, replicas: &[SocketAddr]) {
    let lines: String = replicas.iter().map(|at| format!("{} {}\n", at.ip(), at.port())).collect();
    fs::write(folder.join("new"), lines).expect("a file");
    fs::create_dir_all(folder.join("disco")).expect("a folder");
    fs::rename(folder.join("new"), folder.join("disco/web")).expect("a file");
}

/// A proxy in front of these replicas of `web`, with these keys of `client`.
async fn balanced(replicas: &[SocketAddr], client: &str) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    set_replicas(folder.path(), replicas);
    let top = "namers: [{kind: io.l5d.fs, rootDir: '${DIR}/disco'}]";
    start_in(folder, top, &format!("  dtab: /svc => /#/io.l5d.fs\n  client: {{{client}}}")).await
}

/// Addresses where nobody listens.
fn nobody(n: usize) -> Vec<SocketAddr> {
    (0..n).map(|_| ([127, 0, 0, 1], free_port()).into()).collect()
}

/// One failure is enough to be left alone for longer than any test takes.
const AT_ONCE: &str =
    "failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 1, backoff: {kind: constant, ms: 600000}}";

/// `ewma` avoids a slow replica that `p2c` uses as much as the other, and forgets it within `decayTimeMs`; one request at a
/// time.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn load_balancers() {
    let share_of_slow = async |kind: &str, algorithm: &str| {
        let fast = Backend::text("fast").await;
        let slow = Backend::start([Play::drip(Play::text_bytes("slow"), Duration::from_millis(1))]).await;
        let running =
            balanced(&[fast.address, slow.address], &format!("loadBalancer: {{kind: {kind}}}")).await;
        for _ in 0..40 {
            assert_eq!(running.get("web").await.status(), 200);
            // Time to forget in.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let metrics = running.metrics().await;
        assert_eq!(metrics.get(&format!("{CLIENT}/loadbalancer/algorithm/{algorithm}")), 1.0, "{kind}");
        running.stop().await;
        slow.requests()
    };
    let p2c = share_of_slow("p2c", "p2c_least_loaded").await;
    assert!((8..=32).contains(&p2c), "p2c: {p2c} of 40");
    let ewma = share_of_slow("ewma", "p2c_peak_ewma").await;
    assert!(ewma <= 6, "ewma: {ewma} of 40");
    let forgetful = share_of_slow("ewma, decayTimeMs: 1", "p2c_peak_ewma").await;
    assert!(forgetful >= 8, "ewma that forgets: {forgetful} of 40");
}

/// How many of three replicas an aperture uses after twelve requests at a time, and when three of them are left.
async fn widths(keys: &str) -> [f64; 2] {
    let mut web = Vec::new();
    for _ in 0..3 {
        web.push(Backend::start([Play::never_answer()]).await);
    }
    let at: Vec<_> = web.iter().map(|b| b.address).collect();
    let running = balanced(&at, &format!("loadBalancer: {{kind: aperture{keys}}}")).await;
    let send = async |n: usize| {
        let mut caller = Client::connect(running.address()).await;
        caller.send(GET).await;
        let all = || async { web.iter().map(Backend::requests).sum::<usize>() == n };
        eventually(PATIENCE, "the request is there", all).await;
        caller
    };
    let width = async || running.metrics().await.get(&format!("{CLIENT}/loadbalancer/logical_aperture"));
    let load = format!("{CLIENT}/loadbalancer/load");
    let mut callers = Vec::new();
    for n in 1..=12 {
        callers.push(send(n).await);
    }
    let wide = width().await;
    // One that only ends its connection might still read the answer.
    callers.drain(3..).for_each(Client::reset);
    running.wait(&load, 3.0).await;
    // The width changes with requests that come and go only.
    for n in 13..=18 {
        send(n).await.reset();
        running.wait(&load, 3.0).await;
    }
    let narrow = width().await;
    // What is under way would be waited for.
    callers.into_iter().for_each(Client::reset);
    running.stop().await;
    [wide, narrow]
}

/// `smoothWindowMs`, `highLoad`, `lowLoad`, `minAperture` of `aperture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn apertures() {
    let rows = [
        (", smoothWindowMs: 1", 3.0, true),
        (", smoothWindowMs: 600000", 1.0, true),
        (", smoothWindowMs: 1, highLoad: 100.0", 1.0, true),
        (", smoothWindowMs: 1, highLoad: 100.0, minAperture: 2", 2.0, true),
        (", smoothWindowMs: 1, highLoad: 3.0", 3.0, true),
        // One or two replicas do for three requests.
        (", smoothWindowMs: 1, highLoad: 3.0, lowLoad: 2.5", 3.0, false),
    ];
    for (keys, want, stays) in rows {
        let [wide, narrow] = widths(keys).await;
        assert_eq!((wide, narrow == wide), (want, stays), "{keys}: {wide} then {narrow}");
    }
}

/// How often of 30 times the replica that answered is the one that answered last: two of three are alive.
async fn repeats(keys: &str) -> usize {
    let [a, b] = [Backend::text("a").await, Backend::text("b").await];
    let at = [vec![a.address, b.address], nobody(1)].concat();
    let running = balanced(&at, &format!("loadBalancer: {{kind: roundRobin{keys}}}, {AT_ONCE}")).await;
    let mut last = String::new();
    eventually(PATIENCE, "one is left alone", || async {
        running.get("web").await;
        running.metrics().await.get(&format!("{CLIENT}/failure_accrual/removals")) == 1.0
    })
    .await;
    let mut repeats = 0;
    for n in 0..31 {
        let text = running.get("web").await.text();
        repeats += usize::from(n > 0 && text == last);
        last = text;
    }
    running.stop().await;
    repeats
}

/// `maxEffort` of `roundRobin`: usually whose turn it is after a dead replica gets that one's request too. With one pick for
/// each request it is drawn, and the turn is yet to come.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn turns_of_the_dead() {
    assert_eq!(repeats("").await, 0);
    assert_eq!(repeats(", maxEffort: 1").await, 10);
}

/// How many of 400 requests the idle one of two replicas gets, the other having ten all the time, and eight being dead.
async fn share_of_idle(balancer: &str) -> usize {
    let idle = Backend::text("ok").await;
    // Too long to be held, and never whole.
    let begun = Play::write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    let busy = Backend::start([Play::acts([Act::Request, begun, Act::Hang])]).await;
    let at = [vec![idle.address, busy.address], nobody(8)].concat();
    let running = balanced(&at, &format!("loadBalancer: {{{balancer}}}, {AT_ONCE}")).await;
    let mut caller = Client::connect(running.address()).await;
    let mut held = Vec::new();
    let mut ask = async || {
        caller.send(GET).await;
        if caller.head().await.get("content-length") == Some("2") {
            caller.bytes(2).await;
            return;
        }
        let next = Client::connect(running.address()).await;
        held.push(std::mem::replace(&mut caller, next));
        held.drain(held.len().min(10)..).for_each(Client::reset);
    };
    while running.metrics().await.get(&format!("{CLIENT}/failure_accrual/removals")) < 8.0 {
        for _ in 0..20 {
            ask().await;
        }
    }
    let before = idle.requests();
    for _ in 0..400 {
        ask().await;
    }
    let share = idle.requests() - before;
    held.into_iter().for_each(Client::reset);
    running.stop().await;
    share
}

/// `maxEffort` of those that draw two. A pair of which one is alive goes to that one, however busy; a pair of dead ones is
/// drawn again. With one pick for each request, the idle one of the living is looked for instead: that makes 82 of 100
/// instead of 57.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn pairs_of_dead() {
    for balancer in ["kind: p2c", "kind: ewma, decayTimeMs: 20", "kind: aperture, minAperture: 10"] {
        let usual = share_of_idle(balancer).await;
        let once = share_of_idle(&format!("{balancer}, maxEffort: 1")).await;
        assert!(usual < 280 && once > 280, "{balancer}: {usual} and {once} of 400");
    }
}

/// `enableProbation` of every kind: a healthy replica that discovery no longer names stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn probation() {
    let [a, b, c] = [Backend::text("a").await, Backend::text("b").await, Backend::text("c").await];
    for kind in ["p2c", "ewma", "aperture", "heap", "roundRobin"] {
        for (key, size) in [("", 2.0), (", enableProbation: true", 3.0)] {
            let keys = format!("loadBalancer: {{kind: {kind}{key}}}");
            let running = balanced(&[a.address, b.address], &keys).await;
            assert_eq!(running.get("web").await.status(), 200);
            set_replicas(running.folder.path(), &[a.address, c.address]);
            running.wait(&format!("{CLIENT}/loadbalancer/adds"), 3.0).await;
            assert_eq!(running.metrics().await.get(&format!("{CLIENT}/loadbalancer/size")), size, "{keys}");
            running.stop().await;
        }
    }
}

/// A replica that joins gets a tenth of its share at first.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn warm_up() {
    for kind in ["p2c", "ewma"] {
        let share_of_newcomer = async |key: &str| {
            let [old, new] = [Backend::text("old").await, Backend::text("new").await];
            let running = balanced(&[old.address], &format!("loadBalancer: {{kind: {kind}{key}}}")).await;
            assert_eq!(running.get("web").await.status(), 200);
            set_replicas(running.folder.path(), &[old.address, new.address]);
            running.wait(&format!("{CLIENT}/loadbalancer/size"), 2.0).await;
            for _ in 0..200 {
                assert_eq!(running.get("web").await.status(), 200);
            }
            running.stop().await;
            new.requests()
        };
        // One draw in ten lets the loads decide, which `ewma` may always do in favour of the newcomer: 20 of 200 then, give
        // or take 4. Without warming up it is a half.
        let cold = share_of_newcomer(", warmUpMs: 600000").await;
        assert!((1..=45).contains(&cold), "{kind}: {cold} of 200 to a newcomer that warms up");
        if kind == "p2c" {
            let warm = share_of_newcomer("").await;
            assert!(warm >= 60, "{warm} of 200 to a newcomer");
        }
    }
}
