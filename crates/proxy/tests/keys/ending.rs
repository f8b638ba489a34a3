//! How a proxy ends, and what it says of itself: the drain delay, `/admin/shutdown`, `/admin/ready`, `/admin/live`, and sockets
//! that it was given.

use super::*;
use proxy::{Cause, Sockets};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use testkit::{Act, Backend, Gate, Play, within};
use tokio::time::Instant;

async fn asked(admin: SocketAddr, path: &str) -> (u16, String) {
    let answer = Client::connect(admin).await.get(path, "admin").await;
    (answer.status(), answer.text())
}

async fn running_with(top: &str, router: &str, options: Options) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    try_start_with(folder, top, router, options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// `admin.drainDelayMs` (user-demand C2): readiness fails at once, accepting goes on, then the socket closes and what runs
/// is finished. `SIGINT` does without the delay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drain_delay() {
    let gate = Gate::closed();
    let slow = Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("slow"))]);
    let web = Backend::start([slow, Play::text("quick")]).await;
    let running = start("admin: {port: 0, drainDelayMs: 3000}", &all_to(web.address)).await;
    let (admin, router) = (running.proxy.admin(), running.address());
    assert_eq!(asked(admin, "/admin/ready").await, (200, "ready\n".into()));
    let mut held = Client::connect(router).await;
    held.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    web.wait_requests(1).await;
    let ending = running.proxy.ending(Cause::Terminated);
    assert_eq!(running.proxy.ending(Cause::Interrupted).delay, Duration::ZERO);
    let begun = Instant::now();
    let end = tokio::spawn(running.proxy.end(ending));
    eventually(PATIENCE, "not ready", || async { asked(admin, "/admin/ready").await.0 == 503 }).await;
    assert!(begun.elapsed() < Duration::from_millis(2500), "at once: {:?}", begun.elapsed());
    assert_eq!(asked(admin, "/admin/ready").await, (503, "draining\n".into()));
    let answer = Client::connect(router).await.get("/", "web").await;
    assert_eq!(
        (answer.text().as_str(), answer.head.get("connection")),
        ("quick", None),
        "as if nothing were"
    );
    eventually(PATIENCE, "the port closes", || async { Client::try_connect(router).await.is_err() }).await;
    assert!(begun.elapsed() >= Duration::from_millis(3000));
    assert_eq!(asked(admin, "/admin/live").await, (200, "live\n".into()), "a restart would not help");
    gate.open();
    assert_eq!(held.response().await.text(), "slow");
    assert_eq!(within("the end", end).await.unwrap().cut, 0);
}

/// The default comes from where the proxy runs, the file overrides it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn default_delay() {
    let of = async |top: &str| {
        let options = Options { drain_delay: Duration::from_secs(5), ..Options::default() };
        let running = running_with(top, "", options).await;
        let delay = running.proxy.ending(Cause::Terminated).delay;
        running.stop().await;
        delay
    };
    assert_eq!(of("").await, Duration::from_secs(5));
    assert_eq!(of("admin: {port: 0, drainDelayMs: 0}").await, Duration::ZERO);
    assert_eq!(of("admin: {port: 0, drainDelayMs: 20}").await, Duration::from_millis(20));
}

/// observability.md §6.2: all of the end takes no longer than the query says.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shutdown_with_a_grace_of_its_own() {
    let web = Backend::start([Play::never_answer()]).await;
    let running = start("admin: {port: 0, drainDelayMs: 60000}", &all_to(web.address)).await;
    let mut client = Client::connect(running.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    web.wait_requests(1).await;
    let mut admin = Client::connect(running.proxy.admin()).await;
    admin
        .send("POST /admin/shutdown?grace=300.milliseconds HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        .await;
    assert_eq!(admin.response_to("POST").await.text(), "quitting\n");
    let cause = within("somebody asked", running.proxy.shutdown_asked()).await;
    let ending = running.proxy.ending(cause);
    let begun = Instant::now();
    assert_eq!(running.proxy.end(ending).await.cut, 1);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(8), "{took:?}");
}

/// A worker that stands still turns liveness red within 2 s, and readiness at once; both recover.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_worker() {
    let running = running_with("", "", Options { workers: Some(2), ..Options::default() }).await;
    let admin = running.proxy.admin();
    assert_eq!(asked(admin, "/admin/live").await, (200, "live\n".into()));
    let begun = Instant::now();
    let guard = running.proxy.health().stall(1).expect("it serves");
    eventually(PATIENCE, "not live", || async { asked(admin, "/admin/live").await.0 == 503 }).await;
    let took = begun.elapsed();
    assert!(took <= Duration::from_millis(2_100), "{took:?}");
    let (status, why) = asked(admin, "/admin/live").await;
    assert!(
        status == 503 && why.starts_with("worker 1 has not turned for ") && why.ends_with(" ms\n"),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1);
    let (status, why) = asked(admin, "/admin/ready").await;
    assert!(status == 503 && why.starts_with("worker 1 "), "{why}");
    drop(guard);
    eventually(PATIENCE, "live again", || async { asked(admin, "/admin/live").await.0 == 200 }).await;
    assert_eq!(asked(admin, "/admin/ready").await.0, 200);
    running.stop().await;
}

/// Sockets of the service manager, or of the process before: matched by address, with what waits in their queues.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sockets_that_were_given() {
    let web = Backend::text("web").await;
    let given: Vec<_> =
        (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port")).collect();
    let at: Vec<_> = given.iter().map(|l| l.local_addr().expect("bound")).collect();
    // Connected before anybody accepts.
    let mut early = Client::connect(at[0]).await;
    let sockets = Arc::new(Sockets::default());
    sockets.give(given);
    let options = Options { workers: Some(1), sockets: sockets.clone(), ..Options::default() };
    let top = format!("admin: {{port: {}}}", at[1].port());
    let router = format!("  servers: [{{port: {}}}]\n{}", at[0].port(), all_to(web.address));
    let running = running_with(&top, &router, options).await;
    assert_eq!(early.get("/", "web").await.text(), "web");
    assert_eq!(asked(at[1], "/admin/ping").await.1, "pong");
    assert_eq!(sockets.close_unused(), [at[2]]);
    assert_eq!(sockets.duplicates().expect("descriptors").len(), 2);
    running.stop().await;
    assert!(Client::try_connect(at[0]).await.is_err(), "its duplicate is closed as well");
}

/// Sockets of servers that a reload adds are handed on, those of servers it removes are closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_on_follows_reloads() {
    let sockets = Arc::new(Sockets::default());
    let options = Options { workers: Some(2), sockets: sockets.clone(), ..Options::default() };
    let [admin, first, second] = [0; 3].map(|_| testkit::free_port());
    let running = running_with(
        &format!("admin: {{port: {admin}}}"),
        &format!("  servers: [{{port: {first}}}]"),
        options,
    )
    .await;
    let ports = || {
        let all = sockets.duplicates().expect("descriptors");
        let mut ports: Vec<_> = all.iter().map(|l| l.local_addr().expect("bound").port()).collect();
        ports.sort_unstable();
        ports
    };
    let sorted = |mut ports: Vec<u16>| {
        ports.sort_unstable();
        ports
    };
    assert_eq!(ports(), sorted(vec![admin, first]));
    let text = format!(
        "admin: {{port: {admin}}}\nrouters:\n- protocol: http\n  label: r\n  servers: [{{port: {second}}}]\n"
    );
    let other = document::load("linkerd.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    running.proxy.reload(other).await.expect("reloaded");
    assert_eq!(ports(), sorted(vec![admin, second]));
    let gone = SocketAddr::from((Ipv4Addr::LOCALHOST, first));
    eventually(PATIENCE, "the port closes", || async { Client::try_connect(gone).await.is_err() }).await;
    let moved = text.replace(&format!("port: {admin}"), "port: 0");
    let other = document::load("linkerd.yaml", moved.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    running.proxy.reload(other).await.expect("reloaded");
    assert_eq!(ports(), sorted(vec![running.proxy.admin().port(), second]));
    let gone = SocketAddr::from((Ipv4Addr::LOCALHOST, admin));
    eventually(PATIENCE, "the port closes", || async { Client::try_connect(gone).await.is_err() }).await;
    running.stop().await;
}
