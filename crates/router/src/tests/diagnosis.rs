//! TRACE requests through the whole router (dataplane.md §4.7).

use super::mesh::*;
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::Nanos;

const DTAB: &str = "/svc => /srv ; /srv => /$/inet/127.1/80";

const CONTEXT: (&str, &str) = ("l5d-add-context", "true");

fn trace(lines: &[(&str, &str)]) -> FakeRequest {
    let mut request = FakeRequest::new("TRACE", b"/");
    request.line("Host", "dog");
    for (name, value) in lines {
        request.line(name, value);
    }
    request
}

fn echo(streamed: bool) -> Does {
    let mut reply = FakeResponse::new(200);
    (reply.body, reply.streamed) = (b"echo".to_vec(), streamed);
    Does::Answers(reply)
}

fn block(ms: u64) -> String {
    format!(
        "--- Router: http ---\nrequest duration: {ms} ms\nservice name: /svc/dog\nclient name: /$/inet/127.1/80\n\
         addresses: [127.0.0.1:80]\nselected address: 127.0.0.1:80\ndtab resolution:\n  /svc/dog\n  \
         /srv/dog (/svc=>/srv)\n  /$/inet/127.1/80/dog (/srv=>/$/inet/127.1/80)\n"
    )
}

/// Row 22 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn row_22_context_behind_the_body() {
    let mut mesh = Mesh::plain(DTAB);
    let got = mesh.send(trace(&[("Max-Forwards", "5"), CONTEXT]), &[echo(false)]).await;
    assert_eq!((got.status, got.body), (200, format!("echo\n\n{}", block(1))));
    let (_, head) = &got.saw[0];
    assert_eq!(head.method, b"TRACE");
    assert_eq!(head.one("max-forwards").as_deref(), Some("4"));
    assert_eq!(head.one("l5d-add-context").as_deref(), Some("true"));
    mesh.check("service/svc/dog", "requests 1, success 1");

    let got = mesh.send(trace(&[CONTEXT]), &[echo(false)]).await;
    assert!(got.body.contains("--- Router: http ---"), "{}", got.body);
    assert_eq!(got.saw[0].1.all("max-forwards").len(), 0);
    for untouched in [&[][..], &[("Max-Forwards", "5")], &[("l5d-add-context", "yes")]] {
        let got = mesh.send(trace(untouched), &[echo(false)]).await;
        assert_eq!((got.saw.len(), got.body.as_str()), (1, "echo"), "{untouched:?}");
    }
    let mut get = FakeRequest::get("/");
    get.line("Host", "dog").line("Max-Forwards", "0").line("l5d-add-context", "true");
    let got = mesh.send(get, &[echo(false)]).await;
    assert_eq!((got.body.as_str(), got.saw[0].1.one("max-forwards").as_deref()), ("echo", Some("0")));
}

/// Row 23 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn row_23_streamed_answers_are_replaced() {
    let mut mesh = Mesh::plain(DTAB);
    let got = mesh.send(trace(&[CONTEXT]), &[echo(true)]).await;
    let lost =
        "HTTP 200 - OK\nDiagnostic trace encountered chunked response. Response content discarded.\n\n";
    assert_eq!(got.body, format!("Transfer-Encoding: chunked\n{lost}{}", block(1)));
    let got = mesh.send(trace(&[CONTEXT]), &[status(204)]).await;
    assert_eq!((got.status, got.body.as_str()), (204, ""), "no body may follow");
}

/// Row 24 of dataplane.md §13 and the recorded case trace-max-forwards-bad; and requests that go no further.
#[tokio::test(start_paused = true)]
async fn row_24_answers_of_our_own() {
    let mut mesh = Mesh::plain(DTAB);
    let check = async |mesh: &mut Mesh, lines: &[(&str, &str)], want: u16, body: &str| {
        let got = mesh.send(trace(lines), &[status(200)]).await;
        assert_eq!((got.status, got.body.as_str(), got.saw.len()), (want, body, 0), "{lines:?}");
        assert_eq!(got.generated_header("Via").as_deref(), Some("1.1 linkerd"));
        assert_eq!(got.generated_header("l5d-success-class").as_deref(), Some("1.0"));
        assert_eq!(got.generated_header("l5d-err"), None);
    };
    let invalid = "Invalid value for Max-Forwards header";
    check(&mut mesh, &[("Max-Forwards", "31qe"), CONTEXT], 400, invalid).await;
    check(&mut mesh, &[("Max-Forwards", "0")], 200, "").await;
    check(&mut mesh, &[("Max-Forwards", "0"), CONTEXT], 200, &block(0)).await;
    mesh.check("server/127.0.0.1/4140", "requests 3, success 3, pending 0");
    mesh.check("client/$/inet/127.1/80", "requests 0, pending 0, loadbalancer/load 0");
    // A request that leads nowhere is told so first.
    let mut mesh = Mesh::plain("");
    assert_eq!(mesh.send(trace(&[("Max-Forwards", "0")]), &[status(200)]).await.status, 502);
}

/// Strangers are told nothing of the inside.
#[tokio::test(start_paused = true)]
async fn strangers_get_no_context() {
    let entrance = ServerSettings { clear_context: true, ..ServerSettings::default() };
    let mut mesh = Mesh::behind(entrance, DTAB, no_accrual(RouterSettings::default()));
    let got = mesh.send(trace(&[("Max-Forwards", "5"), CONTEXT]), &[echo(false)]).await;
    assert_eq!((got.body.as_str(), got.saw[0].1.one("max-forwards").as_deref()), ("echo", Some("4")));
    let got = mesh.send(trace(&[("Max-Forwards", "0"), CONTEXT]), &[status(200)]).await;
    assert_eq!((got.status, got.body.as_str()), (200, ""));
    assert_eq!(got.generated_header("l5d-success-class"), None);
}

/// An answer of our own that looks at a replica takes no probe from those who would use it.
#[tokio::test(start_paused = true)]
async fn probes_are_not_used_up() {
    let accrual = balance::AccrualPolicy::ConsecutiveFailures {
        failures: 1,
        backoff: balance::Backoff::Constant(Nanos::from_millis(10)),
    };
    let partial = ClientPartial { accrual: Some(accrual), ..Default::default() };
    let mut mesh = Mesh::new(DTAB, client(RouterSettings::default(), partial));
    mesh.get("dog", &[status(500)]).await;
    mesh.advance(20);
    for _ in 0..3 {
        assert_eq!(mesh.send(trace(&[("Max-Forwards", "0")]), &[status(200)]).await.status, 200);
    }
    mesh.get("dog", &[status(200)]).await;
    mesh.check("client/$/inet/127.1/80", "failure_accrual/probes 1, failure_accrual/revivals 1");
}
