//! What is kept, for how long, and that nothing is left behind.

use super::mesh::*;
use crate::testing::FakeRequest;
use crate::*;
use balance::Nanos;

fn sized(paths: usize, overrides: usize, oneshots: usize) -> RouterSettings {
    let idle_ttl = Nanos::from_secs(10);
    RouterSettings {
        cache: CacheSettings { paths, overrides, oneshots, idle_ttl },
        ..RouterSettings::default()
    }
}

async fn with_dtab(mesh: &mut Mesh, dtab: &str) -> Got {
    let mut request = FakeRequest::get("/");
    request.line("Host", "web").line("l5d-dtab", dtab);
    mesh.send(request, &[status(200)]).await
}

/// Lets the binder's task forget what was dropped.
async fn settle(mesh: &mut Mesh, seconds: u64) {
    for _ in 0..seconds {
        mesh.advance(1000);
        mesh.worker.tick(mesh.now);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_bound_once() {
    let mut mesh = Mesh::plain("/svc=>/$/inet/1");
    for _ in 0..5 {
        mesh.get("web", &[status(200)]).await;
        with_dtab(&mut mesh, "/a=>/b").await;
        with_dtab(&mut mesh, " /a => /b ; ").await;
    }
    mesh.check("bindcache/path", "misses 2, evicts 0, expires 0, oneshots 0");
    mesh.check("bindcache/tree", "misses 2");
    mesh.metrics.snapshot_histograms();
    mesh.check("bindcache/path", "bind_latency_us.count 2");
    mesh.check("bindcache/bound", "misses 1");
    mesh.check("bindcache/client", "misses 1");
    assert_eq!(mesh.router.sizes(), (1, 1, 1), "both entries share one service");
    mesh.check("service/svc/web", "requests 15");
    // Another worker finds it in the shared cache.
    let mut other = mesh.router.worker(ServerId(0), 1, 7);
    let mut head = FakeRequest::get("/");
    head.line("Host", "web");
    let arrival = arrival(at(1), mesh.now, true);
    let (ex, step) = other.on_head(&mut head, arrival);
    assert!(matches!(step, seam::Step::Send));
    drop(ex);
    mesh.check("bindcache/path", "misses 2");
}

#[tokio::test(start_paused = true)]
async fn idle_names_go_and_take_their_series_along() {
    let mut mesh = Mesh::new("/svc/a=>/$/inet/1; /svc/b=>/$/inet/2; /svc/c=>/$/inet/3", sized(10, 10, 1));
    mesh.get("a", &[status(200)]).await;
    mesh.get("b", &[status(200)]).await;
    settle(&mut mesh, 5).await;
    mesh.get("b", &[status(200)]).await;
    mesh.get("c", &[status(200)]).await;
    assert_eq!(mesh.router.sizes(), (3, 0, 3));
    settle(&mut mesh, 8).await;
    assert_eq!(mesh.router.sizes(), (2, 0, 2), "a is gone");
    let names = mesh.all_metrics();
    let has = |prefix: &str| names.keys().any(|name| name.starts_with(prefix));
    assert!(!has("service/svc/a/") && !has("client/$/inet/1/"), "{names:?}");
    assert!(has("service/svc/b/") && has("client/$/inet/2/service/svc/b/"));
    // A service, a client and the one within the other, twice.
    mesh.check("metric_scopes", "used 6, refused 0");
    mesh.check("bindcache/path", "expires 1, misses 3");
    mesh.check("bindcache/client", "expires 1, misses 3");
    settle(&mut mesh, 20).await;
    assert_eq!(mesh.router.sizes().0, 1, "the one used last stays");
    assert_eq!(mesh.get("a", &[status(200)]).await.status, 200);
    mesh.check("service/svc/a", "requests 1");
}

#[tokio::test(start_paused = true)]
async fn names_in_use_do_not_expire() {
    let mut mesh = Mesh::new("/svc=>/$/inet/1", sized(10, 10, 1));
    for _ in 0..30 {
        mesh.get("a", &[status(200)]).await;
        with_dtab(&mut mesh, "/a=>/b").await;
        settle(&mut mesh, 1).await;
    }
    mesh.check("bindcache/path", "misses 2, expires 0");
}

/// Bound anew during an outage of discovery, a name would lead nowhere; so it is kept, and goes when all is well again.
#[tokio::test(start_paused = true)]
async fn names_whose_discovery_is_down_do_not_expire() {
    let mut mesh = Mesh::new("/svc=>/#/t", sized(10, 10, 1));
    for name in ["tree", "addresses", "well", "last"] {
        mesh.stage.up(&format!("/{name}"), &[1]);
        assert_eq!(mesh.get(name, &[status(200)]).await.status, 200);
        // Last uses are told apart by the second.
        settle(&mut mesh, 1).await;
    }
    mesh.stage.put("/tree", naming::State::failed("down"));
    mesh.stage.serve("/addresses", naming::Addr::failed("down"));
    settle(&mut mesh, 40).await;
    assert_eq!(
        mesh.router.sizes().0,
        3,
        "only the name that is well has expired; the last one used stays anyway"
    );
    for name in ["tree", "addresses"] {
        assert_eq!(mesh.get(name, &[status(200)]).await.status, 200, "{name} is served as before");
    }
    mesh.check("bindcache/path", "misses 4, expires 1");
    mesh.stage.up("/tree", &[1]);
    mesh.stage.up("/addresses", &[1]);
    settle(&mut mesh, 40).await;
    assert_eq!(mesh.router.sizes().0, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_cache_evicts_what_was_used_once() {
    let mut mesh = Mesh::new("/svc=>/$/inet/1", sized(3, 2, 1));
    for _ in 0..3 {
        mesh.get("busy", &[status(200)]).await;
    }
    settle(&mut mesh, 1).await;
    for i in 0..20 {
        assert_eq!(mesh.get(&format!("made-up-{i}"), &[status(200)]).await.status, 200);
    }
    assert_eq!(mesh.router.sizes().0, 3);
    mesh.check("bindcache/path", "misses 21, evicts 18");
    mesh.get("busy", &[status(200)]).await;
    mesh.check("bindcache/path", "misses 21");
    settle(&mut mesh, 2).await;
    let services = mesh.all_metrics().keys().filter(|n| n.ends_with("retries/total")).count();
    assert_eq!(services, 3, "series of evicted names are gone");
    for i in 0..20 {
        assert_eq!(with_dtab(&mut mesh, &format!("/x=>/{i}")).await.status, 200);
    }
    assert_eq!(mesh.router.sizes().1, 2, "dtabs that callers make up have a cache of their own");
    mesh.check("bindcache/path", "oneshots 0");
}

/// Full of names with requests under way: a bounded number goes past the cache, then 503.
#[tokio::test(start_paused = true)]
async fn oneshots() {
    let mut mesh = Mesh::new("/svc=>/$/inet/1", sized(1, 1, 2));
    let mut running = Vec::new();
    let mut start = |mesh: &mut Mesh, host: &str| {
        let mut head = FakeRequest::get("/");
        head.line("Host", host);
        let arrival = arrival(at(1), mesh.now, true);
        let (ex, step) = mesh.worker.on_head(&mut head, arrival);
        running.push(ex);
        step
    };
    for host in ["a", "b", "c"] {
        assert!(matches!(start(&mut mesh, host), seam::Step::AwaitBinding(_)), "{host}");
    }
    let seam::Step::Reply(reply) = start(&mut mesh, "d") else { panic!("the cache is full") };
    assert_eq!(reply.status, 503);
    assert!(String::from_utf8(reply.body).unwrap().starts_with("Too many names"));
    assert!(matches!(start(&mut mesh, "a"), seam::Step::AwaitBinding(_)), "a cached name is served");
    mesh.check("bindcache/path", "misses 4, oneshots 2, evicts 0");
    drop(running);
    assert_eq!(mesh.get("e", &[status(200)]).await.status, 200);
    mesh.check("bindcache/path", "evicts 1, oneshots 2");
    mesh.check("server/127.0.0.1/4140", "pending 0");
}

/// After everything is dropped nothing is bound and no series of names are left.
#[tokio::test(start_paused = true)]
async fn nothing_is_left_behind() {
    let mut mesh = Mesh::new("/svc=>/#/t", sized(100, 100, 1));
    mesh.stage.up("/web", &[1, 2]);
    let before = mesh.metrics.series();
    for i in 0..30 {
        mesh.get("web", &[status(500)]).await;
        mesh.get(&format!("x{i}"), &[status(200)]).await;
        with_dtab(&mut mesh, &format!("/x=>/{i}")).await;
    }
    let full = mesh.metrics.series();
    assert!(full > before + 100, "{before} {full}");
    settle(&mut mesh, 40).await;
    assert_eq!(mesh.router.binder().stats().bindings, 1 + usize::from(mesh.router.sizes().1 > 0));
    assert!(mesh.metrics.series() < before + 250, "{before} {full} {}", mesh.metrics.series());
}

/// Idle connections hold endpoints, and endpoints hold the metrics of their client: they must hear that it is gone.
#[tokio::test(start_paused = true)]
async fn endpoints_of_a_client_that_is_gone_are_not_kept() {
    let mut mesh = Mesh::new("/svc/a=>/$/inet/1; /svc/b=>/$/inet/2", sized(10, 10, 1));
    mesh.get("a", &[status(200)]).await;
    let mut head = FakeRequest::get("/");
    head.line("Host", "a");
    let (ex, step) = mesh.worker.on_head(&mut head, arrival(at(1), mesh.now, true));
    assert!(matches!(step, seam::Step::Send));
    let endpoint = std::sync::Arc::clone(ex.endpoint());
    drop(ex);
    assert!(!endpoint.is_removed());
    for _ in 0..4 {
        mesh.get("b", &[status(200)]).await;
        settle(&mut mesh, 5).await;
    }
    assert!(endpoint.is_removed());
}
