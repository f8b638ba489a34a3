//! Where a side does not say how long its message is: what the other side is told (dataplane.md §4.3, §4.7).

use crate::world::{Settings, World};
use engines::HttpSettings;
use router::{Classifier, ServicePartial};
use testkit::{Act, Backend, Client, Play, each_width};

each_width!(old_back_ends, long_answers_of_old_back_ends, broken_off_early, requests_without_a_body, traced);

const OLD: &str = "HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nuntil the end";

/// An answer of HTTP/1.0 that only its connection's end delimits gets a length, and the caller keeps its connection.
async fn old_back_ends(workers: usize) {
    let in_pieces = Play::acts([
        Act::Request,
        Play::write("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\n"),
        Play::write("until "),
        Play::write("the end"),
        Act::Close,
    ]);
    let web = Backend::start([Play::reply_then_close(OLD), in_pieces]).await;
    let world = World::start(workers, web.address).await;
    let mut caller = Client::connect(world.address).await;
    for n in 1..=3 {
        let answer = caller.get("/", "web").await;
        let head = &answer.head;
        assert_eq!((head.start.as_str(), answer.text().as_str()), ("HTTP/1.0 200 OK", "until the end"));
        assert_eq!((head.get("content-length"), head.get("connection")), (Some("13"), Some("keep-alive")));
        assert_eq!((head.get("x-a"), head.get("via")), (Some("1"), Some("1.0 linkerd")));
        assert_eq!(web.connections(), n, "that one has ended");
    }
    drop((web, caller));
    world.finish().await;
}

/// One that is longer than what is held goes on as it comes.
async fn long_answers_of_old_back_ends(workers: usize) {
    let body = "x".repeat(50_000);
    let web =
        Backend::start([Play::reply_then_close(format!("HTTP/1.0 200 OK\r\n\r\n{body}")), Play::text("ok")]);
    let web = web.await;
    let world = World::start(workers, web.address).await;
    let answer = world.ask(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    let answer = String::from_utf8(answer).expect("text");
    let (head, rest) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.ends_with("Connection: close") && !head.contains("Content-Length"), "{head}");
    assert!(rest == body, "{} bytes", rest.len());
    drop(web);
    world.finish().await;
}

/// One that breaks off while it is held can be had again.
async fn broken_off_early(workers: usize) {
    let web = Backend::start([Play::reset_after_reply(OLD), Play::text("again")]).await;
    let classifier = Some(Classifier::RetryableRead5xx);
    let service = ServicePartial { classifier, ..ServicePartial::default() };
    let world = World::with(workers, web.address, Settings { service, ..Settings::default() }).await;
    let mut caller = Client::connect(world.address).await;
    assert_eq!(caller.get("/", "web").await.text(), "again");
    drop((web, caller));
    world.finish().await;
}

/// RFC 9110 §8.6: where a body is expected, a back end is told that there is none.
async fn requests_without_a_body(workers: usize) {
    let web = Backend::text("ok").await;
    let world = World::start(workers, web.address).await;
    let mut caller = Client::connect(world.address).await;
    let check = async |caller: &mut Client, method: &str, want: Option<&str>| {
        caller.send(format!("{method} / HTTP/1.1\r\nHost: web\r\n\r\n")).await;
        assert_eq!(caller.response().await.text(), "ok");
        let head = web.last().head;
        assert_eq!((head.method(), head.get("content-length")), (method, want));
    };
    for method in ["POST", "PUT", "PATCH"] {
        check(&mut caller, method, Some("0")).await;
    }
    for method in ["GET", "OPTIONS", "DELETE", "post"] {
        check(&mut caller, method, None).await;
    }
    drop((web, caller));
    world.finish().await;
}

/// With `streamingEnabled: false` an answer in chunks is at hand when context is put behind it.
async fn traced(workers: usize) {
    let chunked = "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let text_of = async |http: HttpSettings| {
        let web = Backend::start([Play::reply(chunked)]).await;
        let world = World::with(workers, web.address, Settings::http(http)).await;
        let mut caller = Client::connect(world.address).await;
        caller.send("TRACE / HTTP/1.1\r\nHost: web\r\nl5d-add-context: true\r\n\r\n").await;
        let text = caller.response_to("TRACE").await.text();
        drop((web, caller));
        world.finish().await;
        text
    };
    let held = text_of(HttpSettings { hold_all: Some(1 << 20), ..HttpSettings::default() }).await;
    assert!(held.starts_with("abc\n\n--- Router: out ---\n"), "{held}");
    let streamed = text_of(HttpSettings::default()).await;
    let want = "X-A: 1\nTransfer-Encoding: chunked\nHTTP 200 - OK\nDiagnostic trace encountered chunked response. \
                Response content discarded.\n\n--- Router: out ---\n";
    assert!(streamed.starts_with(want), "{streamed}");
}
