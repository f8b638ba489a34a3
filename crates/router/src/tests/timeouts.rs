//! Deadlines: binding, attempt, total (rows 37, 38, 81 of dataplane.md §13; §4.6).

use super::mesh::*;
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::Nanos;
use naming::{Addr, State};

const CLIENT: &str = "client/$/inet/127.1/80";

fn timeouts(kind: Classifier, total_ms: u64, attempt_ms: u64) -> RouterSettings {
    let total = ServicePartial { total_timeout: Some(Nanos::from_millis(total_ms)), ..Default::default() };
    let attempt =
        ClientPartial { attempt_timeout: Some(Nanos::from_millis(attempt_ms)), ..Default::default() };
    client(service(classifier(kind), total), attempt)
}

/// Row 37: an attempt that takes too long is tried again.
#[tokio::test(start_paused = true)]
async fn row_37_attempt_timeouts_are_retried() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(Classifier::RetryableRead5xx, 0, 1000));
    let got = mesh.get("x", &[Does::Hangs, status(200)]).await;
    assert_eq!((got.status, got.saw.len(), got.delays), (200, 2, vec![0]));
    mesh.check("service/svc/x", "retries/total 1, success 1");
    mesh.check(CLIENT, "requests 2, success 1, failures 1, failures/attempt_timeout 1, pending 0");
}

/// Row 38.
#[tokio::test(start_paused = true)]
async fn row_38_timeouts_are_503() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(Classifier::NonRetryable5xx, 0, 300));
    let got = mesh.get("x", &[Does::Hangs]).await;
    assert_eq!((got.status, got.saw.len()), (503, 1));
    let start = "exceeded 300.milliseconds to $/inet/127.1/80 while waiting for a response for an individual request, \
                 excluding retries. Remote Info: Upstream Address: Not Available, Upstream id: Not Available, \
                 Downstream Address: /127.0.0.1:80, Downstream label: $/inet/127.1/80, Trace Id: ";
    let ids = got.body.strip_prefix(start).unwrap_or_else(|| panic!("{}", got.body));
    let span = TraceId::decode(got.saw[0].1.one("l5d-ctx-trace").unwrap().as_bytes()).unwrap();
    assert_eq!(ids, format!("{:016x}.{:016x}<:{:016x}", span.trace, span.span, span.parent));

    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(Classifier::RetryableRead5xx, 400, 0));
    let before = mesh.now;
    let got = mesh.get("x", &[Does::Hangs]).await;
    assert_eq!((got.status, got.saw.len(), mesh.now - before), (503, 1, Nanos::from_millis(400)));
    assert_eq!(
        got.body,
        "exceeded 400.milliseconds to unspecified while waiting for a response for the request, including retries (if \
         applicable). Remote Info: Not Available"
    );
    mesh.check("service/svc/x", "failures 1, failures/total_timeout 1, retries/total 0");
    mesh.check("server/127.0.0.1/4140", "status/503 1, failures 1, pending 0");
    mesh.check(CLIENT, "requests 1, failures 1, pending 0, loadbalancer/load 0");
}

/// The total time-out sits above the retries: attempts go on until it is over.
#[tokio::test(start_paused = true)]
async fn the_total_covers_retries() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(Classifier::RetryableRead5xx, 1000, 300));
    let before = mesh.now;
    let got = mesh.get("x", &[Does::Hangs]).await;
    assert_eq!((got.status, got.saw.len(), mesh.now - before), (503, 4, Nanos::from_millis(1000)));
    assert!(got.body.starts_with("exceeded 1.seconds to unspecified"), "{}", got.body);
}

/// Row 81, and a name whose addresses stay unknown.
#[tokio::test(start_paused = true)]
async fn row_81_binding_timeout() {
    let settings =
        RouterSettings { binding_timeout: Nanos::from_millis(700), ..no_accrual(RouterSettings::default()) };
    let mut mesh = Mesh::new("/svc=>/#/t", settings.clone());
    let got = mesh.get("never", &[status(200)]).await;
    assert_eq!((got.status, got.saw.len()), (502, 0));
    assert_eq!(got.body, "Exceeded 700.milliseconds binding timeout while resolving name: /svc/never");
    mesh.check("service/svc/never", "failures/binding_timeout 1, pending 0");

    // After 2 s a tree takes effect although nobody knows all its addresses.
    let mut mesh = Mesh::new("/svc=>/#/t; /svc/half => /#/t/half & 0*/#/t/other", settings);
    mesh.stage.put("/half", State::Ok(true));
    mesh.stage.up("/other", &[80]);
    assert_eq!(mesh.get("half", &[status(200)]).await.status, 502);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let got = mesh.get("half", &[status(200)]).await;
    let want = "Exceeded 700.milliseconds binding timeout while connecting to /#/t/half & 0.00*/#/t/other for name: \
                /svc/half";
    assert_eq!((got.status, got.body.as_str()), (502, want));
    // The wait ends as soon as they are known.
    let stage = std::sync::Arc::clone(&mesh.stage);
    let later = async move {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        stage.up("/half", &[81]);
    };
    let (script, before) = ([status(200)], mesh.now);
    let (got, ()) = tokio::join!(mesh.get("half", &script), later);
    assert_eq!((got.status, got.saw[0].0), (200, 81));
    assert!((mesh.now - before).millis() < 200, "{:?}", mesh.now - before);
}

/// §4.6: the binding's time runs until there is a connection, over all replicas that are tried.
#[tokio::test(start_paused = true)]
async fn connects_that_hang_end_with_the_bindings_time() {
    let limited = |settings| RouterSettings { binding_timeout: Nanos::from_millis(700), ..settings };
    let refused = [Does::Refuses, Does::Refuses, Does::Drops];
    for (script, connects) in [(&refused[2..], 1), (&refused[..], 3)] {
        let mut mesh = Mesh::new("/svc/x=>/$/inet/127.1/80", limited(no_accrual(RouterSettings::default())));
        let before = mesh.now;
        let got = mesh.get("x", script).await;
        assert_eq!((got.status, got.saw.len(), (mesh.now - before).millis()), (502, connects, 700));
        let want =
            "Exceeded 700.milliseconds binding timeout while connecting to /$/inet/127.1/80 for name: /svc/x";
        assert_eq!(got.body, want);
        mesh.check("service/svc/x", "failures 1, failures/binding_timeout 1, pending 0");
        mesh.check(CLIENT, &format!("service_creation/failures {connects}, requests 0, pending 0"));
        mesh.check(CLIENT, "failures/binding_timeout 1, loadbalancer/load 0");
    }
    // A connection that is there ends it, and a request that needs another one later has as much time again.
    let attempts = timeouts(Classifier::RetryableRead5xx, 0, 1000);
    let mut mesh = Mesh::new("/svc/x=>/$/inet/127.1/80", limited(attempts));
    let before = mesh.now;
    let got = mesh.get("x", &[Does::Hangs, Does::Drops]).await;
    assert_eq!((got.status, got.saw.len(), (mesh.now - before).millis()), (502, 2, 1701));
    assert!(
        got.body.starts_with("Exceeded 700.milliseconds binding timeout while connecting"),
        "{}",
        got.body
    );
    // Replicas that let requests wait so long are held ill.
    let mut mesh = Mesh::new("/svc/x=>/$/inet/127.1/80", limited(RouterSettings::default()));
    for _ in 0..5 {
        mesh.get("x", &[Does::Drops]).await;
    }
    mesh.check(CLIENT, "failure_accrual/removals 1");
}

/// Requests wait for their name, and for its addresses, and then go on.
#[tokio::test(start_paused = true)]
async fn requests_wait_for_their_names() {
    for pending_addresses in [false, true] {
        let mut mesh = Mesh::plain("/svc=>/#/t");
        let stage = std::sync::Arc::clone(&mesh.stage);
        if pending_addresses {
            stage.put("/late", State::Ok(true));
            mesh.get("other", &[status(200)]).await;
        }
        let later = async move {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            stage.up("/late", &[80]);
        };
        let before = mesh.now;
        let script = [status(200)];
        let (got, ()) = tokio::join!(mesh.get("late", &script), later);
        assert_eq!((got.status, got.saw.len()), (200, 1));
        assert!((mesh.now - before).millis() >= 5_000, "{:?}", mesh.now - before);
    }
}

/// The attempt's clock starts when a connection is there, if the engine tells.
#[tokio::test(start_paused = true)]
async fn the_engine_may_start_the_attempts_clock() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", timeouts(Classifier::NonRetryable5xx, 0, 300));
    let mut head = FakeRequest::get("/");
    head.line("Host", "x");
    let arrival = arrival(at(1), mesh.now, true);
    let (mut ex, step) = mesh.worker.on_head(&mut head, arrival);
    if let seam::Step::AwaitBinding(wait) = step {
        wait.await;
        assert!(matches!(mesh.worker.resume(&mut ex, &mut head, mesh.now), seam::Step::Send));
    }
    let ms = Nanos::from_millis;
    assert_eq!(ex.deadline(), Some(mesh.now + ms(300)));
    ex.connected(mesh.now + ms(50));
    assert_eq!(ex.deadline(), Some(mesh.now + ms(350)));
    let mut reply = FakeResponse::new(200);
    let _ = mesh.worker.on_response(&mut ex, &mut head, &mut reply, mesh.now + ms(60));
    assert_eq!(ex.deadline(), None, "nothing hurries a reply under way");
    mesh.worker.on_end(ex, seam::Outcome::Complete, mesh.now + ms(90));
    mesh.metrics.snapshot_histograms();
    mesh.check(CLIENT, "service_creation/service_acquisition_latency_ms.sum 50, request_latency_ms.sum 60");
    mesh.check("server/127.0.0.1/4140", "request_latency_ms.sum 60, time/2XX.count 1");
}

#[tokio::test(start_paused = true)]
async fn a_failed_address_set_ends_the_wait() {
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.put("/web", State::Ok(true));
    let stage = std::sync::Arc::clone(&mesh.stage);
    let later = async move {
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        stage.serve("/web", Addr::failed("no such file"));
    };
    let script = [status(200)];
    let (got, ()) = tokio::join!(mesh.get("web", &script), later);
    assert_eq!((got.status, got.body.as_str()), (502, "no such file"));
}
