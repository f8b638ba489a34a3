//! What a cluster with real nodes has beside the control plane: its network, its nodes, its resolver, images.

use super::control::{Control, Part, Ports};
use super::groups::Hierarchy;
use super::image::Image;
use super::keeper::Keeper;
use super::keys::Keys;
use super::network::{CONTROL, Network, node_address};
use super::nodes::Nodes;
use super::program::{Place, run};
use super::{Cluster, Session};
use serde_json::json;
use std::fs;
use std::net::{IpAddr, SocketAddr};

/// Where pods ask for names.
const RESOLVER: &str = "10.96.0.10";

impl Cluster {
    pub(super) fn on_network(keeper: Keeper, nodes: usize) -> Cluster {
        let network = Network::choose(nodes);
        let hierarchies = Hierarchy::all().unwrap_or_else(|e| panic!("{e}"));
        // Before there is anything to remove.
        let groups: String = hierarchies.iter().map(|h| h.remove(&network.prefix)).collect();
        keeper.at_end(&(network.remove() + &groups));
        network.make();
        let folder = keeper.folder().to_owned();
        let (ports, control) = (Ports::usual(), network.control());
        let addresses = ["127.0.0.1", CONTROL, "10.96.0.1", &control.to_string()].map(str::to_owned);
        let keys = Keys::make(&folder.join("keys"), &addresses, nodes);
        let kubeconfig =
            |file: &str, host: &str| keys.kubeconfig(file, "admin", &format!("https://{host}:{}", ports.api));
        let (outside, inside) =
            (kubeconfig("admin.conf", &control.to_string()), kubeconfig("inside.conf", CONTROL));
        fs::create_dir_all(folder.join("images")).expect("the cluster's folder can be written");
        fs::write(folder.join("Corefile"), resolver(&inside.display().to_string(), nodes))
            .expect("the same folder");
        let pause = Image::new("wayleave/pause:latest")
            .file("/bin/sleep", "/bin/sleep")
            .entrypoint(&["/bin/sleep", "infinity"]);
        pause.save(&folder.join("images/pause.tar")).unwrap_or_else(|e| panic!("{e}"));
        Cluster {
            front: SocketAddr::new(IpAddr::V4(control), ports.front),
            control: Control {
                place: Place { folder: folder.clone(), network: Some(network.control_space()) },
                keys: keys.clone(),
                ports,
                address: Some(CONTROL.to_owned()),
                kubeconfig: inside,
                nodes,
                running: Default::default(),
            },
            nodes: Some(Nodes { folder, network, keys, hierarchies, running: Default::default() }),
            kubeconfig: outside,
            keeper,
        }
    }

    /// Starts the resolver and all nodes.
    pub(super) async fn switch_on(&self) {
        self.control.start(Part::Resolver);
        for number in 1..=self.control.nodes {
            self.real().start(number);
        }
        let mut session = self.session().await;
        self.announce_resolver(&mut session).await;
        for number in 1..=self.control.nodes {
            let path = format!("/api/v1/nodes/node-{number}");
            let told = self.last_words(number);
            self.exists(&path).await;
            drop(told);
            let range = format!("10.244.{number}.0/24");
            let spec = json!({"spec": {"podCIDR": range, "podCIDRs": [range]}});
            session.call("PATCH", &path, Some(&spec)).await;
        }
    }

    async fn announce_resolver(&self, session: &mut Session) {
        let ports = |key: &str| json!([{"name": "dns", key: 53, "protocol": "UDP"}, {"name": "dns-tcp", key: 53, "protocol": "TCP"}]);
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns"},
            "spec": {"clusterIP": RESOLVER, "ports": ports("port")},
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "kube-dns", "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4", "ports": ports("port"),
            "endpoints": [{"addresses": [CONTROL], "conditions": {"ready": true}}],
        });
        self.exists("/api/v1/namespaces/kube-system").await;
        session.call("POST", "/api/v1/namespaces/kube-system/services", Some(&service)).await;
        let slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices";
        session.call("POST", slices, Some(&slice)).await;
    }

    fn real(&self) -> &Nodes {
        self.nodes.as_ref().expect("only a cluster of Level::Real has nodes to speak of")
    }

    /// Makes images and gives them to each node; pods want `imagePullPolicy: IfNotPresent` or `Never`.
    ///
    /// # Panics
    /// When one cannot be made or a node does not take it; when there are no real nodes.
    pub async fn load(&self, images: &[Image]) {
        let folder = self.folder().join("images");
        for (index, image) in images.iter().enumerate() {
            let tar = folder.join(format!("{index}-{:08x}.tar", fastrand::u32(..)));
            image.save(&tar).unwrap_or_else(|e| panic!("an image: {e}"));
            for number in 1..=self.control.nodes {
                let words = [
                    "-a",
                    &self.real().socket(number),
                    "-n",
                    "k8s.io",
                    "images",
                    "import",
                    &tar.display().to_string(),
                ]
                .map(str::to_owned);
                let done = tokio::task::spawn_blocking(move || run("ctr", words)).await;
                done.expect("running a program does not panic").unwrap_or_else(|e| panic!("{e}"));
            }
        }
    }

    /// Runs a program of this machine in the network of a node, or of the control plane (0), which is on the nodes' network
    /// too.
    ///
    /// # Errors
    /// Its output, when it failed.
    ///
    /// # Panics
    /// When there are no real nodes.
    pub async fn run_at(&self, node: usize, words: &[&str]) -> Result<String, String> {
        let network = &self.real().network;
        let space = if node == 0 { network.control_space() } else { network.node_space(node) };
        let all: Vec<String> = [format!("--net=/run/netns/{space}"), "--".to_owned()]
            .into_iter()
            .chain(words.iter().map(|w| (*w).to_owned()))
            .collect();
        let done = tokio::task::spawn_blocking(move || run("nsenter", all)).await;
        done.expect("running a program does not panic")
    }

    /// The address of a node for the others.
    #[must_use]
    pub fn node_address(&self, number: usize) -> String {
        node_address(number)
    }

    /// What all names of its network and its cgroups begin with.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        self.nodes.as_ref().map(|nodes| nodes.network.prefix.as_str())
    }

    /// Cuts the power of a node: all its processes are gone at once, pods included.
    ///
    /// # Panics
    /// When it is not on; when there are no real nodes.
    pub fn cut(&self, node: usize) {
        self.real().cut(node);
    }

    /// Switches a node on again; [`Cluster::node_ready`] waits for it.
    ///
    /// # Panics
    /// When there are no real nodes.
    pub fn switch_on_again(&self, node: usize) {
        self.real().start(node);
    }
}

/// CoreDNS's configuration. Names of nodes resolve, which the seeds' `$(NODE_NAME)` wants.
fn resolver(kubeconfig: &str, nodes: usize) -> String {
    let hosts: String = (1..=nodes).map(|n| format!("    {} node-{n}\n", node_address(n))).collect();
    format!(
        ".:53 {{\n  bind {CONTROL}\n  errors\n  hosts {{\n{hosts}    fallthrough\n  }}\n\
         \x20 kubernetes cluster.local in-addr.arpa {{\n    kubeconfig {kubeconfig} testbed\n    pods insecure\n  }}\n}}\n"
    )
}
