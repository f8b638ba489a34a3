//! Requests sent without waiting are answered in order, and never mixed up.

use std::fmt::Write as _;
use testkit::{Backend, Play, Setup, each_width};

each_width!(answered_in_order, between_names, with_bodies);

fn by_target() -> Play {
    Play::answer(|seen| Play::text_bytes(seen.head.target()))
}

async fn answered_in_order(workers: usize) {
    let web = Backend::start([by_target()]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    let all = (0..50).fold(String::new(), |mut all, i| {
        let _ = write!(all, "GET /{i} HTTP/1.1\r\nHost: web\r\n\r\n");
        all
    });
    client.send(all).await;
    for i in 0..50 {
        assert_eq!(client.response().await.text(), format!("/{i}"));
    }
    drop((client, web));
    world.finish().await;
}

/// The second back end is faster than the first and must wait for its turn all the same.
async fn between_names(workers: usize) {
    let slow =
        Backend::start([Play::drip(Play::text_bytes("slow"), std::time::Duration::from_millis(1))]).await;
    let fast = Backend::text("fast").await;
    let setup = Setup::new().replicas("slow", &[slow.address]).replicas("fast", &[fast.address]);
    let world = setup.start(workers).await;
    let mut client = world.client().await;
    let pair = "GET / HTTP/1.1\r\nHost: slow\r\n\r\nGET / HTTP/1.1\r\nHost: fast\r\n\r\n";
    client.send(pair.repeat(3)).await;
    for expected in ["slow", "fast"].repeat(3) {
        assert_eq!(client.response().await.text(), expected);
    }
    drop((client, slow, fast));
    world.finish().await;
}

/// Cut at every byte: what follows a body belongs to the next request, whatever the reads look like.
async fn with_bodies(workers: usize) {
    let echo = Play::answer(|seen| {
        Play::text_bytes(&format!("{} {}", seen.head.target(), String::from_utf8_lossy(&seen.body.data)))
    });
    let web = Backend::start([echo]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let all = "POST /a HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\n\r\nabc\
        POST /b HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1;x=y\r\nf\r\n0\r\n\r\n\
        GET /c HTTP/1.1\r\nHost: web\r\n\r\n";
    for cut in (1..all.len()).step_by(3) {
        let mut client = world.client().await;
        client.send(&all[..cut]).await;
        tokio::task::yield_now().await;
        client.send(&all[cut..]).await;
        for expected in ["/a abc", "/b def", "/c "] {
            assert_eq!(client.response().await.text(), expected, "cut at {cut}");
        }
    }
    drop(web);
    world.finish().await;
}
