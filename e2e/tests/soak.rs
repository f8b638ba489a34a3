//! Hours of a bad day in minutes: replicas and callers that come and go ten times as often as anywhere, back ends that
//! fail, hang up and babble, files that roll. Afterwards nothing has grown. Run by `.ci/long soak`.
//!
//! `SOAK_SECONDS` (1,200) is how long; `WAYLEAVE_BIN` is what is tested.

use std::time::Duration;
use testkit::{Act, Backend, Client, Load, Metrics, Play, Setup, World, procfs};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const NAMES: usize = 20;
const REPLICAS: usize = 12;
/// A set of replicas changes so often.
const CHURN: Duration = Duration::from_millis(20);
/// What memory may grow by between a tenth of the time and its end: what an allocator does not give back.
const SLACK: u64 = 4 << 20;

fn seconds() -> u64 {
    std::env::var("SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1200)
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % n
    }
}

fn name(i: usize) -> String {
    format!("svc-{i:02}")
}

/// Back ends of all characters; most of them are good.
async fn back_ends() -> Vec<Backend> {
    let mut all = Vec::new();
    for i in 0..REPLICAS {
        let play = match i {
            0 => Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad"),
            1 => Play::reply_then_close(Play::text_bytes("ok")),
            2 => Play::acts([Act::Request, Act::Close]),
            3 => Play::reply_then_close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut"),
            4 => Play::reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            5 => Play::reply("babble\r\n\r\n"),
            _ => Play::text("ok"),
        };
        all.push(Backend::start([play]).await);
    }
    all
}

/// Callers that stay for a few requests, some of which they do not see to their end.
async fn callers(to: std::net::SocketAddr, until: Instant, seed: u64) {
    let mut dice = Dice(seed);
    while Instant::now() < until {
        let Ok(mut client) = Client::try_connect(to).await else { continue };
        for _ in 0..dice.below(8) {
            let host = name(dice.below(NAMES + 2));
            let request = match dice.below(4) {
                0 => format!("POST /p HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"),
                1 => format!(
                    "GET / HTTP/1.1\r\nHost: {host}\r\nl5d-dtab: /svc/x{} => /svc\r\n\r\n",
                    dice.below(500)
                ),
                _ => format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", dice.below(1000)),
            };
            if client.try_send(request).await.is_err() {
                break;
            }
            match dice.below(20) {
                0 => break,
                _ if client.try_response("GET").await.is_err() => break,
                _ => {}
            }
        }
        if dice.below(10) == 0 {
            client.reset();
        }
    }
}

/// Replica sets that change: grown, shrunk, emptied, all at once.
async fn churn(world: &World, back: &[Backend], until: Instant) -> u64 {
    let (mut dice, mut changes) = (Dice(7), 0);
    while Instant::now() < until {
        let some: Vec<_> = back.iter().filter(|_| dice.below(3) > 0).map(|b| b.address).collect();
        world.set_replicas(&name(dice.below(NAMES)), if dice.below(30) == 0 { &[] } else { &some });
        changes += 1;
        sleep(CHURN).await;
    }
    changes
}

/// Everything stands still: the memory is what is kept, not what is in use.
async fn settled(world: &World, back: &[Backend]) -> (u64, Metrics) {
    let all: Vec<_> = back.iter().map(|b| b.address).collect();
    (0..NAMES).for_each(|i| world.set_replicas(&name(i), &all));
    sleep(Duration::from_secs(5)).await;
    (procfs::pss(world.process.pid()), world.metrics().await)
}

async fn storm(world: &World, back: &[Backend], seconds: u64, seed: u64) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut tasks = JoinSet::new();
    for i in 0..16 {
        tasks.spawn(callers(world.router, until, seed + i));
    }
    let steady = Load::start(world.router, "steady", 2);
    let changes = churn(world, back, until).await;
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no caller panics");
    }
    // Whatever happens elsewhere, who has good replicas is served.
    let report = steady.stop().await;
    report.assert_flawless(seconds);
    eprintln!("{seconds} s: {changes} changes of replica sets, {} steady requests", report.ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes SOAK_SECONDS; .ci/long soak"]
async fn nothing_grows() {
    let back = back_ends().await;
    let good = Backend::text("ok").await;
    let addresses: Vec<_> = back.iter().map(|b| b.address).collect();
    let router = "  httpAccessLog: access.log\n  httpAccessLogRollPolicy: 1.megabyte\n  httpAccessLogRotateCount: 3\n\
                  \x20 service:\n    responseClassifier: {kind: io.l5d.http.retryableRead5XX}";
    let mut setup = Setup::new().router(router).replicas("steady", &[good.address]);
    for i in 0..NAMES {
        setup = setup.replicas(&name(i), &addresses);
    }
    let world = setup.start(4).await;
    let time = seconds();
    storm(&world, &back, time / 10, 100).await;
    let (before, first) = settled(&world, &back).await;
    storm(&world, &back, time - time / 10, 200).await;
    let (after, last) = settled(&world, &back).await;
    let series = |metrics: &Metrics| metrics.iter().count();
    eprintln!(
        "memory {before} -> {after} bytes, series {} -> {}, dropped lines {}",
        series(&first),
        series(&last),
        last.get("rt/out/access_log/dropped")
    );
    assert!(after <= before + before / 10 + SLACK, "memory grew from {before} to {after} bytes");
    // Kinds of failure met for the first time are new series; names and addresses are not.
    assert!(series(&last) <= series(&first) + 200, "{} series became {}", series(&first), series(&last));
    drop((back, good));
    world.finish().await;
}
