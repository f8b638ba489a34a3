//! A real Kubernetes for tests, in three levels: the API server alone, with controllers and played nodes, with real nodes.
//!
//! Every cluster has processes, ports and a folder of its own, so that test programs run side by side, and goes away with
//! the program that started it, even when that is killed. `cluster/program.rs` says what it is made of.

mod api;
mod control;
mod convert;
mod groups;
mod helm;
mod image;
mod images;
mod keeper;
mod keys;
mod network;
mod nodes;
mod possible;
mod program;
mod real;

pub use api::Session;
pub use control::Part;
pub use convert::{convert, documents};
pub use helm::{helm, helm_or_skipped};
pub use image::Image;

use crate::wait::eventually;
use control::{Control, Ports};
use keeper::Keeper;
use keys::Keys;
use nodes::Nodes;
use program::Place;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a cluster may take to be there on a machine with much else to do.
const START: Duration = Duration::from_secs(120);

/// How much of Kubernetes a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// API server and etcd: objects are written and watched, and nothing acts on them. Pods need no service account.
    Api,
    /// Controllers, scheduler and so many played nodes (`node-1` …): pods are Running and Ready at once, at real addresses
    /// (10.244.N.M) where nobody listens. The annotation `testbed/ready: "false"` makes a pod unready, and
    /// `testbed/linger: "true"` keeps a deleted one terminating until the annotation is gone.
    Played(usize),
    /// So many real nodes (`node-1` …), each with kubelet, containerd, kube-proxy and a network of its own; Service names and
    /// names of nodes resolve in pods.
    Real(usize),
}

/// A cluster that runs.
#[derive(Debug)]
pub struct Cluster {
    // Fields go in this order: first the processes, then what they leave.
    nodes: Option<Nodes>,
    control: Control,
    front: SocketAddr,
    kubeconfig: PathBuf,
    keeper: Keeper,
}

impl Cluster {
    /// Starts one and waits until it can be used; `who` is the test, for the message that it is skipped.
    ///
    /// `None` where this machine cannot have one: a line that begins `SKIPPED` says why.
    ///
    /// # Panics
    /// On CI (`CI` or `WAYLEAVE_CI` is set) instead of skipping, and when a part fails.
    pub async fn start(who: &str, level: Level) -> Option<Cluster> {
        if !possible::or_skipped(who, level) {
            return None;
        }
        let keeper = Keeper::start();
        let cluster = match level {
            Level::Api => Cluster::on_loopback(keeper, 0),
            Level::Played(nodes) => Cluster::on_loopback(keeper, nodes),
            Level::Real(nodes) => Cluster::on_network(keeper, nodes),
        };
        cluster.bring_up(level).await;
        Some(cluster)
    }

    fn on_loopback(keeper: Keeper, nodes: usize) -> Cluster {
        let ports = Ports::free();
        let keys = Keys::make(&keeper.folder().join("keys"), &["127.0.0.1".to_owned()], nodes);
        let kubeconfig = keys.kubeconfig("admin.conf", "admin", &format!("https://127.0.0.1:{}", ports.api));
        Cluster {
            nodes: None,
            front: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), ports.front),
            control: Control {
                place: Place { folder: keeper.folder().to_owned(), network: None },
                keys,
                ports,
                address: None,
                kubeconfig: kubeconfig.clone(),
                nodes,
                running: Default::default(),
            },
            kubeconfig,
            keeper,
        }
    }

    async fn bring_up(&self, level: Level) {
        for part in [Part::Etcd, Part::Api, Part::Front] {
            self.control.start(part);
        }
        self.ready().await;
        if level == Level::Api {
            return;
        }
        self.control.start(Part::Controllers);
        self.control.start(Part::Scheduler);
        match level {
            Level::Real(_) => self.switch_on().await,
            _ => self.control.start(Part::Nodes),
        }
        self.exists("/api/v1/namespaces/default/serviceaccounts/default").await;
        self.exists("/api/v1/namespaces/default/configmaps/kube-root-ca.crt").await;
        for node in 1..=self.control.nodes {
            self.node_ready(node).await;
        }
    }

    /// Waits until the API server has heard of a node that it is ready.
    ///
    /// # Panics
    /// When it is not after two minutes, with what its parts said last.
    pub async fn node_ready(&self, number: usize) {
        let path = format!("/api/v1/nodes/node-{number}");
        let told = self.last_words(number);
        eventually(START, "a node that is ready", || async { self.is_ready(&path).await }).await;
        drop(told);
    }

    /// While it lives a panic is followed by what the node said last.
    fn last_words(&self, number: usize) -> LastWords<'_> {
        LastWords(self.nodes.as_ref(), number)
    }

    async fn is_ready(&self, path: &str) -> bool {
        self.stands();
        let Ok(mut session) = Session::open(self.front).await else { return false };
        let Ok((200, node)) = session.try_call("GET", path, None).await else { return false };
        let conditions = node["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
    }

    /// Waits until the API server says that it is ready and has the namespace `default`.
    pub async fn ready(&self) {
        self.exists("/readyz").await;
        self.exists("/api/v1/namespaces/default").await;
    }

    /// Waits until a GET of `path` succeeds; panics when a part has ended before.
    async fn exists(&self, path: &str) {
        eventually(START, path, || async move {
            self.stands();
            let Ok(mut session) = Session::open(self.front).await else { return false };
            session.try_call("GET", path, None).await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
    }

    /// Panics when a process of it has ended that nobody has killed.
    fn stands(&self) {
        let of_nodes = || self.nodes.as_ref().and_then(Nodes::fallen);
        if let Some(fallen) = self.control.fallen().or_else(of_nodes) {
            panic!("{fallen}");
        }
    }

    /// The kubeconfig of somebody who may do all. Its server is `https://…`, with a token and the cluster's authority.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where the API is plain HTTP without anybody asking who calls, as `kubectl proxy` gives it: what Linkerd's
    /// configurations call host and port.
    #[must_use]
    pub fn front(&self) -> SocketAddr {
        self.front
    }

    /// The token of somebody who may do all.
    #[must_use]
    pub fn token(&self) -> String {
        self.control.keys.token("admin")
    }

    /// File with the certificate of the authority that signed the API server's.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.control.keys.path("ca.crt").into()
    }

    /// The API server's own address (TLS).
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        SocketAddr::new(self.front.ip(), self.control.ports.api)
    }

    /// The folder of the cluster's files; it goes with the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    /// The program that is each of its parts, and kubectl.
    #[must_use]
    pub fn program(&self) -> &Path {
        program::program().expect("a cluster that runs has its program")
    }

    /// Kills a part (`kill -9`); returns when it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&self, part: Part) {
        self.control.kill(part).await;
    }

    /// Starts a part that was killed, with the data it had; [`Cluster::ready`] waits until that can be seen.
    pub fn restart(&self, part: Part) {
        self.control.start(part);
    }

    /// Sends a part a signal by its name: `STOP` makes it silent, `CONT` lets it go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, part: Part, name: &str) {
        self.control.signal(part, name);
    }

    /// The numbers of its processes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.control.pids().into_values().collect()
    }
}

/// Says what a node said last when a test ends here by a panic.
struct LastWords<'a>(Option<&'a Nodes>, usize);

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        if let Some(nodes) = self.0.filter(|_| std::thread::panicking()) {
            eprintln!("{}", nodes.last_words(self.1));
        }
    }
}
