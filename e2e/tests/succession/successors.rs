//! Nobody notices that one process follows another: no request fails, no connection is refused or reset.

use crate::site::{Callers, Fresh, Site};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use testkit::{Client, Metrics, PATIENCE, Pace, Process, Report, each_width, free_port};
use tokio::task::JoinHandle;

/// As the acceptance of the issue asks.
const TIMES: usize = 20;

each_width!(
    takeovers,
    restarts,
    takeovers_at_full_rate,
    restarts_at_full_rate,
    the_identifier_goes_with_it,
    a_successor_that_cannot_start
);

async fn takeovers(workers: usize) {
    let site = Site::new(workers).await;
    let mut running = site.start("0", &[], "linkerd.yaml");
    site.ready().await;
    let callers = Callers::start(site.router);
    for i in 1..=TIMES {
        callers.pass(20).await;
        running = take_over(&site, running, &i.to_string()).await;
        assert_eq!(site.ask("/admin/ready").await, Some((200, "ready\n".into())));
    }
    callers.pass(20).await;
    callers.assert_flawless(20 * TIMES as u64).await;
    let metrics = Metrics::fetch(site.admin).await;
    assert!(metrics.get(&format!("rt/out/server/127.0.0.1/{}/requests", site.router.port())) > 0.0);
    assert!(site.path("takeover.sock").exists());
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
    assert!(!site.path("takeover.sock").exists(), "its file is gone");
}

/// `admin.httpIdentifierPort` has a socket of its own, and callers who must not notice either.
async fn the_identifier_goes_with_it(workers: usize) {
    let site = Site::new(workers).await;
    let identifier = SocketAddr::new(site.admin.ip(), free_port());
    site.configure(&format!(", httpIdentifierPort: {}", identifier.port()));
    let mut running = site.start("0", &[], "linkerd.yaml");
    site.ready().await;
    let callers = Fresh::start(identifier, 3);
    for i in 1..=5 {
        callers.pass(20).await;
        running = take_over(&site, running, &i.to_string()).await;
        assert!(running.log().contains("takeover: 3 sockets received"), "{}", running.log());
        let answer = Client::connect(identifier).await.get("/", "web").await;
        assert_eq!(answer.text(), r#"{"out":{"path":"/svc/web"}}"#);
    }
    callers.pass(20).await;
    callers.stop().await.assert_flawless(120);
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
}

/// The process called `name` takes over from the one that runs, which ends in order.
async fn take_over(site: &Site, mut running: Process, name: &str) -> Process {
    let mut next = site.start(name, &["--takeover"], "linkerd.yaml");
    next.wait_line("the successor serves", |l| l.ends_with("the process before this one drains")).await;
    let status = running.wait(PATIENCE).await;
    let log = running.log();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("another process has taken over: draining") && log.contains(" drained\n"), "{log}");
    next
}

/// The process that runs is told to end, and when it has, the one called `name` is started.
async fn restart(site: &Site, mut running: Process, name: &str, socket: &TcpListener) -> Process {
    running.signal("TERM");
    let status = running.wait(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{}", running.log());
    site.start_on(name, socket)
}

/// The stable address is what a user would have: a socket that the service manager holds (systemd's socket activation,
/// played by the test). While no process runs, callers wait in its queue.
async fn restarts(workers: usize) {
    let site = Site::new(workers).await;
    let socket = TcpListener::bind(site.router).expect("the port is free");
    let mut running = site.start_on("0", &socket);
    site.ready().await;
    let callers = Callers::start(site.router);
    for i in 1..=TIMES {
        callers.pass(20).await;
        running = restart(&site, running, &i.to_string(), &socket).await;
    }
    callers.pass(20).await;
    callers.assert_flawless(20 * TIMES as u64).await;
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
}

/// For so long callers ask at the full rate.
const LENGTH: Duration = Duration::from_secs(60);

/// Whether the full rates are wanted: they need both processors of a small machine and a build that was optimised.
fn long() -> bool {
    std::env::var_os("WAYLEAVE_LONG").is_some()
}

/// The acceptance row in full: `.ci/long reloads` only.
async fn takeovers_at_full_rate(workers: usize) {
    if !long() {
        return;
    }
    let site = Site::new(workers).await;
    let mut running = site.start("0", &[], "linkerd.yaml");
    site.ready().await;
    let callers = tokio::spawn(Pace::full_rate(LENGTH).run(site.router, "web"));
    let mut ticks = tokio::time::interval(LENGTH / (TIMES as u32 + 2));
    for i in 1..=TIMES {
        ticks.tick().await;
        running = take_over(&site, running, &i.to_string()).await;
    }
    assert_nobody_noticed(callers).await;
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
}

/// As [`takeovers_at_full_rate`], behind a stable address. Callers that come while no process runs wait for as long as that
/// takes, so the longest wait that is reported says how long a restart is felt.
async fn restarts_at_full_rate(workers: usize) {
    if !long() {
        return;
    }
    let site = Site::new(workers).await;
    let socket = TcpListener::bind(site.router).expect("the port is free");
    let mut running = site.start_on("0", &socket);
    site.ready().await;
    let callers = tokio::spawn(Pace::full_rate(LENGTH).run(site.router, "web"));
    let mut ticks = tokio::time::interval(LENGTH / (TIMES as u32 + 2));
    for i in 1..=TIMES {
        ticks.tick().await;
        running = restart(&site, running, &i.to_string(), &socket).await;
        site.ready().await;
    }
    assert_nobody_noticed(callers).await;
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
}

async fn assert_nobody_noticed(callers: JoinHandle<Report>) {
    assert!(!callers.is_finished(), "all of it was under load");
    let (pace, report) = (Pace::full_rate(LENGTH), callers.await.expect("the callers run"));
    report.assert_flawless(pace.requests());
    report.assert_rate(f64::from(pace.per_second));
}

/// A faulty file is seen before anybody is asked; a port that is taken only when the sockets have been received. Either way
/// the process that runs goes on, and so do its callers.
async fn a_successor_that_cannot_start(workers: usize) {
    let site = Site::new(workers).await;
    let mut running = site.start("0", &[], "linkerd.yaml");
    site.ready().await;
    let callers = Callers::start(site.router);
    callers.pass(10).await;
    let good = fs::read_to_string(site.path("linkerd.yaml")).expect("it was written");
    let fault = good.replace("protocol: http", "protocol: httq");
    fs::write(site.path("faulty.yaml"), fault).expect("the folder can be written");
    let taken = format!("{good}  - port: {}\n", site.web.address.port());
    fs::write(site.path("taken.yaml"), taken).expect("the folder can be written");
    for (config, why) in [("faulty.yaml", "faulty.yaml:3:"), ("taken.yaml", "cannot listen on 127.0.0.1:")] {
        let mut next = site.start(config, &["--takeover"], config);
        assert_eq!(next.wait(PATIENCE).await.code(), Some(1));
        assert!(next.log().contains(why), "{}", next.log());
        callers.pass(10).await;
    }
    running.wait_line("one gave up", |l| l.contains("the new process gave up; this process goes on")).await;
    assert!(running.ended().is_none());
    callers.assert_flawless(30).await;
    // Who forgets `--takeover` is told what to do.
    let mut second = site.start("second", &[], "linkerd.yaml");
    assert_eq!(second.wait(PATIENCE).await.code(), Some(1));
    assert!(
        second.log().contains("another process listens there (take over with --takeover)"),
        "{}",
        second.log()
    );
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
}
