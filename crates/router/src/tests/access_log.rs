//! Which answers are noted in the access log (dataplane.md §4.5).

use super::mesh::*;
use crate::seam::{Sent, Version};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use std::sync::Arc;
use std::time::Duration;
use telemetry::{AccessLogFile, AccessLogWriter, Counter, RollPolicy};

const DTAB: &str = "/svc/* => /$/inet/127.1/80";

/// A router with a log, and what ends it and reads the log.
fn logged(settings: RouterSettings) -> (Mesh, impl FnOnce(Mesh) -> Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let file = AccessLogFile { path, policy: RollPolicy::Never, append: true, keep: None };
    let (mut writer, logs) = AccessLogWriter::start(
        vec![(file, Counter::default())],
        telemetry::AccessLogClocks { steady: Arc::new(|| 0), system: Arc::new(|| 0) },
    )
    .unwrap();
    let mesh = Mesh::new(DTAB, RouterSettings { access_log: logs.into_iter().next(), ..settings });
    let read = move |mesh: Mesh| {
        drop(mesh);
        assert!(writer.stop(Duration::from_secs(30)));
        let text = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
        // Without the time, which is tested where it is made.
        text.lines()
            .map(|line| line[..line.find('[').unwrap()].to_owned() + line.rsplit("] ").next().unwrap())
            .collect()
    };
    (mesh, read)
}

fn request(target: &str) -> FakeRequest {
    let mut request = FakeRequest::get(target);
    request.line("Host", "x");
    request
}

#[tokio::test(start_paused = true)]
async fn answers_have_lines() {
    let (mut mesh, read) = logged(no_accrual(RouterSettings::default()));
    let mut answer = FakeResponse::new(404);
    answer.line("Content-Length", "7");
    mesh.send(request("/a?b=c"), &[Does::Answers(answer)]).await;
    let mut old = request("/old");
    old.version = Version::Http10;
    old.line("User-Agent", "me").line("Referer", "you");
    mesh.send(old, &[status(200)]).await;
    let mut absolute = FakeRequest::get("http://web/abs");
    absolute.line("Host", "other");
    mesh.send(absolute, &[status(200)]).await;
    let got = read(mesh);
    let want = [
        "x 127.0.0.1 - - \"GET /a?b=c HTTP/1.1\" 404 7 \"-\" \"-\"",
        "x 127.0.0.1 - - \"GET /old HTTP/1.0\" 200 - \"you\" \"me\"",
        "web 127.0.0.1 - - \"GET http://web/abs HTTP/1.1\" 200 - \"-\" \"-\"",
    ];
    assert_eq!(got, want);
}

/// Retried attempts have lines; what nobody answered has none, and neither have attempts that are requeued.
#[tokio::test(start_paused = true)]
async fn each_attempt_that_was_answered_has_a_line() {
    let (mut mesh, read) = logged(classifier(Classifier::RetryableRead5xx));
    mesh.send(request("/retried"), &[status(500), status(503), status(200)]).await;
    mesh.send(request("/requeued"), &[Does::Refuses, Does::Closes(Sent::Nothing), status(200)]).await;
    mesh.send(request("/closed"), &[Does::Closes(Sent::Some)]).await;
    mesh.send(request("/babbled"), &[Does::Babbles]).await;
    let mut nack = FakeResponse::new(503);
    nack.line("finagle-http-nack", "");
    mesh.send(request("/nacked"), &[Does::Answers(nack), status(200)]).await;
    mesh.send(request("/cut"), &[Does::Cuts]).await;
    let mut nameless = FakeRequest::get("/nameless");
    nameless.line("X", "y");
    mesh.send(nameless, &[status(200)]).await;
    let got = read(mesh);
    let words = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{} {}", words[5], words[7])
    };
    let got: Vec<String> = got.iter().map(words).collect();
    assert_eq!(
        got,
        ["/retried 500", "/retried 503", "/retried 200", "/requeued 200", "/nacked 200", "/cut 200"]
    );
}
