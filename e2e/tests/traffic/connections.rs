//! Connections on both sides: kept, re-used, closed, half-closed, old versions.

use testkit::{Act, Backend, Play, Setup, each_width, eventually};

each_width!(
    reused,
    replaced_when_idle_closed,
    row_56_http_10,
    http_10,
    asked_to_close,
    half_closed_caller,
    until_close_reply
);

async fn reused(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..200 {
        assert_eq!(client.get("/", "web").await.status(), 200);
    }
    assert_eq!((web.requests(), web.connections()), (200, 1));
    for _ in 0..20 {
        assert_eq!(world.get("web").await.status(), 200);
    }
    assert!(
        web.connections() <= workers,
        "{} connections for callers one after the other",
        web.connections()
    );
    drop((client, web));
    world.finish().await;
}

/// dataplane.md §13 row 57.
async fn replaced_when_idle_closed(workers: usize) {
    let web =
        Backend::start([Play::text("a"), Play::reply_then_close(Play::text_bytes("b")), Play::text("c")])
            .await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for expected in ["a", "b"] {
        assert_eq!(client.get("/", "web").await.text(), expected);
    }
    eventually(testkit::PATIENCE, "closed by the back end", || async { web.open() == 0 }).await;
    assert_eq!(client.get("/", "web").await.text(), "c");
    assert_eq!(web.connections(), 2);
    drop((client, web));
    world.finish().await;
}

/// dataplane.md §13 row 56: one exchange a connection, on both sides.
async fn row_56_http_10(workers: usize) {
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nweb";
    let web = Backend::start([Play::reply_then_close(old)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    for n in 1..=3 {
        let mut client = world.client().await;
        client.send("GET / HTTP/1.0\r\nHost: web\r\n\r\n").await;
        assert_eq!(client.response().await.text(), "web");
        assert!(client.ended().await);
        assert_eq!(web.connections(), n);
    }
    drop(web);
    world.finish().await;
}

async fn http_10(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.0\r\nHost: web\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.status(), response.text().as_str()), (200, "web"));
    assert!(client.ended().await, "without keep-alive a 1.0 connection ends");
    assert_eq!(web.last().head.get("via"), Some("1.0 linkerd"));
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: web\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(client.response().await.text(), "web");
    }
    drop((client, web));
    world.finish().await;
}

async fn asked_to_close(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.status(), response.head.get("connection")), (200, Some("close")));
    assert!(client.ended().await);
    assert_eq!(world.get("web").await.status(), 200);
    assert!(web.connections() <= workers, "the caller's wish is not the back end's");
    drop(web);
    world.finish().await;
}

/// A caller that has said everything may still be waiting for the answer.
async fn half_closed_caller(workers: usize) {
    let gate = testkit::Gate::closed();
    let acts = [Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("late"))];
    let web = Backend::start([Play::acts(acts)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 2\r\n\r\nhi").await;
    client.finish_sending().await;
    web.wait_requests(1).await;
    gate.open();
    assert_eq!(client.response().await.text(), "late");
    assert!(client.ended().await);
    drop(web);
    world.finish().await;
}

/// A body delimited by the end of the connection: chunked for a 1.1 caller, delimited the same way for a 1.0 caller.
async fn until_close_reply(workers: usize) {
    let web = Backend::start([Play::reply_then_close("HTTP/1.1 200 OK\r\n\r\nall of it")]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..2 {
        assert_eq!(client.get("/", "web").await.text(), "all of it", "and the caller's connection is kept");
    }
    client.send("GET / HTTP/1.0\r\nHost: web\r\n\r\n").await;
    let old = client.response().await;
    assert_eq!((old.text().as_str(), old.head.get("transfer-encoding")), ("all of it", None));
    drop((client, web));
    world.finish().await;
}
