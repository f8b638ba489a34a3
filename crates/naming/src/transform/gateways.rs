//! `io.l5d.k8s.daemonset`: traffic for a pod goes to the proxy on the pod's own node (routing.md §5).
//!
//! The proxies are a replica set like any other, found by a namer and live: a node that comes brings its proxy along, and
//! binds no name again.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashSet;
use names::{NameTree, Path};

use crate::addr::{Addr, AddrSet, Address};
use crate::live::State;
use crate::namer::{BoundName, Named, Namer, Reader};

/// How an address and a gateway are known to be on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearness {
    /// Both are IPv4 and share their first three bytes: each node has a /24 for its pods.
    SameNet,
    /// Their `nodeName` is the same. Two without one count as equal, as in Linkerd.
    SameNode,
}

/// A replica set that has a member on every node.
#[derive(Clone)]
pub struct Gateways {
    namer: Arc<dyn Namer>,
    name: Path,
    nearness: Nearness,
}

/// What members of one node have in common.
#[derive(PartialEq, Eq, Hash)]
enum Node<'a> {
    Net([u8; 3]),
    Name(Option<&'a str>),
}

impl Nearness {
    /// The node an address is on, as far as can be told.
    fn node(self, address: &Address) -> Option<Node<'_>> {
        match (self, address.socket.ip().to_canonical()) {
            (Nearness::SameNode, _) => Some(Node::Name(address.meta.get("nodeName").map(|name| &**name))),
            (Nearness::SameNet, IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                Some(Node::Net([a, b, c]))
            }
            (Nearness::SameNet, IpAddr::V6(_)) => None,
        }
    }
}

impl Gateways {
    /// The members of what `namer` binds `name` to (the path after the namer's prefix), each responsible for the addresses
    /// that are near it.
    #[must_use]
    pub fn new(namer: Arc<dyn Namer>, name: Path, nearness: Nearness) -> Gateways {
        Gateways { namer, name, nearness }
    }

    /// The gateways on the nodes of `set`, each once. Nobody there is `Neg`, so that an address without a proxy is never
    /// called directly; gateways that are not known yet are waited for.
    pub(super) fn instead_of(&self, set: &AddrSet, reader: &mut dyn Reader) -> Addr {
        let gateways = match self.members(reader) {
            Addr::Bound(gateways) => gateways,
            other => return other,
        };
        let nodes: HashSet<Node<'_>> =
            set.addresses.iter().filter_map(|address| self.nearness.node(address)).collect();
        let near = |gateway: &&Address| self.nearness.node(gateway).is_some_and(|node| nodes.contains(&node));
        let near: Vec<Address> = gateways.addresses.iter().filter(near).cloned().collect();
        match near.len() {
            0 => Addr::Neg,
            _ => Addr::Bound(Arc::new(AddrSet::new(near, set.meta.clone()))),
        }
    }

    fn members(&self, reader: &mut dyn Reader) -> Addr {
        match self.namer.bind(&self.name, reader) {
            State::Ok(NameTree::Leaf(Named::Bound(BoundName { id, .. }))) => {
                self.namer.addresses(&id, reader)
            }
            State::Ok(_) => Addr::Neg,
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
        }
    }
}

impl fmt::Debug for Gateways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateways")
            .field("name", &self.name)
            .field("nearness", &self.nearness)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Gateways {
    fn eq(&self, other: &Gateways) -> bool {
        Arc::ptr_eq(&self.namer, &other.namer) && self.name == other.name && self.nearness == other.nearness
    }
}
