//! SIGTERM: what runs is finished, what is idle is closed, and the process ends by itself (architecture.md §2).

use std::time::Duration;
use testkit::{Act, Backend, Client, Gate, Play, Setup, each_width, eventually};

each_width!(finishes_what_runs, under_load, without_traffic);

async fn finishes_what_runs(workers: usize) {
    const CALLERS: usize = 20;
    let gate = Gate::closed();
    let acts = [Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("done"))];
    let web = Backend::start([Play::acts(acts)]).await;
    let mut world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut idle = world.client().await;
    assert_eq!(idle.get("/", "nobody").await.status(), 502);
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
        callers.push(client);
    }
    web.wait_requests(CALLERS).await;
    world.process.signal("TERM");
    assert!(idle.ended().await, "idle connections are closed");
    let router = world.router;
    eventually(testkit::PATIENCE, "the port closes", || async { Client::try_connect(router).await.is_err() })
        .await;
    assert!(world.process.ended().is_none(), "requests are still running");
    gate.open();
    for client in &mut callers {
        let response = client.response().await;
        assert_eq!((response.text().as_str(), response.head.get("connection")), ("done", Some("close")));
        assert!(client.ended().await);
    }
    let status = world.process.wait(Duration::from_secs(15)).await;
    assert!(status.success(), "{status}");
    drop(web);
}

/// Callers that open a connection for each request. One that the kernel completes between the last `accept` and the
/// close of the socket cannot be saved; nothing may be lost before that moment, and nothing of what was accepted.
async fn under_load(workers: usize) {
    const CALLERS: usize = 8;
    let web = Backend::text("web").await;
    let mut world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let router = world.router;
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(async move {
            let (mut served, mut lost) = (0, 0);
            while let Ok(mut client) = Client::try_connect(router).await {
                assert_eq!(lost, 0, "the port was open again after a connection had been lost");
                let request = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
                let _ = client.try_send(request).await;
                match client.try_response("GET").await {
                    Ok(r) => {
                        assert_eq!(r.status(), 200);
                        served += 1;
                    }
                    Err(_) => lost += 1,
                }
            }
            (served, lost)
        });
    }
    eventually(testkit::PATIENCE, "some traffic", || async { web.requests() > 200 }).await;
    world.process.signal("TERM");
    let mut sum = (0, 0);
    while let Some(one) = callers.join_next().await {
        let (served, lost) = one.expect("no connection is lost while the port is open");
        sum = (sum.0 + served, sum.1 + lost);
    }
    assert!(sum.0 == web.requests() && sum.1 <= 1, "served {} of {}, lost {}", sum.0, web.requests(), sum.1);
    let status = world.process.wait(Duration::from_secs(15)).await;
    assert!(status.success(), "{status}");
    drop(web);
}

async fn without_traffic(workers: usize) {
    let mut world = Setup::new().start(workers).await;
    world.process.signal("INT");
    let status = world.process.wait(Duration::from_secs(15)).await;
    assert!(status.success(), "{status}");
}
