//! `clientSession` and `serverSession`: how long connections live (rows 25 to 27 of dataplane.md §13).

use crate::world::{Settings, World};
use balance::Nanos;
use router::{ServerSettings, SessionSettings};
use std::time::Duration;
use testkit::{Act, Backend, Client, Gate, PATIENCE, Play, each_width, eventually};
use tokio::time::Instant;

each_width!(
    row_25_idle_back_end,
    old_back_end,
    row_26_idle_caller,
    row_27_old_caller,
    busy_callers_are_not_idle,
    old_but_busy
);

fn session(idle: Option<u64>, life: Option<u64>) -> SessionSettings {
    SessionSettings { idle: idle.map(Nanos::from_millis), life: life.map(Nanos::from_millis) }
}

fn of_callers(idle: Option<u64>, life: Option<u64>) -> Settings {
    let server = ServerSettings { session: session(idle, life), ..ServerSettings::default() };
    Settings { server, ..Settings::default() }
}

fn of_back_ends(idle: Option<u64>, life: Option<u64>) -> Settings {
    Settings { session: Some(session(idle, life)), ..Settings::default() }
}

async fn row_25_idle_back_end(workers: usize) {
    let web = Backend::text("ok").await;
    let world = World::with(workers, web.address, of_back_ends(Some(300), None)).await;
    let mut caller = Client::connect(world.address).await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    assert_eq!(web.open(), 1);
    eventually(Duration::from_secs(5), "the connection is closed", || async { web.open() == 0 }).await;
    eventually(PATIENCE, "it is counted", || async { world.sum("/idle") == 1.0 }).await;
    assert_eq!(world.sum("/lifetime"), 0.0);
    // One that has idled too long is not used again, even before the sweep has found it.
    assert_eq!(caller.get("/", "web").await.status(), 200);
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    assert_eq!((web.connections(), world.sum("/idle")), (3, 2.0));
    drop((web, caller));
    world.finish().await;
}

/// A connection in steady use is replaced when it is old, and no request notices.
async fn old_back_end(workers: usize) {
    let web = Backend::text("ok").await;
    let world = World::with(workers, web.address, of_back_ends(None, Some(200))).await;
    let mut caller = Client::connect(world.address).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1000) {
        assert_eq!(caller.get("/", "web").await.status(), 200);
    }
    assert!((3..=8).contains(&web.connections()), "{} connections in a second", web.connections());
    assert!(world.sum("/lifetime") >= 3.0);
    assert_eq!(world.sum("/idle"), 0.0);
    drop((web, caller));
    world.finish().await;
}

async fn row_26_idle_caller(workers: usize) {
    let web = Backend::text("ok").await;
    let world = World::with(workers, web.address, of_callers(Some(300), Some(60_000))).await;
    let mut caller = Client::connect(world.address).await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    let answered = Instant::now();
    assert!(caller.ended().await);
    assert!((250..2000).contains(&answered.elapsed().as_millis()), "{:?}", answered.elapsed());
    assert_eq!((world.sum("/idle"), world.sum("/lifetime")), (1.0, 0.0));
    // One that never asks is idle too.
    assert!(Client::connect(world.address).await.ended().await);
    assert_eq!(world.sum("/idle"), 2.0);
    drop(web);
    world.finish().await;
}

async fn row_27_old_caller(workers: usize) {
    let web = Backend::text("ok").await;
    let world = World::with(workers, web.address, of_callers(Some(60_000), Some(300))).await;
    let begun = Instant::now();
    let mut caller = Client::connect(world.address).await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    assert!(caller.ended().await);
    assert!((250..2000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!((world.sum("/idle"), world.sum("/lifetime")), (0.0, 1.0));
    drop(web);
    world.finish().await;
}

async fn busy_callers_are_not_idle(workers: usize) {
    let gate = Gate::closed();
    let late = Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("late"))]);
    let web = Backend::start([late]).await;
    let world = World::with(workers, web.address, of_callers(Some(200), None)).await;
    let mut caller = Client::connect(world.address).await;
    caller.send("GET / HTTP/1.1\r\nHo").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    caller.send("st: web\r\n\r\n").await;
    web.wait_requests(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.open();
    assert_eq!(caller.response().await.text(), "late");
    assert!(caller.ended().await);
    assert_eq!(world.sum("/idle"), 1.0);
    drop(web);
    world.finish().await;
}

/// The answer that comes after the connection's time tells the caller not to send more.
async fn old_but_busy(workers: usize) {
    let gate = Gate::closed();
    let late = Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("late"))]);
    let web = Backend::start([late]).await;
    let world = World::with(workers, web.address, of_callers(None, Some(200))).await;
    let mut caller = Client::connect(world.address).await;
    caller.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    web.wait_requests(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.open();
    let answer = caller.response().await;
    assert_eq!((answer.text().as_str(), answer.head.get("connection")), ("late", Some("close")));
    assert!(caller.ended().await);
    // Answers of the proxy's own likewise.
    let mut caller = Client::connect(world.address).await;
    caller.send("GET / HTTP/1.1\r\nHo").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    caller.send("st: nobody\r\n\r\n").await;
    let answer = caller.response().await;
    assert_eq!((answer.status(), answer.head.get("connection")), (502, Some("close")));
    drop((web, caller));
    world.finish().await;
}
