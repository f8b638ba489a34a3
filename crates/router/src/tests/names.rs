//! Where names come from, and names that lead to something else than replicas.

use super::mesh::*;
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use naming::{Addr, AddrSet, Address, Meta, State};
use std::sync::Arc;

const SERVER: &str = "server/127.0.0.1/4140";

fn identified(identifiers: Vec<Identifier>) -> RouterSettings {
    RouterSettings { identifiers, ..no_accrual(RouterSettings::default()) }
}

/// Row 53 of dataplane.md §13 through the whole router, and what §4.2 says of failures.
#[tokio::test(start_paused = true)]
async fn row_53_identifiers_in_turn() {
    let host = || Identifier::MethodAndHost(MethodAndHost { uri: true });
    let path = || Identifier::Path(PathSegments { segments: 1, consume: true });
    let ask = async |list: Vec<Identifier>, host: Option<&str>, target: &str| {
        let mut mesh = Mesh::new("/svc=>/$/inet/1", identified(list));
        let mut request = FakeRequest::get(target);
        if let Some(host) = host {
            request.line("Host", host);
        }
        let got = mesh.send(request, &[status(200)]).await;
        mesh.check(SERVER, "requests 1, pending 0");
        got
    };
    let got = ask(vec![host(), path()], None, "/one/two/three?x").await;
    let (_, head) = &got.saw[0];
    assert_eq!(head.one("l5d-dst-service").as_deref(), Some("/svc/one"));
    assert_eq!((head.target.as_slice(), head.all("host")), (&b"/two/three?x"[..], vec![String::new()]));

    let unknown = |target: &str, why: &str| {
        format!(r#"Unknown destination: Request("GET {target}", from /127.0.0.1:9999) / {why}"#)
    };
    let got = ask(vec![host(), path()], None, "/").await;
    assert_eq!((got.status, got.body), (400, unknown("/", "not enough segments in path")));
    let got = ask(vec![path()], None, "//a//b").await;
    assert_eq!((got.status, got.body.as_str()), (502, "requirement failed"));
    assert_eq!(got.generated_header("l5d-err").as_deref(), Some("requirement+failed"));
    let got = ask(vec![path(), host()], None, "//a//b").await;
    assert_eq!((got.status, got.body), (400, unknown("//a//b", "requirement failed")));
}

/// A name made of the target is looked up in the caches as any other: the second request misses nothing.
#[tokio::test(start_paused = true)]
async fn identified_names_are_cached() {
    let header = Identifier::Header(HeaderPath::new(b"l5d-name"));
    let mut mesh = Mesh::new("/svc=>/$/inet/1", identified(vec![header]));
    for _ in 0..3 {
        let mut request = FakeRequest::get("/");
        request.line("l5d-name", "/a/b");
        let got = mesh.send(request, &[status(200)]).await;
        assert_eq!(got.saw[0].1.one("l5d-dst-service").as_deref(), Some("/svc/a/b"));
        assert_eq!(got.saw[0].1.one("l5d-name").as_deref(), Some("/a/b"), "it is only read");
    }
    mesh.check("bindcache/path", "misses 1");
}

/// dataplane.md §4.6, routing.md §2.2: the status namer.
#[tokio::test(start_paused = true)]
async fn names_that_are_statuses() {
    let mut mesh = Mesh::plain("/svc=>/$/io.buoyant.http.status; /svc/low=>/$/io.buoyant.http.status/101");
    let check = async |mesh: &mut Mesh, host: &str, want: u16, class: &str| {
        let got = mesh.get(host, &[Does::Refuses]).await;
        assert_eq!((got.status, got.body.as_str(), got.saw.len()), (want, "", 0), "{host}");
        assert_eq!(got.generated_header("Via").as_deref(), Some("1.1 linkerd"));
        assert_eq!(got.generated_header("l5d-success-class").as_deref(), Some(class));
        assert_eq!(got.generated_header("l5d-err"), None);
    };
    check(&mut mesh, "404", 404, "1.0").await;
    check(&mut mesh, "200", 200, "1.0").await;
    check(&mut mesh, "599", 599, "0.0").await;
    mesh.check("service/svc/404", "requests 1, success 1");
    mesh.check("service/svc/599", "requests 1, failures 1, failures/classified 1");
    mesh.check(SERVER, "requests 3, success 2, failures 1, status/404 1, pending 0");
    assert_eq!(mesh.get("600", &[status(200)]).await.status, 502, "no such status");
    assert_eq!(mesh.get("abc", &[status(200)]).await.status, 502);
    let got = mesh.get("low", &[status(200)]).await;
    assert!(got.body.contains("no request is answered by a status below 200"), "{}", got.body);
    // A retrying classifier asks no second time: the answer would be the same.
    let mut mesh = Mesh::new("/svc=>/$/io.buoyant.http.status", classifier(Classifier::RetryableRead5xx));
    assert_eq!(mesh.get("503", &[Does::Refuses]).await.status, 503);
    mesh.check("service/svc/503", "requests 1, failures 1, retries/total 0");
}

/// Row 55 of dataplane.md §13.
#[tokio::test(start_paused = true)]
async fn row_55_authority_of_the_replicas() {
    let named = |authority: &str, port: u16| {
        let meta = Meta::new([("authority", authority)]);
        Addr::Bound(Arc::new(AddrSet::new(vec![Address::new(at(port))], meta)))
    };
    let mut mesh = Mesh::new("/svc=>/#/t", classifier(Classifier::RetryableRead5xx));
    mesh.stage.serve("/monkeys", named("acme.co", 80));
    mesh.stage.put("/monkeys", State::Ok(true));
    let moved = |location: &str| {
        let mut reply = FakeResponse::new(302);
        reply.line("Location", location).line("Refresh", "5; url=http://acme.co/bar");
        Does::Answers(reply)
    };
    let got = mesh.get("monkeys", &[status(500), moved("http://acme.co/bar")]).await;
    assert_eq!(got.saw.len(), 2);
    for (_, head) in &got.saw {
        assert_eq!(head.all("host"), ["acme.co"]);
    }
    let reply = got.response.unwrap();
    assert_eq!(
        (reply.all("location"), reply.all("refresh")),
        (vec!["http://monkeys/bar".to_owned()], vec!["5; url=http://monkeys/bar".to_owned()],)
    );

    // Not any longer, and never where it cannot stand in a line.
    for addr in [Addr::bound(vec![Address::new(at(80))]), named("a\r\nX: 1", 80)] {
        mesh.stage.serve("/monkeys", addr);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        let got = mesh.get("monkeys", &[moved("http://acme.co/bar")]).await;
        assert_eq!(got.saw[0].1.all("host"), ["monkeys"]);
        assert_eq!(got.response.unwrap().all("location"), ["http://acme.co/bar"]);
    }
}

/// A retry may go to another replica set: each attempt has the `Host` of its own.
#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_own_authority() {
    let mut mesh = Mesh::new("/svc=>/#/t/a & /#/t/b", classifier(Classifier::RetryableRead5xx));
    let meta = Meta::new([("authority", "acme.co")]);
    mesh.stage.serve("/a", Addr::Bound(Arc::new(AddrSet::new(vec![Address::new(at(80))], meta))));
    mesh.stage.put("/a", State::Ok(true));
    mesh.stage.up("/b", &[81]);
    let (mut named, mut plain) = (0, 0);
    for _ in 0..50 {
        let got = mesh.get("web", &[status(500), status(200)]).await;
        for (port, head) in &got.saw {
            let want = if *port == 80 { "acme.co" } else { "web" };
            assert_eq!(head.all("host"), [want], "{port}");
            *(if *port == 80 { &mut named } else { &mut plain }) += 1;
        }
    }
    assert!(named > 10 && plain > 10, "{named} {plain}");
}
