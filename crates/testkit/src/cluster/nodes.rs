//! Real nodes: each a network namespace and in it one tree of processes with its own mounts, process numbers and cgroups.
//!
//! The first process of the tree is a shell that waits for the end of its input. When it ends, by that or by `kill -9`, the
//! kernel takes all the others with it: a power cut.

use super::groups::Hierarchy;
use super::keys::Keys;
use super::network::{CONTROL, Network, node_address};
use super::program::program;
use crate::process::Process;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Where Debian's `containernetworking-plugins` puts them.
pub(super) const PLUGINS: &str = "/usr/lib/cni";

/// The nodes of a cluster.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) folder: PathBuf,
    pub(super) network: Network,
    pub(super) keys: Keys,
    pub(super) hierarchies: Vec<Hierarchy>,
    pub(super) running: Mutex<BTreeMap<usize, Process>>,
}

impl Nodes {
    /// Switches a node on, also once more after its power was cut.
    pub(super) fn start(&self, number: usize) {
        let folder = self.folder_of(number);
        fs::create_dir_all(folder.join("cni")).expect("the cluster's folder can be written");
        let write = |file: &str, text: &str| {
            fs::write(folder.join(file), text).expect("the cluster's folder can be written");
        };
        write("containerd.toml", &containerd(&folder));
        write("cni/bed.conflist", &network(number));
        write("resolv.conf", "");
        write("kubelet.json", &kubelet(&folder, &self.keys));
        let kubeconfig = |user: &str| {
            let url = format!("https://{CONTROL}:6443");
            self.keys.kubeconfig(&format!("{user}.conf"), user, &url);
        };
        kubeconfig(&format!("node-{number}"));
        kubeconfig("proxy");
        write("inside", &self.inside(number));
        write("outside", &self.outside(number));
        let net = format!("--net=/run/netns/{}", self.network.node_space(number));
        let words = [net, "--".to_owned(), "sh".to_owned(), folder.join("outside").display().to_string()];
        let process = Process::start_on("node", Path::new("nsenter"), words, &folder, Stdio::piped());
        self.processes().insert(number, process);
    }

    /// Cuts the power of a node.
    pub(super) fn cut(&self, number: usize) {
        let node = self.processes().remove(&number);
        drop(node.unwrap_or_else(|| panic!("node-{number} is not on")));
    }

    /// What a node that has ended said, if one has.
    pub(super) fn fallen(&self) -> Option<String> {
        let mut nodes = self.processes();
        let (number, status, log) = nodes.iter_mut().find_map(|(n, p)| p.ended().map(|s| (n, s, p.log())))?;
        Some(format!("node-{number} has ended ({status}):\n{log}"))
    }

    /// The last lines of what a node's parts say.
    pub(super) fn last_words(&self, number: usize) -> String {
        let folder = self.folder_of(number);
        let of = |file: &str| {
            let bytes = fs::read(folder.join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<_> = text.lines().rev().take(12).collect();
            format!(
                "--- {file} of node-{number}\n{}\n",
                lines.into_iter().rev().collect::<Vec<_>>().join("\n")
            )
        };
        ["node.log", "containerd.log", "kubelet.log", "kube-proxy.log"].map(of).concat()
    }

    /// The socket of a node's containerd.
    pub(super) fn socket(&self, number: usize) -> String {
        self.folder_of(number).join("containerd.sock").display().to_string()
    }

    fn folder_of(&self, number: usize) -> PathBuf {
        self.folder.join(format!("node-{number}"))
    }

    fn processes(&self) -> MutexGuard<'_, BTreeMap<usize, Process>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In the node's network, before it has anything else of its own: it joins its cgroups.
    fn outside(&self, number: usize) -> String {
        let name = format!("node-{number}");
        let joins: String = self.hierarchies.iter().map(|h| h.join(&self.network.prefix, &name)).collect();
        let inside = self.folder_of(number).join("inside").display().to_string();
        format!(
            "set -e\n{joins}exec unshare --mount --pid --fork --uts --cgroup --kill-child --mount-proc sh {inside}\n"
        )
    }

    /// The node itself.
    fn inside(&self, number: usize) -> String {
        let (folder, keys) = (self.folder_of(number).display().to_string(), &self.keys);
        let kube = program().unwrap_or_else(|e| panic!("{e}")).display();
        let (socket, images) = (self.socket(number), self.folder.join("images").display().to_string());
        let mounts: String = self.hierarchies.iter().map(Hierarchy::mount).collect();
        let (mine, proxy, address) =
            (keys.path(&format!("node-{number}.conf")), keys.path("proxy.conf"), node_address(number));
        format!(
            "set -e\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\nhostname node-{number}\nmount --make-rshared /\n\
             mkdir -p {folder}/lib {folder}/log\n\
             mount -t tmpfs run /run\nmount --bind {folder}/lib /var/lib\nmount --bind {folder}/log /var/log\n\
             mount -t tmpfs groups /sys/fs/cgroup\n{mounts}\
             cd /\ncontainerd --config {folder}/containerd.toml >{folder}/containerd.log 2>&1 &\n\
             turns=0\nuntil ctr -a {socket} version >/dev/null 2>&1; do\n\
             turns=$((turns+1))\n[ $turns -lt 600 ] || {{ echo 'containerd does not answer'; exit 1; }}\nsleep 0.05\ndone\n\
             for image in {images}/*.tar; do ctr -a {socket} -n k8s.io images import $image; done\n\
             {kube} kubelet --config={folder}/kubelet.json --kubeconfig={mine} --hostname-override=node-{number} \
             --node-ip={address} --root-dir=/var/lib/kubelet --cert-dir=/var/lib/kubelet/pki >{folder}/kubelet.log 2>&1 &\n\
             {kube} kube-proxy --kubeconfig={proxy} --hostname-override=node-{number} --proxy-mode=nftables \
             --cluster-cidr=10.244.0.0/16 --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
             --conntrack-tcp-timeout-close-wait=0 >{folder}/kube-proxy.log 2>&1 &\n\
             cat >/dev/null\n"
        )
    }
}

fn containerd(folder: &Path) -> String {
    let folder = folder.display();
    let cri = "[plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        "version = 2\nroot = \"{folder}/containerd\"\nstate = \"/run/containerd\"\n\
         [grpc]\naddress = \"{folder}/containerd.sock\"\n\
         {cri}]\nsandbox_image = \"docker.io/wayleave/pause:latest\"\ndisable_apparmor = true\nrestrict_oom_score_adj = true\n\
         {cri}.containerd]\nsnapshotter = \"overlayfs\"\ndefault_runtime_name = \"runc\"\n\
         {cri}.containerd.runtimes.runc]\nruntime_type = \"io.containerd.runc.v2\"\n\
         {cri}.cni]\nbin_dir = \"{PLUGINS}\"\nconf_dir = \"{folder}/cni\"\n"
    )
}

/// Pods are linked to their node one by one: what they send to one another on the same node is routed, so the addresses of
/// Services work there too, whatever the machine's bridges do with netfilter.
fn network(number: usize) -> String {
    let range = json!([[{"subnet": format!("10.244.{number}.0/24")}]]);
    let ipam = json!({"type": "host-local", "ranges": range, "routes": [{"dst": "0.0.0.0/0"}], "dataDir": "/var/lib/cni"});
    json!({"cniVersion": "0.4.0", "name": "bed", "plugins": [
        {"type": "ptp", "ipMasq": false, "ipam": ipam},
        {"type": "portmap", "capabilities": {"portMappings": true}},
    ]})
    .to_string()
}

fn kubelet(folder: &Path, keys: &Keys) -> String {
    let folder = folder.display();
    let never = "0%";
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": true}, "webhook": {"enabled": false}, "x509": {"clientCAFile": keys.path("ca.crt")},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{folder}/containerd.sock"),
        "clusterDNS": ["10.96.0.10"], "clusterDomain": "cluster.local", "resolvConf": format!("{folder}/resolv.conf"),
        "evictionHard": {
            "memory.available": never, "nodefs.available": never, "nodefs.inodesFree": never, "imagefs.available": never,
        },
        "imageGCHighThresholdPercent": 100, "imageMinimumGCAge": "24h", "serializeImagePulls": false,
        "logging": {"verbosity": 1},
    })
    .to_string()
}
