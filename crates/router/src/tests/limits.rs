//! Limits of a server and of a pool: concurrent requests, `timeoutMs`, waiting requests (dataplane.md §3.1, §4.6).

use super::mesh::*;
use crate::seam::{Failure, OnResponse, Outcome, Step};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::Nanos;

const SERVER: &str = "server/127.0.0.1/4140";
const CLIENT: &str = "client/$/inet/127.1/80";

fn server(server: ServerSettings) -> RouterSettings {
    RouterSettings { servers: vec![server], ..no_accrual(RouterSettings::default()) }
}

fn concurrent(most: u32) -> RouterSettings {
    server(ServerSettings { max_concurrent: Some(most), ..ServerSettings::default() })
}

fn begin(mesh: &mut Mesh) -> (Box<Exchange>, FakeRequest, Step) {
    let mut head = FakeRequest::get("/");
    head.line("Host", "x");
    let arrival = arrival(at(1), mesh.now, true);
    let (ex, step) = mesh.worker.on_head(&mut head, arrival);
    (ex, head, step)
}

fn refused(step: &Step) -> bool {
    matches!(step, Step::Reply(answer) if answer.headers.contains(&("finagle-http-nack", b"true".to_vec())))
}

/// A request holds its place until its answer begins, is refused, or is dropped.
#[tokio::test(start_paused = true)]
async fn places_are_held_and_given_back() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", concurrent(1));
    mesh.get("x", &[status(200)]).await;
    let (mut first, mut request, step) = begin(&mut mesh);
    assert!(matches!(step, Step::Send));
    mesh.check(SERVER, "request_concurrency 1, request_queue_size 0");
    let (second, _, step) = begin(&mut mesh);
    assert!(refused(&step));
    mesh.worker.on_end(second, Outcome::Complete, mesh.now);
    let mut reply = FakeResponse::new(200);
    assert!(matches!(
        mesh.worker.on_response(&mut first, &mut request, &mut reply, mesh.now),
        OnResponse::Forward
    ));
    let (third, _, step) = begin(&mut mesh);
    assert!(matches!(step, Step::Send), "the first is being answered");
    assert!(refused(&begin(&mut mesh).2));
    mesh.worker.on_end(first, Outcome::Complete, mesh.now);
    assert!(refused(&begin(&mut mesh).2), "what the first gave back is not given back twice");
    drop(third);
    assert_eq!(mesh.get("x", &[Does::Refuses]).await.status, 502);
    assert_eq!(mesh.get("x", &[status(200)]).await.status, 200);
    mesh.check(SERVER, "request_concurrency 0, requests 5, success 3, failures 2, status/503 1, pending 0");
    mesh.check(SERVER, "failures/too_many_requests 1, nacks 3, nonretryable_nacks 0");
    mesh.check("service/svc/x", "requests 4, pending 0");
}

#[tokio::test(start_paused = true)]
async fn the_answer_beyond_the_limit() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", concurrent(1));
    let held = begin(&mut mesh);
    let (ex, _, step) = begin(&mut mesh);
    let Step::Reply(answer) = step else { panic!("refused at once") };
    let body = "Request was not processed by the server due to an error and is safe to retry";
    assert_eq!((answer.status, answer.body.as_slice()), (503, body.as_bytes()));
    let headers = [("Retry-After", b"0".to_vec()), ("finagle-http-nack", b"true".to_vec())];
    assert_eq!((answer.headers.as_slice(), answer.last_if_head), (&headers[..], true));
    mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
    drop(held);
}

fn timeouts(server_ms: Option<u64>, total_ms: u64, backoff_ms: u64) -> RouterSettings {
    let settings =
        server(ServerSettings { timeout: server_ms.map(Nanos::from_millis), ..ServerSettings::default() });
    let retries =
        Retries { backoff: balance::Backoff::Constant(Nanos::from_millis(backoff_ms)), ..Retries::default() };
    let partial = ServicePartial {
        total_timeout: Some(Nanos::from_millis(total_ms)),
        classifier: Some(Classifier::RetryableRead5xx),
        retries: Some(retries),
    };
    service(settings, partial)
}

#[tokio::test(start_paused = true)]
async fn the_servers_time_holds_beside_the_services() {
    let at_server = "exceeded 300.milliseconds to 127.0.0.1/4140 while waiting for a response for an individual request, \
                     excluding retries. Remote Info: Not Available";
    let at_service = "exceeded 200.milliseconds to unspecified while waiting for a response for the request, including \
                      retries (if applicable). Remote Info: Not Available";
    for (server, total, took, body) in [
        (Some(300), 400, 300, at_server),
        (Some(300), 200, 200, at_service),
        (Some(300), 0, 300, at_server),
        (None, 200, 200, at_service),
    ] {
        let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(server, total, 0));
        let before = mesh.now;
        let got = mesh.get("x", &[Does::Hangs]).await;
        assert_eq!((got.status, got.body.as_str()), (503, body));
        assert_eq!((mesh.now - before).millis(), took);
        let deadline = got.saw[0].1.one("l5d-ctx-deadline").expect("the next hop is told");
        let [from, to] =
            [0, 1].map(|n| deadline.split(' ').nth(n).and_then(|ns| ns.parse::<u64>().ok()).unwrap());
        assert_eq!((to - from) / 1_000_000, took, "{deadline}");
        let fault = if body == at_server { "server_timeout" } else { "total_timeout" };
        mesh.check(SERVER, &format!("failures 1, failures/{fault} 1, status/503 1, pending 0"));
    }
}

/// user-demand.md §2.8, B4: the end of the total time ends a back-off too.
#[tokio::test(start_paused = true)]
async fn the_total_holds_in_back_offs() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(None, 1000, 300));
    let got = mesh.get("x", &[status(500)]).await;
    assert_eq!((got.status, got.saw.len()), (503, 4));
    assert!(got.body.starts_with("exceeded 1.seconds to unspecified"), "{}", got.body);
}

/// dataplane.md §4.6: of two that end together the binding's answer is given.
#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_bound_in_time_is_502_even_when_the_request_ends_with_it() {
    let settings = timeouts(None, 500, 0);
    let settings = RouterSettings { binding_timeout: Nanos::from_millis(500), ..settings };
    let mut mesh = Mesh::new("/svc=>/#/t", settings.clone());
    let got = mesh.get("never", &[status(200)]).await;
    assert_eq!(
        (got.status, got.body.as_str()),
        (502, "Exceeded 500.milliseconds binding timeout while resolving name: /svc/never")
    );
    let settings = RouterSettings { binding_timeout: Nanos::from_millis(501), ..settings };
    let mut mesh = Mesh::new("/svc=>/#/t", settings);
    let got = mesh.get("never", &[status(200)]).await;
    assert_eq!((got.status, got.saw.len()), (503, 0));
    assert!(got.body.starts_with("exceeded 500.milliseconds to unspecified"), "{}", got.body);
}

/// Nor is a lack of descriptors here the endpoint's.
#[tokio::test(start_paused = true)]
async fn no_descriptor_left() {
    let settings = RouterSettings { clients: Vec::new(), ..timeouts(None, 0, 0) };
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", settings);
    mesh.get("x", &[status(200)]).await;
    for _ in 0..10 {
        let (mut ex, mut head, _) = begin(&mut mesh);
        let failure = Failure::Exhausted { reason: "Too many open files".into() };
        let step = mesh.worker.on_failure(&mut ex, &mut head, failure, mesh.now);
        let Step::Reply(answer) = step else { panic!("answered at once") };
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status == 502 && text.contains(": Too many open files ("), "{text}");
        mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
    }
    mesh.check(CLIENT, "service_creation/failures 10, failures/connect 10");
    mesh.check(CLIENT, "requests 1, success 1, failures 0, failure_accrual/removals 0, loadbalancer/load 0");
}

/// A busy pool is nobody's fault: not tried elsewhere, not held against the endpoint, not retried.
#[tokio::test(start_paused = true)]
async fn too_many_waiters() {
    let settings = RouterSettings { clients: Vec::new(), ..timeouts(None, 0, 0) };
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", settings);
    mesh.get("x", &[status(200)]).await;
    for _ in 0..10 {
        let (mut ex, mut head, step) = begin(&mut mesh);
        assert!(matches!(step, Step::Send));
        ex.endpoint().too_many_waiters(0);
        let step = mesh.worker.on_failure(&mut ex, &mut head, Failure::TooManyWaiters, mesh.now);
        let Step::Reply(answer) = step else { panic!("answered at once") };
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (502, &b"com.twitter.finagle.TooManyWaitersException"[..])
        );
        assert!(answer.headers.iter().all(|(name, _)| *name != "l5d-retryable"));
        mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
    }
    mesh.check(
        CLIENT,
        "pool_num_too_many_waiters 10, service_creation/failures 10, failures/too_many_waiters 10",
    );
    mesh.check(CLIENT, "requests 1, success 1, failures 0, failure_accrual/removals 0, loadbalancer/load 0");
    mesh.check("service/svc/x", "requests 11, failures 10, retries/total 0");
}

/// The time in the queue of a full pool is not the attempt's: only the whole request's end ends it.
#[tokio::test(start_paused = true)]
async fn the_attempts_time_does_not_run_in_the_queue() {
    let settings = RouterSettings { clients: Vec::new(), ..timeouts(None, 1_000, 0) };
    let partial = ClientPartial { attempt_timeout: Some(Nanos::from_millis(100)), ..Default::default() };
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", client(settings, partial));
    mesh.get("x", &[status(200)]).await;
    let (mut ex, _, _) = begin(&mut mesh);
    let begun = mesh.now;
    let after = |ms: u64| Some(begun + Nanos::from_millis(ms));
    assert_eq!(ex.deadline(), after(100));
    ex.queued(true, mesh.now);
    assert_eq!(ex.deadline(), after(1_000));
    mesh.advance(300);
    ex.queued(false, mesh.now);
    assert_eq!(ex.deadline(), after(400), "it dials");
    mesh.advance(50);
    ex.connected(mesh.now);
    assert_eq!(ex.deadline(), after(450), "it is connected");
    ex.queued(true, mesh.now);
    let Step::Reply(answer) = mesh.worker.on_deadline(&mut ex, after(1_000).unwrap()) else {
        panic!("the end of the whole request")
    };
    assert!(answer.body.starts_with(b"exceeded 1.seconds to unspecified"));
    mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
    mesh.check(CLIENT, "failures/total_timeout 1, failures/attempt_timeout 0");
}

/// One deadline at most goes out: ours takes the place of one that nobody could read, whichever time-out it is of.
#[tokio::test(start_paused = true)]
async fn an_unreadable_deadline_does_not_stand_beside_ours() {
    for (total, attempt, want) in [(1_000, 0, 1), (0, 100, 1), (0, 0, 0)] {
        let attempt_timeout = Some(Nanos::from_millis(attempt));
        let settings =
            client(timeouts(None, total, 0), ClientPartial { attempt_timeout, ..Default::default() });
        let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", settings);
        let mut request = FakeRequest::get("/");
        request.line("Host", "x").line("l5d-ctx-deadline", "soon");
        let got = mesh.send(request, &[Does::Refuses, status(200)]).await;
        let readable = |value: &String| value != "soon";
        let sent = got.saw.last().unwrap().1.all("l5d-ctx-deadline");
        assert_eq!((sent.len(), sent.iter().filter(|v| readable(v)).count()), (1, want), "{sent:?}");
    }
}

/// What Linkerd calls the pool is what is used or kept in any case; the rest is its cache (observability.md §2.4).
#[tokio::test(start_paused = true)]
async fn gauges_of_the_pool() {
    let pool = PoolSettings { min: 2, ..PoolSettings::default() };
    let partial = ClientPartial { pool: Some(pool), ..ClientPartial::default() };
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", client(RouterSettings::default(), partial));
    mesh.get("x", &[status(200)]).await;
    let (ex, _, _) = begin(&mut mesh);
    for _ in 0..5 {
        ex.endpoint().connected(0, Nanos(0));
    }
    mesh.check(CLIENT, "connections 5, pool_size 3, pool_cached 2, pool_waiters 0");
    let (waiting, _, _) = begin(&mut mesh);
    waiting.endpoint().waiting(1, 1);
    mesh.check(CLIENT, "pool_size 3, pool_cached 2, pool_waiters 1, pool_num_waited 1");
    waiting.endpoint().waiting(1, -1);
    mesh.check(CLIENT, "pool_size 4, pool_cached 1, pool_waiters 0, pool_num_waited 1");
    drop((ex, waiting));
    mesh.check(CLIENT, "pool_size 2, pool_cached 3");
}
