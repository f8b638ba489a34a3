//! More requests than there is room for: `hostConnectionPool`, `maxConcurrentRequests`, `timeoutMs` (dataplane.md §3.1,
//! §6.2). The limits are the process's, however many workers it has.

use testkit::{Act, Backend, Client, Gate, Metrics, Play, Setup, World, each_width, eventually};

each_width!(
    max_size_and_max_waiters,
    min_size_and_idle_time,
    pools_by_prefix,
    max_concurrent_requests,
    server_timeout
);

fn client(metrics: &Metrics, name: &str) -> f64 {
    metrics.get(&format!("rt/out/client/#/io.l5d.fs/web/{name}"))
}

async fn gauge(world: &World, name: &str, value: f64) {
    world.wait_metric(&format!("rt/out/client/#/io.l5d.fs/web/{name}"), value).await;
}

fn held(gate: &Gate) -> Play {
    Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("held"))])
}

async fn send(world: &World) -> Client {
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    client
}

async fn max_size_and_max_waiters(workers: usize) {
    let gate = Gate::closed();
    let web = Backend::start([held(&gate)]).await;
    let pool = "  client: {hostConnectionPool: {maxSize: 3, maxWaiters: 5}}";
    let world = Setup::new().router(pool).replicas("web", &[web.address]).start(workers).await;
    let mut callers = Vec::new();
    for _ in 0..8 {
        callers.push(send(&world).await);
    }
    gauge(&world, "pool_waiters", 5.0).await;
    web.wait_requests(3).await;
    let refused = world.get("web").await;
    assert_eq!(refused.status(), 502);
    assert_eq!(refused.text(), "com.twitter.finagle.TooManyWaitersException");
    let m = world.metrics().await;
    let names = ["connections", "pool_size", "pool_cached", "pool_num_waited", "pool_num_too_many_waiters"];
    assert_eq!(names.map(|name| client(&m, name)), [3.0, 3.0, 0.0, 5.0, 1.0]);
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.text(), "held");
    }
    assert_eq!((web.requests(), web.connections()), (8, 3));
    gauge(&world, "pool_cached", 3.0).await;
    drop((web, callers));
    world.finish().await;
}

async fn min_size_and_idle_time(workers: usize) {
    let gate = Gate::closed();
    let web = Backend::start([held(&gate)]).await;
    let pool = "  client: {hostConnectionPool: {minSize: 2, idleTimeMs: 300}}";
    let world = Setup::new().router(pool).replicas("web", &[web.address]).start(workers).await;
    let mut callers = Vec::new();
    for _ in 0..6 {
        callers.push(send(&world).await);
    }
    web.wait_requests(6).await;
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.text(), "held");
    }
    eventually(testkit::PATIENCE, "all but two are closed", || async { web.open() == 2 }).await;
    gauge(&world, "pool_size", 2.0).await;
    drop((web, callers));
    world.finish().await;
}

/// Whole objects are replaced by later scopes (dataplane.md §6.1).
async fn pools_by_prefix(workers: usize) {
    let gate = Gate::closed();
    let [web, other] = [Backend::start([held(&gate)]).await, Backend::start([held(&gate)]).await];
    let pools = "  client:\n    kind: io.l5d.static\n    configs:\n    - {prefix: /, hostConnectionPool: {maxSize: 1}}\n\
                 \x20   - {prefix: /#/io.l5d.fs/other, hostConnectionPool: {maxWaiters: 0}}";
    let setup =
        Setup::new().router(pools).replicas("web", &[web.address]).replicas("other", &[other.address]);
    let world = setup.start(workers).await;
    let mut callers = vec![send(&world).await, send(&world).await];
    for _ in 0..3 {
        let mut caller = world.client().await;
        caller.send("GET / HTTP/1.1\r\nHost: other\r\n\r\n").await;
        callers.push(caller);
    }
    gauge(&world, "pool_waiters", 1.0).await;
    other.wait_requests(3).await;
    assert_eq!((web.open(), other.open()), (1, 3));
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.text(), "held");
    }
    drop((web, other, callers));
    world.finish().await;
}

async fn max_concurrent_requests(workers: usize) {
    let gate = Gate::closed();
    let web = Backend::start([held(&gate)]).await;
    let setup = Setup::new().server("maxConcurrentRequests: 4").replicas("web", &[web.address]);
    let world = setup.start(workers).await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(send(&world).await);
    }
    web.wait_requests(4).await;
    let mut refused = world.client().await;
    for _ in 0..2 {
        refused.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        let want = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nfinagle-http-nack: true\r\n\
                    Content-Length: 76\r\n\r\n\
                    Request was not processed by the server due to an error and is safe to retry";
        assert_eq!(String::from_utf8_lossy(&refused.bytes(want.len()).await), want);
    }
    refused.send("HEAD / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    let want = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nfinagle-http-nack: true\r\nConnection: close\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&refused.until_close().await), want);
    world.wait_metric(&world.server("failures"), 3.0).await;
    let m = world.metrics().await;
    let of = |name: &str| m.get(&world.server(name));
    assert_eq!((of("request_concurrency"), of("request_queue_size"), of("status/503")), (4.0, 0.0, 3.0));
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.text(), "held");
    }
    assert_eq!(world.get("web").await.status(), 200);
    drop((web, callers));
    world.finish().await;
}

async fn server_timeout(workers: usize) {
    let web = Backend::start([Play::never_answer()]).await;
    let world = Setup::new().server("timeoutMs: 300").replicas("web", &[web.address]).start(workers).await;
    let answer = world.get("web").await;
    let want = format!(
        "exceeded 300.milliseconds to 127.0.0.1/{} while waiting for a response for an individual request, excluding \
         retries. Remote Info: Not Available",
        world.router.port()
    );
    assert_eq!((answer.status(), answer.text()), (503, want));
    let deadline = web.last().head.get("l5d-ctx-deadline").map(str::to_owned).expect("the next hop is told");
    let (from, to) = deadline.split_once(' ').expect("two times");
    let millis = (to.parse::<u64>().expect("a time") - from.parse::<u64>().expect("a time")) / 1_000_000;
    assert_eq!(millis, 300);
    drop(web);
    world.finish().await;
}
