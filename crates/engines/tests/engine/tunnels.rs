//! Tunnels: bytes both ways behind a granted upgrade or CONNECT, and nothing of the sort unless it is configured.

use crate::world::{Settings, World, accept, back_end, bytes, head, reset, rest};
use balance::Nanos;
use engines::{Drained, HttpSettings};
use std::net::SocketAddr;
use std::time::Duration;
use testkit::each_width;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

each_width!(
    off_by_default,
    both_ways,
    connect,
    refused,
    not_asked_for,
    either_side_may_end_first,
    resets_pass,
    a_deaf_end_holds_the_other_back,
    a_deaf_end_is_given_up,
    quiet_ones_end_with_the_proxy,
    busy_ones_may_finish
);

const ASK: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: web\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
const GRANT: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: a\r\n\r\n";

async fn start(workers: usize, back: SocketAddr) -> World {
    let http = HttpSettings { tunnels: true, stall: Nanos::from_millis(1_500), ..HttpSettings::default() };
    World::with(workers, back, Settings::http(http)).await
}

/// A tunnel through the proxy: its caller and its back end.
async fn tunnel(world: &World, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut io = world.caller().await;
    io.write_all(ASK).await.expect("room");
    let mut back = accept(listener).await;
    let asked = head(&mut back).await;
    assert!(asked.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), "{asked}");
    assert!(asked.contains("\r\nSec-WebSocket-Key: k\r\n") && !asked.contains("Content-Length"), "{asked}");
    back.write_all(GRANT).await.expect("room");
    let granted = head(&mut io).await;
    assert!(granted.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{granted}");
    assert!(granted.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), "{granted}");
    assert!(
        granted.contains("\r\nSec-WebSocket-Accept: a\r\n") && granted.contains("l5d-success-class: 1.0")
    );
    (io, back)
}

async fn pass(from: &mut TcpStream, to: &mut TcpStream, what: &[u8]) {
    from.write_all(what).await.expect("room");
    assert_eq!(bytes(to, what.len()).await, what);
}

/// dataplane.md §4.3: the upgrade is struck out, and a back end that grants it all the same is at fault.
async fn off_by_default(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.caller().await;
    io.write_all(ASK).await.expect("room");
    let mut back = accept(&listener).await;
    let asked = head(&mut back).await;
    assert!(!asked.contains("Upgrade:") && asked.contains("Sec-WebSocket-Key"), "{asked}");
    back.write_all(GRANT).await.expect("room");
    let answer = head(&mut io).await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    drop(io);
    world.finish().await;
}

async fn both_ways(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let (mut io, mut back) = tunnel(&world, &listener).await;
    for size in [1, 100, 20_000] {
        pass(&mut io, &mut back, &vec![b'u'; size]).await;
        pass(&mut back, &mut io, &vec![b'd'; size]).await;
    }
    pass(&mut io, &mut back, b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n").await;
    assert_eq!(world.sum("server/s/pending"), 1.0, "it is one request all the time");
    drop((io, back));
    world.wait("server/s/status/101", 1.0).await;
    assert_eq!(world.sum("server/s/success"), 1.0);
    world.wait("/connections", 0.0).await;
    assert!(world.sum("server/s/sent_bytes") > 20_100.0 && world.sum("server/s/received_bytes") > 20_100.0);
    world.finish().await;
}

/// What both sides say before the other one can know of the grant is not lost.
async fn connect(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let mut io = world.caller().await;
    io.write_all(b"CONNECT web:443 HTTP/1.1\r\nHost: web\r\n\r\nearly").await.expect("room");
    let mut back = accept(&listener).await;
    let asked = head(&mut back).await;
    assert!(asked.starts_with("CONNECT web:443 HTTP/1.1\r\n"), "{asked}");
    back.write_all(b"HTTP/1.1 200 Fine\r\nContent-Length: 3\r\n\r\nback").await.expect("room");
    let granted = head(&mut io).await;
    assert!(granted.starts_with("HTTP/1.1 200 Fine\r\n") && !granted.contains("Length"), "{granted}");
    assert_eq!((bytes(&mut io, 4).await, bytes(&mut back, 5).await), (b"back".to_vec(), b"early".to_vec()));
    pass(&mut io, &mut back, b"more").await;
    drop(io);
    assert_eq!(rest(&mut back).await.0, b"");
    drop(back);
    world.finish().await;
}

/// A back end that does not want to: an ordinary answer, and the connection goes on as before.
async fn refused(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let mut io = world.caller().await;
    let mut back = None;
    for ask in [ASK, b"CONNECT web:443 HTTP/1.1\r\nHost: web\r\n\r\n", ASK] {
        io.write_all(ask).await.expect("room");
        let mut to = match back.take() {
            Some(back) => back,
            None => accept(&listener).await,
        };
        head(&mut to).await;
        to.write_all(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno").await.expect("room");
        assert!(head(&mut io).await.starts_with("HTTP/1.1 403 "));
        assert_eq!(bytes(&mut io, 2).await, b"no");
        // An answer to CONNECT ends the back end's connection: who knows what it takes it for.
        back = (!ask.starts_with(b"CONNECT")).then_some(to);
    }
    drop((io, back));
    world.finish().await;
}

async fn not_asked_for(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let other = String::from_utf8_lossy(GRANT).replace("WebSocket\r", "smtp\r");
    let h2c = String::from_utf8_lossy(ASK).replace("websocket", "h2c");
    let plain = "GET / HTTP/1.1\r\nHost: web\r\n\r\n".to_owned();
    let rows = [(ASK.to_vec(), other.into_bytes()), (h2c.into(), GRANT.into()), (plain.into(), GRANT.into())];
    for (ask, grant) in rows {
        let mut io = world.caller().await;
        io.write_all(&ask).await.expect("room");
        let mut back = accept(&listener).await;
        let asked = head(&mut back).await;
        assert!(!asked.contains("h2c"), "{asked}");
        back.write_all(&grant).await.expect("room");
        let answer = head(&mut io).await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        rest(&mut back).await;
    }
    world.finish().await;
}

async fn either_side_may_end_first(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    for caller_first in [true, false] {
        let (mut io, mut back) = tunnel(&world, &listener).await;
        let (first, last) = if caller_first { (&mut io, &mut back) } else { (&mut back, &mut io) };
        first.write_all(b"bye").await.expect("room");
        first.shutdown().await.expect("open");
        assert_eq!(rest(last).await, (b"bye".to_vec(), true));
        tokio::time::sleep(Duration::from_millis(100)).await;
        last.write_all(&[b'.'; 40_000]).await.expect("room");
        last.shutdown().await.expect("open");
        assert_eq!(rest(first).await, (vec![b'.'; 40_000], true), "caller first: {caller_first}");
    }
    world.wait("/connections", 0.0).await;
    world.finish().await;
}

async fn resets_pass(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let (io, mut back) = tunnel(&world, &listener).await;
    reset(io);
    assert!(!rest(&mut back).await.1);
    let (mut io, back) = tunnel(&world, &listener).await;
    reset(back);
    assert!(!rest(&mut io).await.1);
    world.finish().await;
}

async fn a_deaf_end_holds_the_other_back(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let (mut io, mut back) = tunnel(&world, &listener).await;
    let block = vec![b'.'; 1 << 16];
    let mut sent = 0;
    while let Ok(n) = tokio::time::timeout(Duration::from_millis(400), io.write(&block)).await {
        sent += n.expect("room");
        assert!(sent < 64 << 20, "nothing holds it back");
    }
    assert_eq!(bytes(&mut back, sent).await.len(), sent, "and nothing is lost");
    drop((io, back));
    world.finish().await;
}

async fn a_deaf_end_is_given_up(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let (mut io, back) = tunnel(&world, &listener).await;
    let block = vec![b'.'; 1 << 16];
    testkit::within("it is given up", async { while io.write_all(&block).await.is_ok() {} }).await;
    world.wait("/connections", 0.0).await;
    drop(back);
    world.finish().await;
}

async fn quiet_ones_end_with_the_proxy(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let (mut io, mut back) = tunnel(&world, &listener).await;
    let drained = tokio::spawn(world.drain(Duration::from_secs(20)));
    assert_eq!(rest(&mut io).await, (Vec::new(), true));
    assert_eq!(rest(&mut back).await, (Vec::new(), true));
    assert_eq!(drained.await.expect("no panic"), Drained { cut: 0 });
}

async fn busy_ones_may_finish(workers: usize) {
    let (listener, address) = back_end().await;
    let world = start(workers, address).await;
    let (mut io, mut back) = tunnel(&world, &listener).await;
    let drained = tokio::spawn(world.drain(Duration::from_secs(20)));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        pass(&mut back, &mut io, b"tick").await;
    }
    drop(back);
    drop(io);
    assert_eq!(drained.await.expect("no panic"), Drained { cut: 0 });
}
