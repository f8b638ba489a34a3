//! Wherever the network cuts a message, it means the same.

use crate::world::{World, accept, back_end, bytes, drip, head, rest};
use std::net::SocketAddr;
use testkit::each_width;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

each_width!(requests, responses);

const REQUEST: &[u8] = b"POST /a?b HTTP/1.1\r\nHost: web\r\nX-A:  1 \r\nTransfer-Encoding: chunked\r\n\r\n\
    3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n";
const REQUEST_BODY: &[u8] = b"abc0123456789";
const RESPONSE: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nX-B: 2\r\n\
    Transfer-Encoding: chunked\r\n\r\n4\r\nwxyz\r\n0005 ;e\r\n56789\r\n000\r\nX-U: w\r\n\r\n";

/// Takes a request of [`REQUEST`]'s form off `io`: its data and whatever its chunks were.
async fn take_request(io: &mut tokio::net::TcpStream) -> (String, Vec<u8>) {
    let head = head(io).await;
    let mut data = Vec::new();
    loop {
        let size = line(io).await;
        let size = usize::from_str_radix(&size, 16).expect("a size");
        if size == 0 {
            break;
        }
        data.extend(bytes(io, size).await);
        assert_eq!(bytes(io, 2).await, b"\r\n");
    }
    assert_eq!(line(io).await, "X-T: v");
    assert_eq!(line(io).await, "");
    (head, data)
}

async fn line(io: &mut tokio::net::TcpStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(bytes(io, 1).await);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).expect("text")
}

/// Serves requests on one connection after the other; each answer in the pieces that `cuts` says.
async fn serve(listener: TcpListener, cuts: Vec<Option<usize>>) -> Vec<String> {
    let mut heads = Vec::new();
    let mut io = accept(&listener).await;
    for cut in cuts {
        let (head, data) = take_request(&mut io).await;
        assert_eq!(data, REQUEST_BODY);
        heads.push(head);
        match cut {
            None => drip(&mut io, RESPONSE).await,
            Some(at) => {
                io.write_all(&RESPONSE[..at]).await.expect("room");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                io.write_all(&RESPONSE[at..]).await.expect("room");
            }
        }
    }
    heads
}

/// The answer to one request: data, without the noise of chunk borders.
fn plain(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let (hints, rest) = text.split_once("\r\n\r\n").expect("an interim head");
    assert!(hints.starts_with("HTTP/1.1 103 Early Hints\r\nLink: x"), "{hints}");
    let (head, mut body) = rest.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nX-B: 2\r\nVia: 1.1 linkerd\r\n"), "{head}");
    let mut data = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("a size line");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            assert_eq!(rest, "X-U: w\r\n\r\n");
            return data;
        }
        data.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").expect("the chunk's end");
    }
}

async fn read_answer(io: &mut tokio::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.ends_with(b"X-U: w\r\n\r\n") {
        all.extend(bytes(io, 1).await);
    }
    all
}

async fn world(workers: usize, cuts: Vec<Option<usize>>) -> (World, tokio::task::JoinHandle<Vec<String>>) {
    let (listener, address): (_, SocketAddr) = back_end().await;
    let serving = tokio::spawn(serve(listener, cuts));
    (World::start(workers, address).await, serving)
}

/// A caller's bytes, cut in two at every place, and byte by byte. All on one connection each way: nothing may be left
/// over, nothing lost.
async fn requests(workers: usize) {
    let (world, serving) = world(workers, vec![Some(50); REQUEST.len() + 1]).await;
    let mut io = world.caller().await;
    for cut in 0..=REQUEST.len() {
        if cut == REQUEST.len() {
            drip(&mut io, REQUEST).await;
        } else {
            io.write_all(&REQUEST[..cut]).await.expect("room");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            io.write_all(&REQUEST[cut..]).await.expect("room");
        }
        assert_eq!(plain(&read_answer(&mut io).await), "wxyz56789", "cut at {cut}");
    }
    for seen in serving.await.expect("the back end is content") {
        let lines: Vec<&str> = seen.split("\r\n").collect();
        assert_eq!(lines[..4], ["POST /a?b HTTP/1.1", "Host: web", "X-A: 1", "Via: 1.1 linkerd"], "{seen}");
    }
    drop(io);
    world.finish().await;
}

async fn responses(workers: usize) {
    let cuts: Vec<_> = (0..RESPONSE.len()).map(Some).chain([None]).collect();
    let n = cuts.len();
    let (world, serving) = world(workers, cuts).await;
    let mut io = world.caller().await;
    for cut in 0..n {
        io.write_all(REQUEST).await.expect("room");
        assert_eq!(plain(&read_answer(&mut io).await), "wxyz56789", "cut at {cut}");
    }
    serving.await.expect("the back end is content");
    drop(io);
    world.finish().await;
}

#[tokio::test]
async fn a_refusal_is_the_same_however_it_comes() {
    let (_listener, address) = back_end().await;
    let world = World::start(1, address).await;
    for bad in ["GET / HTTP/1.1\nHost: web\r\n\r\n", "GET / HTTP/1.1\r\nHost: web\r\nX : 1\r\n\r\n"] {
        let whole = world.ask(bad.as_bytes()).await;
        let mut io = world.caller().await;
        for b in bad.as_bytes() {
            if io.write_all(&[*b]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let (pieces, _) = rest(&mut io).await;
        assert!(whole.starts_with(b"HTTP/1.0 400 "), "{bad:?}");
        assert_eq!(pieces, whole, "{bad:?}");
    }
    world.finish().await;
}
