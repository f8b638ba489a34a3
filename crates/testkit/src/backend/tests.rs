use super::*;
use crate::client::Client;
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn plays_in_order_and_repeats_the_last() {
    let backend = Backend::start([Play::text("one"), Play::text("two")]).await;
    let mut client = Client::connect(backend.address).await;
    for expected in ["one", "two", "two"] {
        assert_eq!(client.get("/", "a").await.text(), expected);
    }
    assert_eq!((backend.requests(), backend.connections(), backend.open()), (3, 1, 1));
    assert_eq!(backend.last().head.raw, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(backend.bytes(), 3 * backend.last().head.raw.len() as u64);
    drop(client);
    eventually(PATIENCE, "closed", || async { backend.open() == 0 }).await;
}

async fn check_end(play: Play, expected: &[u8]) {
    let backend = Backend::start([play]).await;
    let mut client = Client::connect(backend.address).await;
    let _ = client.try_send(GET).await;
    assert_eq!(client.until_close().await, expected);

    eventually(PATIENCE, "closed", || async { backend.open() == 0 }).await;
}

#[tokio::test]
async fn ends_connections_as_told() {
    check_end(Play::close_at_once(), b"").await;
    check_end(Play::reply_then_close("HTTP/1.0 200 OK\r\n\r\nab"), b"HTTP/1.0 200 OK\r\n\r\nab").await;
    check_end(Play::reset_after_request_bytes(5), b"").await;
    check_end(Play::acts([Act::Request, Act::Fill(3), Act::Close]), b"...").await;
}

#[tokio::test]
async fn records_bodies_and_answers_from_them() {
    let echo = Play::answer(|seen| Play::text_bytes(&String::from_utf8_lossy(&seen.body.data)));
    let backend = Backend::start([echo]).await;
    let mut client = Client::connect(backend.address).await;
    client.send("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n").await;
    assert_eq!(client.response().await.text(), "hi");
    assert_eq!(backend.last().body.trailers, [("X-T".into(), "1".into())]);
}

#[tokio::test]
async fn gates_hold_and_kill_closes_everything() {
    let gate = Gate::closed();
    let backend = Backend::start([Play::acts([
        Act::Request,
        Act::Wait(gate.clone()),
        Play::write(Play::text_bytes("x")),
    ])])
    .await;
    let mut client = Client::connect(backend.address).await;
    client.send(GET).await;
    backend.wait_requests(1).await;
    assert!(tokio::time::timeout(Duration::from_millis(20), client.response()).await.is_err());
    gate.open();
    assert_eq!(client.response().await.text(), "x");
    let address = backend.address;
    backend.kill().await;
    assert_eq!(client.until_close().await, b"");
    assert!(Client::try_connect(address).await.is_err());
    let again = Backend::start_at(address, [Play::text("y")]).await;
    assert_eq!(Client::connect(again.address).await.get("/", "a").await.text(), "y");
}
