//! `io.l5d.ingress` through the whole router: names by rules, changes at once, requests that come before the rules do.

use super::mesh::*;
use crate::testing::FakeRequest;
use crate::*;
use balance::Nanos;
use std::sync::Arc;
use std::time::Duration;

fn settings(rules: &Arc<IngressRules>) -> RouterSettings {
    let ingress = Identifier::Ingress(Ingress::new(rules.clone()));
    RouterSettings { identifiers: vec![ingress], ..no_accrual(RouterSettings::default()) }
}

/// All requests for `host` go to the Service `service`.
fn table(host: &str, service: &str) -> Arc<Table> {
    let rule = IngressRule {
        host: Some(host.to_owned()),
        path: String::new(),
        path_type: PathType::Pattern,
        backend: IngressBackend { service: service.to_owned(), port: "http".to_owned() },
    };
    let object = IngressObject { namespace: "n".into(), name: "o".into(), rules: vec![rule], default: None };
    Arc::new(Table::new(&[object], true, None))
}

fn rules(table: Arc<Table>) -> Arc<IngressRules> {
    let rules = Arc::new(IngressRules::default());
    rules.set(table);
    rules
}

const SVC: &str = "/svc => /$/inet/1";

/// The name a request got, or the answer it got instead.
async fn named(mesh: &mut Mesh, host: &str) -> String {
    let got = mesh.get(host, &[status(200)]).await;
    match got.saw.first() {
        Some((_, head)) => head.one("l5d-dst-service").unwrap(),
        None => format!("{} {}", got.status, got.body),
    }
}

#[tokio::test(start_paused = true)]
async fn rules_that_change() {
    let rules = rules(table("web", "old"));
    let mut mesh = Mesh::new(SVC, settings(&rules));
    assert_eq!(named(&mut mesh, "web:8080").await, "/svc/n/http/old");
    rules.set(table("web", "new"));
    assert_eq!(named(&mut mesh, "web").await, "/svc/n/http/new");
    rules.set(Arc::default());
    let none = r#"400 Unknown destination: Request("GET /", from /127.0.0.1:9999) / no ingress rule matches"#;
    assert_eq!(named(&mut mesh, "web").await, none);
}

/// routing.md §4: a host with more than one colon is an error; IPv6 in brackets is none.
#[tokio::test(start_paused = true)]
async fn hosts() {
    let rules = rules(table("", "any"));
    let mut mesh = Mesh::new(SVC, settings(&rules));
    for host in ["web", "web:80", "[::1]", "[::1]:80", "web:", ""] {
        assert_eq!(named(&mut mesh, host).await, "/svc/n/http/any", "{host}");
    }
    for host in ["a:b:80", "::1", "[::1]:80:1"] {
        assert_eq!(named(&mut mesh, host).await, "502 unable to parse host for request", "{host}");
    }
}

/// Requests wait for the first rules; what they brought along is not lost.
#[tokio::test(start_paused = true)]
async fn requests_wait_for_the_rules() {
    let rules = Arc::new(IngressRules::default());
    let mut mesh = Mesh::new("/svc => /$/fail", settings(&rules));
    let mut request = FakeRequest::get("/x?q");
    request.line("Host", "web").line("l5d-dtab", "/svc/n => /$/inet/1").line("l5d-ctx-deadline", "1 2");
    let before = mesh.now;
    let later = async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        rules.set(table("web", "late"));
    };
    let script = [status(200)];
    let (got, ()) = tokio::join!(mesh.send(request, &script), later);
    assert_eq!(got.status, 200, "{got:?}");
    let (_, head) = &got.saw[0];
    assert_eq!(head.one("l5d-dst-service").as_deref(), Some("/svc/n/http/late"));
    assert_eq!(head.one("l5d-ctx-dtab").as_deref(), Some("/svc/n=>/$/inet/1"));
    assert_eq!(head.target, b"/x?q");
    assert!((mesh.now - before).millis() >= 4_000);
    mesh.check("server/127.0.0.1/4140", "requests 1, success 1, pending 0");
}

/// They wait no longer than for a binding, and are told what they have waited for.
#[tokio::test(start_paused = true)]
async fn rules_that_do_not_come() {
    let rules = Arc::new(IngressRules::default());
    let short = RouterSettings { binding_timeout: Nanos::from_millis(700), ..settings(&rules) };
    let mut mesh = Mesh::new(SVC, short);
    let before = mesh.now;
    let got = mesh.get("web", &[status(200)]).await;
    let text = "Exceeded 700.milliseconds binding timeout while waiting for the rules of io.l5d.ingress.";
    assert!(got.status == 502 && got.body.starts_with(text), "{got:?}");
    assert_eq!((mesh.now - before).millis(), 700);
    mesh.check("server/127.0.0.1/4140", "requests 1, failures 1, failures/binding_timeout 1, pending 0");
}

/// Only what gets as far as the rules waits for them.
#[tokio::test(start_paused = true)]
async fn earlier_identifiers_do_not_wait() {
    let rules = Arc::new(IngressRules::default());
    let mut settings = settings(&rules);
    settings.identifiers.insert(0, Identifier::Header(HeaderPath::new(b"l5d-name")));
    let mut mesh = Mesh::new(SVC, settings);
    let mut request = FakeRequest::get("/");
    request.line("l5d-name", "/own");
    let before = mesh.now;
    let got = mesh.send(request, &[status(200)]).await;
    assert_eq!(got.saw[0].1.one("l5d-dst-service").as_deref(), Some("/svc/own"));
    assert!((mesh.now - before).millis() < 1_000);
}

/// A caller that goes away while it waits leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn callers_that_go_while_they_wait() {
    let rules = Arc::new(IngressRules::default());
    let mut mesh = Mesh::new(SVC, settings(&rules));
    let mut head = FakeRequest::get("/");
    head.line("Host", "web");
    let arrival = arrival(at(1), mesh.now, true);
    let (ex, step) = mesh.worker.on_head(&mut head, arrival);
    assert!(matches!(step, seam::Step::AwaitBinding(_)));
    drop(step);
    mesh.worker.on_end(ex, seam::Outcome::CallerGone, mesh.now);
    rules.set(table("web", "x"));
    assert_eq!(named(&mut mesh, "web").await, "/svc/n/http/x");
    mesh.check("server/127.0.0.1/4140", "requests 1, success 1, pending 0");
}
