//! `readTimeoutMs` and `writeTimeoutMs` of both sides (dataplane.md §3.3).

use crate::world::{Settings, World, accept, back_end, head, rest};
use balance::Nanos;
use router::{ServerSettings, SocketSettings};
use std::time::Duration;
use testkit::each_width;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

each_width!(
    back_end_says_nothing,
    back_end_stops_in_its_answer,
    back_end_takes_nothing,
    caller_says_nothing,
    caller_is_quiet_behind_an_answer,
    caller_takes_nothing,
    a_peers_turn_only
);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

fn limits(read: u64, write: u64) -> SocketSettings {
    let limit = |ms: u64| Some(Nanos::from_millis(ms)).filter(|_| ms > 0);
    SocketSettings { read_timeout: limit(read), write_timeout: limit(write), ..SocketSettings::default() }
}

fn of_back_end(read: u64, write: u64) -> Settings {
    Settings { socket: Some(limits(read, write)), ..Settings::default() }
}

fn of_caller(read: u64, write: u64) -> Settings {
    let server = ServerSettings { socket: limits(read, write), ..ServerSettings::default() };
    Settings { server, ..Settings::default() }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn back_end_says_nothing(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, of_back_end(250, 0)).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        head(&mut io).await;
        // Every byte is patience anew.
        for b in b"HTTP/1.1 200 OK\r\n" {
            tokio::time::sleep(Duration::from_millis(30)).await;
            io.write_all(&[*b]).await.expect("room");
        }
        rest(&mut io).await
    });
    let begun = Instant::now();
    let answer = text(&world.ask(GET).await);
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
    assert!(
        answer.starts_with("HTTP/1.1 502 ") && answer.contains("no answer within readTimeoutMs"),
        "{answer}"
    );
    back.await.expect("its connection ends");
    assert_eq!(world.sum("/read_timeout"), 1.0);
    world.finish().await;
}

/// A small answer is held until it is whole, so the caller can still be told; a long one breaks off.
async fn back_end_stops_in_its_answer(workers: usize) {
    for (length, begin, end) in [(10, "HTTP/1.1 502 ", "Not Available"), (10_000, "HTTP/1.1 200 ", "half")] {
        let (listener, address) = back_end().await;
        let world = World::with(workers, address, of_back_end(250, 0)).await;
        let back = tokio::spawn(async move {
            let mut io = accept(&listener).await;
            head(&mut io).await;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhalf");
            io.write_all(answer.as_bytes()).await.expect("room");
            rest(&mut io).await
        });
        let answer = text(&world.ask(GET).await);
        assert!(answer.starts_with(begin) && answer.trim_end().ends_with(end), "{answer}");
        back.await.expect("its connection ends");
        assert_eq!(world.sum("/read_timeout"), 1.0);
        world.finish().await;
    }
}

async fn back_end_takes_nothing(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, of_back_end(0, 250)).await;
    let back = tokio::spawn(async move {
        let io = accept(&listener).await;
        std::future::pending::<()>().await;
        drop(io);
    });
    let io = world.caller().await;
    let (mut from_proxy, mut to_proxy) = io.into_split();
    to_proxy
        .write_all(b"POST / HTTP/1.1\r\nHost: web\r\nConnection: close\r\nContent-Length: 100000000\r\n\r\n")
        .await
        .expect("room");
    let pouring = tokio::spawn(async move { while to_proxy.write_all(&[0; 1 << 16]).await.is_ok() {} });
    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut from_proxy, &mut answer);
    testkit::within("an answer", read).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 502");
    assert_eq!(world.sum("/write_timeout"), 1.0);
    drop(from_proxy);
    pouring.await.expect("the caller is cut off");
    back.abort();
    world.finish().await;
}

async fn caller_says_nothing(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, of_caller(250, 0)).await;
    // Nothing at all; half a head; a small body, a large one.
    let begun = Instant::now();
    assert_eq!(text(&world.ask(b"").await), "");
    assert!((240..2000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    let refused = "HTTP/1.0 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(text(&world.ask(b"GET / HTTP/1.1\r\nHost: ").await), refused);
    let small = b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhal";
    assert_eq!(text(&world.ask(small).await), refused);
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        head(&mut io).await;
        rest(&mut io).await
    });
    assert_eq!(
        text(&world.ask(b"POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 100000\r\n\r\nhal").await),
        ""
    );
    assert_eq!(back.await.expect("its connection ends").0, b"hal");
    assert_eq!(world.sum("/read_timeout"), 4.0);
    world.finish().await;
}

/// Whether the rest of the request is still wanted then is the back end's business.
async fn caller_is_quiet_behind_an_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, of_caller(200, 0)).await;
    let mut io = world.caller().await;
    let begin = b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    io.write_all(begin).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("room");
    head(&mut io).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    back.write_all(b"0\r\n\r\n").await.expect("room");
    assert_eq!(text(&rest(&mut io).await.0), "0\r\n\r\n");
    assert_eq!(world.sum("/read_timeout"), 0.0);
    drop(back);
    world.finish().await;
}

async fn caller_takes_nothing(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::with(workers, address, of_caller(0, 250)).await;
    let mut io = world.narrow_caller().await;
    io.write_all(GET).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await.expect("room");
    let pouring = async { while back.write_all(&[0; 1 << 16]).await.is_ok() {} };
    testkit::within("the back end is cut off", pouring).await;
    assert_eq!(world.sum("/write_timeout"), 1.0);
    drop(io);
    world.finish().await;
}

/// Nobody is hurried who waits for somebody else.
async fn a_peers_turn_only(workers: usize) {
    let (listener, address) = back_end().await;
    let settings = Settings { socket: Some(limits(300, 100)), ..of_caller(100, 100) };
    let world = World::with(workers, address, settings).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        for _ in 0..2 {
            head(&mut io).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            io.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("room");
        }
        rest(&mut io).await
    });
    let twice = [b"GET / HTTP/1.1\r\nHost: web\r\n\r\n", GET].concat();
    let answer = text(&world.ask(&twice).await);
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert_eq!((world.sum("/read_timeout"), world.sum("/write_timeout")), (0.0, 0.0));
    world.finish().await;
    back.await.expect("two requests");
}
