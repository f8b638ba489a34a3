//! The namers on a scripted API: what is asked, what is answered, and what becomes of names that nobody knows.

use std::time::Duration;

use super::*;
use crate::{Access, Settings};
use naming::{Hook, SourceId, Untracked};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use telemetry::Metrics;
use testkit::{KubeApi, PATIENCE, eventually};
use tokio::runtime::Handle;
use tokio::time::Instant;

fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

fn cluster(api: &KubeApi, metrics: &Metrics, settings: Settings) -> Cluster {
    let access = Access::address("127.0.0.1", api.port());
    Cluster::with_settings(access, &Handle::current(), &metrics.scope(&["kubernetes"]), settings)
}

struct Fixture {
    api: KubeApi,
    metrics: Metrics,
    cluster: Cluster,
    namer: KubernetesNamer,
}

impl Fixture {
    async fn new(settings: Settings) -> Fixture {
        let (api, metrics) = (KubeApi::start().await, Metrics::new(1));
        let cluster = cluster(&api, &metrics, settings);
        let namer = KubernetesNamer::new(&path("/io.l5d.k8s"), cluster.clone(), None, None);
        Fixture { api, metrics, cluster, namer }
    }

    /// `id | residual = addresses` of the name as it is bound now, or what else it is.
    fn bound(&self, name: &str) -> String {
        shown(&self.namer, name)
    }

    async fn is(&self, name: &str, expected: &str) {
        is(&self.namer, name, expected).await;
    }
}

fn shown(namer: &dyn Namer, name: &str) -> String {
    match namer.bind(&path(name), &mut Untracked) {
        State::Ok(NameTree::Leaf(Named::Bound(bound))) => {
            let addresses = match namer.addresses(&bound.id, &mut Untracked) {
                Addr::Bound(set) => {
                    set.addresses.iter().map(|one| format!(" {}", one.socket)).collect::<String>()
                }
                other => format!(" {other:?}"),
            };
            format!("{} | {} ={addresses}", bound.id, bound.residual)
        }
        State::Ok(NameTree::Neg) => "neg".to_owned(),
        State::Ok(other) => format!("{other:?}"),
        State::Pending => "pending".to_owned(),
        State::Failed(text) => text.to_string(),
    }
}

async fn is(namer: &dyn Namer, name: &str, expected: &str) {
    let last = parking_lot::Mutex::new(String::new());
    let held = || async {
        *last.lock() = shown(namer, name);
        *last.lock() == expected
    };
    tokio::select! {
        () = eventually(PATIENCE * 2, expected, held) => {}
        () = tokio::time::sleep(PATIENCE) => panic!("{name} is {}, not {expected}", last.lock()),
    }
}

fn service(name: &str, ports: impl Into<Value>) -> Value {
    let ports: Value = ports.into();
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "srv"}, "spec": {"ports": ports}, "status": {}})
}

fn slice(service: &str, ips: &[&str]) -> Value {
    let endpoints: Vec<Value> = ips.iter().map(|ip| json!({"addresses": [ip]})).collect();
    let ports = if ips.is_empty() { json!(null) } else { json!([{"name": "http", "port": 8083}]) };
    let labels = json!({
        "kubernetes.io/service-name": service,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    });
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "ports": ports, "endpoints": endpoints,
        "metadata": {"name": format!("{service}-1"), "namespace": "srv", "labels": labels},
    })
}

/// Rows 48 to 50, 86: names, case, residuals; a Service that is scaled to nothing and back.
#[tokio::test]
async fn a_service() {
    let f = Fixture::new(Settings::default()).await;
    f.api.put(service("sessions", json!([{"port": 80, "targetPort": 54321}])));
    f.api.put(slice("sessions", &["10.248.4.9"]));
    assert_eq!(f.bound("/srv/http/sessions"), "pending");
    f.is("/srv/http/sessions", "/#/io.l5d.k8s/srv/http/sessions | / = 10.248.4.9:8083").await;
    f.is("/sRv/HtTp/SeSsIoNs/ReSt", "/#/io.l5d.k8s/srv/http/sessions | /ReSt = 10.248.4.9:8083").await;
    f.is("/srv/80/sessions", "/#/io.l5d.k8s/srv/80/sessions | / = 10.248.4.9:54321").await;
    f.is("/srv/http/nobody", "neg").await;
    for short in ["/srv/http", "/srv", "/"] {
        assert_eq!(f.bound(short), "neg", "{short}");
    }
    f.api.put(slice("sessions", &[]));
    f.is("/srv/http/sessions", "neg").await;
    f.api.put(slice("sessions", &["10.248.4.10", "10.248.4.11"]));
    f.is("/srv/http/sessions", "/#/io.l5d.k8s/srv/http/sessions | / = 10.248.4.10:8083 10.248.4.11:8083")
        .await;
    let mut listed: Vec<String> = f.namer.list().iter().map(Path::to_string).collect();
    listed.sort();
    assert_eq!(listed, ["/#/io.l5d.k8s/srv/80/sessions", "/#/io.l5d.k8s/srv/http/sessions"]);
    let state = f.namer.state_json();
    assert!(state.contains(r#""srv/http/sessions":{"state":{"value":["10.248.4.10:8083","10.248.4.11:8083"]},"watch":[{"request":"/api/v1/"#), "{state}");
    assert!(state.contains(r#""srv/http/nobody":{"state":{"value":null}"#), "{state}");
}

/// Nobody is asked for what can be no name.
#[tokio::test]
async fn odd_names() {
    let f = Fixture::new(Settings::default()).await;
    let long = format!("/srv/http/{}", "a".repeat(64));
    for odd in [
        "/srv/http/a\\x2fb",
        "/srv/http/a\\x2cb",
        "/..\\x2f/http/web",
        "/srv/http/a\\xff",
        "/../http/web",
        "/./http/web",
        // The API refuses to look for these, as values of a label.
        "/srv/http/a_",
        "/srv/http/-a",
        "/srv/http/a.",
        "/srv/http/..",
        &long,
    ] {
        assert_eq!(f.bound(odd), "neg", "{odd}");
    }
    assert!(f.api.asked().is_empty());
    assert_eq!(f.namer.watches(), 0);
}

/// Counts how often what it hangs on has changed.
#[derive(Default)]
struct Count(AtomicUsize);

impl Hook for Count {
    fn changed(&self, _: SourceId, _: Instant) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Notes what is read.
#[derive(Default)]
struct Hooked(Arc<Count>, Vec<naming::Subscription>);

impl Reader for Hooked {
    fn note(&mut self, source: &dyn Source) {
        self.1.push(source.subscribe(Arc::clone(&self.0) as Arc<dyn Hook>));
    }
}

/// "Stable existence": replicas that come and go bind nothing again.
#[tokio::test]
async fn addresses_are_no_names() {
    let f = Fixture::new(Settings::default()).await;
    f.api.put(slice("web", &["10.0.0.1"]));
    f.is("/srv/http/web", "/#/io.l5d.k8s/srv/http/web | / = 10.0.0.1:8083").await;
    let mut hooked = Hooked::default();
    let _tree = f.namer.bind(&path("/srv/http/web"), &mut hooked);
    f.api.put(slice("web", &["10.0.0.2"]));
    f.is("/srv/http/web", "/#/io.l5d.k8s/srv/http/web | / = 10.0.0.2:8083").await;
    assert_eq!(hooked.0.0.load(Relaxed), 0);
    f.api.put(slice("web", &[]));
    f.is("/srv/http/web", "neg").await;
    assert_eq!(hooked.0.0.load(Relaxed), 1);
}

/// Rows 53 and 54: nothing is known without the API, and nothing is forgotten.
#[tokio::test]
async fn without_an_api() {
    let mut f = Fixture::new(Settings::default()).await;
    f.api.put(slice("web", &["10.0.0.1"]));
    f.api.kill().await;
    assert_eq!(f.bound("/srv/http/web"), "pending");
    let errors = f.metrics.scope(&["kubernetes"]).counter("watch_errors_total");
    eventually(PATIENCE, "tries", || async { errors.get() >= 4 }).await;
    assert_eq!(f.bound("/srv/http/web"), "pending");
    f.api.revive().await;
    let known = "/#/io.l5d.k8s/srv/http/web | / = 10.0.0.1:8083";
    f.is("/srv/http/web", known).await;
    let (exists, found) =
        (f.namer.names.exists(&path("/srv/http/web")), f.namer.names.found(&path("/srv/http/web")));
    f.api.kill().await;
    eventually(PATIENCE, "a doubt", || async { !exists.is_sound() && !found.is_sound() }).await;
    assert_eq!(f.bound("/srv/http/web"), known);
    f.api.put_unseen(slice("web", &["10.0.0.2"]));
    f.api.revive().await;
    f.is("/srv/http/web", "/#/io.l5d.k8s/srv/http/web | / = 10.0.0.2:8083").await;
    // Both lists have been asked for again.
    eventually(PATIENCE, "no doubt", || async { exists.is_sound() && found.is_sound() }).await;
}

/// Old roles know no EndpointSlices, new clusters may have no Endpoints.
#[tokio::test]
async fn one_of_the_two_lists_is_enough() {
    for (refused, expected) in [("endpoints", "10.0.0.2:8083"), ("endpointslices", "10.0.0.1:8083")] {
        let f = Fixture::new(Settings::default()).await;
        f.api.put(json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "web", "namespace": "srv"},
            "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "http", "port": 8083}]}],
        }));
        f.api.put(slice("web", &["10.0.0.2"]));
        f.api.refuse(refused);
        f.is("/srv/http/web", &format!("/#/io.l5d.k8s/srv/http/web | / = {expected}")).await;
    }
    let f = Fixture::new(Settings::default()).await;
    f.api.refuse("endpoints");
    f.api.refuse("endpointslices");
    eventually(PATIENCE, "a refusal", || async { f.bound("/srv/http/web").contains("403") }).await;
}

/// Row 55 and its like.
#[tokio::test]
async fn labels_and_namespaces() {
    let f = Fixture::new(Settings::default()).await;
    let mut labelled = service("web", json!([{"port": 80}]));
    labelled["metadata"]["labels"] = json!({"version": "v1"});
    f.api.put(labelled);
    f.api.put(slice("web", &["10.0.0.1"]));
    let by_label = KubernetesNamer::new(&path("/lab"), f.cluster.clone(), None, Some("version"));
    is(&by_label, "/srv/http/web/V1/rest", "/#/lab/srv/http/web/v1 | /rest = 10.0.0.1:8083").await;
    is(&by_label, "/srv/http/web/v2", "neg").await;
    is(&by_label, "/srv/http/web", "neg").await;
    f.api.put(service("web", json!([{"port": 80}])));
    is(&by_label, "/srv/http/web/V1/rest", "neg").await;
    let own = KubernetesNamer::new(&path("/io.l5d.k8s.ns"), f.cluster.clone(), Some("srv"), None);
    is(&own, "/http/WEB/Rest", "/#/io.l5d.k8s.ns/http/web | /Rest = 10.0.0.1:8083").await;
    is(&own, "/http", "neg").await;
}

#[tokio::test]
async fn load_balancers() {
    let f = Fixture::new(Settings::default()).await;
    let mut front = service("front", json!([{"name": "http", "port": 80}]));
    front["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}});
    f.api.put(front.clone());
    let namer = ExternalNamer::new(&path("/ext"), f.cluster.clone(), None, Arc::new(naming::NoHosts));
    is(&namer, "/SRV/HTTP/Front/Rest", "/#/ext/SRV/HTTP/Front | /Rest = 192.0.2.10:80").await;
    is(&namer, "/srv/https/front", "neg").await;
    f.api.delete(&front);
    is(&namer, "/SRV/HTTP/Front/Rest", "neg").await;
}

/// A Service that is scaled to nothing is no name that somebody has thought of: it is back at once, flood or not.
#[tokio::test]
async fn what_once_existed_is_not_sent_to_rest() {
    let f = Fixture::new(Settings { absent: 3, ..Settings::default() }).await;
    f.api.put(slice("web", &["10.0.0.1"]));
    f.is("/srv/http/web", "/#/io.l5d.k8s/srv/http/web | / = 10.0.0.1:8083").await;
    let web = f.namer.names.exists(&path("/srv/http/web"));
    f.api.put(slice("web", &[]));
    f.is("/srv/http/web", "neg").await;
    let names: Vec<Path> = (0..20).map(|at| path(&format!("/srv/http/host-{at}"))).collect();
    let lives: Vec<Live<bool>> = names.iter().map(|name| f.namer.names.exists(name)).collect();
    eventually(PATIENCE, "all are answered", || async {
        lives.iter().all(|live| live.get() == State::Ok(false))
    })
    .await;
    eventually(PATIENCE, "the others rest", || async { f.cluster.watches() <= 2 * (3 + 1) }).await;
    f.api.put(slice("web", &["10.0.0.2"]));
    f.is("/srv/http/web", "/#/io.l5d.k8s/srv/http/web | / = 10.0.0.2:8083").await;
    drop(web);
}

/// The bound is one of the API, whoever asks: several namers do not add up to all the names there may be.
#[tokio::test]
async fn names_of_nothing_are_few_in_all_namers_together() {
    let f = Fixture::new(Settings { absent: 4, ..Settings::default() }).await;
    let other = KubernetesNamer::new(&path("/two"), f.cluster.clone(), Some("other"), None);
    let lives: Vec<Live<bool>> = (0..10)
        .flat_map(|at| {
            let mine = f.namer.names.exists(&path(&format!("/srv/http/host-{at}")));
            [mine, other.names.exists(&path(&format!("/http/host-{at}")))]
        })
        .collect();
    eventually(PATIENCE, "all are answered", || async {
        lives.iter().all(|live| live.get() == State::Ok(false))
    })
    .await;
    eventually(PATIENCE, "few are watched", || async { f.cluster.watches() <= 2 * 4 }).await;
}

/// Names of nothing: only so many are watched, all are answered, and nothing is left when nobody wants them any more.
#[tokio::test]
async fn a_flood_of_unknown_names() {
    let linger = Duration::from_millis(200);
    let f = Fixture::new(Settings { names: 200, absent: 20, linger, ..Settings::default() }).await;
    let most = std::cell::Cell::new(0);
    let names: Vec<Path> = (0..1000).map(|at| path(&format!("/srv/http/host-{at}"))).collect();
    let lives: Vec<Live<bool>> = names.iter().map(|name| f.namer.names.exists(name)).collect();
    eventually(PATIENCE * 3, "all are answered", || async {
        most.set(most.get().max(f.cluster.watches()));
        lives.iter().all(|live| live.get() == State::Ok(false))
    })
    .await;
    eventually(PATIENCE, "few are watched", || async { f.cluster.watches() <= 2 * 20 }).await;
    let refused = f.metrics.scope(&["kubernetes"]).counter("watch_refused_total").get();
    assert!(refused > 0 && most.get() <= 1000, "{refused} refused, {} watches", most.get());
    f.api.put(slice("new", &["10.0.0.1"]));
    f.is("/srv/http/new", "/#/io.l5d.k8s/srv/http/new | / = 10.0.0.1:8083").await;
    drop(lives);
    eventually(PATIENCE, "nothing is left", || async { f.namer.watches() == 0 && f.cluster.watches() == 0 })
        .await;
}
