//! `hostConnectionPool` (dataplane.md §6.2): number and idleness of an endpoint's connections, counted over all workers.

use crate::world::{Settings, World};
use balance::Nanos;
use router::{PoolSettings, ServicePartial};
use std::time::Duration;
use testkit::{Act, Backend, Client, Gate, PATIENCE, Play, each_width, eventually};

each_width!(
    max_size,
    order_of_arrival,
    max_waiters,
    time_outs_end_the_wait,
    connections_wander_to_who_waits,
    fetched_before_anybody_is_refused,
    closed_connections_make_room,
    callers_that_wait_and_go,
    min_size_and_idle_time,
    idle_time_of_nothing
);

fn pool(pool: PoolSettings) -> Settings {
    Settings { pool: Some(pool), ..Settings::default() }
}

fn at_most(max: u32) -> PoolSettings {
    PoolSettings { max, ..PoolSettings::default() }
}

/// A back end whose first request waits for the gate; all others are answered at once.
async fn gated() -> (Backend, Gate) {
    let gate = Gate::closed();
    let held = Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("held"))]);
    (Backend::start([held, Play::text("ok")]).await, gate)
}

async fn caller(world: &World) -> Client {
    Client::connect(world.address).await
}

async fn send(client: &mut Client, path: &str) {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: web\r\n\r\n")).await;
}

async fn gauge(world: &World, name: &str, value: f64) {
    let what = format!("{name} is {value}");
    eventually(PATIENCE, &what, || async { (world.sum(name) - value).abs() < 0.01 }).await;
}

/// More callers than connections, on all workers: two connections carry all, and neither is ever dialled anew.
async fn max_size(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let world = World::with(workers, web.address, pool(at_most(2))).await;
    let mut callers = Vec::new();
    for _ in 0..16 {
        let mut caller = caller(&world).await;
        callers.push(tokio::spawn(async move {
            for _ in 0..50 {
                assert_eq!(caller.get("/", "web").await.status(), 200);
            }
        }));
    }
    for caller in callers {
        caller.await.expect("all are answered");
    }
    assert_eq!(web.requests(), 800);
    assert_eq!((web.connections(), web.open()), (2, 2));
    assert!(world.sum("/pool_num_waited") > 0.0);
    assert_eq!((world.sum("/pool_waiters"), world.sum("/pool_num_too_many_waiters")), (0.0, 0.0));
    gauge(&world, "/pool_cached", 2.0).await;
    assert_eq!(world.sum("/pool_size"), 0.0);
    drop(web);
    world.finish().await;
}

async fn order_of_arrival(workers: usize) {
    let (web, gate) = gated().await;
    let world = World::with(workers, web.address, pool(at_most(1))).await;
    let mut callers = Vec::new();
    for n in 0..8 {
        let mut caller = caller(&world).await;
        send(&mut caller, &format!("/{n}")).await;
        callers.push(caller);
        web.wait_requests(1).await;
        gauge(&world, "/pool_waiters", f64::from(n)).await;
    }
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.status(), 200);
    }
    let paths: Vec<_> = web.seen().iter().map(|seen| seen.head.start.clone()).collect();
    let wanted: Vec<_> = (0..8).map(|n| format!("GET /{n} HTTP/1.1")).collect();
    assert_eq!((paths, web.connections()), (wanted, 1));
    drop((web, callers));
    world.finish().await;
}

/// dataplane.md §4.6: the answer Linkerd gives.
async fn max_waiters(workers: usize) {
    let (web, gate) = gated().await;
    let settings = PoolSettings { max_waiters: 1, ..at_most(1) };
    let world = World::with(workers, web.address, pool(settings)).await;
    let [mut first, mut second, mut third] =
        [caller(&world).await, caller(&world).await, caller(&world).await];
    send(&mut first, "/").await;
    web.wait_requests(1).await;
    send(&mut second, "/").await;
    gauge(&world, "/pool_waiters", 1.0).await;
    assert_eq!((world.sum("/pool_size"), world.sum("/pool_cached")), (1.0, 0.0));
    let refused = third.get("/", "web").await;
    assert_eq!(
        (refused.status(), refused.text().as_str()),
        (502, "com.twitter.finagle.TooManyWaitersException")
    );
    assert_eq!(refused.head.get("l5d-err"), Some("com.twitter.finagle.TooManyWaitersException"));
    assert_eq!(refused.head.get("l5d-retryable"), None);
    assert_eq!((world.sum("/pool_num_waited"), world.sum("/pool_num_too_many_waiters")), (1.0, 1.0));
    assert_eq!(world.sum("/service_creation/failures"), 1.0);
    gate.open();
    assert_eq!((first.response().await.status(), second.response().await.status()), (200, 200));
    assert_eq!(third.get("/", "web").await.status(), 200, "its connection was kept");
    drop((web, first, second, third));
    world.finish().await;
}

async fn time_outs_end_the_wait(workers: usize) {
    let gate = Gate::closed();
    // Long enough that its end is nobody's concern.
    let body = ".".repeat(6000);
    let held = Play::acts([
        Act::Request,
        Play::write("HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n"),
        Act::Wait(gate.clone()),
        Play::write(&body),
    ]);
    let web = Backend::start([held, Play::text("ok")]).await;
    let total_timeout = Some(Nanos::from_millis(300));
    let service = ServicePartial { total_timeout, ..ServicePartial::default() };
    let world = World::with(workers, web.address, Settings { service, ..pool(at_most(1)) }).await;
    let [mut first, mut second] = [caller(&world).await, caller(&world).await];
    send(&mut first, "/").await;
    first.head().await;
    let late = second.get("/", "web").await;
    assert_eq!(
        (late.status(), late.text().starts_with("exceeded 300.milliseconds")),
        (503, true),
        "{late:?}"
    );
    assert_eq!(world.sum("/pool_waiters"), 0.0);
    gate.open();
    assert_eq!(first.bytes(body.len()).await, body.as_bytes());
    assert_eq!(second.get("/", "web").await.text(), "ok");
    assert_eq!((web.requests(), web.connections()), (2, 1));
    drop((web, first, second));
    world.finish().await;
}

/// A connection idles on the worker that used it last; requests on the others need it all the same.
async fn connections_wander_to_who_waits(workers: usize) {
    let web = Backend::text("ok").await;
    let world = World::with(workers, web.address, pool(at_most(1))).await;
    let mut callers = Vec::new();
    for _ in 0..8 {
        callers.push(caller(&world).await);
    }
    for _ in 0..3 {
        for caller in &mut callers {
            let begun = tokio::time::Instant::now();
            assert_eq!(caller.get("/", "web").await.status(), 200);
            // Well before the next sweep, which would find it too.
            assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
        }
    }
    assert_eq!((web.requests(), web.connections()), (24, 1));
    drop((web, callers));
    world.finish().await;
}

/// One that idles on another worker is no reason to wait, let alone to be refused.
async fn fetched_before_anybody_is_refused(workers: usize) {
    let web = Backend::text("ok").await;
    let settings = PoolSettings { max_waiters: 0, ..at_most(1) };
    let world = World::with(workers, web.address, pool(settings)).await;
    let mut callers = Vec::new();
    for _ in 0..8 {
        callers.push(caller(&world).await);
    }
    for _ in 0..3 {
        for caller in &mut callers {
            assert_eq!(caller.get("/", "web").await.status(), 200);
            // The answer is there a little earlier than the connection is free.
            gauge(&world, "/pool_cached", 1.0).await;
        }
    }
    assert_eq!((web.requests(), web.connections()), (24, 1));
    assert_eq!((world.sum("/pool_num_waited"), world.sum("/pool_num_too_many_waiters")), (0.0, 0.0));
    drop((web, callers));
    world.finish().await;
}

/// The connection that idles elsewhere may have ended meanwhile.
async fn closed_connections_make_room(workers: usize) {
    let web = Backend::start([Play::reply_then_close(Play::text_bytes("ok"))]).await;
    let world = World::with(workers, web.address, pool(at_most(1))).await;
    for _ in 0..12 {
        let mut caller = caller(&world).await;
        assert_eq!(caller.get("/", "web").await.status(), 200);
    }
    assert_eq!(web.connections(), 12);
    drop(web);
    world.finish().await;
}

/// A request that has given up waiting leaves its turn to the next.
async fn callers_that_wait_and_go(workers: usize) {
    let (web, gate) = gated().await;
    let settings = Settings { attempt_timeout: Some(Nanos::from_millis(400)), ..pool(at_most(1)) };
    let world = World::with(workers, web.address, settings).await;
    let mut first = caller(&world).await;
    send(&mut first, "/").await;
    web.wait_requests(1).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let mut caller = caller(&world).await;
        send(&mut caller, "/").await;
        waiting.push(caller);
    }
    assert_eq!(first.response().await.status(), 503);
    for caller in &mut waiting {
        // Whoever is late is told so; whoever was let in has an answer.
        assert!([200, 503].contains(&caller.response().await.status()));
    }
    gate.open();
    gauge(&world, "/pool_waiters", 0.0).await;
    assert_eq!(first.get("/", "web").await.status(), 200);
    drop((web, first, waiting));
    world.finish().await;
}

/// `minSize` is the process's, not each worker's.
async fn min_size_and_idle_time(workers: usize) {
    let gate = Gate::closed();
    let held = Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("held"))]);
    let web = Backend::start([held]).await;
    let settings = PoolSettings { min: 2, idle: Some(Nanos::from_millis(200)), ..PoolSettings::default() };
    let world = World::with(workers, web.address, pool(settings)).await;
    let mut callers = Vec::new();
    for _ in 0..8 {
        let mut caller = caller(&world).await;
        send(&mut caller, "/").await;
        callers.push(caller);
    }
    web.wait_requests(8).await;
    assert_eq!((web.open(), world.sum("/pool_size")), (8, 8.0));
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.status(), 200);
    }
    eventually(PATIENCE, "two are kept", || async { web.open() == 2 }).await;
    assert_eq!(world.sum("/closes"), 6.0);
    // A few more sweeps change nothing.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!((web.open(), world.sum("/pool_size"), world.sum("/pool_cached")), (2, 2.0, 0.0));
    drop((web, callers));
    world.finish().await;
}

async fn idle_time_of_nothing(workers: usize) {
    let web = Backend::text("ok").await;
    let settings = PoolSettings { idle: Some(Nanos(0)), ..PoolSettings::default() };
    let world = World::with(workers, web.address, pool(settings)).await;
    let mut caller = caller(&world).await;
    for n in 1..=3 {
        assert_eq!(caller.get("/", "web").await.status(), 200);
        assert_eq!(web.connections(), n, "none is kept");
    }
    drop((web, caller));
    world.finish().await;
}
