//! Callers that go away while they wait are noticed, their attempts are given up, and nothing is left of them.

use crate::world::{Settings, World, accept, asked, back_end, black_hole, bytes, head, reset, rest};
use balance::{Backoff, BudgetConfig, Nanos};
use engines::HttpSettings;
use router::{Classifier, PoolSettings, Retries, ServicePartial};
use std::time::Duration;
use testkit::each_width;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

each_width!(
    reset_while_the_back_end_is_silent,
    reset_with_requests_behind,
    reset_during_a_back_off,
    reset_while_a_place_is_waited_for,
    reset_while_connecting,
    reset_while_the_back_end_does_not_read,
    reset_in_a_silent_answer,
    closed_while_the_back_end_is_silent,
    closed_in_a_silent_answer,
    said_everything,
    requests_read_ahead
);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn half_closed(ms: u64) -> Settings {
    Settings::http(HttpSettings { half_closed: Nanos::from_millis(ms), ..HttpSettings::default() })
}

/// The back end is told by a reset, the request is counted as cancelled and as nothing else, and nothing is left.
async fn given_up(world: World, mut back: TcpStream) {
    let (_, orderly) = rest(&mut back).await;
    assert!(!orderly, "an orderly end could come from a caller that has only said everything");
    world.wait("server/s/cancelled", 1.0).await;
    world.wait("/connections", 0.0).await;
    for counted in ["/requests", "/success", "/failures", "/pending"] {
        assert_eq!(world.sum(counted), 0.0, "{counted}");
    }
    world.finish().await;
}

async fn reset_while_the_back_end_is_silent(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let (io, back) = asked(&world, &listener, GET).await;
    reset(io);
    given_up(world, back).await;
}

/// More has come than is read ahead: the end behind it is found by looking.
async fn reset_with_requests_behind(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    for behind in [1, 4_000] {
        let (mut io, mut back) = asked(&world, &listener, GET).await;
        io.write_all(&GET.repeat(behind)).await.expect("room");
        tokio::time::sleep(Duration::from_millis(50)).await;
        reset(io);
        assert!(!rest(&mut back).await.1, "{behind} requests behind");
    }
    world.wait("server/s/cancelled", 2.0).await;
    world.finish().await;
}

async fn reset_during_a_back_off(workers: usize) {
    let (listener, address) = back_end().await;
    let retries =
        Retries { budget: BudgetConfig::default(), backoff: Backoff::Constant(Nanos::from_secs(600)) };
    let classifier = Some(Classifier::RetryableRead5xx);
    let service = ServicePartial { retries: Some(retries), classifier, ..ServicePartial::default() };
    let world = World::with(workers, address, Settings { service, ..Settings::default() }).await;
    let (io, mut back) = asked(&world, &listener, GET).await;
    back.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await.expect("room");
    world.wait("/retries/total", 1.0).await;
    reset(io);
    world.wait("server/s/cancelled", 1.0).await;
    world.wait("server/s/pending", 0.0).await;
    drop(back);
    world.finish().await;
}

/// The only connection is in use: whoever waits for it and goes leaves at once.
async fn reset_while_a_place_is_waited_for(workers: usize) {
    let (listener, address) = back_end().await;
    let pool = Some(PoolSettings { max: 1, ..PoolSettings::default() });
    let world = World::with(workers, address, Settings { pool, ..Settings::default() }).await;
    let mut first = world.caller().await;
    first.write_all(GET).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    let mut io = world.caller().await;
    io.write_all(GET).await.expect("room");
    world.wait("/pool_waiters", 1.0).await;
    reset(io);
    world.wait("server/s/cancelled", 1.0).await;
    world.wait("/pool_waiters", 0.0).await;
    back.write_all(OK).await.expect("room");
    head(&mut first).await;
    drop((first, back));
    world.finish().await;
}

async fn reset_while_connecting(workers: usize) {
    let (hole, _fill, _listener) = black_hole().await;
    let world = World::start(workers, hole).await;
    let mut io = world.caller().await;
    io.write_all(GET).await.expect("room");
    world.wait(&format!("client/$/inet/127.0.0.1/{}/pending", hole.port()), 1.0).await;
    reset(io);
    world.wait("/cancelled_connects", 1.0).await;
    world.wait("server/s/cancelled", 1.0).await;
    assert_eq!(world.summary("/failed_connect_latency_ms.count"), 0.0);
    world.finish().await;
}

async fn reset_while_the_back_end_does_not_read(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.caller().await;
    io.write_all(b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 99999999\r\n\r\n").await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    let block = vec![b'.'; 1 << 16];
    while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), io.write(&block)).await {
        written.expect("the proxy reads");
    }
    reset(io);
    world.wait("server/s/cancelled", 1.0).await;
    world.wait("server/s/connections", 0.0).await;
    given_up(world, back).await;
}

/// A stream of events that has none just now.
async fn reset_in_a_silent_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let (io, back) = silent_answer(&world, &listener).await;
    reset(io);
    given_up(world, back).await;
}

async fn silent_answer(world: &World, listener: &tokio::net::TcpListener) -> (TcpStream, TcpStream) {
    let (mut io, mut back) = asked(world, listener, GET).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await.expect("room");
    head(&mut io).await;
    assert_eq!(bytes(&mut io, 8).await, b"3\r\none\r\n");
    (io, back)
}

/// TCP does not tell a caller that has gone from one that has said everything: for a while it may be the latter.
async fn closed_while_the_back_end_is_silent(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, half_closed(200)).await;
    let (io, back) = asked(&world, &listener, GET).await;
    drop(io);
    given_up(world, back).await;
}

async fn closed_in_a_silent_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, half_closed(200)).await;
    let (io, back) = silent_answer(&world, &listener).await;
    drop(io);
    given_up(world, back).await;
}

/// A caller that has only closed its side gets its answer, however long that takes if only it moves.
async fn said_everything(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, half_closed(600)).await;
    let mut io = world.caller().await;
    io.write_all(GET).await.expect("room");
    io.shutdown().await.expect("a connection");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6000\r\n\r\n").await.expect("room");
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        back.write_all(&[b'.'; 1000]).await.expect("room");
    }
    let (answer, orderly) = rest(&mut io).await;
    assert!(orderly && answer.ends_with(&[b'.'; 6000]), "{} bytes", answer.len());
    world.wait("server/s/success", 1.0).await;
    assert_eq!(world.sum("server/s/cancelled"), 0.0);
    drop(back);
    world.finish().await;
}

/// Requests that come while another one is waited for are answered afterwards, in order.
async fn requests_read_ahead(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let (mut io, mut back) = asked(&world, &listener, GET).await;
    for part in [&b"GET /1 HTTP/1.1\r\nHo"[..], b"st: web\r\n\r\nGET /2 HTTP/1.1\r\nHost: web\r\n\r\n"] {
        io.write_all(part).await.expect("room");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    back.write_all(OK).await.expect("room");
    for target in ["GET /1 ", "GET /2 "] {
        let next = head(&mut back).await;
        assert!(next.starts_with(target), "{next}");
        back.write_all(OK).await.expect("room");
    }
    for _ in 0..3 {
        assert!(head(&mut io).await.starts_with("HTTP/1.1 200"));
        assert_eq!(bytes(&mut io, 2).await, b"ok");
    }
    drop((io, back));
    world.finish().await;
}
