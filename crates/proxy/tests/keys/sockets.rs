//! Keys of `socketOptions` whose effect does not show in the tables of the system; the others are in
//! `e2e/tests/traffic/sockets.rs`.

use super::*;
use std::time::Duration;
use testkit::{Act, Backend, Gate, Play, free_port, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The shortest time of several in which a second small piece of an answer arrives, at a caller whose system is in no
/// hurry to acknowledge the first.
async fn second_piece(options: &str) -> Duration {
    let web = Backend::text("-").await;
    let server = format!("  servers: [{{port: 0, socketOptions: {options}}}]");
    let running = start("", &format!("{}\n{server}", all_to(web.address))).await;
    let mut caller = TcpStream::connect(running.address()).await.expect("it listens");
    let mut shortest = Duration::MAX;
    for _ in 0..10 {
        let gate = Gate::closed();
        let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
        let rest = [Act::Wait(gate.clone()), Play::write("3\r\ntwo\r\n0\r\n\r\n")];
        web.play([Play::acts([Act::Request, Play::write(first)].into_iter().chain(rest))]);
        caller.set_quickack(false).expect("Linux has it");
        caller.write_all(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await.expect("room");
        until(&mut caller, b"one\r\n").await;
        let begun = Instant::now();
        gate.open();
        until(&mut caller, b"0\r\n\r\n").await;
        shortest = shortest.min(begun.elapsed());
    }
    running.stop().await;
    shortest
}

async fn until(io: &mut TcpStream, end: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        assert!(within("more", io.read_buf(&mut read)).await.expect("more") > 0, "it ended");
    }
}

/// `noDelay`: without it, small writes wait until what was sent before has been acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_delay() {
    let (prompt, held) = (second_piece("{}").await, second_piece("{noDelay: false}").await);
    let limit = Duration::from_millis(20);
    assert!(prompt < limit && held > limit, "{prompt:?} and {held:?}");
}

/// `reuseAddr`: without it a port cannot be had while connections of an earlier process linger there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reuse_addr() {
    let port = free_port();
    let try_start = async |options: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let servers = format!("  servers: [{{port: {port}, socketOptions: {options}}}]");
        try_start_in(folder, "", &servers).await
    };
    let first = try_start("{}").await.unwrap_or_else(|error| panic!("{error}"));
    let mut caller = Client::connect(first.address()).await;
    caller.send("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await;
    assert_eq!(caller.response().await.status(), 502);
    // Who closes first is who lingers.
    assert!(caller.ended().await);
    drop(caller);
    first.stop().await;
    let refused = try_start("{reuseAddr: false}").await.err().map(|error| error.to_string());
    let want = format!("cannot listen on 127.0.0.1:{port} for ");
    assert!(refused.as_ref().is_some_and(|text| text.starts_with(&want)), "{refused:?}");
    let again = try_start("{}").await.unwrap_or_else(|error| panic!("{error}"));
    again.stop().await;
}

/// `writeTimeoutMs` of a client; `readTimeoutMs` stands beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn write_timeouts() {
    let web = Backend::start([Play::read_nothing()]).await;
    let client = "  client: {socketOptions: {writeTimeoutMs: 300}}";
    let running = start("", &format!("{}\n{client}", all_to(web.address))).await;
    let mut caller = Client::connect(running.address()).await;
    caller.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 1000000000\r\n\r\n").await;
    caller.send_until_stuck(&[b'.'; 1 << 16], Duration::from_millis(100)).await;
    let answer = caller.response_to("POST").await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("request not taken within writeTimeoutMs"), "{}", answer.text());
    running.stop().await;
}
