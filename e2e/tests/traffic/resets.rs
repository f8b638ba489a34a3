//! A back end that vanishes at every byte of an exchange: the caller gets the truth, or another replica's answer.

use testkit::{Backend, Play, Setup, each_width};

each_width!(within_the_reply, within_the_request, with_another_replica);

const NO_ACCRUAL: &str = "  client:\n    failureAccrual: {kind: none}";

/// A test that resets every second attempt needs more than a fifth.
const MANY_RETRIES: &str = "  service:
    responseClassifier: {kind: io.l5d.http.retryableRead5XX}
    retries:
      budget: {minRetriesPerSec: 1000, percentCanRetry: 1.0}";

fn reply() -> Vec<u8> {
    let body = "0123456789".repeat(9);
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    format!("{hints}HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Before the answer is whole, and it is small enough to be held: 502. Nothing that looks whole comes of a cut one.
async fn within_the_reply(workers: usize) {
    let whole = reply();
    let body = &whole[whole.len() - 90..];
    let web = Backend::start([Play::text("-")]).await;
    let world = Setup::new().router(NO_ACCRUAL).replicas("web", &[web.address]).start(workers).await;
    for cut in 0..=whole.len() {
        web.play([Play::reset_after_reply(&whole[..cut])]);
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        let mut answer = client.try_response("GET").await;
        if answer.as_ref().is_ok_and(|r| r.status() == 103) {
            answer = client.try_response("GET").await;
        }
        match answer {
            Ok(r) if r.status() == 502 => {
                assert!(cut < whole.len() && r.head.get("l5d-err").is_some(), "cut at {cut}: {r:?}");
            }
            Ok(r) => assert!(cut == whole.len() && r.body.data == body, "cut at {cut}: {r:?}"),
            Err(e) => panic!("cut at {cut}: {e}"),
        }
    }
    web.play([Play::text("fine")]);
    assert_eq!(world.get("web").await.text(), "fine");
    // Cut answers are counted too.
    world.wait_metric(&world.server("requests"), whole.len() as f64 + 2.0).await;
    drop(web);
    world.finish().await;
}

async fn within_the_request(workers: usize) {
    let web = Backend::start([Play::text("-")]).await;
    let world = Setup::new().router(NO_ACCRUAL).replicas("web", &[web.address]).start(workers).await;
    let request =
        "POST /x HTTP/1.1\r\nHost: web\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789";
    web.play([Play::text("fine")]);
    assert_eq!(world.ask("POST", request).await.text(), "fine");
    let whole = web.last().head.raw.len() + 40;
    for cut in 1..=whole {
        web.play([Play::reset_after_request_bytes(cut)]);
        let response = world.ask("POST", request).await;
        assert_eq!(response.status(), 502, "reset after {cut} bytes");
    }
    web.play([Play::text("fine")]);
    assert_eq!(world.get("web").await.text(), "fine");
    drop(web);
    world.finish().await;
}

/// With reads retried, a second replica serves what the first one lost.
async fn with_another_replica(workers: usize) {
    let whole = reply();
    let (bad, good) = (Backend::start([Play::text("-")]).await, Backend::text("good").await);
    let router = format!("{NO_ACCRUAL}\n{MANY_RETRIES}");
    let world =
        Setup::new().router(&router).replicas("web", &[bad.address, good.address]).start(workers).await;
    let head = whole.len() - 90;
    for cut in 0..head {
        bad.play([Play::reset_after_reply(&whole[..cut])]);
        let mut client = world.client().await;
        for _ in 0..2 {
            let mut response = client.get("/", "web").await;
            // Each attempt at the bad replica may have said so much.
            while response.status() == 103 {
                response = client.response().await;
            }
            assert_eq!((response.status(), response.text().as_str()), (200, "good"), "cut at {cut}");
        }
    }
    assert!(bad.requests() > head / 4, "the bad replica was asked {} times only", bad.requests());
    drop((bad, good));
    world.finish().await;
}
