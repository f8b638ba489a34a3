//! Keys that bound what a router takes, waits for and keeps.

use super::*;
use std::fs;
use testkit::{Backend, Play};

/// `maxInitialLineKB`, `maxHeadersKB`: smaller and larger than the defaults of 4 and 8.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn sizes_of_heads() {
    let web = Backend::text("web").await;
    let line = |kb: usize| format!("GET /{} HTTP/1.1\r\nHost: web\r\n\r\n", "a".repeat(kb * 1024));
    let headers = |kb: usize| format!("GET / HTTP/1.1\r\nHost: web\r\nX: {}\r\n\r\n", "v".repeat(kb * 1024));
    let rows = [
        ("  maxInitialLineKB: 4", line(3), 200),
        ("  maxInitialLineKB: 2", line(3), 414),
        ("  maxInitialLineKB: 16", line(9), 200),
        ("  maxHeadersKB: 8", headers(6), 200),
        ("  maxHeadersKB: 4", headers(6), 431),
        ("  maxHeadersKB: 32", headers(20), 200),
    ];
    for (key, request, status) in rows {
        let running = start("", &format!("{}\n{key}", all_to(web.address))).await;
        assert_eq!(running.ask(&request).await.status(), status, "{key}");
        running.stop().await;
    }
}

/// `maxErrResponseKB`: the text of a generated answer is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn texts_of_failures() {
    let long: String = (0..200).map(|i| format!("/entry-number-{i} => /somewhere/else;")).collect();
    let length = async |key: &str| {
        let running = start("", &format!("  dtab: '{long}'\n{key}")).await;
        let answer = running.get("web").await;
        running.stop().await;
        assert_eq!(answer.status(), 502);
        answer.body.data.len()
    };
    assert!(length("").await > 6 * 1024);
    assert!(length("  maxErrResponseKB: 1").await <= 1024);
}

/// `bindingTimeoutMs`, and the error of dataplane.md §4.7.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn binding_timeout() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("web.dtab");
    fs::write(&file, "/svc => /$/inet/127.1/9").expect("a file");
    let router = "  interpreter: {kind: io.l5d.fs, dtabFile: '${DIR}/web.dtab'}\n  bindingTimeoutMs: 200";
    let running = start_in(folder, "", router).await;
    fs::remove_file(&file).expect("a file");
    // It may have been read before it was gone; then the name is bound, to nobody who listens.
    let answer = running.get("first").await;
    let answer = if answer.text().contains("127.0.0.1:9") {
        eventually(PATIENCE, "the file is missed", || async {
            running.get(&format!("n{}", fastrand::u32(..))).await.text().starts_with("Exceeded")
        })
        .await;
        running.get("last").await
    } else {
        answer
    };
    let text = "Exceeded 200.milliseconds binding timeout while resolving name: /svc/";
    assert!(answer.status() == 502 && answer.text().starts_with(text), "{}", answer.text());
    assert!(running.folder.path().exists());
    running.stop().await;
}

/// `bindingCache`: `paths`, `idleTtlSecs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn cache_of_names() {
    let web = Backend::text("web").await;
    let running = start("", &format!("{}\n  bindingCache: {{paths: 2}}", all_to(web.address))).await;
    for host in ["a", "b", "c", "d"] {
        assert_eq!(running.get(host).await.status(), 200);
    }
    let metrics = running.metrics().await;
    let stat = |name: &str| metrics.get(&format!("rt/r/bindcache/path/{name}"));
    assert_eq!((stat("misses"), stat("evicts") + stat("oneshots")), (4.0, 2.0));
    running.stop().await;

    let running = start("", &format!("{}\n  bindingCache: {{idleTtlSecs: 1}}", all_to(web.address))).await;
    for host in ["a", "b"] {
        assert_eq!(running.get(host).await.status(), 200);
    }
    // The one used last stays.
    running.wait("rt/r/bindcache/path/expires", 1.0).await;
    running.stop().await;
}

/// `streamAfterContentLengthKB`: what is passed on as it comes cannot be sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bodies_held() {
    let failed = Play::reply("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    let status = async |key: &str| {
        let web = Backend::start([failed.clone(), Play::text("ok")]).await;
        let classifier = "  service: {responseClassifier: {kind: io.l5d.http.retryableAll5XX}}";
        let running = start("", &format!("{}\n{classifier}\n{key}", all_to(web.address))).await;
        let body = "b".repeat(3000);
        let head = "POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 3000\r\n\r\n";
        let answer = running.ask(&format!("{head}{body}")).await;
        running.stop().await;
        answer.status()
    };
    assert_eq!(status("").await, 200);
    assert_eq!(status("  streamAfterContentLengthKB: 1").await, 500);
    assert_eq!(status("  streamAfterContentLengthKB: 3").await, 200);
}
