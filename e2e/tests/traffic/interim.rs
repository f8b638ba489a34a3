//! 100-continue, interim answers and answers that come before the request is over.

use testkit::{Act, Backend, Play, Setup, each_width};

each_width!(expect_continue, early_hints, unasked_continue, early_answer, early_answer_keeps_order);

/// dataplane.md §4.3: the proxy itself answers, and the back end does not see the expectation.
async fn expect_continue(workers: usize) {
    let web = Backend::text("done").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await;
    assert_eq!(client.response().await.status(), 100);
    client.send("hello").await;
    assert_eq!(client.response().await.text(), "done");
    let seen = web.last();
    assert_eq!((seen.head.get("expect"), seen.body.data.as_slice()), (None, &b"hello"[..]));
    drop((client, web));
    world.finish().await;
}

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

/// architecture.md §8: 103 goes to HTTP/1.1 callers, never to older ones, and never counts as the answer.
async fn early_hints(workers: usize) {
    let reply = [HINTS.as_bytes(), &Play::text_bytes("final")].concat();
    let web = Backend::start([Play::reply(reply)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..2 {
        let hints = client.get("/", "web").await;
        assert_eq!((hints.status(), hints.head.get("link")), (103, Some("</a>")));
        assert_eq!(client.response().await.text(), "final");
    }
    let old = world.ask("GET", "GET / HTTP/1.0\r\nHost: web\r\n\r\n").await;
    assert_eq!((old.status(), old.text().as_str()), (200, "final"));
    drop((client, web));
    world.finish().await;
}

async fn unasked_continue(workers: usize) {
    let reply = [b"HTTP/1.1 100 Continue\r\n\r\n".as_slice(), &Play::text_bytes("final")].concat();
    let web = Backend::start([Play::reply(reply)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..3 {
        let response = client.get("/", "web").await;
        assert_eq!((response.status(), response.text().as_str()), (200, "final"));
    }
    drop((client, web));
    world.finish().await;
}

/// The answer arrives although the body never ends.
async fn early_answer(workers: usize) {
    let reply = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno";
    let web = Backend::start([Play::acts([Act::Head, Play::write(reply), Act::Hang])]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    let response = client.response().await;
    assert_eq!((response.status(), response.text().as_str()), (413, "no"));
    drop((client, web));
    world.finish().await;
}

/// After an early answer the rest of the body is not taken for a request.
async fn early_answer_keeps_order(workers: usize) {
    let web = Backend::start([
        Play::acts([Act::Head, Play::write(Play::text_bytes("early")), Act::Body]),
        Play::text("next"),
    ])
    .await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    // Longer than what is held whole before it is sent on (`streamAfterContentLengthKB`).
    client.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 6000\r\n\r\n").await;
    let first = client.response().await;
    assert_eq!(first.text(), "early");
    // Looks like a request, is the body; then a real one. A proxy may instead have closed the connection.
    let body = format!("{:.<6000}", "GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n");
    let _ = client.try_send(body).await;
    let _ = client.try_send("GET /real HTTP/1.1\r\nHost: web\r\n\r\n").await;
    if let Ok(second) = client.try_response("GET").await {
        assert_eq!(second.text(), "next");
    }
    assert!(web.seen().iter().all(|s| s.head.target() != "/smuggled"), "{:?}", web.seen());
    drop((client, web));
    world.finish().await;
}
