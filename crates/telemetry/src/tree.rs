//! The tree of scopes: who holds which metric under which name, and for how long.
//!
//! Building and pruning take short locks, one per node; writing metrics takes none, and readers copy a node's contents
//! out before they look at them, so that a slow reader holds up nobody.

mod declared;
mod node;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::block::{Block, BlockSpec};
use crate::counter::Counter;
use crate::histogram::Histogram;
use crate::histogram::cells::Reading;
use crate::render::{Visitor, walk};
use declared::expect_sole;
use node::Gauges;
pub(crate) use node::{Contents, Metric, Node, Part};

/// All metrics of one process (or of one proxy in a test). Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    root: Scope,
}

impl Metrics {
    /// An empty tree for `workers` workers: blocks get that many shards.
    pub fn new(workers: usize) -> Metrics {
        Metrics { root: Scope { node: Node::root(), workers } }
    }

    /// Number of shards of each block.
    pub fn workers(&self) -> usize {
        self.root.workers
    }

    /// The top of the tree.
    pub fn root(&self) -> &Scope {
        &self.root
    }

    /// The scope under the given keys, made if need be. A key may contain slashes and is one level all the same.
    pub fn scope(&self, keys: &[&str]) -> Scope {
        keys.iter().fold(self.root.clone(), |scope, key| scope.scope(key))
    }

    /// Ends the window of every histogram: what has been recorded since the last call becomes what the renderers show
    /// for the next minute (observability.md §2.1). To be called once a minute. Writers are not held up.
    pub fn snapshot_histograms(&self) {
        snapshot(&self.root.node, &mut Reading::new());
    }

    /// Number of metrics in the tree (each response code counts as one), so that tests can see nothing leaks.
    pub fn series(&self) -> usize {
        series(&self.root.node)
    }

    /// Shows every metric with its value to `visitor`, depth first. No lock of the tree is held while it looks.
    pub fn visit(&self, visitor: &mut dyn Visitor) {
        walk(&self.root.node, visitor);
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.root.node
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

fn snapshot(node: &Arc<Node>, reading: &mut Reading) {
    let contents = node.contents();
    if let Some(Metric::Histogram(histogram)) = &contents.metric {
        histogram.snapshot(reading);
    }
    for part in &contents.parts {
        if let Part::Block(block) = part {
            block.snapshot(reading);
        }
    }
    contents.children.iter().for_each(|child| snapshot(child, reading));
}

fn series(node: &Arc<Node>) -> usize {
    let contents = node.contents();
    let parts: usize = contents.parts.iter().map(Part::series).sum();
    let below: usize = contents.children.iter().map(series).sum();
    usize::from(contents.metric.is_some()) + parts + below
}

/// A place in the tree. Cheap to clone; holding one does not keep the place in the tree once it is pruned.
#[derive(Clone)]
pub struct Scope {
    node: Arc<Node>,
    workers: usize,
}

impl Scope {
    /// The scope under `key`, made if need be. `key` is one level even when it contains slashes.
    pub fn scope(&self, key: &str) -> Scope {
        Scope { node: self.node.child(key), workers: self.workers }
    }

    /// Like [`Scope::scope`], but shared ownership: the scope is pruned when its last lease is dropped.
    /// So a new owner of the same name that arrives before the old one leaves keeps the scope alive.
    pub fn lease(&self, key: &str) -> Lease {
        let node = self.node.lease_child(key);
        Lease { scope: Scope { node, workers: self.workers }, parent: self.node.clone() }
    }

    /// The counter `name` (levels separated by `/`), made if need be.
    ///
    /// # Panics
    /// When `name` is already another kind of metric or belongs to a block.
    pub fn counter(&self, name: &str) -> Counter {
        let (node, new) = self.node.descend(name).metric(|| Metric::Counter(Counter::default()));
        match new {
            Metric::Counter(counter) => {
                expect_sole(&node, "", "counter");
                counter
            }
            other => clash(&node, other.kind(), "counter"),
        }
    }

    /// The histogram `name` (levels separated by `/`) with any number of writers, made if need be.
    ///
    /// # Panics
    /// When `name` is already another kind of metric or belongs to a block.
    pub fn histogram(&self, name: &str) -> Histogram {
        let (node, new) = self.node.descend(name).metric(|| Metric::Histogram(Histogram::default()));
        match new {
            Metric::Histogram(histogram) => {
                expect_sole(&node, "", "histogram");
                histogram
            }
            other => clash(&node, other.kind(), "histogram"),
        }
    }

    /// Shows `read()` as the gauge `name` (levels separated by `/`). A later gauge of the same name takes its place.
    /// `read` runs while metrics are rendered, without any lock of the tree held, and is dropped when the scope is pruned.
    ///
    /// # Panics
    /// When `name` is already another kind of metric or belongs to a block.
    pub fn gauge(&self, name: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
        let node = self.node.descend(name);
        let was = node.set_gauge(Arc::new(read));
        match &was {
            None | Some(Metric::Gauge(_)) => expect_sole(&node, "", "gauge"),
            Some(other) => clash(&node, other.kind(), "gauge"),
        }
    }

    /// Shows `read(i)` as the gauge `names[i]`, for many gauges at the price of one. A later set of the same names takes
    /// its place. See [`Scope::gauge`].
    ///
    /// # Panics
    /// When one of the names is already another metric.
    pub fn gauges(
        &self,
        names: &'static [&'static str],
        read: impl Fn(usize) -> f64 + Send + Sync + 'static,
    ) {
        let added = self.node.set_gauges(Gauges { names, read: Box::new(read) });
        if added {
            names.iter().for_each(|name| expect_sole(&self.node, name, "gauge"));
        }
    }

    /// The block of this specification in this scope, made if need be.
    ///
    /// # Panics
    /// When one of its names is already another metric.
    pub fn block(&self, spec: &BlockSpec) -> Block {
        let (block, added) = self.node.block(spec, self.workers);
        if added {
            spec.counters.iter().for_each(|name| expect_sole(&self.node, name, "counter"));
            spec.histograms.iter().for_each(|name| expect_sole(&self.node, name, "histogram"));
        }
        block
    }

    /// Takes the scope and everything below it out of the tree. Handles into it stay usable and are exported no more;
    /// metrics made through this handle afterwards are not exported either. Its gauges are dropped.
    pub fn prune(&self) {
        self.node.prune();
    }

    /// Number of shards of each block.
    pub fn workers(&self) -> usize {
        self.workers
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({})", self.node.path())
    }
}

fn clash(node: &Node, is: &str, wanted: &str) -> ! {
    panic!("metric {} is already a {is} and cannot be a {wanted}", node.path())
}

/// A share in a scope that is pruned when the last share is dropped. See [`Scope::lease`].
pub struct Lease {
    scope: Scope,
    parent: Arc<Node>,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.scope.node.path())
    }
}

impl Deref for Lease {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.parent.release_child(&self.scope.node);
    }
}

#[cfg(test)]
mod tests;
