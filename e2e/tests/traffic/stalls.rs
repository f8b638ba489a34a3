//! One of eleven replicas goes bad under a steady thousand requests a second, and callers wait a second at most: at least
//! 99.9 % of them must not notice (user-demand.md §5, F15).
//!
//! Shortened by default. `WAYLEAVE_LONG=1` runs the full length: 40 s, 30 of them bad (`.ci/long stalls`).

use std::time::Duration;
use testkit::{Backend, Delay, Pace, Play, Report, Setup, World, each_width};

each_width!(one_stalls, one_fails_at_once, one_accepts_and_never_answers);

const REPLICAS: usize = 11;
const USUAL: Duration = Duration::from_millis(5);
const EWMA: &str = "  client: {loadBalancer: {kind: ewma}}";

/// For how long all is well, then bad, then well again.
fn times() -> (Duration, Duration, Duration) {
    let seconds = Duration::from_secs;
    match std::env::var_os("WAYLEAVE_LONG") {
        Some(_) => (seconds(5), seconds(30), seconds(5)),
        None => (seconds(2), seconds(4), seconds(2)),
    }
}

async fn good(delays: &[Delay]) -> Vec<Backend> {
    let mut all = Vec::new();
    for delay in delays {
        all.push(Backend::start([Play::text_after(delay, "ok")]).await);
    }
    all
}

async fn world(workers: usize, replicas: &[Backend]) -> World {
    let at: Vec<_> = replicas.iter().map(|r| r.address).collect();
    Setup::new().router(EWMA).replicas("web", &at).start(workers).await
}

/// The steady thousand, while `bad` and `well` change what is to change.
async fn thousand(world: &World, bad: impl FnOnce(), well: impl FnOnce()) -> Report {
    let (before, during, after) = times();
    let length = before + during + after;
    let pace = Pace { per_second: 1_000, length, patience: Duration::from_secs(1), fresh: 0 };
    let changes = async {
        tokio::time::sleep(before).await;
        bad();
        tokio::time::sleep(during).await;
        well();
    };
    let (report, ()) = tokio::join!(pace.run(world.router, "web"), changes);
    assert_eq!(report.total(), pace.requests());
    report
}

fn assert_999(report: &Report) {
    let (ok, all) = (report.ok() as f64, report.total() as f64);
    assert!(ok / all >= 0.999, "{:.3} %: {report:?}", 100.0 * ok / all);
}

/// Answers take 2 s instead of 5 ms.
async fn one_stalls(workers: usize) {
    let delays: Vec<Delay> = (0..REPLICAS).map(|_| Delay::of(USUAL)).collect();
    let replicas = good(&delays).await;
    let world = world(workers, &replicas).await;
    let stall = || delays[3].set(Duration::from_secs(2));
    let report = thousand(&world, stall, || delays[3].set(USUAL)).await;
    assert_999(&report);
    drop(replicas);
    world.finish().await;
}

/// Answers are 500, at once: the least loaded and quickest of all, but for failure accrual.
async fn one_fails_at_once(workers: usize) {
    let delays: Vec<Delay> = (0..REPLICAS).map(|_| Delay::of(USUAL)).collect();
    let replicas = good(&delays).await;
    let world = world(workers, &replicas).await;
    let fail = || replicas[3].play([Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")]);
    let report = thousand(&world, fail, || replicas[3].play([Play::text_after(&delays[3], "ok")])).await;
    assert_999(&report);
    let failed = report.statuses.get(&500).copied().unwrap_or(0);
    assert!(failed >= 5, "it takes five to be left alone: {report:?}");
    drop(replicas);
    world.finish().await;
}

/// From the start: it takes connections and says nothing.
async fn one_accepts_and_never_answers(workers: usize) {
    let delays: Vec<Delay> = (1..REPLICAS).map(|_| Delay::of(USUAL)).collect();
    let mut replicas = good(&delays).await;
    replicas.push(Backend::start([Play::read_nothing()]).await);
    let world = world(workers, &replicas).await;
    let report = thousand(&world, || {}, || {}).await;
    assert_999(&report);
    drop(replicas);
    world.finish().await;
}
