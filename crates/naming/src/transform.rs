//! Transformers: what a name was bound to, changed on its way to the router (routing.md §5).
//!
//! A transformer gives every leaf a new id, `/%`, its prefix and the old id, so that ids tell how their addresses come
//! about; evaluating the addresses of an id peels the prefixes off again. Filters leave the tree alone, so that a
//! replica that comes or goes binds no name again.

mod gateways;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use names::{NameTree, Path};

use crate::addr::{Addr, AddrSet, Address};
use crate::live::State;
use crate::namer::{BoundName, Reader};
use crate::walk::Walked;

pub use gateways::{Gateways, Nearness};

/// What a transformer does.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Every address gets this port.
    Port(u16),
    /// Only addresses with one of these IPs remain.
    Only(Arc<[IpAddr]>),
    /// Only IPv4 addresses that share their first three bytes with this one remain.
    SameNet(IpAddr),
    /// Only addresses on the Kubernetes node of this name remain.
    SameNode(Arc<str>),
    /// Every address becomes those of these gateways that are on its Kubernetes node.
    Gateways(Gateways),
    /// Every leaf becomes what this path is bound to without a dtab.
    Replace(Path),
    /// Whatever was found, or nothing, becomes what this path is bound to without a dtab.
    Const(Path),
}

/// One transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct Transformer {
    /// What its ids begin with: `/%` and the prefix.
    prefix: Path,
    change: Change,
}

/// Binds a path that stands in for others, and finds its addresses.
pub(crate) trait Stand {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> Walked;
    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr;
}

impl Transformer {
    /// A transformer whose ids begin with `/%` and `prefix`; those of replace and const go on with their path.
    #[must_use]
    pub fn new(prefix: &Path, change: Change) -> Transformer {
        Transformer { prefix: Path::from_elems([b"%".as_slice()]).concat(prefix), change }
    }

    /// Whether the delegation API can show what it does: not for those that forget what they were given.
    #[must_use]
    pub const fn delegates(&self) -> bool {
        !matches!(self.change, Change::Replace(_) | Change::Const(_))
    }

    /// The name of the class that does this in Linkerd, which delegation trees show.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self.change {
            Change::Port(_) | Change::Gateways(_) => "DelegatingNameTreeTransformer$",
            Change::Replace(_) => "ReplaceTransformer",
            Change::Const(_) => "ConstTransformer",
            _ => "SubnetLocalTransformer",
        }
    }

    fn id(&self, name: &BoundName) -> BoundName {
        BoundName { id: self.prefix.concat(&name.id), residual: name.residual.clone() }
    }

    fn tree(&self, tree: NameTree<BoundName>, stand: &dyn Stand, reader: &mut dyn Reader) -> Walked {
        let (path, applies) = match &self.change {
            Change::Replace(path) => (path, tree.leaves().next().is_some()),
            Change::Const(path) => (path, true),
            _ => return State::Ok(tree.map(|name| self.id(name))),
        };
        if !applies {
            return State::Ok(tree);
        }
        let stand_in = match stand.bind(path, reader) {
            // One leaf goes by the path it was asked for with.
            State::Ok(NameTree::Leaf(name)) => {
                NameTree::Leaf(BoundName { id: self.prefix.concat(path), residual: name.residual })
            }
            State::Ok(tree) => tree.map(|name| self.id(name)),
            other => return other,
        };
        let replaced = match &self.change {
            Change::Replace(_) => graft(&tree, &stand_in).simplified(),
            _ => stand_in,
        };
        State::Ok(replaced)
    }

    fn change(&self, addr: Addr, reader: &mut dyn Reader) -> Addr {
        let Addr::Bound(set) = &addr else { return addr };
        let keep = |keep: &dyn Fn(&Address) -> bool| {
            let kept: Vec<Address> = set.addresses.iter().filter(|address| keep(address)).cloned().collect();
            match kept.len() {
                0 => Addr::Neg,
                _ => Addr::Bound(Arc::new(AddrSet::new(kept, set.meta.clone()))),
            }
        };
        match &self.change {
            Change::Port(port) => {
                let moved = set.addresses.iter().cloned().map(|address| Address {
                    socket: SocketAddr::new(address.socket.ip(), *port),
                    ..address
                });
                Addr::Bound(Arc::new(AddrSet::new(moved.collect(), set.meta.clone())))
            }
            Change::Only(ips) => keep(&|address| ips.contains(&address.socket.ip())),
            Change::SameNet(local) => keep(&|address| same_net(address.socket.ip(), *local)),
            Change::SameNode(node) => keep(&|address| address.meta.get("nodeName") == Some(node)),
            Change::Gateways(gateways) => gateways.instead_of(set, reader),
            Change::Replace(_) | Change::Const(_) => addr,
        }
    }
}

fn same_net(a: IpAddr, b: IpAddr) -> bool {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        _ => false,
    }
}

/// `tree` with `stand_in` in place of every leaf.
fn graft(tree: &NameTree<BoundName>, stand_in: &NameTree<BoundName>) -> NameTree<BoundName> {
    match tree {
        NameTree::Leaf(_) => stand_in.clone(),
        NameTree::Alt(trees) => NameTree::Alt(trees.iter().map(|tree| graft(tree, stand_in)).collect()),
        NameTree::Union(branches) => NameTree::Union(
            branches
                .iter()
                .map(|b| names::Weighted { weight: b.weight, tree: graft(&b.tree, stand_in) })
                .collect(),
        ),
        NameTree::Fail => NameTree::Fail,
        NameTree::Neg => NameTree::Neg,
        NameTree::Empty => NameTree::Empty,
    }
}

/// What a tree becomes after all transformers, the first one first.
pub(crate) fn tree(
    transformers: &[Transformer],
    tree: NameTree<BoundName>,
    stand: &dyn Stand,
    reader: &mut dyn Reader,
) -> Walked {
    let mut tree = tree;
    for transformer in transformers {
        match transformer.tree(tree, stand, reader) {
            State::Ok(changed) => tree = changed,
            other => return other,
        }
    }
    State::Ok(tree)
}

/// What each transformer made of one leaf, in order; only for those that [`Transformer::delegates`].
pub(crate) fn steps(
    transformers: &[Transformer],
    name: &BoundName,
) -> impl Iterator<Item = (&'static str, BoundName)> {
    let mut name = name.clone();
    transformers.iter().map(move |transformer| {
        name = transformer.id(&name);
        (transformer.class(), name.clone())
    })
}

/// The addresses of an id that all transformers had a hand in; `inner` answers for what remains of it.
pub(crate) fn addresses(
    transformers: &[Transformer],
    id: &Path,
    stand: &dyn Stand,
    reader: &mut dyn Reader,
    inner: &dyn Fn(&Path, &mut dyn Reader) -> Addr,
) -> Addr {
    let Some((last, before)) = transformers.split_last() else { return inner(id, reader) };
    let Some(rest) = id.strip_prefix(&last.prefix) else { return Addr::Neg };
    match &last.change {
        Change::Replace(path) | Change::Const(path) if *path == rest => match stand.bind(path, reader) {
            State::Ok(NameTree::Leaf(name)) => stand.addresses(&name.id, reader),
            State::Ok(_) => Addr::Neg,
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
        },
        Change::Replace(_) | Change::Const(_) => stand.addresses(&rest, reader),
        _ => {
            let addr = addresses(before, &rest, stand, reader, inner);
            last.change(addr, reader)
        }
    }
}

#[cfg(test)]
mod tests;
