//! `maxConcurrentRequests` (dataplane.md §3.1): one limit for all workers, and the exact answer beyond it.

use crate::world::{Settings, World};
use router::ServerSettings;
use testkit::{Act, Backend, Client, Gate, PATIENCE, Play, each_width, eventually};

each_width!(the_limit_is_the_processs, a_download_takes_no_room);

const REFUSED: &str = "Request was not processed by the server due to an error and is safe to retry";

async fn world(workers: usize, web: &Backend, most: u32) -> World {
    let server = ServerSettings { max_concurrent: Some(most), ..ServerSettings::default() };
    World::with(workers, web.address, Settings { server, ..Settings::default() }).await
}

async fn the_limit_is_the_processs(workers: usize) {
    let gate = Gate::closed();
    let held = Play::acts([Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("held"))]);
    let web = Backend::start([held]).await;
    let world = world(workers, &web, 5).await;
    let mut callers = Vec::new();
    for _ in 0..5 {
        let mut caller = Client::connect(world.address).await;
        caller.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        callers.push(caller);
    }
    web.wait_requests(5).await;
    assert_eq!((world.sum("/request_concurrency"), world.sum("/request_queue_size")), (5.0, 0.0));
    for _ in 0..4 {
        let mut caller = Client::connect(world.address).await;
        for _ in 0..2 {
            // Twice: the connection stays open.
            let answer = caller.get("/", "web").await;
            assert_eq!((answer.status(), answer.text().as_str()), (503, REFUSED));
            let of = |name| answer.head.get(name).map(str::to_owned);
            assert_eq!(
                (of("retry-after").as_deref(), of("finagle-http-nack").as_deref()),
                (Some("0"), Some("true"))
            );
            assert_eq!((of("via"), of("l5d-err"), of("connection")), (None, None, None));
        }
        caller.send("HEAD / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        let answer = caller.response_to("HEAD").await;
        assert_eq!((answer.status(), answer.head.get("content-length")), (503, None));
        assert_eq!(answer.head.get("connection"), Some("close"));
        assert!(caller.ended().await);
    }
    assert_eq!((web.requests(), world.sum("/failures/too_many_requests")), (5, 12.0));
    gate.open();
    for caller in &mut callers {
        assert_eq!(caller.response().await.status(), 200);
        assert_eq!(caller.get("/", "web").await.status(), 200, "there is room again");
    }
    eventually(PATIENCE, "nothing runs", || async { world.sum("/request_concurrency") == 0.0 }).await;
    drop((web, callers));
    world.finish().await;
}

/// As in Linkerd a request counts until its answer begins.
async fn a_download_takes_no_room(workers: usize) {
    let gate = Gate::closed();
    let slow = Play::acts([
        Act::Request,
        // Longer than what is held until it is whole.
        Play::write(format!("HTTP/1.1 200 OK\r\nContent-Length: 6002\r\n\r\n{}", ".".repeat(6000))),
        Act::Wait(gate.clone()),
        Play::write("34"),
    ]);
    let web = Backend::start([slow, Play::text("ok")]).await;
    let world = world(workers, &web, 1).await;
    let mut first = Client::connect(world.address).await;
    first.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    first.head().await;
    assert_eq!(Client::connect(world.address).await.get("/", "web").await.text(), "ok");
    gate.open();
    assert!(first.bytes(6002).await.ends_with(b"..34"));
    drop((web, first));
    world.finish().await;
}
