//! The service manager: what systemd is told, and sockets from systemd itself.

use crate::site::Site;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;
use testkit::{Client, PATIENCE, Process, eventually};

/// Takes what has been said so far.
fn heard(manager: &UnixDatagram, all: &mut Vec<String>) {
    let mut bytes = [0; 500];
    while let Ok(n) = manager.recv(&mut bytes) {
        all.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
    }
}

/// `Type=notify-reload` and `WatchdogSec=`: ready, alive again and again, reloading and ready again, stopping; after a takeover the other process is the
/// service's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_manager_is_told() {
    let site = Site::new(2).await;
    let manager = UnixDatagram::bind(site.path("notify")).expect("a socket");
    manager.set_nonblocking(true).expect("a socket");
    let socket = format!("NOTIFY_SOCKET={}", site.path("notify").display());
    let variables = [socket.as_str(), "WATCHDOG_USEC=100000"];
    let mut first = site.start_in("first", &variables, &[]);
    let mut all = Vec::new();
    eventually(PATIENCE, "signs of life", || {
        heard(&manager, &mut all);
        let done = all.iter().filter(|said| *said == "WATCHDOG=1").count() >= 3;
        async move { done }
    })
    .await;
    let ready = all.iter().position(|said| said.starts_with("READY=1\n")).expect("it said so");
    assert_eq!(ready, 0, "nothing before it is ready: {all:?}");
    first.signal("HUP");
    let reloading = |said: &String| said.starts_with("RELOADING=1\nMONOTONIC_USEC=");
    eventually(PATIENCE, "it is said that the configuration is read again", || {
        heard(&manager, &mut all);
        let begun = all.iter().position(reloading);
        let done = begun.is_some_and(|begun| all[begun..].iter().any(|said| said.starts_with("READY=1\n")));
        async move { done }
    })
    .await;
    let mut second = site.start_in("second", &variables[..1], &["--takeover"]);
    assert_eq!(first.wait(PATIENCE).await.code(), Some(0), "{}", first.log());
    heard(&manager, &mut all);
    assert!(
        all.contains(&format!("MAINPID={}\nREADY=1\nSTATUS=serving, taken over", second.pid())),
        "{all:?}"
    );
    assert!(!all.iter().any(|said| said.starts_with("STOPPING")), "the service goes on: {all:?}");
    second.signal("TERM");
    assert_eq!(second.wait(PATIENCE).await.code(), Some(0));
    heard(&manager, &mut all);
    assert_eq!(all.last().map(String::as_str), Some("STOPPING=1\nSTATUS=draining"));
}

/// systemd's own tool listens, and starts the proxy when somebody calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systemd_hands_its_sockets_over() {
    let tool = Path::new("/usr/bin/systemd-socket-activate");
    if !tool.exists() {
        eprintln!("SKIPPED systemd_hands_its_sockets_over: there is no {}", tool.display());
        return;
    }
    let site = Site::new(1).await;
    let (router, admin) = (site.router.to_string(), site.admin.to_string());
    let mut words: Vec<String> =
        ["-l", &router, "-l", &admin, "--fdname=router:admin"].iter().map(|w| (*w).to_owned()).collect();
    words.extend(site.command(&[], "linkerd.yaml"));
    let mut process = Process::start("activated", tool, &words, site.folder.path());
    process.wait_line("it listens", |l| l.contains("Listening on") && l.contains(&admin)).await;
    let answer = Client::connect(site.router).await.get("/", "web").await;
    assert_eq!(answer.text(), "web", "{}", process.log());
    site.ready().await;
    let log = process.log();
    for line in [
        format!("serving http admin on {admin}"),
        format!("serving out on {router}"),
        "initialized".to_owned(),
    ] {
        assert!(log.lines().any(|l| l.ends_with(&line)), "dataplane.md §1.1: {line}\n{log}");
    }
    assert!(!log.contains("closed: no server"), "{log}");
    process.signal("TERM");
    assert_eq!(process.wait(Duration::from_secs(15)).await.code(), Some(0));
}
