//! A name as requests use it: its service, the dtab its requests bring along, what both are bound to, and the ways its
//! requests have gone so far.

use crate::client::Client;
use crate::draw::weighted;
use crate::service::{Pair, Service};
use arc_swap::ArcSwap;
use balance::Nanos;
use names::{Dtab, NameTree, Path};
use naming::{Binding, BoundTree, Leaf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// An entry of the path cache.
pub(crate) struct Entry {
    pub(crate) service: Arc<Service>,
    /// The requests' own dtab, empty for most.
    pub(crate) local: Dtab,
    /// Its show form, the value of `l5d-ctx-dtab`; empty when there is none.
    pub(crate) ctx_dtab: Box<str>,
    pub(crate) binding: Arc<Binding<Client>>,
    routes: ArcSwap<Vec<Arc<Route>>>,
    /// When it was first asked for.
    pub(crate) made: Nanos,
    /// When it was last used as far as its users have told; nanoseconds.
    pub(crate) last_used: AtomicU64,
    /// Used more than once: not the first to go when room is needed.
    pub(crate) proven: AtomicBool,
    /// No longer in the shared cache; workers drop it at their next tick.
    pub(crate) retired: AtomicBool,
    /// How many workers hold it in a cache of their own.
    pub(crate) holders: AtomicU32,
    /// Its first tree has been counted.
    pub(crate) counted: AtomicBool,
    /// Set when it is in no cache.
    _oneshot: Option<Oneshot>,
}

/// What a request needs to know of a leaf besides the leaf.
pub(crate) struct Route {
    /// Told apart by address; a weak reference keeps that from being used again.
    leaf: Weak<Leaf<Client>>,
    pub(crate) pair: Arc<Pair>,
    /// The residual's show form, the value of `l5d-dst-residual`; empty when there is none.
    pub(crate) residual: Box<str>,
}

impl Entry {
    pub(crate) fn new(
        service: Arc<Service>,
        local: Dtab,
        binding: Arc<Binding<Client>>,
        oneshot: Option<Oneshot>,
        now: Nanos,
    ) -> Arc<Entry> {
        Arc::new(Entry {
            ctx_dtab: local.to_string().into(),
            service,
            local,
            binding,
            routes: ArcSwap::default(),
            made: now,
            last_used: AtomicU64::new(now.0),
            proven: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            holders: AtomicU32::new(0),
            counted: AtomicBool::new(false),
            _oneshot: oneshot,
        })
    }

    /// The route over `leaf`.
    #[inline]
    pub(crate) fn route(&self, leaf: &Arc<Leaf<Client>>) -> Arc<Route> {
        let routes = self.routes.load();
        match routes.iter().find(|route| std::ptr::eq(route.leaf.as_ptr(), Arc::as_ptr(leaf))) {
            Some(route) => Arc::clone(route),
            None => self.new_route(leaf),
        }
    }

    /// Whether a request has gone to this bound id, as far as its client is still in use.
    pub(crate) fn has_route_to(&self, id: &Path) -> bool {
        self.routes.load().iter().any(|route| route.leaf.upgrade().is_some_and(|leaf| leaf.id == *id))
    }

    #[cold]
    fn new_route(&self, leaf: &Arc<Leaf<Client>>) -> Arc<Route> {
        let residual = if leaf.residual.is_empty() { String::new() } else { leaf.residual.to_string() };
        let made = Arc::new(Route {
            leaf: Arc::downgrade(leaf),
            pair: self.service.pair(&leaf.replicas),
            residual: residual.into(),
        });
        self.routes.rcu(|routes| {
            // Leaves of former trees are gone for good.
            let alive = routes.iter().filter(|route| route.leaf.strong_count() > 0).cloned();
            alive.chain([Arc::clone(&made)]).collect::<Vec<_>>()
        });
        made
    }
}

/// The right to run outside the caches; counts itself out when dropped.
pub(crate) struct Oneshot(Arc<AtomicU32>);

impl Oneshot {
    /// One of at most `limit`.
    pub(crate) fn claim(running: &Arc<AtomicU32>, limit: usize) -> Option<Oneshot> {
        let claimed = Oneshot(Arc::clone(running));
        let before = running.fetch_add(1, Relaxed);
        // Dropping the claim takes it back.
        ((before as usize) < limit).then_some(claimed)
    }
}

impl Drop for Oneshot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// One leaf of a tree, drawn by the weights of its unions; `None` when the draw falls on a branch without replicas
/// (routing.md §1.7).
#[inline]
pub(crate) fn draw<'a>(
    mut tree: &'a BoundTree<Client>,
    rng: &mut fastrand::Rng,
) -> Option<&'a Arc<Leaf<Client>>> {
    loop {
        tree = match tree {
            NameTree::Leaf(leaf) => return Some(leaf),
            NameTree::Union(branches) => {
                let weights = || branches.iter().map(|b| b.weight);
                &branches.get(weighted(weights, branches.len(), rng))?.tree
            }
            // The binder gives no alternatives; the first is the one that counts.
            NameTree::Alt(branches) => branches.first()?,
            NameTree::Fail | NameTree::Neg | NameTree::Empty => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oneshots_are_bounded_and_given_back() {
        let running = Arc::default();
        let first = Oneshot::claim(&running, 2);
        let second = Oneshot::claim(&running, 2);
        assert!(first.is_some() && second.is_some());
        assert!(Oneshot::claim(&running, 2).is_none());
        drop(first);
        assert!(Oneshot::claim(&running, 2).is_some());
        drop(second);
        assert_eq!(running.load(Relaxed), 0);
    }
}
