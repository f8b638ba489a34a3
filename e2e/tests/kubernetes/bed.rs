//! An API server, a proxy that discovers through it, and replicas at addresses of pods that really answer.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::cluster::{Cluster, Level};
use testkit::{Backend, Metrics, PATIENCE, Play, Setup, World, eventually, namespace};
use tokio::task::JoinSet;
use tokio::time::Instant;

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
/// How many write at once where there is much to be written, and how much each does.
const WRITERS: usize = 8;
const EACH: usize = 50;
/// Every replica listens here: the network is the test's own.
const PORT: u16 = 8080;

/// Whether tests are to run in full length, however long that takes (`.ci/long cluster`).
pub(crate) fn long() -> bool {
    std::env::var_os("WAYLEAVE_LONG").is_some()
}

/// All a test of discovery needs.
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    pub(crate) world: World,
}

impl Bed {
    /// The test `name` (its path in this program) in a network of its own; `None` outside of it and where this machine
    /// cannot have one. `router` is more of the router's keys, as YAML with two blanks of indentation.
    pub(crate) async fn start(name: &str, router: &str) -> Option<Bed> {
        Bed::wide(name, router, 2).await
    }

    /// The same with so many workers.
    pub(crate) async fn wide(name: &str, router: &str, workers: usize) -> Option<Bed> {
        if !namespace::inside(name) {
            return None;
        }
        let routed =
            Command::new("ip").args(["route", "add", "local", "10.244.0.0/16", "dev", "lo"]).status();
        assert!(routed.is_ok_and(|status| status.success()), "the addresses of pods are ours in here");
        let cluster = Cluster::start(name, Level::Api).await?;
        let world = Setup::new().document(&document(cluster.front(), router)).start(workers).await;
        Some(Bed { cluster, world })
    }

    /// Another proxy with so many workers, beside the first one.
    pub(crate) async fn another(&self, workers: usize) -> World {
        Setup::new().document(&document(self.cluster.front(), "")).start(workers).await
    }

    /// Makes the slice of a service, with these pods as its endpoints.
    pub(crate) async fn create(&self, service: &str, pods: &[u16]) {
        self.cluster.create(SLICES, &slice(service, pods)).await;
    }

    /// The same for many services at once.
    pub(crate) async fn create_all(&self, mut services: Vec<(String, Vec<u16>)>) {
        let mut writers = JoinSet::new();
        while !services.is_empty() {
            let (mut session, some) =
                (self.cluster.session().await, services.split_off(services.len().saturating_sub(EACH)));
            if writers.len() >= WRITERS
                && let Some(written) = writers.join_next().await
            {
                written.expect("a writer does not panic");
            }
            writers.spawn(async move {
                for (service, pods) in some {
                    session.call("POST", SLICES, Some(&slice(&service, &pods))).await;
                }
            });
        }
        writers.join_all().await;
    }

    /// The service has these pods from now on; the moment when the API server has said that it knows.
    pub(crate) async fn set(&self, service: &str, pods: &[u16]) -> Instant {
        self.cluster.patch(&place(service), &json!({ "endpoints": endpoints(pods) })).await;
        Instant::now()
    }

    /// Deletes the service's slice.
    pub(crate) async fn delete(&self, service: &str) -> Instant {
        self.cluster.delete(&place(service)).await;
        Instant::now()
    }

    /// How many addresses of a service the proxy sends requests to.
    pub(crate) async fn known(&self, service: &str) -> f64 {
        let name = format!("rt/out/client/#/io.l5d.k8s/default/http/{service}/loadbalancer/size");
        self.world.metrics().await.get(&name)
    }

    /// Waits until the proxy sends a service's requests to so many addresses.
    pub(crate) async fn wait_known(&self, service: &str, pods: u16) {
        let what = format!("{pods} addresses of {service}");
        eventually(PATIENCE, &what, || async { (self.known(service).await - f64::from(pods)).abs() < 0.1 })
            .await;
    }

    /// How many watches the proxy has.
    pub(crate) async fn watches(&self) -> f64 {
        self.of_kubernetes().await.sum("kubernetes/", "/watches")
    }

    /// How many of them do not hear the API.
    pub(crate) async fn failing(&self) -> f64 {
        self.of_kubernetes().await.sum("kubernetes/", "/watches_failing")
    }

    async fn of_kubernetes(&self) -> Metrics {
        Metrics::fetch_below(self.world.admin, "kubernetes").await
    }

    /// Asks for a service until the answer has this status; how long after `since` that was.
    pub(crate) async fn until(&self, service: &str, since: Instant, fits: impl Fn(u16) -> bool) -> Duration {
        eventually(PATIENCE, &format!("another answer of {service}"), || async {
            fits(self.world.get(service).await.status())
        })
        .await;
        since.elapsed()
    }

    /// Every request was counted once, and the proxy ends as it should.
    pub(crate) async fn finish(self) {
        end(self.world).await;
    }
}

/// Every request was counted once, and the proxy ends as it should.
pub(crate) async fn end(mut world: World) {
    eventually(PATIENCE, "every request counted once", || async {
        world.metrics().await.unbalanced().is_empty()
    })
    .await;
    world.process.signal("TERM");
    let status = world.process.wait(PATIENCE).await;
    assert!(status.success(), "{status}:\n{}", world.process.log());
}

/// A pod that counts its requests by the host they are for.
pub(crate) struct Pod {
    pub(crate) backend: Backend,
    hosts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Pod {
    pub(crate) async fn start(number: u16) -> Pod {
        let hosts: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let counted = hosts.clone();
        let play = Play::answer(move |seen| {
            let host = seen.head.get("host").unwrap_or_default().to_owned();
            *counted.lock().expect("nobody panics with it").entry(host).or_default() += 1;
            Play::text_bytes(&format!("pod {number}"))
        });
        let at = SocketAddr::from((address(number), PORT));
        Pod { backend: Backend::start_at(at, [play]).await, hosts }
    }

    /// Requests so far for a host.
    pub(crate) fn requests_for(&self, host: &str) -> u64 {
        self.hosts.lock().expect("nobody panics with it").get(host).copied().unwrap_or(0)
    }
}

fn address(pod: u16) -> Ipv4Addr {
    let [high, low] = pod.to_be_bytes();
    Ipv4Addr::new(10, 244, 1 + high, low)
}

fn place(service: &str) -> String {
    format!("{SLICES}/{service}-1")
}

fn endpoints(pods: &[u16]) -> Value {
    let one =
        |pod: &u16| json!({ "addresses": [address(*pod).to_string()], "conditions": { "ready": true } });
    pods.iter().map(one).collect()
}

pub(crate) fn slice(service: &str, pods: &[u16]) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": format!("{service}-1"), "labels": { "kubernetes.io/service-name": service } },
        "ports": [{ "name": "http", "port": PORT, "protocol": "TCP" }],
        "endpoints": endpoints(pods),
    })
}

fn document(api: SocketAddr, router: &str) -> String {
    format!(
        "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}\nusage: {{enabled: false}}\n\
         namers:\n- {{kind: io.l5d.k8s, host: {}, port: {}}}\n\
         routers:\n- protocol: http\n  label: out\n  dtab: /svc => /#/io.l5d.k8s/default/http;\n{router}\
         \x20 servers:\n  - {{ip: 127.0.0.1, port: ${{ROUTER}}}}\n",
        api.ip(),
        api.port()
    )
}
