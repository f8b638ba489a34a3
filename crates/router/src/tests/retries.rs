//! Retries, requeues, budgets, accrual (dataplane.md §5, §6.4; rows 6 to 12 and 29 to 36, 82).

use super::mesh::*;
use crate::seam::{Failure, Sent, Step};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::{AccrualPolicy, Backoff, BudgetConfig, Nanos};

const SERVER: &str = "server/127.0.0.1/4140";
const DTAB: &str = "/svc/* => /$/inet/127.1/80; /svc/a => /$/inet/127.1/81; /svc/b => /$/inet/127.1/82";
const CLIENT: &str = "client/$/inet/127.1/80";

fn request(method: &str, host: &str) -> FakeRequest {
    let mut request = FakeRequest::new(method, b"/");
    request.line("Host", host);
    request
}

fn budget(min: u32, percent: f64) -> BudgetConfig {
    BudgetConfig { min_retries_per_sec: min, percent_can_retry: percent, ttl: Nanos::from_secs(10) }
}

fn retries(settings: RouterSettings, budget: BudgetConfig, backoff: Backoff) -> RouterSettings {
    service(settings, ServicePartial { retries: Some(Retries { budget, backoff }), ..Default::default() })
}

/// Rows 6 to 11: which methods are sent again after one 500.
#[tokio::test(start_paused = true)]
async fn rows_6_to_11_classifiers() {
    use Classifier as C;
    let check = async |row: &str, kind: Classifier, method: &str, want: (u16, usize)| {
        let mut mesh = Mesh::new(DTAB, classifier(kind));
        let got = mesh.send(request(method, "x"), &[status(500), status(200)]).await;
        assert_eq!((got.status, got.saw.len()), want, "{row} {kind:?} {method}");
        let retried = want.1 as f64 - 1.0;
        let failed = f64::from(u8::from(want.0 == 500 && kind != C::AllSuccessful));
        mesh.check(SERVER, &format!("requests 1, failures {failed}, success {}", 1.0 - failed));
        mesh.check("service/svc/x", &format!("requests 1, failures {failed}, retries/total {retried}"));
        mesh.check(CLIENT, &format!("requests {}, failures {}", want.1, retried + failed));
    };
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        check("6", C::RetryableRead5xx, method, (200, 2)).await;
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "CONNECT"] {
        check("7", C::RetryableRead5xx, method, (500, 1)).await;
    }
    check("8", C::RetryableIdempotent5xx, "PUT", (200, 2)).await;
    check("8", C::RetryableIdempotent5xx, "DELETE", (200, 2)).await;
    check("8", C::RetryableIdempotent5xx, "POST", (500, 1)).await;
    for method in ["GET", "POST", "PUT"] {
        check("9", C::NonRetryable5xx, method, (500, 1)).await;
    }
    check("10", C::RetryableAll5xx, "POST", (200, 2)).await;
    check("10", C::RetryableAll5xx, "CONNECT", (500, 1)).await;
    check("11", C::AllSuccessful, "POST", (500, 1)).await;
}

/// Row 12: each service has its own classifier.
#[tokio::test(start_paused = true)]
async fn row_12_per_service() {
    let kind = |kind| ServicePartial { classifier: Some(kind), ..Default::default() };
    let settings = RouterSettings {
        services: vec![
            Scope::of("/svc/a", kind(Classifier::RetryableRead5xx)),
            Scope::of("/svc/b", kind(Classifier::NonRetryable5xx)),
        ],
        ..RouterSettings::default()
    };
    let mut mesh = Mesh::new(DTAB, settings);
    assert_eq!(mesh.get("a", &[status(500), status(200)]).await.status, 200);
    assert_eq!(mesh.get("b", &[status(500), status(200)]).await.status, 500);
}

/// Row 29 and 30 as the reference's own test has them: one success, one requeue, one that finds the budget spent; then
/// nobody listens any more. (The row of the table has one success more; by the formula of §5.2 that one would pay for
/// another requeue.)
#[tokio::test(start_paused = true)]
async fn rows_29_and_30_requeues() {
    let settings = retries(no_accrual(RouterSettings::default()), budget(0, 0.0), Backoff::NONE);
    let requeues = ClientPartial { requeue_budget: Some(budget(0, 0.5)), ..Default::default() };
    let mut mesh = Mesh::new(DTAB, client(settings, requeues));
    let unwritten = Does::Closes(Sent::Nothing);
    assert_eq!(mesh.get("x", &[status(200)]).await.status, 200);
    mesh.check(CLIENT, "retries/budget 0, retries/requeues 0");
    assert_eq!(mesh.get("x", &[unwritten.clone(), status(200)]).await.status, 200);
    mesh.check(CLIENT, "retries/budget 0, retries/requeues 1, retries/request_limit 0");
    let got = mesh.get("x", &[unwritten]).await;
    assert_eq!((got.status, got.saw.len()), (502, 1));
    assert_eq!(got.generated_header("l5d-retryable").as_deref(), Some("true"), "row 39");
    mesh.check(CLIENT, "retries/requeues 1, retries/request_limit 1");
    assert_eq!(mesh.get("x", &[Does::Refuses]).await.status, 502);
    mesh.check(CLIENT, "retries/requeues 26, service_creation/failures 26");
}

/// Row 31 as the reference's own test has it: the first, third, fifth … write of each back end fails.
#[tokio::test(start_paused = true)]
async fn row_31_requeue_budgets_are_per_client() {
    let partial = |percent| ClientPartial { requeue_budget: Some(budget(0, percent)), ..Default::default() };
    let settings = RouterSettings {
        clients: vec![
            Scope::of("/", ClientPartial { accrual: Some(AccrualPolicy::None), ..Default::default() }),
            Scope::of("/$/inet/127.1/81", partial(1.0)),
            Scope::of("/$/inet/127.1/82", partial(0.5)),
        ],
        ..RouterSettings::default()
    };
    let mut mesh = Mesh::new(DTAB, settings);
    let run = async |mesh: &mut Mesh, host: &str, wants: &[u16]| {
        let mut writes = 0;
        for (i, want) in wants.iter().enumerate() {
            let mut script = |_| {
                writes += 1;
                if writes % 2 == 1 { Does::Closes(Sent::Nothing) } else { status(200) }
            };
            let got = mesh.play(request("GET", host), true, &mut script).await;
            assert_eq!(got.status, *want, "{host} {i}");
        }
    };
    run(&mut mesh, "a", &[200; 11]).await;
    mesh.check("client/$/inet/127.1/81", "retries/requeues 11, retries/request_limit 0");
    run(&mut mesh, "b", &[502, 200, 200, 200, 502]).await;
    mesh.check("client/$/inet/127.1/82", "retries/requeues 2, retries/request_limit 2");
}

/// Row 32.
#[tokio::test(start_paused = true)]
async fn row_32_retry_budget() {
    let settings = retries(classifier(Classifier::RetryableRead5xx), budget(0, 0.5), Backoff::NONE);
    let mut mesh = Mesh::new(DTAB, settings);
    assert_eq!(mesh.get("x", &[status(200)]).await.status, 200);
    mesh.check("service/svc/x", "retries/budget 0, retries/total 0");
    assert_eq!(mesh.get("x", &[status(500), status(200)]).await.status, 200);
    mesh.check("service/svc/x", "retries/budget 0, retries/total 1, retries/budget_exhausted 0");
    let got = mesh.get("x", &[status(500), status(200)]).await;
    assert_eq!((got.status, got.saw.len()), (500, 1));
    mesh.check(
        "service/svc/x",
        "retries/total 1, retries/budget_exhausted 1, requests 3, success 2, failures 1",
    );
}

/// Row 33.
#[tokio::test(start_paused = true)]
async fn row_33_budgets_are_independent() {
    let mut mesh = Mesh::new(DTAB, RouterSettings::default());
    mesh.get("b", &[status(200)]).await;
    mesh.advance(60_000);
    mesh.worker.tick(mesh.now);
    for _ in 0..10 {
        mesh.get("a", &[status(200)]).await;
    }
    mesh.check("service/svc/a", "retries/budget 102");
    mesh.check("client/$/inet/127.1/81", "retries/budget 102");
    mesh.check("service/svc/b", "retries/budget 100");
    mesh.check("client/$/inet/127.1/82", "retries/budget 100");
}

/// Rows 34 and 35.
#[tokio::test(start_paused = true)]
async fn rows_34_and_35_l5d_retryable() {
    let check = async |settings: RouterSettings, method: &str, replayable: bool, want: (u16, usize)| {
        let mut mesh = Mesh::new(DTAB, settings);
        let mut bad = FakeResponse::new(500);
        bad.line("l5d-retryable", "true");
        let script = [Does::Answers(bad), status(200)];
        let got = mesh.send_streamed(request(method, "x"), replayable, &script).await;
        assert_eq!((got.status, got.saw.len()), want, "{method}");
    };
    check(RouterSettings::default(), "GET", true, (200, 2)).await;
    check(classifier(Classifier::RetryableRead5xx), "POST", true, (200, 2)).await;
    check(classifier(Classifier::AllSuccessful), "GET", true, (500, 1)).await;
    check(RouterSettings::default(), "GET", false, (500, 1)).await;
}

/// Row 36: a permanently failing back end sees 101 requests.
#[tokio::test(start_paused = true)]
async fn row_36_the_default_budget_ends() {
    let mut mesh = Mesh::new(DTAB, classifier(Classifier::RetryableRead5xx));
    let got = mesh.get("x", &[status(500)]).await;
    assert_eq!((got.status, got.saw.len()), (500, 101));
    let last = &got.saw[100].1;
    for name in ["l5d-dst-client", "l5d-ctx-trace", "l5d-dst-service", "via", "l5d-reqid"] {
        assert_eq!(last.all(name).len(), 1, "{name}: lines of former attempts are gone");
    }
    assert_ne!(last.all("l5d-ctx-trace"), got.saw[0].1.all("l5d-ctx-trace"), "each attempt is a span");
    mesh.check("service/svc/x", "retries/total 100, retries/budget_exhausted 1, requests 1, failures 1");
    mesh.check(CLIENT, "requests 101, failures 101, status/500 101, pending 0");
}

/// A request that cannot be sent again is not.
#[tokio::test(start_paused = true)]
async fn streamed_requests_are_sent_once() {
    for (does, want) in [(status(500), 500), (Does::Closes(Sent::Some), 502), (Does::Babbles, 502)] {
        let mut mesh = Mesh::new(DTAB, classifier(Classifier::RetryableAll5xx));
        let got = mesh.send_streamed(request("POST", "x"), false, &[does, status(200)]).await;
        assert_eq!((got.status, got.saw.len()), (want, 1));
        mesh.check("service/svc/x", "retries/total 0, retries/budget_exhausted 0, failures 1");
    }
}

/// Row 42, and the ways a connection ends.
#[tokio::test(start_paused = true)]
async fn broken_connections() {
    let check = async |kind: Classifier, method: &str, does: Does, want: (u16, usize), fault: &str| {
        let mut mesh = Mesh::new(DTAB, classifier(kind));
        let got = mesh.send(request(method, "x"), &[does, status(200)]).await;
        assert_eq!((got.status, got.saw.len()), want, "{kind:?} {method} {fault}");
        if want.0 == 502 {
            assert!(got.generated_header("l5d-err").is_some());
            mesh.check(CLIENT, &format!("requests 1, failures 1, status/error 1, failures/{fault} 1"));
        }
        mesh.check(SERVER, "requests 1, pending 0");
    };
    use Classifier::{NonRetryable5xx as Never, RetryableRead5xx as Read};
    check(Never, "GET", Does::Babbles, (502, 1), "malformed").await;
    check(Never, "GET", Does::Closes(Sent::Some), (502, 1), "closed").await;
    check(Read, "GET", Does::Babbles, (200, 2), "malformed").await;
    check(Read, "GET", Does::Closes(Sent::Some), (200, 2), "closed").await;
    check(Read, "POST", Does::Closes(Sent::Some), (502, 1), "closed").await;
    // A connection that had idled too long.
    check(Never, "GET", Does::Closes(Sent::SomeOnReused), (200, 2), "closed").await;
    check(Never, "DELETE", Does::Closes(Sent::SomeOnReused), (200, 2), "closed").await;
    check(Never, "POST", Does::Closes(Sent::SomeOnReused), (502, 1), "closed").await;
    // Nothing was sent: anything may be sent again.
    check(Never, "POST", Does::Closes(Sent::Nothing), (200, 2), "closed").await;
}

/// The free requeue of a stale connection is there once, and asks for a new connection.
#[tokio::test(start_paused = true)]
async fn stale_connections_are_replaced_once() {
    let mut mesh = Mesh::plain(DTAB);
    let got = mesh.get("x", &[Does::Closes(Sent::SomeOnReused)]).await;
    assert_eq!((got.status, got.saw.len()), (502, 2));
    mesh.check(CLIENT, "requests 1, failures 1, retries/requeues 1");
    let got = mesh.send_streamed(request("GET", "x"), false, &[Does::Closes(Sent::SomeOnReused)]).await;
    assert_eq!((got.status, got.saw.len()), (502, 1), "what cannot be sent again is not");
}

/// Nacks of peers (dataplane.md §5.2).
#[tokio::test(start_paused = true)]
async fn nacks() {
    let nack = |header: &str| {
        let mut reply = FakeResponse::new(503);
        reply.line(header, "true");
        Does::Answers(reply)
    };
    let mut mesh = Mesh::plain(DTAB);
    let got = mesh.send(request("POST", "x"), &[nack("finagle-http-nack"), status(200)]).await;
    assert_eq!((got.status, got.saw.len()), (200, 2));
    let mut mesh = Mesh::plain(DTAB);
    let got = mesh.send(request("POST", "x"), &[nack("finagle-http-nack")]).await;
    assert_eq!(
        (got.status, got.saw.len(), got.body.as_str()),
        (502, 21, "The request was Nacked by the server")
    );
    assert_eq!(got.generated_header("l5d-retryable"), None);
    mesh.check(CLIENT, "retries/request_limit 1, retries/requeues 20, failures 21, failures/nack 21");
    let for_good = "The request was Nacked by the server and should not be retried";
    for (header, replayable) in [("finagle-http-nack", false), ("finagle-http-nonretryable-nack", true)] {
        let mut mesh = Mesh::plain(DTAB);
        let got = mesh.send_streamed(request("GET", "x"), replayable, &[nack(header)]).await;
        assert_eq!((got.status, got.saw.len(), got.body.as_str()), (502, 1, for_good));
    }
    let mut plain = FakeResponse::new(200);
    plain.line("finagle-http-nack", "true");
    assert_eq!(mesh.get("x", &[Does::Answers(plain)]).await.status, 200, "only 503 is a nack");
}

/// §5.3: retries wait as the back-off says.
#[tokio::test(start_paused = true)]
async fn back_off() {
    let constant = Backoff::Constant(Nanos::from_millis(50));
    let settings = retries(classifier(Classifier::RetryableRead5xx), budget(0, 4.0), constant);
    let mut mesh = Mesh::new(DTAB, settings);
    let got = mesh.get("x", &[status(500)]).await;
    assert_eq!((got.status, got.saw.len(), got.delays), (500, 5, vec![50; 4]));
    let jittered = Backoff::DecorrelatedJitter { min: Nanos::from_millis(10), max: Nanos::from_millis(100) };
    let settings = retries(classifier(Classifier::RetryableRead5xx), budget(0, 8.0), jittered);
    let delays = Mesh::new(DTAB, settings).get("x", &[status(500)]).await.delays;
    assert!(
        delays.len() == 8 && delays[0] == 10 && delays.iter().all(|d| (10..=100).contains(d)),
        "{delays:?}"
    );
}

/// Row 82 and §5.2: the fifth refusal marks the only endpoint dead and ends the request.
#[tokio::test(start_paused = true)]
async fn row_82_accrual() {
    let mut mesh = Mesh::new(DTAB, RouterSettings::default());
    let got = mesh.get("x", &[Does::Refuses]).await;
    assert_eq!((got.status, got.saw.len()), (502, 5));
    mesh.check(CLIENT, "retries/requeues 4, retries/not_open 1, failure_accrual/removals 1, available 0");
    // Dead: it is used all the same, once a request.
    assert_eq!(mesh.get("x", &[Does::Refuses]).await.saw.len(), 1);
    assert_eq!(mesh.get("x", &[status(200)]).await.status, 200);
    mesh.check(CLIENT, "failure_accrual/revivals 0, available 0");
    // The back-off is over: the next request is the probe.
    mesh.advance(6_000);
    assert_eq!(mesh.get("x", &[status(200)]).await.status, 200);
    mesh.check(CLIENT, "failure_accrual/revivals 1, failure_accrual/probes 1, available 1");

    let mut mesh = Mesh::new(DTAB, RouterSettings::default());
    for n in 1..=5 {
        assert_eq!(mesh.get("x", &[status(500)]).await.status, 500);
        mesh.check(CLIENT, &format!("failure_accrual/removals {}", u8::from(n == 5)));
    }
}

/// A probe whose request comes to nothing is given back.
#[tokio::test(start_paused = true)]
async fn a_dropped_probe_is_given_back() {
    let mut mesh = Mesh::new(DTAB, RouterSettings::default());
    mesh.get("x", &[Does::Refuses]).await;
    mesh.advance(6_000);
    for _ in 0..3 {
        let mut head = request("GET", "x");
        let arrival = arrival(at(1), mesh.now, true);
        let (ex, step) = mesh.worker.on_head(&mut head, arrival);
        assert!(matches!(step, Step::Send));
        drop(ex);
    }
    mesh.check(CLIENT, "failure_accrual/probes 3, failure_accrual/revivals 0, pending 0");
    mesh.get("x", &[status(200)]).await;
    mesh.check(CLIENT, "failure_accrual/revivals 1");
}

/// A replica that refuses is not tried again first while others are there.
#[tokio::test(start_paused = true)]
async fn refusals_go_to_other_replicas() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.up("/web", &[1, 2, 3, 4]);
    for _ in 0..50 {
        let mut refused = Vec::new();
        let mut script = |port| {
            if port == 4 {
                return status(200);
            }
            refused.push(port);
            Does::Refuses
        };
        let got = mesh.play(request("POST", "web"), false, &mut script).await;
        assert_eq!(got.status, 200);
        refused.sort_unstable();
        assert!(refused.windows(2).all(|w| w[0] != w[1]), "tried twice: {refused:?}");
    }
    // One replica dies: nothing fails, and after five refusals it is left alone.
    let mut mesh = Mesh::new("/svc=>/#/t", RouterSettings::default());
    mesh.stage.up("/web", &[1, 2]);
    let mut refusals = 0;
    for _ in 0..200 {
        let mut script = |port| {
            if port == 2 {
                return status(200);
            }
            refusals += 1;
            Does::Refuses
        };
        assert_eq!(mesh.play(request("GET", "web"), true, &mut script).await.status, 200);
    }
    assert_eq!(refusals, 5);
    mesh.check(SERVER, "requests 200, success 200");
    mesh.check("client/#/t/web/loadbalancer", "size 2, available 1, busy 1");
}

/// A retryable classifier does not multiply the attempts on a closed port (architecture.md §8).
#[tokio::test(start_paused = true)]
async fn retries_do_not_multiply_connects() {
    let mut mesh = Mesh::new(DTAB, classifier(Classifier::RetryableRead5xx));
    let got = mesh.get("x", &[Does::Refuses]).await;
    assert_eq!((got.status, got.saw.len()), (502, 26));
    mesh.check("service/svc/x", "retries/total 0, failures 1");
}

/// §5.2: a retry draws again, so that another branch of a union answers where one cannot be reached. Each is tried to its
/// end once.
#[tokio::test(start_paused = true)]
async fn retries_go_to_other_branches() {
    let halves = "/svc/* => 1 * /$/inet/127.1/80 & 1 * /$/inet/127.1/81";
    let mut mesh = Mesh::new(halves, classifier(Classifier::RetryableRead5xx));
    let connects = |got: &Got, port: u16| got.saw.iter().filter(|(to, _)| *to == port).count();
    let mut retried = 0;
    for _ in 0..50 {
        let mut script = |port| if port == 80 { Does::Refuses } else { status(200) };
        let got = mesh.play(request("GET", "x"), true, &mut script).await;
        assert_eq!((got.status, connects(&got, 81)), (200, 1));
        assert!([0, 26].contains(&connects(&got, 80)));
        retried += usize::from(connects(&got, 80) > 0);
    }
    assert!((10..40).contains(&retried), "{retried}");
    mesh.check("service/svc/x", &format!("requests 50, success 50, retries/total {retried}"));
    // What answers badly is asked again; what cannot be reached is not.
    for _ in 0..10 {
        let mut failures = 3;
        let mut script = |port| {
            failures -= i32::from(port == 81);
            if port == 80 { Does::Refuses } else { status(if failures >= 0 { 500 } else { 200 }) }
        };
        let got = mesh.play(request("GET", "x"), true, &mut script).await;
        assert_eq!((got.status, connects(&got, 81)), (200, 4));
        assert!([0, 26].contains(&connects(&got, 80)));
    }
    let mut mesh = Mesh::new(halves, classifier(Classifier::RetryableRead5xx));
    let got = mesh.get("x", &[Does::Refuses]).await;
    assert_eq!((got.status, connects(&got, 80), connects(&got, 81)), (502, 26, 26));
    mesh.check("service/svc/x", "retries/total 1, retries/budget_exhausted 0, failures 1");
    let got = mesh.send(request("POST", "x"), &[Does::Refuses]).await;
    assert_eq!((got.status, got.saw.len()), (502, 26), "the classifier does not retry it");
}

/// A connection that closes just when a request is sent on it: where the request may not be repeated it fails, but that
/// says nothing about the endpoint.
#[tokio::test(start_paused = true)]
async fn a_race_with_an_idle_connection_is_nobodys_fault() {
    let accrual = AccrualPolicy::ConsecutiveFailures { failures: 1, backoff: AccrualPolicy::BACKOFF };
    let partial = ClientPartial { accrual: Some(accrual), ..Default::default() };
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", client(RouterSettings::default(), partial));
    for (sent, removals) in [(Sent::SomeOnReused, 0), (Sent::Some, 1)] {
        let mut post = FakeRequest::new("POST", b"/");
        post.line("Host", "web");
        let got = mesh.send(post, &[Does::Closes(sent)]).await;
        assert_eq!((got.status, got.saw.len()), (502, 1));
        mesh.check("client/$/inet/127.1/80", &format!("failure_accrual/removals {removals}"));
    }
    mesh.check("client/$/inet/127.1/80", "requests 2, failures 2, failures/closed 2, pending 0");
}

/// A connection nobody used before is wanted of the endpoint whose idle one had gone stale, and of no other.
#[tokio::test(start_paused = true)]
async fn a_fresh_connection_is_wanted_of_one_endpoint() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.up("/web", &[1, 2]);
    mesh.get("web", &[status(200)]).await;
    let mut head = request("GET", "web");
    let (mut ex, step) = mesh.worker.on_head(&mut head, arrival(at(9), mesh.now, true));
    assert!(matches!(step, Step::Send) && !ex.wants_fresh_connection());
    let first = ex.endpoint().id;
    let stale = Failure::Closed { reason: "reset".into(), sent: Sent::SomeOnReused };
    let step = mesh.worker.on_failure(&mut ex, &mut head, stale, mesh.now);
    assert!(matches!(step, Step::Send) && ex.endpoint().id == first && ex.wants_fresh_connection());
    let refused = Failure::Connect { reason: "refused".into() };
    let step = mesh.worker.on_failure(&mut ex, &mut head, refused, mesh.now);
    assert!(matches!(step, Step::Send) && ex.endpoint().id != first && !ex.wants_fresh_connection());
}
