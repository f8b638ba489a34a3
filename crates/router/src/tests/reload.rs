//! A router that takes the place of another: what it finds there, and what the other one still has a say in.

use super::mesh::*;
use crate::testing::FakeRequest;
use crate::*;
use balance::{AccrualPolicy, Backoff, Balancer, BudgetConfig, Nanos};
use naming::{Addr, Address, Binder, BinderSettings, Namers, NoHosts};
use std::sync::Arc;

const DTAB: &str = "/svc => /#/t";

/// One failure takes an endpoint out for ten minutes.
fn strict(balancer: Balancer) -> RouterSettings {
    let backoff = Backoff::Constant(Nanos::from_secs(600));
    let accrual = AccrualPolicy::ConsecutiveFailures { failures: 1, backoff };
    let partial = ClientPartial { accrual: Some(accrual), balancer: Some(balancer), ..Default::default() };
    client(RouterSettings::default(), partial)
}

/// A router after `mesh`'s, over `stage`; nobody is served by it yet.
fn next(mesh: &Mesh, dtab: &str, stage: &Arc<Stage>, settings: RouterSettings) -> Arc<Router> {
    let servers = mesh.router.settings().servers.clone();
    let mut settings = RouterSettings { dtab: dtab.parse().unwrap(), servers, ..settings };
    settings.succeed(mesh.router.settings());
    let namers = Namers::new(Arc::new(NoHosts)).with(&"/t".parse().unwrap(), Arc::clone(stage) as _);
    let factory = ClientFactory::new(&settings, &mesh.metrics);
    let binder = BinderSettings::default();
    let (binder, task) = Binder::new(Arc::new(namers), settings.dtab.clone(), factory, binder);
    tokio::spawn(task);
    Router::new(settings, binder, &mesh.metrics, 2)
}

/// Takes the place of `mesh`'s router, as the linker does it; the one before.
async fn reload(mesh: &mut Mesh, dtab: &str, stage: &Arc<Stage>, settings: RouterSettings) -> Arc<Router> {
    let router = next(mesh, dtab, stage, settings);
    let succession = router.succeed(&mesh.router);
    tokio::time::timeout(std::time::Duration::from_secs(2), succession.ready()).await.ok();
    let before = std::mem::replace(&mut mesh.router, router);
    let mut worker = std::mem::replace(&mut mesh.worker, mesh.router.worker(ServerId(0), 0, 43));
    worker.retire();
    succession.finish();
    before.retire();
    before
}

async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_with_the_same_settings_is_the_same() {
    let mut mesh = Mesh::new(DTAB, strict(Balancer::p2c()));
    mesh.stage.up("/web", &[1, 2]);
    let stage = Arc::clone(&mesh.stage);
    while mesh.metric("client/#/t/web/failure_accrual/removals") == 0.0 {
        mesh.play_ports(1).await;
    }
    let requests = mesh.metric("client/#/t/web/requests");
    drop(reload(&mut mesh, "/svc => /#/t; /other => /x", &stage, strict(Balancer::p2c())).await);
    settle().await;
    for _ in 0..10 {
        assert_eq!(mesh.play_ports(1).await, 2, "1 is out, as everybody knows");
    }
    mesh.check("client/#/t/web", "failure_accrual/removals 1, loadbalancer/available 1, loadbalancer/adds 2");
    mesh.check("client/#/t/web/service/svc/web", &format!("requests {}", requests + 10.0));
    mesh.check("bindcache/client", "misses 1");
    mesh.check("bindcache/path", "misses 1");
}

#[tokio::test(start_paused = true)]
async fn a_client_with_other_settings_is_another_and_counts_on() {
    let mut mesh = Mesh::new(DTAB, strict(Balancer::p2c()));
    mesh.stage.up("/web", &[1]);
    let stage = Arc::clone(&mesh.stage);
    for _ in 0..3 {
        mesh.get("web", &[status(200)]).await;
    }
    drop(reload(&mut mesh, DTAB, &stage, strict(Balancer::ewma())).await);
    settle().await;
    mesh.get("web", &[status(200)]).await;
    mesh.check("client/#/t/web", "requests 4, loadbalancer/size 1, loadbalancer/adds 2");
    mesh.check("client/#/t/web", "loadbalancer/algorithm/p2c_least_loaded 0");
    mesh.check("client/#/t/web/service/svc/web", "requests 4");
    mesh.check("service/svc/web", "requests 4");
    mesh.check("bindcache/client", "misses 2, expires 1");
}

/// Idle connections of endpoints nobody will choose any more are not kept.
#[tokio::test(start_paused = true)]
async fn endpoints_of_a_client_that_is_gone_are_removed() {
    let mut mesh = Mesh::new(DTAB, strict(Balancer::p2c()));
    mesh.stage.up("/web", &[1]);
    let stage = Arc::clone(&mesh.stage);
    let mut head = FakeRequest::get("/");
    head.line("Host", "web");
    mesh.get("web", &[status(200)]).await;
    let (ex, _) = mesh.worker.on_head(&mut head, arrival(at(1), mesh.now, true));
    let endpoint = Arc::clone(ex.endpoint());
    drop(ex);
    assert!(!endpoint.is_removed());
    drop(reload(&mut mesh, DTAB, &stage, strict(Balancer::ewma())).await);
    settle().await;
    assert!(endpoint.is_removed());
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_spent_stays_spent() {
    let budget = BudgetConfig { min_retries_per_sec: 0, percent_can_retry: 0.5, ttl: Nanos::from_secs(60) };
    let settings = || {
        let retries = Some(Retries { budget, backoff: Backoff::NONE });
        let classifier = Some(Classifier::RetryableRead5xx);
        service(
            no_accrual(RouterSettings::default()),
            ServicePartial { retries, classifier, ..Default::default() },
        )
    };
    let mut mesh = Mesh::new(DTAB, settings());
    mesh.stage.up("/web", &[1]);
    let stage = Arc::clone(&mesh.stage);
    for _ in 0..7 {
        mesh.get("web", &[status(500)]).await;
    }
    let spent = mesh.metric("service/svc/web/retries/total");
    drop(reload(&mut mesh, DTAB, &stage, settings()).await);
    mesh.get("web", &[status(500)]).await;
    let one_more = mesh.metric("service/svc/web/retries/total") - spent;
    assert!(one_more <= 1.0, "{one_more} retries");
    assert!((3.0..=4.0).contains(&(spent + one_more)), "half of 8 requests");
}

/// Addresses come from the newest binder only, even while the one before still hears of changes.
#[tokio::test(start_paused = true)]
async fn who_was_replaced_has_no_say() {
    let mut mesh = Mesh::new(DTAB, strict(Balancer::p2c()));
    mesh.stage.up("/web", &[1]);
    mesh.get("web", &[status(200)]).await;
    let mut head = FakeRequest::get("/");
    head.line("Host", "web");
    // A request under way keeps the former router and its binder.
    let (ex, _) = mesh.worker.on_head(&mut head, arrival(at(1), mesh.now, true));
    let other = Arc::new(Stage::default());
    other.up("/web", &[2]);
    let before = reload(&mut mesh, DTAB, &other, strict(Balancer::p2c())).await;
    assert_eq!(mesh.get("web", &[status(200)]).await.saw[0].0, 2);
    mesh.stage.serve("/web", Addr::bound([Address::new(at(3))].into()));
    settle().await;
    assert_eq!(mesh.get("web", &[status(200)]).await.saw[0].0, 2);
    other.serve("/web", Addr::bound([Address::new(at(4))].into()));
    settle().await;
    assert_eq!(mesh.get("web", &[status(200)]).await.saw[0].0, 4);
    drop((ex, before));
}

/// A request never waits for a name that was bound before, and nothing of the former router is left.
#[tokio::test(start_paused = true)]
async fn names_are_bound_before_requests_come() {
    let mut mesh = Mesh::new(DTAB, strict(Balancer::p2c()));
    for name in ["/a", "/b", "/c"] {
        mesh.stage.up(name, &[1]);
        mesh.get(&name[1..], &[status(200)]).await;
    }
    let stage = Arc::clone(&mesh.stage);
    for i in 0..100 {
        let before = reload(&mut mesh, &format!("{DTAB}; /x => /{i}"), &stage, strict(Balancer::p2c())).await;
        let weak = Arc::downgrade(&before);
        drop(before);
        settle().await;
        assert_eq!(weak.strong_count(), 0, "nobody holds the former router");
        assert_eq!(mesh.router.sizes(), (3, 0, 3));
        let mut head = FakeRequest::get("/");
        head.line("Host", "b");
        let (ex, step) = mesh.worker.on_head(&mut head, arrival(at(1), mesh.now, true));
        assert!(matches!(step, seam::Step::Send), "no waiting");
        drop(ex);
    }
    let series = mesh.metrics.series();
    drop(reload(&mut mesh, DTAB, &stage, strict(Balancer::p2c())).await);
    settle().await;
    assert_eq!(mesh.metrics.series(), series);
}

impl Mesh {
    /// A request for `web` that fails at one port and succeeds elsewhere; the port it went to first.
    async fn play_ports(&mut self, bad: u16) -> u16 {
        let mut head = FakeRequest::get("/");
        head.line("Host", "web");
        let answer = |port| if port == bad { status(500) } else { status(200) };
        self.play(head, true, &mut |port| answer(port)).await.saw[0].0
    }
}
