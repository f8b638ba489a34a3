//! What a server's own settings make of requests and answers: strangers, `Forwarded`, time stamps, loops.

use super::mesh::*;
use crate::testing::{FakeRequest, FakeResponse};
use crate::trace::Propagator;
use crate::*;

const SERVER: &str = "server/127.0.0.1/4140";

fn strangers() -> ServerSettings {
    ServerSettings { clear_context: true, ..ServerSettings::default() }
}

fn mesh(entrance: ServerSettings) -> Mesh {
    Mesh::behind(entrance, "/svc=>/$/inet/1;/svc/dead=>/$/inet/2", no_accrual(RouterSettings::default()))
}

fn request(lines: &[(&str, &str)]) -> FakeRequest {
    let mut request = FakeRequest::get("/");
    request.line("Host", "web");
    for (name, value) in lines {
        request.line(name, value);
    }
    request
}

fn l5d(head: &FakeRequest) -> Vec<String> {
    let mut names: Vec<String> = head.lines().iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    names.retain(|n| n.starts_with("l5d-"));
    names.sort();
    names
}

/// Row 16 of dataplane.md §13, §7.4 and the recorded case clear-all.
#[tokio::test(start_paused = true)]
async fn row_16_strangers_say_nothing() {
    let mut mesh = mesh(strangers());
    let said = [
        ("l5d-dtab", "/svc=>/$/nil"),
        ("L5D-Ctx-Dtab", "/svc=>/$/nil"),
        ("l5d-ctx-thing", "1"),
        ("l5d-ctx-deadline", "1 2"),
        ("l5d-sample", "1.0"),
        ("l5d-name", "x"),
        ("l5d-foo", "1"),
        ("l5d-ctx-trace", "AAAAAAAAAAcAAAAAAAAABwAAAAAAAAAHAAAAAAAAAAY="),
        ("dtab-local", "/a=>/b"),
        ("X-Forwarded-For", "9.9.9.9"),
        ("x-b3-traceid", "7"),
    ];
    let got = mesh.send(request(&said), &[status(200)]).await;
    let head = &got.saw[0].1;
    let set = ["l5d-ctx-trace", "l5d-dst-client", "l5d-dst-residual", "l5d-dst-service", "l5d-reqid"];
    assert_eq!(l5d(head), set);
    let trace = TraceId::decode(head.one("l5d-ctx-trace").unwrap().as_bytes()).unwrap();
    assert_ne!(trace.trace, 7);
    assert_eq!(trace.sampled(), None);
    for kept in ["dtab-local", "x-forwarded-for", "x-b3-traceid"] {
        assert_eq!(head.all(kept).len(), 1, "{kept}");
    }
    assert_eq!(got.response.unwrap().all("l5d-success-class").len(), 0, "strangers hear nothing either");

    // A bad dtab that nobody reads is no fault.
    let got = mesh.send(request(&[("l5d-dtab", "bad")]), &[status(200)]).await;
    assert_eq!(got.status, 200);
}

/// §7.4: what is wrong stays between the proxies. Recorded case clear-reply-err, without its fault.
#[tokio::test(start_paused = true)]
async fn strangers_hear_no_reasons() {
    let mut mesh = mesh(strangers());
    let mut reply = FakeResponse::new(502);
    reply.line("l5d-err", "boo").line("L5D-Foo", "1").line("Content-Type", "text/plain").body =
        b"boo".to_vec();
    let got = mesh.send(request(&[]), &[Does::Answers(reply)]).await;
    assert_eq!((got.status, got.body.as_str()), (502, ""));
    let head = got.response.unwrap();
    assert_eq!((head.all("l5d-err").len(), head.all("l5d-foo").len()), (0, 0));
    assert_eq!(head.all("via"), ["1.1 linkerd"]);

    // A failure without such words is the application's own.
    let mut reply = FakeResponse::new(500);
    reply.body = b"my own".to_vec();
    let got = mesh.send(request(&[]), &[Does::Answers(reply)]).await;
    assert_eq!((got.status, got.body.as_str()), (500, "my own"));
    mesh.check("service/svc/web", "failures 2, success 0");
}

/// Rows 18 and 19 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn rows_18_and_19_generated_errors_are_cleared() {
    let segments = Identifier::Path(PathSegments { segments: 2, consume: false });
    let settings = RouterSettings { identifiers: vec![segments], ..no_accrual(RouterSettings::default()) };
    for (settings, want) in [(settings, 400), (no_accrual(RouterSettings::default()), 502)] {
        let mut mesh = Mesh::behind(strangers(), "/svc=>/$/inet/1", settings);
        let got = mesh.send(request(&[]), &[Does::Closes(seam::Sent::Nothing)]).await;
        let generated = got.generated.unwrap();
        assert_eq!((generated.status, generated.body.len()), (want, 0));
        let names: Vec<_> = generated.headers.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Content-Type"]);
    }
}

/// Names that lead nowhere: the dtab is shown as it is now, and to strangers not at all.
#[tokio::test(start_paused = true)]
async fn the_dtab_of_an_unroutable_name() {
    let mut strangers = mesh(strangers());
    let mut friends = mesh(ServerSettings::default());
    for base in ["/a=>/b", "/c=>/d"] {
        for mesh in [&mut strangers, &mut friends] {
            mesh.router.binder.set_dtab(base.parse().unwrap());
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        for _ in 0..2 {
            let got = friends.send(request(&[]), &[status(200)]).await;
            let line = base.replace("=>", " => ");
            let want = format!("base dtab:\n  {line}\noverride dtab:\n\n");
            assert!(got.status == 502 && got.body.ends_with(&want), "{}", got.body);
            let got = strangers.send(request(&[]), &[status(200)]).await;
            assert_eq!((got.status, got.body.as_str(), got.generated_header("l5d-err")), (502, "", None));
        }
    }
}

/// Row 21 of dataplane.md §13; equal to the limit passes.
#[tokio::test(start_paused = true)]
async fn row_21_loops_end() {
    let mut mesh = mesh(ServerSettings { max_call_depth: 2, ..ServerSettings::default() });
    let got = mesh.send(request(&[("Via", "hop1, hop2, hop3")]), &[status(200)]).await;
    let text = "Maximum number of calls (2) has been exceeded. Please check for proxy loops.";
    assert_eq!((got.status, got.body.as_str(), got.saw.len()), (400, text, 0));
    assert!(got.generated_header("l5d-err").is_some());
    let got = mesh.send(request(&[("Via", "hop1, hop2")]), &[status(200)]).await;
    assert_eq!(got.status, 200);
    let bad = request(&[("Via", "hop1, hop2, hop3"), ("l5d-dtab", "bad")]);
    assert_eq!(mesh.send(bad, &[status(200)]).await.body, "'/' expected but 'b' found at '[b]ad'");
    mesh.check(SERVER, "failures/too_many_hops 1, failures/bad_dtab 1");
}

/// Rows 20 and 50 of dataplane.md §13; the wall clock of these tests is 1,000 s at the router's zero.
#[tokio::test(start_paused = true)]
async fn rows_20_and_50_where_and_when() {
    let forwarded = Forwarded { by: Labeler::IpPort, r#for: Labeler::Ip };
    let mut mesh = mesh(ServerSettings {
        forwarded: Some(forwarded),
        timestamp_header: Some((*b"X-Request-Start").into()),
        ..ServerSettings::default()
    });
    let mut request = FakeRequest::get("http://other/x");
    request.line("Host", "web").line("Forwarded", "for=8.8.4.4");
    let got = mesh.send(request, &[status(500), status(200)]).await;
    let head = &got.saw[0].1;
    let ours = "by=\"127.0.0.1:4140\";for=127.0.0.1;host=web;proto=http";
    assert_eq!(head.all("forwarded"), ["for=8.8.4.4", ours]);
    assert_eq!(head.one("x-request-start").as_deref(), Some("1100000"));
    assert_eq!(head.one("host").as_deref(), Some("other"));
    // Nobody strikes them out.
    let listed = [("Connection", "x-request-start, forwarded"), ("X-Request-Start", "1")];
    let got = mesh.send(self::request(&listed), &[status(200)]).await;
    let head = &got.saw[0].1;
    assert_eq!(head.all("forwarded").len(), 1);
    assert_eq!(head.one("x-request-start").as_deref(), Some("1100001"));
    assert!(mesh.worker.wants_local_address());
    let plain = Mesh::plain("").worker.wants_local_address();
    assert!(!plain);
}

/// §7.5: B3 in and out, of strangers out only; Linkerd's own fields neither read nor sent.
#[tokio::test(start_paused = true)]
async fn zipkin_propagation() {
    let settings =
        || RouterSettings { propagator: Propagator::Zipkin, ..no_accrual(RouterSettings::default()) };
    let said = [
        ("X-B3-TraceId", "a"),
        ("X-B3-SpanId", "b"),
        ("X-B3-ParentSpanId", "c"),
        ("X-B3-Sampled", "1"),
        ("l5d-ctx-trace", "x"),
        ("l5d-sample", "0.0"),
    ];
    for (entrance, known) in [(ServerSettings::default(), true), (strangers(), false)] {
        let mut mesh = Mesh::behind(entrance, "/svc=>/$/inet/1", settings());
        let got = mesh.send(request(&said), &[status(200)]).await;
        let head = &got.saw[0].1;
        assert_eq!(l5d(head), ["l5d-dst-client", "l5d-dst-residual", "l5d-dst-service"]);
        let b3 = |name: &str| head.one(&format!("x-b3-{name}")).unwrap();
        assert_eq!(b3("traceid") == "000000000000000a", known);
        assert_eq!(b3("sampled"), if known { "1" } else { "0" });
        assert_eq!(b3("flags"), "0");
        assert_eq!((b3("spanid").len(), b3("parentspanid").len()), (16, 16));
        assert_ne!(b3("parentspanid"), "000000000000000b", "the server has a span of its own");
    }
    let got = Mesh::plain("/svc=>/$/inet/1").send(request(&said), &[status(200)]).await;
    assert_eq!(got.saw[0].1.one("x-b3-spanid").as_deref(), Some("b"), "passed on where nobody reads it");
}
