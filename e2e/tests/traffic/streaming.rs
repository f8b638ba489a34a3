//! Which bodies are held whole and which are passed on as they come (dataplane.md §4.4, §13 rows 36 and 58).

use testkit::{Act, Backend, Gate, Play, Setup, each_width, eventually};

each_width!(
    row_58_requests,
    row_58_responses,
    row_36,
    small_answers_can_be_had_again,
    nothing_streams,
    nothing_streams_but_too_much,
    threshold_of_one,
    long_error_texts,
    kept_off_old_callers
);

const RETRY: &str = "  client:\n    failureAccrual: {kind: none}
  service:\n    responseClassifier: {kind: io.l5d.http.retryableIdempotent5XX}";

fn put(body: &str) -> String {
    format!("PUT / HTTP/1.1\r\nHost: web\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn put_chunked(body: &str) -> String {
    let size = body.len();
    format!(
        "PUT / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
    )
}

fn fail_once() -> [Play; 2] {
    [Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), Play::text("fine")]
}

/// Row 58: what is buffered can be sent again, what streams cannot.
async fn row_58_requests(workers: usize) {
    let web = Backend::text("-").await;
    let world = Setup::new().router(RETRY).replicas("web", &[web.address]).start(workers).await;
    let rows = [
        (put(&"x".repeat(5_120)), 200),
        (put(&"x".repeat(5_121)), 500),
        (put(""), 200),
        (put_chunked("x"), 500),
        ("PUT / HTTP/1.1\r\nHost: web\r\n\r\n".to_owned(), 200),
    ];
    for (request, want) in rows {
        web.play(fail_once());
        let response = world.ask("PUT", &request).await;
        assert_eq!(response.status(), want, "{} bytes", request.len());
    }
    drop(web);
    world.finish().await;
}

/// Row 58: of a buffered answer nothing is seen before it is whole; of a streamed one everything that has come.
async fn row_58_responses(workers: usize) {
    let rows = [
        ("Content-Length: 5120\r\n", 5_120, true),
        ("Content-Length: 5121\r\n", 5_121, false),
        ("Transfer-Encoding: chunked\r\n", 0, false),
        ("", 0, false),
    ];
    let web = Backend::text("-").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    for (lines, length, buffered) in rows {
        let gate = Gate::closed();
        let first = if lines.starts_with('T') { "5\r\nfirst\r\n" } else { "first" };
        let rest = match length {
            0 if lines.is_empty() => "rest".to_owned(),
            0 => "4\r\nrest\r\n0\r\n\r\n".to_owned(),
            n => "x".repeat(n - 5),
        };
        web.play([Play::acts([
            Act::Request,
            Play::write(format!("HTTP/1.1 200 OK\r\n{lines}\r\n{first}")),
            Act::Wait(gate.clone()),
            Play::write(rest),
            Act::Close,
        ])]);
        let before = web.requests();
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        web.wait_requests(before + 1).await;
        let early = tokio::time::timeout(std::time::Duration::from_millis(300), client.head()).await;
        assert_eq!(early.is_err(), buffered, "{lines:?}");
        gate.open();
        let head = match early {
            Ok(head) => head,
            Err(_) => client.head().await,
        };
        let body = client.body(head.response_framing("GET")).await.expect("all of it");
        assert_eq!(body.len, if length == 0 { 9 } else { length as u64 }, "{lines:?}");
        eventually(testkit::PATIENCE, "closed", || async { web.open() == 0 }).await;
    }
    drop(web);
    world.finish().await;
}

/// Row 36: a hundred retries of chunked failures leave no connection behind.
async fn row_36(workers: usize) {
    let router = RETRY.replace("retryableIdempotent5XX", "retryableRead5XX");
    let reply = "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n4\r\noops\r\n0\r\n\r\n";
    let web = Backend::start([Play::reply(reply)]).await;
    let world = Setup::new().router(&router).replicas("web", &[web.address]).start(workers).await;
    let response = world.get("web").await;
    assert_eq!((response.status(), response.text().as_str()), (500, "oops"));
    assert_eq!(web.requests(), 101);
    assert!(web.open() <= 1, "{} connections", web.open());
    drop(web);
    world.finish().await;
}

/// An answer that is small enough to be held may break off: there is another attempt, or an honest 502.
async fn small_answers_can_be_had_again(workers: usize) {
    let web = Backend::text("-").await;
    let world = Setup::new().router(RETRY).replicas("web", &[web.address]).start(workers).await;
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    web.play([Play::reset_after_reply(cut), Play::reply_then_close(cut), Play::text("whole")]);
    assert_eq!(world.get("web").await.text(), "whole");
    // What was held of the first attempt does not get into the answer of the second, whatever its framing.
    let rest = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", 40_000);
    let chunked = [rest.as_bytes(), "x".repeat(40_000).as_bytes(), b"\r\n0\r\n\r\n"].concat();
    web.play([Play::reply_then_close(cut), Play::reply(chunked)]);
    assert!(world.get("web").await.text() == "x".repeat(40_000));
    web.play([Play::reply_then_close(cut), Play::text("whole")]);
    let post = "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 1\r\n\r\nx";
    let response = world.ask("POST", post).await;
    assert_eq!(response.status(), 502);
    assert!(response.head.get("l5d-err").is_some());
    drop(web);
    world.finish().await;
}

/// `streamingEnabled: false`: whatever its framing, a body is held, travels with its length and can be sent again.
async fn nothing_streams(workers: usize) {
    let router = format!("  streamingEnabled: false\n{RETRY}");
    let web = Backend::text("-").await;
    let world = Setup::new().router(&router).replicas("web", &[web.address]).start(workers).await;
    let long = "0123456789".repeat(30_000);
    let mut client = world.client().await;
    for request in [put(&long), put_chunked(&long), put("short"), put_chunked("")] {
        web.play(fail_once());
        client.send(&request).await;
        assert_eq!(client.response().await.text(), "fine", "{} bytes", request.len());
        let seen = web.last();
        let length = seen.body.data.len().to_string();
        assert_eq!(seen.head.get("content-length"), Some(length.as_str()));
        assert_eq!(seen.head.get("transfer-encoding"), None);
        assert!(seen.body.len < 100 || seen.body.data == long.as_bytes(), "{length} other bytes");
    }
    assert_eq!(web.last().body.len, 0);
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    let rows = [
        (Play::reply(&chunked), Some(long.as_str())),
        (Play::reply_then_close(format!("HTTP/1.1 200 OK\r\n\r\n{long}")), Some(&long)),
        (
            Play::reply(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len())),
            Some(&long),
        ),
        (Play::reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Some("")),
        (Play::reset_after_reply(&chunked[..chunked.len() / 2]), None),
    ];
    for (play, want) in rows {
        web.play([play]);
        let response = world.ask("POST", "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n").await;
        let Some(want) = want else {
            assert_eq!(response.status(), 502, "a cut answer is noticed before any of it is passed on");
            continue;
        };
        let length = want.len().to_string();
        assert_eq!(response.head.get("content-length"), Some(length.as_str()));
        assert!(response.text() == want, "{} bytes of {length}", response.body.len);
    }
    drop((client, web));
    world.finish().await;
}

/// More than is held is refused: 413 for requests, 502 for answers.
async fn nothing_streams_but_too_much(workers: usize) {
    const MOST: usize = 64 << 20;
    let web = Backend::text("-").await;
    web.keep(0);
    let world =
        Setup::new().router("  streamingEnabled: false").replicas("web", &[web.address]).start(workers).await;
    let announced = format!(
        "POST / HTTP/1.1\r\nHost: web\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        MOST + 1
    );
    let response = world.ask("POST", announced).await;
    assert_eq!(response.status(), 413, "before any of it is sent");
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let block = [b"100000\r\n".as_slice(), &vec![b'.'; 1 << 20], b"\r\n"].concat();
    for _ in 0..=64 {
        if client.try_send(&block).await.is_err() {
            break;
        }
    }
    assert_eq!(client.response().await.status(), 413);
    assert_eq!(web.requests(), 0, "nothing of it is forwarded");
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MOST + 1);
    let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
    for head in [long, endless] {
        web.play([Play::acts([Act::Request, Play::write(head), Act::Fill(80 << 20)])]);
        let response = world.get("web").await;
        assert_eq!(response.status(), 502);
        assert!(response.text().contains("streamingEnabled: false"), "{}", response.text());
    }
    drop((client, web));
    world.finish().await;
}

/// `streamAfterContentLengthKB` moves the border.
async fn threshold_of_one(workers: usize) {
    let router = format!("  streamAfterContentLengthKB: 1\n{RETRY}");
    let web = Backend::text("-").await;
    let world = Setup::new().router(&router).replicas("web", &[web.address]).start(workers).await;
    for (size, want) in [(1_024, 200), (1_025, 500)] {
        web.play(fail_once());
        assert_eq!(world.ask("PUT", put(&"x".repeat(size))).await.status(), want, "{size} bytes");
    }
    drop(web);
    world.finish().await;
}

/// user-demand.md §5: a huge dtab in an error is cut, in the body to `maxErrResponseKB`, in the header to `maxHeadersKB`.
async fn long_error_texts(workers: usize) {
    let router = "  maxErrResponseKB: 1\n  maxHeadersKB: 20";
    let web = Backend::text("web").await;
    let world = Setup::new().router(router).replicas("web", &[web.address]).start(workers).await;
    let dtab = (0..300).map(|i| format!("/some/name/{i}=>/another/name/{i};")).collect::<String>();
    let request = format!("GET / HTTP/1.1\r\nHost: nobody\r\nl5d-dtab: {dtab}\r\n\r\n");
    let response = world.ask("GET", request).await;
    assert_eq!((response.status(), response.body.len), (502, 1_024));
    let header = response.head.get("l5d-err").expect("an error");
    assert!(header.len() <= 20 * 1_024 && header.bytes().all(|b| b.is_ascii_graphic()), "{header}");
    drop(web);
    world.finish().await;
}

/// user-demand.md §5: what the back end sends in chunks reaches an HTTP/1.0 caller without them.
async fn kept_off_old_callers(workers: usize) {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for (router, length) in [("", None), ("  streamingEnabled: false", Some("5"))] {
        let web = Backend::start([Play::reply(reply)]).await;
        let world = Setup::new().router(router).replicas("web", &[web.address]).start(workers).await;
        let response = world.ask("GET", "GET / HTTP/1.0\r\nHost: web\r\n\r\n").await;
        assert_eq!(response.text(), "hello");
        assert_eq!(response.head.get("transfer-encoding"), None);
        assert_eq!(response.head.get("content-length"), length);
        drop(web);
        world.finish().await;
    }
}
