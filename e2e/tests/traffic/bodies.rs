//! Bodies arrive whole, framed rightly and in step on both sides.

use testkit::{Act, Backend, Gate, Play, Setup, each_width};

each_width!(with_length, chunked_with_trailers, without_body, streamed_as_it_comes, of_many_sizes);

async fn with_length(workers: usize) {
    let web = Backend::start([Play::reply("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nworld")]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let response = world.ask("POST", "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(response.text(), "world");
    assert_eq!(response.head.all("content-length").collect::<Vec<_>>(), ["5"]);
    let seen = web.last();
    assert_eq!((seen.body.data.as_slice(), seen.head.get("content-length")), (&b"hello"[..], Some("5")));
    drop(web);
    world.finish().await;
}

async fn chunked_with_trailers(workers: usize) {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nwor\r\n2;e=1\r\nld\r\n0\r\nX-T: v\r\nX-U: w\r\n\r\n";
    let web = Backend::start([Play::reply(reply)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..2 {
        client
            .send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\nTrailer: X-R\r\n\r\n")
            .await;
        client.send("3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nX-R: r\r\n\r\n").await;
        let response = client.response().await;
        assert_eq!(response.text(), "world");
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        assert_eq!(response.body.trailers, [pair("X-T", "v"), pair("X-U", "w")]);
        assert_eq!(response.head.get("trailer"), None);
        let seen = web.last();
        assert_eq!(seen.body.data, b"abcdef");
        assert_eq!(seen.body.trailers, [pair("X-R", "r")]);
        assert_eq!(
            (seen.head.get("transfer-encoding"), seen.head.get("content-length")),
            (Some("chunked"), None)
        );
    }
    drop((client, web));
    world.finish().await;
}

/// Answers that have no body whatever their head says; the connection is in step afterwards.
async fn without_body(workers: usize) {
    let rows = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, Some("5")),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, None),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, None),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Some("0")),
    ];
    let web = Backend::start(rows.iter().map(|r| Play::reply(r.1))).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for (method, reply, status, length) in rows {
        client.send(format!("{method} / HTTP/1.1\r\nHost: web\r\n\r\n")).await;
        let response = client.response_to(method).await;
        assert_eq!((response.status(), response.body.len), (status, 0), "{reply:?}");
        if status == 200 {
            assert_eq!(response.head.get("content-length"), length, "{reply:?}");
        }
    }
    assert_eq!(client.get("/", "web").await.status(), 200);
    assert_eq!(web.connections(), 1);
    drop((client, web));
    world.finish().await;
}

/// dataplane.md §13 row 58. A part that was sent arrives although the rest is still missing, in both directions.
async fn streamed_as_it_comes(workers: usize) {
    let gate = Gate::closed();
    let acts = [
        Act::Head,
        Act::Bytes(8),
        Play::write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"),
        Act::Wait(gate.clone()),
        Play::write("3\r\ntwo\r\n0\r\n\r\n"),
    ];
    let web = Backend::start([Play::acts(acts)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    assert_eq!(client.head().await.status(), 200, "the back end got the first chunk and answered");
    assert_eq!(client.bytes(8).await, b"3\r\none\r\n");
    client.send("0\r\n\r\n").await;
    gate.open();
    assert_eq!(client.bytes(13).await, b"3\r\ntwo\r\n0\r\n\r\n");
    drop((client, web));
    world.finish().await;
}

/// Sizes around buffer borders, echoed.
async fn of_many_sizes(workers: usize) {
    let echo = Play::answer(|seen| {
        let mut reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", seen.body.len).into_bytes();
        reply.extend_from_slice(&seen.body.data);
        reply
    });
    let web = Backend::start([echo]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for size in [0, 1, 4095, 4096, 5120, 5121, 8191, 16_383, 16_384, 16_385, 65_536, 1_000_000] {
        let body: Vec<u8> = (0..size).map(|i| b'a' + u8::try_from(i % 23).unwrap_or(0)).collect();
        let head = format!("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: {size}\r\n\r\n");
        client.send([head.as_bytes(), &body].concat()).await;
        let response = client.response().await;
        assert!(response.body.data == body, "length {size} came back as {}", response.body.len);
        let head = "POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut chunked = head.as_bytes().to_vec();
        for chunk in body.chunks(1_000) {
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        client.send(chunked).await;
        let response = client.response().await;
        assert!(response.body.data == body, "chunked length {size} came back as {}", response.body.len);
    }
    drop((client, web));
    world.finish().await;
}
