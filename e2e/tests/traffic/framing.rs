//! Nothing ambiguous is ever forwarded (dataplane.md §4.3, architecture.md §8).

use testkit::{Backend, Play, Setup, each_width};

each_width!(faulty_requests, faulty_chunks, faulty_responses);

/// A second request that would be served if the first one's end were taken for somewhere else.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: web\r\n\r\n";

fn post(lines: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: web\r\n{lines}\r\n{body}")
}

fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    let text = |s: String| s.into_bytes();
    vec![
        ("length and chunked", text(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks))),
        ("chunked and length", text(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks))),
        ("two lengths", text(post("Content-Length: 3\r\nContent-Length: 5\r\n", "hello"))),
        ("two equal lengths", text(post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"))),
        ("list of lengths", text(post("Content-Length: 5, 5\r\n", "hello"))),
        ("signed length", text(post("Content-Length: +5\r\n", "hello"))),
        ("negative length", text(post("Content-Length: -1\r\n", ""))),
        ("hexadecimal length", text(post("Content-Length: 0x5\r\n", "hello"))),
        ("length with a blank", text(post("Content-Length: 1 0\r\n", "hello"))),
        ("empty length", text(post("Content-Length:\r\n", "hello"))),
        ("word for a length", text(post("Content-Length: abc\r\n", "hello"))),
        ("length beyond 64 bits", text(post("Content-Length: 99999999999999999999\r\n", "hello"))),
        ("coding not chunked", text(post("Transfer-Encoding: gzip\r\n", "hello"))),
        ("chunked not final", text(post("Transfer-Encoding: chunked, gzip\r\n", chunks))),
        ("chunked twice", text(post("Transfer-Encoding: chunked, chunked\r\n", chunks))),
        (
            "chunked twice in lines",
            text(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks)),
        ),
        ("identity", text(post("Transfer-Encoding: identity\r\n", ""))),
        ("unknown coding", text(post("Transfer-Encoding: xchunked\r\n", chunks))),
        ("empty coding", text(post("Transfer-Encoding:\r\n", chunks))),
        (
            "chunked on 1.0",
            text(format!("POST / HTTP/1.0\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")),
        ),
        ("obs-fold", text("GET / HTTP/1.1\r\nHost: web\r\nX-A: 1\r\n folded\r\n\r\n".into())),
        ("obs-fold with a tab", text("GET / HTTP/1.1\r\nHost: web\r\nX-A: 1\r\n\tfolded\r\n\r\n".into())),
        ("folded first line", text("GET / HTTP/1.1\r\n Host: web\r\nX-A: 1\r\n\r\n".into())),
        ("bare LF in the head", text("GET / HTTP/1.1\r\nHost: web\nX-A: 1\r\n\r\n".into())),
        ("bare LF everywhere", text("GET / HTTP/1.1\nHost: web\n\n".into())),
        ("bare LF behind the request line", text("GET / HTTP/1.1\nHost: web\r\n\r\n".into())),
        ("bare CR in a value", text("GET / HTTP/1.1\r\nHost: web\r\nX-A: a\rb\r\n\r\n".into())),
        ("NUL in a value", text("GET / HTTP/1.1\r\nHost: web\r\nX-A: a\0b\r\n\r\n".into())),
        ("blank before the colon", text("GET / HTTP/1.1\r\nHost: web\r\nX-A : 1\r\n\r\n".into())),
        ("blank before the length's colon", text(post("Content-Length : 5\r\n", "hello"))),
        ("blank before the coding's colon", text(post("Transfer-Encoding : chunked\r\n", chunks))),
        ("empty name", text("GET / HTTP/1.1\r\nHost: web\r\n: v\r\n\r\n".into())),
        ("no colon", text("GET / HTTP/1.1\r\nHost: web\r\nX-A\r\n\r\n".into())),
        ("HTTP/2.0", text("GET / HTTP/2.0\r\nHost: web\r\n\r\n".into())),
        ("HTTQ/1.1", text("GET / HTTQ/1.1\r\nHost: web\r\n\r\n".into())),
        ("HTTP/1.2", text("GET / HTTP/1.2\r\nHost: web\r\n\r\n".into())),
        ("no version", text("GET /\r\n\r\n".into())),
        ("blank in the target", text("GET /a b HTTP/1.1\r\nHost: web\r\n\r\n".into())),
        ("byte beyond ASCII in the target", b"GET /\xe9 HTTP/1.1\r\nHost: web\r\n\r\n".to_vec()),
        ("HTTP/2 preface", text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into())),
    ]
}

/// Each is answered with 400, the connection closed, and not one byte reaches a back end.
async fn faulty_requests(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut faults = Vec::new();
    for (what, request) in requests() {
        let mut client = world.client().await;
        let _ = client.try_send([&request, NEXT.as_bytes()].concat()).await;
        match client.try_response("GET").await {
            Ok(r) if r.status() == 400 && client.until_close().await.is_empty() => {}
            other => faults.push(format!("{what}: {other:?}, then {:?}", client.until_close().await)),
        }
        if web.bytes() > 0 {
            faults.push(format!("{what}: the back end saw {:?}", web.seen().last().map(|s| s.head.clone())));
            break;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(world.get("web").await.status(), 200, "and the proxy goes on");
    drop(web);
    world.finish().await;
}

/// Chunks that break after the head was good: the back end may see a beginning, but never a whole request, and nobody's
/// connection goes on.
async fn faulty_chunks(workers: usize) {
    let rows = [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nbad trailer\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: y\n\r\n",
        "3;x=\0\r\nabc\r\n0\r\n\r\n",
    ];
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut faults = Vec::new();
    for chunks in rows {
        let mut client = world.client().await;
        let _ = client.try_send(post("Transfer-Encoding: chunked\r\n", &format!("{chunks}{NEXT}"))).await;
        client.finish_sending().await;
        let said = client.until_close().await;
        if !(said.is_empty() || said.starts_with(b"HTTP/1.1 400") || said.starts_with(b"HTTP/1.0 400")) {
            faults.push(format!("{chunks:?}: {:?}", String::from_utf8_lossy(&said)));
        }
        if web.requests() > 0 {
            faults.push(format!("{chunks:?}: the back end saw a whole request"));
            web.play([Play::text("web")]);
            break;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(world.get("web").await.status(), 200);
    drop(web);
    world.finish().await;
}

/// Answers that cannot be trusted: 502 before anything was forwarded, and the connection is not used again.
async fn faulty_responses(workers: usize) {
    let rows = [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, gzip\r\n\r\nhello",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/9.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "ICY 200 OK\r\nContent-Length: 0\r\n\r\n",
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ];
    let web = Backend::start([Play::text("fine")]).await;
    let router = "  client:\n    failureAccrual: {kind: none}";
    let world = Setup::new().router(router).replicas("web", &[web.address]).start(workers).await;
    let mut faults = Vec::new();
    for reply in rows {
        web.play([Play::reply(reply), Play::text("fine")]);
        let mut client = world.client().await;
        let first = client.get("/", "web").await;
        if first.status() != 502 || first.head.get("l5d-err").is_none() {
            faults.push(format!("{reply:?}: {first:?}"));
            continue;
        }
        let second = world.get("web").await;
        if second.text() != "fine" {
            faults.push(format!("{reply:?}: then {second:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // Bytes behind a whole answer: nobody else's request may be answered with them.
    web.play([
        Play::reply(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ),
        Play::text("fine"),
    ]);
    assert_eq!(world.get("web").await.text(), "ok");
    for _ in 0..4 {
        assert_eq!(world.get("web").await.text(), "fine");
    }
    drop(web);
    world.finish().await;
}
