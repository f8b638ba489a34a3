//! Callers that stop in the middle are given up after a while; the time begins anew with each byte.

use crate::world::{Settings, World, accept, back_end, head, rest};
use balance::Nanos;
use engines::HttpSettings;
use std::time::Duration;
use testkit::each_width;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

each_width!(
    body_that_is_held,
    body_that_is_passed_on,
    slow_body,
    quiet_behind_an_answer,
    deaf_to_an_answer,
    deaf_to_the_proxy_itself,
    many_at_once
);

const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";

async fn impatient(workers: usize, ms: u64, back: std::net::SocketAddr) -> World {
    let http = HttpSettings { stall: Nanos::from_millis(ms), ..HttpSettings::default() };
    World::with(workers, back, Settings::http(http)).await
}

async fn body_that_is_held(workers: usize) {
    let (listener, address) = back_end().await;
    let world = impatient(workers, 300, address).await;
    let answer = world.ask(b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 9\r\n\r\nabc").await;
    assert!(answer.starts_with(b"HTTP/1.0 408 Request Timeout\r\n"), "{answer:?}");
    assert_eq!(world.sum("server/s/read_timeout"), 1.0);
    drop(listener);
    world.finish().await;
}

async fn body_that_is_passed_on(workers: usize) {
    let (listener, address) = back_end().await;
    let world = impatient(workers, 300, address).await;
    let mut io = world.caller().await;
    io.write_all(CHUNKED).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    let (answer, _) = rest(&mut io).await;
    assert!(answer.starts_with(b"HTTP/1.0 408 Request Timeout\r\n"), "{answer:?}");
    let (begun, orderly) = rest(&mut back).await;
    assert!(begun.starts_with(b"3\r\nabc\r\n") && !orderly, "the back end must not take it for all");
    assert_eq!((world.sum("server/s/read_timeout"), world.sum("server/s/cancelled")), (1.0, 1.0));
    assert_eq!(world.sum("/failures"), 0.0, "not the back end's fault");
    world.finish().await;
}

async fn slow_body(workers: usize) {
    let (listener, address) = back_end().await;
    let world = impatient(workers, 600, address).await;
    let mut io = world.caller().await;
    io.write_all(CHUNKED).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        io.write_all(b"1\r\nx\r\n").await.expect("room");
    }
    io.write_all(b"0\r\n\r\n").await.expect("room");
    back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("room");
    assert!(head(&mut io).await.starts_with("HTTP/1.1 200"));
    drop((io, back));
    world.finish().await;
}

/// Once the answer has begun, it is the back end's business whether it wants the rest of the request.
async fn quiet_behind_an_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = impatient(workers, 200, address).await;
    let mut io = world.caller().await;
    io.write_all(CHUNKED).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("room");
    head(&mut io).await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    io.write_all(b"0\r\n\r\n").await.expect("room");
    back.write_all(b"0\r\n\r\n").await.expect("room");
    assert_eq!(crate::world::bytes(&mut io, 5).await, b"0\r\n\r\n");
    drop((io, back));
    world.finish().await;
}

async fn deaf_to_an_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = impatient(workers, 300, address).await;
    let mut io = world.narrow_caller().await;
    io.write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").await.expect("room");
    let block = vec![b'.'; 1 << 16];
    testkit::within("the back end is cut off", async { while back.write_all(&block).await.is_ok() {} }).await;
    world.wait("server/s/write_timeout", 1.0).await;
    world.wait("/connections", 0.0).await;
    drop(io);
    world.finish().await;
}

/// Errors of the proxy's own, asked for again and again by a caller that reads none of them.
async fn deaf_to_the_proxy_itself(workers: usize) {
    let (_listener, address) = back_end().await;
    let world = impatient(workers, 300, address).await;
    let mut io = world.narrow_caller().await;
    let many = "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n".repeat(1_000);
    testkit::within("the caller is cut off", async { while io.write_all(many.as_bytes()).await.is_ok() {} })
        .await;
    world.wait("server/s/write_timeout", 1.0).await;
    world.wait("server/s/connections", 0.0).await;
    world.finish().await;
}

/// As many as there may be: all of them are gone when their time is up, and the proxy serves others meanwhile.
async fn many_at_once(workers: usize) {
    const CALLERS: usize = 600;
    let (listener, address) = back_end().await;
    let world = impatient(workers, 1_500, address).await;
    let answering = tokio::spawn(async move {
        loop {
            let mut io = accept(&listener).await;
            tokio::spawn(async move {
                let mut sink = [0; 1 << 10];
                while io.read(&mut sink).await.is_ok_and(|n| n > 0) {
                    if sink.starts_with(b"GET") {
                        let _ = io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                    }
                }
            });
        }
    });
    let mut callers = Vec::new();
    for i in 0..CALLERS {
        let mut io = world.caller().await;
        let held = b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 9\r\n\r\nabc";
        io.write_all(if i % 2 == 0 { CHUNKED } else { held }).await.expect("room");
        callers.push(io);
    }
    let answer = world.ask(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    for io in &mut callers {
        assert!(rest(io).await.0.starts_with(b"HTTP/1.0 408"));
    }
    drop(callers);
    world.wait("server/s/connections", 0.0).await;
    world.wait("/pending", 0.0).await;
    answering.abort();
    world.finish().await;
}
