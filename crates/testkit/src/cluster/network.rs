//! The network of a cluster with real nodes: a namespace for the control plane, one for each node, a bridge between them.
//!
//! Addresses are the same in each cluster, since each has namespaces of its own: 172.30.0.1 the control plane, 172.30.0.1N
//! node N, 10.244.N.0/24 its pods. The machine itself reaches the control plane over a link of two addresses nobody else has.

use super::program::run;
use std::net::Ipv4Addr;

/// The control plane for nodes and pods.
pub(super) const CONTROL: &str = "172.30.0.1";

/// A node for the others.
pub(super) fn node_address(number: usize) -> String {
    format!("172.30.0.{}", 10 + number)
}

/// Names and addresses of one cluster's network.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// What all its names begin with: seven letters, since an interface may have fifteen.
    pub(super) prefix: String,
    nodes: usize,
    /// The machine's end of the link; the control plane has the next address.
    link: Ipv4Addr,
}

impl Network {
    /// Chooses names and a link nobody has.
    pub(super) fn choose(nodes: usize) -> Network {
        loop {
            let link = Ipv4Addr::new(10, 213, fastrand::u8(..), fastrand::u8(0..64) * 4 + 1);
            let there = run("ip", ["-4", "route", "show", "to", "match", &link.to_string(), "scope", "link"]);
            if there.is_ok_and(|routes| !routes.contains("10.213.")) {
                return Network { prefix: format!("wl{:05x}", fastrand::u32(..1 << 20)), nodes, link };
            }
        }
    }

    /// The control plane for the machine the cluster runs on.
    pub(super) fn control(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.link) + 1)
    }

    /// Namespace of the control plane.
    pub(super) fn control_space(&self) -> String {
        format!("{}-c", self.prefix)
    }

    /// Namespace of a node.
    pub(super) fn node_space(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// Makes it.
    ///
    /// # Panics
    /// When the machine does not permit it, with what was said.
    pub(super) fn make(&self) {
        let mut script = self.make_control();
        for number in 1..=self.nodes {
            script += &self.make_node(number);
        }
        run("sh", ["-ec", &script]).unwrap_or_else(|e| panic!("the cluster's network: {e}"));
    }

    fn make_control(&self) -> String {
        let (space, prefix, link, control) = (self.control_space(), &self.prefix, self.link, self.control());
        format!(
            "ip netns add {space}\nip -n {space} link set lo up\n\
             ip -n {space} link add br0 type bridge\nip -n {space} addr add {CONTROL}/24 dev br0\nip -n {space} link set br0 up\n\
             ip link add {prefix}-m type veth peer name up0 netns {space}\n\
             ip addr add {link}/30 dev {prefix}-m\nip link set {prefix}-m up\n\
             ip -n {space} addr add {control}/30 dev up0\nip -n {space} link set up0 up\n{}",
            forwards(&space)
        )
    }

    fn make_node(&self, number: usize) -> String {
        let (space, control, address) = (self.node_space(number), self.control_space(), node_address(number));
        let mut script = format!(
            "ip netns add {space}\nip -n {space} link set lo up\n\
             ip -n {space} link add eth0 type veth peer name n{number} netns {control}\n\
             ip -n {control} link set n{number} master br0 up\n\
             ip -n {space} addr add {address}/24 dev eth0\nip -n {space} link set eth0 up\n\
             ip -n {space} route add default via {CONTROL}\n\
             ip -n {control} route add 10.244.{number}.0/24 via {address}\n{}",
            forwards(&space)
        );
        for other in (1..=self.nodes).filter(|other| *other != number) {
            let via = node_address(other);
            script += &format!("ip -n {space} route add 10.244.{other}.0/24 via {via}\n");
        }
        script
    }

    /// Removes it, as a shell script.
    pub(super) fn remove(&self) -> String {
        let mut script = format!("ip link del {}-m\n", self.prefix);
        let nodes = (1..=self.nodes).map(|number| self.node_space(number));
        for space in nodes.chain([self.control_space()]) {
            script += &format!("ip netns del {space}\n");
        }
        script
    }
}

/// A namespace passes on what is not for itself.
fn forwards(space: &str) -> String {
    format!("nsenter --net=/run/netns/{space} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'\n")
}
