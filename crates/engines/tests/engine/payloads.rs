//! `request_payload_bytes` and `response_payload_bytes` (observability.md §2.4): per request at the server, per attempt at the
//! client, bodies of known length only.

use crate::world::{Settings, World};
use router::{Classifier, ServicePartial};
use testkit::{Backend, Client, PATIENCE, Play, each_width, eventually};

each_width!(sizes);

async fn sizes(workers: usize) {
    let oops = Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n".to_owned() + &"x".repeat(100));
    let chunked = Play::reply("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let web = Backend::start([oops, Play::text("1234567"), chunked, Play::text("12")]).await;
    let service =
        ServicePartial { classifier: Some(Classifier::RetryableAll5xx), ..ServicePartial::default() };
    let world = World::with(workers, web.address, Settings { service, ..Settings::default() }).await;
    let mut caller = Client::connect(world.address).await;
    caller.send("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: 3\r\n\r\nabc").await;
    assert_eq!(caller.response().await.status(), 200);
    assert_eq!(caller.get("/", "web").await.text(), "ok");
    caller
        .send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        .await;
    assert_eq!(caller.response().await.text(), "12");
    let own = caller.get("/", "nobody").await.text().len() as f64;
    let counted = || async { world.sum("server/s/requests") == 4.0 && world.sum("server/s/pending") == 0.0 };
    eventually(PATIENCE, "all are counted", counted).await;
    world.snapshot();
    let port = web.address.port();
    let check = |scope: &str, name: &str, count: f64, sum: f64| {
        let of = |what: &str| world.sum(&format!("rt/out/{scope}/{name}_payload_bytes.{what}"));
        assert_eq!((of("count"), of("sum")), (count, sum), "{scope} {name}");
    };
    let client = format!("client/$/inet/127.0.0.1/{port}");
    // Asked: 3 bytes, which were sent twice, none, chunks, and none. Answered: 100 bytes, which only the client saw, 7,
    // chunks, 2, and the proxy's own words.
    check("server/s", "request", 3.0, 3.0);
    check("server/s", "response", 3.0, 9.0 + own);
    check(&client, "request", 3.0, 6.0);
    check(&client, "response", 3.0, 109.0);
    drop((web, caller));
    world.finish().await;
}
