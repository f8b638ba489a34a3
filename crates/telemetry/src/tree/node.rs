//! One node of the tree and its lock. Locks are taken one at a time, or a parent's before its child's.

use std::mem;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::block::{Block, BlockSpec};
use crate::counter::Counter;
use crate::histogram::Histogram;

/// Reads a gauge.
pub(crate) type ReadGauge = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The metric a node itself is (it may have children all the same).
#[derive(Clone)]
pub(crate) enum Metric {
    Counter(Counter),
    Gauge(ReadGauge),
    Histogram(Histogram),
}

impl Metric {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Metric::Counter(_) => "counter",
            Metric::Gauge(_) => "gauge",
            Metric::Histogram(_) => "histogram",
        }
    }
}

/// Several metrics of a scope that are no nodes of their own.
#[derive(Clone)]
pub(crate) enum Part {
    Block(Block),
    Gauges(Arc<Gauges>),
}

/// Gauges that share one function.
pub(crate) struct Gauges {
    pub(crate) names: &'static [&'static str],
    pub(crate) read: Box<dyn Fn(usize) -> f64 + Send + Sync>,
}

impl Part {
    pub(crate) fn series(&self) -> usize {
        match self {
            Part::Gauges(gauges) => gauges.names.len(),
            Part::Block(block) => {
                let spec = block.spec();
                let status = if spec.status { 5 + block.status_codes().len() } else { 0 };
                spec.counters.len() + spec.histograms.len() + status
            }
        }
    }
}

/// A scope or a metric.
pub(crate) struct Node {
    name: Box<str>,
    parent: Weak<Node>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    contents: Contents,
    leases: u32,
    pruned: bool,
}

/// What a node holds; a copy is what readers work on.
#[derive(Clone, Default)]
pub(crate) struct Contents {
    pub(crate) metric: Option<Metric>,
    pub(crate) parts: Vec<Part>,
    /// Ordered by name.
    pub(crate) children: Vec<Arc<Node>>,
}

impl State {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.contents.children.binary_search_by(|c| (*c.name).cmp(name))
    }
}

impl Node {
    pub(crate) fn root() -> Arc<Node> {
        Arc::new(Node { name: "".into(), parent: Weak::new(), state: Mutex::default() })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn parent(&self) -> Option<Arc<Node>> {
        self.parent.upgrade()
    }

    /// All keys from the root, joined with `/`, for messages.
    pub(crate) fn path(&self) -> String {
        match self.parent().filter(|p| !p.name.is_empty()) {
            Some(parent) => format!("{}/{}", parent.path(), self.name),
            None => self.name.to_string(),
        }
    }

    pub(crate) fn contents(&self) -> Contents {
        self.state.lock().contents.clone()
    }

    /// Looks at the parts under the lock; `look` must be quick.
    pub(crate) fn with_parts(&self, look: impl FnMut(&Part)) {
        self.state.lock().contents.parts.iter().for_each(look);
    }

    pub(crate) fn existing_child(&self, name: &str) -> Option<Arc<Node>> {
        let state = self.state.lock();
        state.find(name).ok().map(|at| state.contents.children[at].clone())
    }

    pub(crate) fn child(self: &Arc<Node>, name: &str) -> Arc<Node> {
        self.child_locked(&mut self.state.lock(), name)
    }

    /// The child, made if need be. Below a pruned node it is made apart from the tree, pruned from the start.
    fn child_locked(self: &Arc<Node>, state: &mut State, name: &str) -> Arc<Node> {
        match state.find(name) {
            Ok(at) => state.contents.children[at].clone(),
            Err(at) => {
                let own = State { pruned: state.pruned, ..State::default() };
                let parent = Arc::downgrade(self);
                let child = Arc::new(Node { name: name.into(), parent, state: Mutex::new(own) });
                if !state.pruned {
                    state.contents.children.insert(at, child.clone());
                }
                child
            }
        }
    }

    /// The node `levels` (separated by `/`) below this one.
    pub(crate) fn descend(self: &Arc<Node>, levels: &str) -> Arc<Node> {
        levels.split('/').fold(self.clone(), |node, level| node.child(level))
    }

    /// This node's metric, made if it has none.
    pub(crate) fn metric(self: Arc<Node>, make: impl FnOnce() -> Metric) -> (Arc<Node>, Metric) {
        let metric = self.state.lock().contents.metric.get_or_insert_with(make).clone();
        (self, metric)
    }

    /// Makes this node a gauge unless it is another kind of metric; answers what it was.
    pub(crate) fn set_gauge(&self, read: ReadGauge) -> Option<Metric> {
        let mut state = self.state.lock();
        match &state.contents.metric {
            Some(Metric::Counter(_) | Metric::Histogram(_)) => state.contents.metric.clone(),
            _ if state.pruned => None,
            _ => state.contents.metric.replace(Metric::Gauge(read)),
        }
    }

    /// Adds a set of gauges or replaces the one of the same names; answers whether it is new.
    pub(crate) fn set_gauges(&self, gauges: Gauges) -> bool {
        let mut state = self.state.lock();
        if state.pruned {
            return false;
        }
        let parts = &mut state.contents.parts;
        let same = parts.iter().position(|p| matches!(p, Part::Gauges(g) if g.names == gauges.names));
        let part = Part::Gauges(Arc::new(gauges));
        let Some(at) = same else {
            push_tight(parts, part);
            return true;
        };
        let old = mem::replace(&mut parts[at], part);
        drop(state);
        drop(old);
        false
    }

    /// The block of this specification and whether it is new.
    pub(crate) fn block(&self, spec: &BlockSpec, workers: usize) -> (Block, bool) {
        let mut state = self.state.lock();
        for part in &state.contents.parts {
            if let Part::Block(block) = part
                && block.spec() == spec
            {
                return (block.clone(), false);
            }
        }
        let block = Block::new(*spec, workers);
        if state.pruned {
            return (block, false);
        }
        push_tight(&mut state.contents.parts, Part::Block(block.clone()));
        (block, true)
    }

    pub(crate) fn lease_child(self: &Arc<Node>, name: &str) -> Arc<Node> {
        let mut state = self.state.lock();
        let child = self.child_locked(&mut state, name);
        child.state.lock().leases += 1;
        child
    }

    /// Gives a lease back; the last one prunes the child.
    pub(crate) fn release_child(&self, child: &Arc<Node>) {
        let mut state = self.state.lock();
        let mut own = child.state.lock();
        own.leases -= 1;
        if own.leases > 0 {
            return;
        }
        drop(own);
        state.detach(child);
        drop(state);
        child.empty();
    }

    pub(crate) fn prune(self: &Arc<Node>) {
        if let Some(parent) = self.parent() {
            parent.state.lock().detach(self);
        }
        self.empty();
    }

    /// Marks the subtree as pruned and drops what it holds, outside of the locks: a gauge may own anything.
    fn empty(&self) {
        let dropped = {
            let mut state = self.state.lock();
            // The root has no place to be taken from: it is emptied and stays in use.
            state.pruned = self.parent.strong_count() > 0 || !self.name.is_empty();
            mem::take(&mut state.contents)
        };
        dropped.children.iter().for_each(|child| child.empty());
    }
}

impl State {
    fn detach(&mut self, child: &Arc<Node>) {
        if let Ok(at) = self.find(&child.name)
            && Arc::ptr_eq(&self.contents.children[at], child)
        {
            self.contents.children.remove(at);
        }
    }
}

/// Scopes have one or two parts and there are many scopes: no spare room.
fn push_tight(parts: &mut Vec<Part>, part: Part) {
    parts.reserve_exact(1);
    parts.push(part);
}
