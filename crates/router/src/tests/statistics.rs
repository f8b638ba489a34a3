//! Who counts what (observability.md §2.4).

use super::mesh::*;
use crate::seam::{Outcome, Sent, Step};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::{BudgetConfig, Nanos};

const SERVER: &str = "server/127.0.0.1/4140";

/// The workload of the recorded case metrics-http-1 on its first router. Different on purpose: a closed port is tried 26
/// times, not 78, because retries do not multiply connections (architecture.md §8).
#[tokio::test(start_paused = true)]
async fn the_recorded_workload() {
    let budget = BudgetConfig { min_retries_per_sec: 0, percent_can_retry: 2.0, ttl: Nanos::from_secs(60) };
    let retries = Some(Retries { budget, ..Retries::default() });
    let settings = service(
        classifier(Classifier::RetryableRead5xx),
        ServicePartial { retries, ..ServicePartial::default() },
    );
    let mut mesh = Mesh::new("/svc=>/#/t; /svc/dead=>/$/inet/127.1/9; /svc/nil=>/$/nil", settings);
    mesh.stage.up("/web", &[1]);
    mesh.stage.up("/users", &[2]);
    mesh.stage.put("/nobody", naming::State::Ok(false));
    let post = |host: &str| {
        let mut request = FakeRequest::new("POST", b"/");
        request.line("Host", host);
        request
    };
    for _ in 0..3 {
        mesh.get("web", &[status(200)]).await;
    }
    mesh.get("web", &[status(500), status(200)]).await;
    mesh.send(post("web"), &[status(500)]).await;
    mesh.get("dead", &[Does::Refuses]).await;
    mesh.get("nobody", &[status(200)]).await;
    mesh.get("nil", &[status(200)]).await;
    mesh.send(FakeRequest::get("/"), &[status(200)]).await;
    mesh.send(post("users"), &[status(404)]).await;
    mesh.metrics.snapshot_histograms();
    mesh.advance(62_000);

    mesh.check(SERVER, "requests 10, success 5, failures 5, pending 0, load 0, status/error 0");
    mesh.check(SERVER, "status/200 4, status/400 1, status/404 1, status/500 1, status/502 3");
    mesh.check(SERVER, "status/1XX 0, status/2XX 4, status/3XX 0, status/4XX 2, status/5XX 4");
    mesh.check(
        SERVER,
        "request_latency_ms.count 10, handletime_us.count 10, time/2XX.count 4, time/5XX.count 4",
    );
    mesh.check(
        "service/svc/web",
        "requests 5, success 4, failures 1, retries/total 1, retries/per_request.count 5",
    );
    mesh.check("service/svc/web", "request_latency_ms.count 5, retries/budget_exhausted 0, pending 0");
    mesh.check("service/svc/users", "requests 1, success 1, failures 0");
    for host in ["nil", "nobody", "dead"] {
        mesh.check(
            &format!("service/svc/{host}"),
            "requests 1, success 0, failures 1, retries/per_request.count 1",
        );
    }
    let web = "client/#/t/web";
    mesh.check(web, "requests 6, success 4, failures 2, pending 0, status/200 4, status/500 2, status/5XX 2");
    mesh.check(web, "request_latency_ms.count 6, retries/requeues_per_request.count 6, time/5XX.count 2");
    mesh.check(web, "service_creation/service_acquisition_latency_ms.count 6, retries/budget 100");
    mesh.check(web, "loadbalancer/size 1, loadbalancer/adds 1, loadbalancer/available 1, available 1");
    mesh.check(web, "service/svc/web/requests 6, service/svc/web/failures 2, service/svc/web/pending 0");
    let dead = "client/$/inet/127.1/9";
    mesh.check(dead, "requests 0, retries/requeues 25, service_creation/failures 26, status/error 0");
    mesh.check(dead, "failure_accrual/removals 0, loadbalancer/available 1");
    mesh.check("bindcache", "path/misses 5, tree/misses 5, bound/misses 3, client/misses 3");
    mesh.check("bindcache", "path/oneshots 0, tree/evicts 0, bound/expires 0, client/oneshots 0");
    for name in
        ["bindcache/bound/evicts", "service/svc/nil/retries/total", "client/#/t/web/failure_accrual/probes"]
    {
        assert!(mesh.all_metrics().contains_key(name), "{name} is there from the start");
    }
}

/// A reply that breaks off is a failure everywhere; a caller that goes away is counted nowhere.
#[tokio::test(start_paused = true)]
async fn broken_off_and_gone_away() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/127.1/80");
    assert_eq!(mesh.get("web", &[Does::Cuts]).await.status, 200);
    let scopes =
        [SERVER, "service/svc/web", "client/$/inet/127.1/80", "client/$/inet/127.1/80/service/svc/web"];
    for scope in scopes {
        mesh.check(scope, "requests 1, success 0, failures 1, pending 0");
    }
    mesh.check(SERVER, "failures/cut 1, status/200 1");
    for (answer_first, told) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut head = FakeRequest::get("/");
        head.line("Host", "web");
        let arrival = arrival(at(1), mesh.now, true);
        let (mut ex, step) = mesh.worker.on_head(&mut head, arrival);
        assert!(matches!(step, Step::Send));
        mesh.check(SERVER, "pending 1, load 1");
        mesh.check("client/$/inet/127.1/80", "pending 1, loadbalancer/load 1");
        if answer_first {
            let mut reply = FakeResponse::new(200);
            let _ = mesh.worker.on_response(&mut ex, &mut head, &mut reply, mesh.now);
        }
        if told {
            mesh.worker.on_end(ex, Outcome::CallerGone, mesh.now);
        } else {
            drop(ex);
        }
        for scope in scopes {
            mesh.check(scope, "requests 1, success 0, failures 1, pending 0");
        }
    }
}

/// A caller that gives up teaches that its back end is at least that slow, never that it is fast, and nothing else.
#[tokio::test(start_paused = true)]
async fn callers_that_give_up() {
    let ewma = ClientPartial { balancer: Some(balance::Balancer::ewma()), ..ClientPartial::default() };
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", client(RouterSettings::default(), ewma));
    mesh.get("web", &[status(200)]).await;
    let mut last = 0.0;
    for (waited, slower) in [(2_000, true), (1, false), (5_000, true)] {
        let mut head = FakeRequest::get("/");
        head.line("Host", "web");
        let arrival = arrival(at(1), mesh.now, true);
        let (ex, _) = mesh.worker.on_head(&mut head, arrival);
        let endpoint = std::sync::Arc::clone(ex.endpoint());
        mesh.advance(waited);
        mesh.worker.on_end(ex, Outcome::CallerGone, mesh.now);
        let cost = endpoint.load.cost(mesh.now);
        assert_eq!(cost > last, slower, "after {waited} ms: {last} -> {cost}");
        last = cost;
        mesh.check("client/$/inet/127.1/80", "requests 1, failures 0, pending 0, loadbalancer/load 0");
    }
    mesh.check(SERVER, "cancelled 3, requests 1, failures 0, pending 0");
}

/// What the engine tells of connections.
#[tokio::test(start_paused = true)]
async fn connections() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/127.1/80");
    let mut head = FakeRequest::get("/");
    head.line("Host", "web");
    mesh.get("web", &[status(200)]).await;
    let arrival = arrival(at(1), mesh.now, true);
    let (mut ex, _) = mesh.worker.on_head(&mut head, arrival);
    let endpoint = std::sync::Arc::clone(ex.endpoint());
    let ms = Nanos::from_millis;
    endpoint.connected(0, ms(3));
    endpoint.connected(1, ms(5));
    endpoint.connect_failed(1, ms(7));
    endpoint.closing(1);
    endpoint.closed(1, ms(100), 4, 1000, 2000);
    let client = "client/$/inet/127.1/80";
    mesh.check(client, "connects 2, closes 2, connections 1, sent_bytes 1000, received_bytes 2000");
    mesh.check(client, "pool_size 1, pool_cached 0");
    let server = std::sync::Arc::clone(mesh.router.server(ServerId(0)));
    server.accepted(0);
    server.accepted(1);
    server.closed(1, ms(50), 2, 300, 400);
    ex.payloads(Some(7), Some(9));
    let mut reply = FakeResponse::new(200);
    let _ = mesh.worker.on_response(&mut ex, &mut head, &mut reply, mesh.now);
    mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
    mesh.metrics.snapshot_histograms();
    mesh.check(
        client,
        "connect_latency_ms.sum 8, failed_connect_latency_ms.sum 7, connection_duration.sum 100",
    );
    mesh.check(
        client,
        "request_payload_bytes.sum 7, response_payload_bytes.sum 9, connection_requests.sum 4",
    );
    mesh.check(
        SERVER,
        "connects 2, connections 1, connection_requests.sum 2, received_bytes 300, sent_bytes 400",
    );
    mesh.check(SERVER, "request_payload_bytes.count 1, response_payload_bytes.sum 9");
}

/// Latencies end where the decision falls: at the reply's head, at the proxy's own answer.
#[tokio::test(start_paused = true)]
async fn latencies() {
    let mut mesh = Mesh::new("/svc=>/$/inet/127.1/80", classifier(Classifier::RetryableRead5xx));
    // The engine of these tests takes 1 ms an attempt.
    mesh.get("web", &[status(500), Does::Closes(Sent::Some), status(200)]).await;
    mesh.metrics.snapshot_histograms();
    mesh.check(SERVER, "request_latency_ms.sum 3, time/2XX.sum 3");
    mesh.check("service/svc/web", "request_latency_ms.sum 3, retries/per_request.sum 2");
    mesh.check(
        "client/$/inet/127.1/80",
        "request_latency_ms.sum 3, request_latency_ms.count 3, time/error.sum 1",
    );
}

/// Workers on threads of their own share everything and lose nothing.
#[tokio::test(start_paused = true)]
async fn two_workers_count_together() {
    fn is_send<T: Send>(_: &T) {}
    let mut mesh = Mesh::plain("/svc=>/#/t");
    mesh.stage.up("/web", &[1, 2, 3]);
    mesh.get("web", &[status(200)]).await;
    let now = mesh.now;
    let threads: Vec<_> = (0..2)
        .map(|n| {
            let mut worker = mesh.router.worker(ServerId(0), n, n as u64);
            is_send(&worker);
            std::thread::spawn(move || {
                for i in 0..5000u64 {
                    let now = Nanos(now.0 + i * 1000);
                    let mut head = FakeRequest::get("/");
                    head.line("Host", "web");
                    let arrival = arrival(at(1), now, true);
                    let (mut ex, step) = worker.on_head(&mut head, arrival);
                    assert!(matches!(step, Step::Send));
                    is_send(&ex);
                    if i % 7 == 0 {
                        continue;
                    }
                    let mut reply = FakeResponse::new(if i % 5 == 0 { 500 } else { 200 });
                    let _ = worker.on_response(&mut ex, &mut head, &mut reply, now);
                    worker.on_end(ex, Outcome::Complete, now);
                    if i % 100 == 0 {
                        worker.tick(now);
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let ended = 2 * (5000 - 5000 / 7 - 1);
    let failed = 2 * (0..5000).filter(|i| i % 7 != 0 && i % 5 == 0).count();
    for scope in [SERVER, "service/svc/web", "client/#/t/web", "client/#/t/web/service/svc/web"] {
        mesh.check(scope, &format!("requests {}, failures {failed}, pending 0", ended + 1));
    }
    mesh.check("client/#/t/web/loadbalancer", "load 0");
}

/// Beyond the limit of scopes names are counted together, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn names_beyond_the_limit_are_counted_together() {
    let settings = RouterSettings { series: Series::at_most(3), ..RouterSettings::default() };
    let mut mesh = Mesh::new("/svc=>/#/t", settings);
    for (name, port) in [("/a", 1), ("/b", 2), ("/c", 3)] {
        mesh.stage.up(name, &[port]);
    }
    for host in ["a", "b", "b", "c"] {
        mesh.get(host, &[status(500)]).await;
    }
    mesh.check("service/svc/a", "requests 1, failures 1, pending 0");
    mesh.check("client/#/t/a/service/svc/a", "requests 1, failures 1, failures/classified 1");
    mesh.check("service/other", "requests 3, failures 3, failures/classified 3");
    mesh.check("client/other", "requests 3, failures 3, status/500 3, connects 0");
    mesh.check("client/other/service/other", "requests 3, failures 3");
    mesh.check("metric_scopes", "used 3, refused 6");
    let names = mesh.all_metrics();
    let gauges = ["service/other/pending", "client/other/pending", "client/other/loadbalancer/size"];
    assert!(gauges.iter().all(|name| !names.contains_key(*name)), "one's would hide the other's: {names:?}");
}
