//! The control plane: which processes it is, how each is called, how they are killed and come back.

use super::keys::Keys;
use super::program::Place;
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::PATIENCE;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One process of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The store of everything.
    Etcd,
    /// The API server.
    Api,
    /// `kubectl proxy`: the API as plain HTTP for whoever may reach its port.
    Front,
    /// The controllers.
    Controllers,
    /// The scheduler.
    Scheduler,
    /// Nodes that are only played.
    Nodes,
    /// CoreDNS.
    Resolver,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Etcd => "etcd",
            Part::Api => "kube-apiserver",
            Part::Front => "kubectl",
            Part::Controllers => "kube-controller-manager",
            Part::Scheduler => "kube-scheduler",
            Part::Nodes => "nodes",
            Part::Resolver => "coredns",
        })
    }
}

/// Controllers the tests need, by the names of `--controllers`: without the others they are there in half the time.
const CONTROLLERS: &[&str] = &[
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "taint-eviction-controller",
];

/// Where the parts of one cluster listen.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) api: u16,
    pub(super) front: u16,
    etcd: u16,
    peers: u16,
}

impl Ports {
    /// Of the machine, where others listen too.
    pub(super) fn free() -> Ports {
        Ports { api: free_port(), front: free_port(), etcd: free_port(), peers: free_port() }
    }

    /// Of a namespace that has nobody else.
    pub(super) fn usual() -> Ports {
        Ports { api: 6443, front: 8001, etcd: 2379, peers: 2380 }
    }
}

/// A control plane and its processes.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) place: Place,
    pub(super) keys: Keys,
    pub(super) ports: Ports,
    /// The address nodes reach it at, `None` where there are no nodes and all of it is on loopback.
    pub(super) address: Option<String>,
    /// How the parts themselves reach the API server.
    pub(super) kubeconfig: PathBuf,
    /// How many nodes are played.
    pub(super) nodes: usize,
    /// Kept after a kill too, so that what it said can be read.
    pub(super) running: Mutex<BTreeMap<Part, Process>>,
}

impl Control {
    /// Starts a part, also once more after it was killed.
    pub(super) fn start(&self, part: Part) {
        let process = self.place.start(&part.to_string(), &part.to_string(), &self.arguments(part));
        self.processes().insert(part, process);
    }

    /// Kills a part (`kill -9`) and waits until it is gone.
    pub(super) async fn kill(&self, part: Part) {
        let mut process = self.processes().remove(&part).unwrap_or_else(|| panic!("{part} does not run"));
        process.signal("KILL");
        // So much memory is not given back at once on a machine with much else to do.
        process.wait(3 * PATIENCE).await;
    }

    /// Sends a signal to a part.
    pub(super) fn signal(&self, part: Part, name: &str) {
        self.processes().get(&part).unwrap_or_else(|| panic!("{part} does not run")).signal(name);
    }

    /// What a part that has ended said, if one has.
    pub(super) fn fallen(&self) -> Option<String> {
        let mut processes = self.processes();
        let (part, status, log) =
            processes.iter_mut().find_map(|(part, p)| p.ended().map(|status| (part, status, p.log())))?;
        let last = log.lines().rev().take(15).collect::<Vec<_>>();
        Some(format!(
            "{part} has ended ({status}); the last it said:\n{}",
            last.into_iter().rev().collect::<Vec<_>>().join("\n")
        ))
    }

    /// Where it runs for a test: number of the process of each part.
    pub(super) fn pids(&self) -> BTreeMap<Part, u32> {
        self.processes().iter().map(|(part, process)| (*part, process.pid())).collect()
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<Part, Process>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arguments(&self, part: Part) -> Vec<String> {
        match part {
            Part::Etcd => self.etcd(),
            Part::Api => self.api(),
            Part::Front => self.front(),
            Part::Controllers => self.controllers(),
            Part::Scheduler => self.client(&["--leader-elect=false", "--secure-port=0"]),
            Part::Nodes => self.client(&[&format!("--count={}", self.nodes)]),
            Part::Resolver => ["-conf", "Corefile"].map(str::to_owned).into(),
        }
    }

    /// The arguments of whoever is a client of the API server.
    fn client(&self, more: &[&str]) -> Vec<String> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig.display());
        more.iter().map(|a| (*a).to_owned()).chain([kubeconfig]).collect()
    }

    fn etcd(&self) -> Vec<String> {
        let (clients, peers) = (
            format!("http://127.0.0.1:{}", self.ports.etcd),
            format!("http://127.0.0.1:{}", self.ports.peers),
        );
        vec![
            format!("--data-dir={}/etcd", self.place.folder.display()),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
            // A machine that loses its power loses its tests too.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ]
    }

    fn api(&self) -> Vec<String> {
        let key = |file: &str| self.keys.path(file);
        let (bind, advertise) = match &self.address {
            Some(address) => ("0.0.0.0", address.as_str()),
            // Nobody asks for this one: the reconciler that would tell it is off.
            None => ("127.0.0.1", "192.0.2.1"),
        };
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--bind-address={bind}"),
            format!("--advertise-address={advertise}"),
            format!("--secure-port={}", self.ports.api),
            format!("--tls-cert-file={}", key("server.crt")),
            format!("--tls-private-key-file={}", key("server.key")),
            format!("--client-ca-file={}", key("ca.crt")),
            format!("--token-auth-file={}", key("tokens.csv")),
            format!("--service-account-key-file={}", key("accounts.key")),
            format!("--service-account-signing-key-file={}", key("accounts.key")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--api-audiences=https://kubernetes.default.svc".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            // The machine knows no names of nodes.
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--enable-priority-and-fairness=false".to_owned(),
        ];
        if self.address.is_none() {
            args.push("--endpoint-reconciler-type=none".to_owned());
        }
        if self.nodes == 0 {
            // Nobody is there to make the accounts that pods would need.
            args.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        args
    }

    fn front(&self) -> Vec<String> {
        let address = if self.address.is_some() { "0.0.0.0" } else { "127.0.0.1" };
        self.client(&[
            "proxy",
            &format!("--address={address}"),
            &format!("--port={}", self.ports.front),
            "--accept-hosts=.*",
            "--accept-paths=.*",
            "--reject-methods=^$",
        ])
    }

    fn controllers(&self) -> Vec<String> {
        self.client(&[
            &format!("--controllers={}", CONTROLLERS.join(",")),
            &format!("--service-account-private-key-file={}", self.keys.path("accounts.key")),
            &format!("--root-ca-file={}", self.keys.path("ca.crt")),
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",
        ])
    }
}
