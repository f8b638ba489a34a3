//! Connections nobody can be sure of are not used again, and what was said stays said.

use crate::world::{Settings, World, accept, asked, back_end, bytes, head, reset, rest};
use engines::HttpSettings;
use router::ServerSettings;
use testkit::{PATIENCE, each_width, eventually};
use tokio::io::AsyncWriteExt;

each_width!(
    bytes_behind_an_answer,
    empty_line_before_an_answer,
    resets_mid_answer,
    cut_answer_to_an_old_caller,
    cut_by_a_bad_body,
    answered_before_the_request_is_read,
    interim_heads,
    long_answers_that_are_extended,
    more_requests_than_wanted,
    tunnels
);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Together with the answer, and a little later: nobody else's request is answered with it.
async fn bytes_behind_an_answer(workers: usize) {
    let evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.caller().await;
    for later in [false, true] {
        io.write_all(GET).await.expect("room");
        let mut back = accept(&listener).await;
        head(&mut back).await;
        if later {
            back.write_all(OK).await.expect("room");
            head(&mut io).await;
            assert_eq!(bytes(&mut io, 2).await, b"ok");
            back.write_all(evil).await.expect("room");
            // The proxy has heard of it when it has heard of anything that came after it.
            let mut other = world.caller().await;
            other
                .write_all(b"GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n")
                .await
                .expect("room");
            rest(&mut other).await;
        } else {
            back.write_all(&[OK, evil].concat()).await.expect("room");
            head(&mut io).await;
            assert_eq!(bytes(&mut io, 2).await, b"ok");
        }
        io.write_all(GET).await.expect("room");
        let mut fresh = accept(&listener).await;
        head(&mut fresh).await;
        fresh
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfine")
            .await
            .expect("room");
        head(&mut io).await;
        assert_eq!(bytes(&mut io, 4).await, b"fine", "later: {later}");
    }
    drop(io);
    world.finish().await;
}

/// httparse would skip it; the status line must not get lost on the way to the caller.
async fn empty_line_before_an_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let (mut io, mut back) = asked(&world, &listener, GET).await;
    back.write_all(&[b"\r\n", OK].concat()).await.expect("room");
    let answer = head(&mut io).await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    drop(io);
    world.finish().await;
}

/// A caller that resets while its answer is on the way takes its back end's connection along, and leaves nothing behind.
async fn resets_mid_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    for first in [0, 1, 100_000] {
        let (mut io, mut back) = asked(&world, &listener, GET).await;
        back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await.expect("room");
        back.write_all(&vec![b'.'; first]).await.expect("room");
        head(&mut io).await;
        reset(io);
        let block = [b'.'; 1 << 16];
        let filling = async { while back.write_all(&block).await.is_ok() {} };
        testkit::within("the back end is told", filling).await;
    }
    eventually(PATIENCE, "no connection is left", || async { world.sum("/connections") == 0.0 }).await;
    assert_eq!(world.sum("/pending"), 0.0);
    world.finish().await;
}

/// Where only the end of the connection ends the answer, an orderly end would make a cut answer look whole.
async fn cut_answer_to_an_old_caller(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    for whole in [true, false] {
        let mut io = world.caller().await;
        io.write_all(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n").await.expect("room");
        let mut back = accept(&listener).await;
        head(&mut back).await;
        let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        back.write_all(reply.as_bytes()).await.expect("room");
        head(&mut io).await;
        assert_eq!(bytes(&mut io, 5).await, b"hello");
        if whole {
            back.write_all(b"0\r\n\r\n").await.expect("room");
        }
        drop(back);
        assert_eq!(rest(&mut io).await, (Vec::new(), whole));
    }
    world.finish().await;
}

/// An answer that only the end of the connection ends must not look whole when the caller's own body ends the exchange.
async fn cut_by_a_bad_body(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let (mut io, mut back) = asked(&world, &listener, POST).await;
    // More than is held until it is whole.
    let body = "x".repeat(6000);
    back.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes()).await.expect("room");
    head(&mut io).await;
    assert_eq!(bytes(&mut io, body.len()).await, body.as_bytes());
    io.write_all(b"zz\r\n").await.expect("room");
    assert_eq!(rest(&mut io).await, (Vec::new(), false));
    drop(back);
    world.finish().await;
}

/// The rest of such a request could not be told from the next one: the caller hears that there is none.
async fn answered_before_the_request_is_read(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let (mut io, mut back) = asked(&world, &listener, POST).await;
    back.write_all(OK).await.expect("room");
    let answer = head(&mut io).await;
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    assert_eq!(rest(&mut io).await, (b"ok".to_vec(), true));
    drop(back);
    world.finish().await;
}

/// They lose what concerns one connection only, and before a stranger what proxies tell each other.
async fn interim_heads(workers: usize) {
    for clear_context in [false, true] {
        let (listener, address) = back_end().await;
        let server = ServerSettings { clear_context, ..ServerSettings::default() };
        let world = World::with(workers, address, Settings { server, ..Settings::default() }).await;
        let (mut io, mut back) = asked(&world, &listener, GET).await;
        let hints = b"HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\nTE: x\r\nLink: </a>\r\nL5d-X: 1\r\n\r\n";
        back.write_all(&[&hints[..], OK].concat()).await.expect("room");
        let own = if clear_context { "" } else { "L5d-X: 1\r\n" };
        assert_eq!(head(&mut io).await, format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n{own}\r\n"));
        assert!(head(&mut io).await.starts_with("HTTP/1.1 200 OK\r\n"));
        drop((io, back));
        world.finish().await;
    }
}

/// A held answer that is longer than what is read at once is all there when the router puts something behind it.
async fn long_answers_that_are_extended(workers: usize) {
    let (listener, address) = back_end().await;
    let http = HttpSettings { hold_body: 64 << 10, ..HttpSettings::default() };
    let world = World::with(workers, address, Settings::http(http)).await;
    let mut io = world.caller().await;
    io.write_all(b"TRACE / HTTP/1.1\r\nHost: web\r\nl5d-add-context: true\r\nConnection: close\r\n\r\n")
        .await
        .expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n").await.expect("room");
    back.write_all(&[b'x'; 40_000]).await.expect("room");
    head(&mut io).await;
    let (body, _) = rest(&mut io).await;
    let tail = body.strip_prefix(&[b'x'; 40_000][..]).expect("the back end's own");
    assert!(
        String::from_utf8_lossy(tail).contains("--- Router: out ---"),
        "{}",
        String::from_utf8_lossy(tail)
    );
    drop(back);
    world.finish().await;
}

/// Requests that nobody will answer lie unread when the connection is closed; that must not destroy the last answer.
async fn more_requests_than_wanted(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.caller().await;
    io.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    io.write_all(GET).await.expect("room");
    // So that the proxy has heard of it.
    let mut other = world.caller().await;
    other.write_all(b"GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n").await.expect("room");
    rest(&mut other).await;
    back.write_all(OK).await.expect("room");
    let (answer, orderly) = rest(&mut io).await;
    assert!(answer.ends_with(b"\r\n\r\nok"), "{:?}", String::from_utf8_lossy(&answer));
    assert!(orderly, "the connection was reset behind its last answer");
    drop(io);
    world.finish().await;
}

/// A caller whose CONNECT is granted goes on with bytes of another protocol, perhaps on somebody else's behalf.
async fn tunnels(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    for (status, smuggled) in [("200 OK", false), ("405 No", true)] {
        let mut io = world.caller().await;
        let twice = [b"CONNECT web:80 HTTP/1.1\r\nHost: web\r\n\r\n", GET].concat();
        io.write_all(&twice).await.expect("room");
        let mut back = accept(&listener).await;
        head(&mut back).await;
        let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        back.write_all(reply.as_bytes()).await.expect("room");
        let answer = head(&mut io).await;
        assert_eq!(answer.contains("Connection: close"), !smuggled, "{answer}");
        if smuggled {
            let mut back = accept(&listener).await;
            head(&mut back).await;
            back.write_all(OK).await.expect("room");
            head(&mut io).await;
        } else {
            assert_eq!(rest(&mut io).await, (Vec::new(), true));
        }
        drop(io);
    }
    world.finish().await;
}
