//! Limits on lines and heads (dataplane.md §4.3): the last accepted size and the first refused one.

use testkit::{Backend, Play, Setup, each_width};

each_width!(of_requests, of_responses, of_line_count);

fn with_target(line: usize) -> String {
    let target = "/".to_owned() + &"a".repeat(line - "GET / HTTP/1.1".len());
    format!("GET {target} HTTP/1.1\r\nHost: web\r\n\r\n")
}

fn with_headers(sum: usize) -> String {
    let value = "v".repeat(sum - "Host: web".len() - "X-Big: ".len());
    format!("GET / HTTP/1.1\r\nHost: web\r\nX-Big: {value}\r\n\r\n")
}

async fn of_requests(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let rows = [
        (with_target(4_095), 200),
        (with_target(4_096), 414),
        (with_target(60_000), 414),
        (with_headers(8_191), 200),
        (with_headers(8_192), 431),
        (with_headers(70_000), 431),
    ];
    for (request, status) in rows {
        let before = web.bytes();
        let mut client = world.client().await;
        // A proxy may answer and close before it has read everything.
        let _ = client.try_send(&request).await;
        let response = client.try_response("GET").await;
        let got = response.as_ref().map_or(0, testkit::Response::status);
        assert_eq!(got, status, "{} bytes: {response:?}", request.len());
        if status != 200 {
            assert!(client.ended().await);
            assert_eq!(web.bytes(), before, "nothing of it is forwarded");
        }
    }
    drop(web);
    world.finish().await;
}

async fn of_responses(workers: usize) {
    let web = Backend::start([
        Play::reply(format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\nContent-Length: 0\r\n\r\n", "v".repeat(70_000))),
        Play::reply(format!("HTTP/1.1 200 {}\r\nContent-Length: 0\r\n\r\n", "r".repeat(70_000))),
        Play::text("fine"),
    ])
    .await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    for status in [502, 502, 200] {
        let response = world.get("web").await;
        assert_eq!(response.status(), status, "{response:?}");
    }
    drop(web);
    world.finish().await;
}

async fn of_line_count(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let many = (0..200).fold(String::new(), |all, i| all + &format!("X-{i}: {i}\r\n"));
    assert_eq!(world.ask("GET", format!("GET / HTTP/1.1\r\nHost: web\r\n{many}\r\n")).await.status(), 200);
    assert_eq!(web.last().head.lines.iter().filter(|(n, _)| n.starts_with("X-")).count(), 200);
    drop(web);
    world.finish().await;
}
