//! Nobody notices that one process follows another: no request fails, no connection is refused or reset.

use crate::site::{Callers, Site};
use std::fs;
use std::net::TcpListener;
use testkit::{Metrics, PATIENCE, each_width};

/// As the acceptance of the issue asks.
const TIMES: usize = 20;

each_width!(takeovers, restarts, a_successor_that_cannot_start);

async fn takeovers(workers: usize) {
    let site = Site::new(workers).await;
    let mut running = site.start("0", &[], "linkerd.yaml");
    site.ready().await;
    let callers = Callers::start(site.router);
    for i in 1..=TIMES {
        callers.pass(20).await;
        let mut next = site.start(&i.to_string(), &["--takeover"], "linkerd.yaml");
        next.wait_line("the successor serves", |l| l.ends_with("the process before this one drains")).await;
        let status = running.wait(PATIENCE).await;
        assert_eq!(status.code(), Some(0), "{}", running.log());
        let log = running.log();
        assert!(
            log.contains("another process has taken over: draining") && log.contains(" drained\n"),
            "{log}"
        );
        assert_eq!(site.ask("/admin/ready").await, Some((200, "ready\n".into())));
        running = next;
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
        running.signal("TERM");
        let status = running.wait(PATIENCE).await;
        assert_eq!(status.code(), Some(0), "{}", running.log());
        running = site.start_on(&i.to_string(), &socket);
    }
    callers.pass(20).await;
    callers.assert_flawless(20 * TIMES as u64).await;
    running.signal("TERM");
    assert_eq!(running.wait(PATIENCE).await.code(), Some(0));
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
