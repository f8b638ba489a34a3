//! The recorded tree with what everybody asks of it: which entry, who won, how likely.

use super::chance::shares;
use super::place::{Place, Places};
use names::{Dentry, Path};
use naming::{Addr, BoundName, Delegation, Kind, Namers, Stopped, Table};
use std::sync::Arc;

/// One name on its way.
#[derive(Clone, Debug)]
pub struct Step {
    /// The name.
    pub path: Path,
    /// What led here; none for the name asked about and for what a namer says.
    pub by: Option<By>,
    /// What becomes of it.
    pub what: What,
    /// How it fares beside its alternatives.
    pub fate: Fate,
    /// Its weight in the union it is a branch of.
    pub weight: Option<f64>,
    /// How likely a request is to come along here, from 0 to 1.
    pub probability: f64,
    /// What it leads to: one name, alternatives in their order, or branches.
    pub children: Vec<Step>,
}

/// The dtab entry that led to a name.
#[derive(Clone, Debug, PartialEq)]
pub struct By {
    /// The entry.
    pub entry: Dentry,
    /// Whose dtab it stands in.
    pub table: Table,
    /// Its place in that dtab, from 0.
    pub index: usize,
    /// Where it was written, if in a file.
    pub place: Option<Place>,
}

/// What becomes of a name.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It is another name.
    Rewritten,
    /// It may be any of several names; the first that is known counts.
    Alternatives,
    /// It is several names at once.
    Union,
    /// It is a replica set.
    Replicas {
        /// Id and residual.
        bound: BoundName,
        /// Its addresses as they are now.
        addr: Addr,
    },
    /// It is a replica set, which a transformer changes.
    Transformed {
        /// Which transformer.
        by: &'static str,
        /// The replica set before.
        bound: BoundName,
    },
    /// `$`, or a namer's word for it: nobody is behind it, and no alternative is tried.
    Empty,
    /// `!`, or a namer's word for it: no alternative is tried.
    Fail,
    /// There is no such name; why.
    Unknown(&'static str),
    /// A namer has not answered.
    Pending,
    /// Binding fails here, and no alternative is tried.
    Failure {
        /// Why.
        message: Arc<str>,
        /// Whether a limit of binding was reached, in most cases by a loop.
        limit: bool,
    },
}

/// How a name fares beside its alternatives or the other branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It counts.
    Taken,
    /// It was tried before the one that counts, and is not known.
    PassedOver,
    /// It is not tried: the alternative of this number, from 0, comes first and is known.
    Beaten(usize),
    /// As a branch it is left out: it is not known or fails.
    LeftOut,
}

/// Turns recorded trees into steps.
pub(super) struct Explainer<'a> {
    pub(super) places: &'a Places,
    pub(super) namers: &'a Namers,
}

/// What binding makes of a node, as far as its neighbours care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Replicas, a union or `$`.
    Found,
    Neg,
    Fail,
    /// Failed or pending.
    Unsettled,
}

impl Explainer<'_> {
    pub(super) fn tree(&self, tree: &Delegation) -> Step {
        let (mut root, _) = self.step(tree, None);
        flow(&mut root, 1.0);
        root
    }

    /// A node, its neighbours not considered, and what binding makes of it.
    fn step(&self, tree: &Delegation, weight: Option<f64>) -> (Step, Verdict) {
        let by = tree.entry.as_ref().map(|entry| By {
            entry: entry.dentry().clone(),
            table: entry.table,
            index: entry.index,
            place: self.places.find(entry),
        });
        let (children, verdict) = self.children(tree);
        let (path, what, fate) = (tree.path.clone(), self.what(tree), Fate::Taken);
        (Step { path, by, what, fate, weight, probability: 0.0, children }, verdict)
    }

    fn children(&self, tree: &Delegation) -> (Vec<Step>, Verdict) {
        match &tree.kind {
            Kind::Empty | Kind::Leaf { .. } => (Vec::new(), Verdict::Found),
            Kind::Fail { .. } => (Vec::new(), Verdict::Fail),
            Kind::Neg { .. } => (Vec::new(), Verdict::Neg),
            Kind::Pending | Kind::Exception { .. } => (Vec::new(), Verdict::Unsettled),
            Kind::Delegate(inner) | Kind::Transformation { tree: inner, .. } => {
                let (step, verdict) = self.step(inner, None);
                (vec![step], verdict)
            }
            Kind::Alt(trees) => alternatives(trees.iter().map(|tree| self.step(tree, None))),
            Kind::Union(branches) => {
                union(branches.iter().map(|(weight, tree)| self.step(tree, Some(*weight))))
            }
        }
    }

    fn what(&self, tree: &Delegation) -> What {
        match &tree.kind {
            Kind::Empty => What::Empty,
            Kind::Fail { .. } => What::Fail,
            Kind::Neg { literal: true } => What::Unknown("the entry says `~`"),
            Kind::Neg { literal: false } => What::Unknown(self.why_unknown(&tree.path)),
            Kind::Pending => What::Pending,
            Kind::Exception { message, stopped } => {
                What::Failure { message: message.clone(), limit: *stopped == Some(Stopped::Depth) }
            }
            Kind::Delegate(_) => What::Rewritten,
            Kind::Alt(_) => What::Alternatives,
            Kind::Union(_) => What::Union,
            Kind::Leaf { bound, addr } => What::Replicas { bound: bound.clone(), addr: addr.clone() },
            Kind::Transformation { name, bound, .. } => What::Transformed { by: name, bound: bound.clone() },
        }
    }

    fn why_unknown(&self, path: &Path) -> &'static str {
        match path.first() {
            Some(b"#") if self.namers.covers(path) => "the namer knows no such name",
            Some(b"#") => "no namer is configured for it",
            Some(b"$") => "it has not the form this namer asks for",
            _ => "no dtab entry is for it",
        }
    }
}

/// The first that is not `Neg` counts, were it a failure.
fn alternatives(steps: impl Iterator<Item = (Step, Verdict)>) -> (Vec<Step>, Verdict) {
    let mut chosen: Option<(usize, Verdict)> = None;
    let fated = steps.enumerate().map(|(index, (mut step, verdict))| {
        step.fate = match chosen {
            Some((taken, _)) => Fate::Beaten(taken),
            None if verdict == Verdict::Neg => Fate::PassedOver,
            None => Fate::Taken,
        };
        if step.fate == Fate::Taken {
            chosen = Some((index, verdict));
        }
        step
    });
    let fated = fated.collect();
    (fated, chosen.map_or(Verdict::Neg, |(_, verdict)| verdict))
}

/// All that are found count; one that is known is enough.
fn union(steps: impl Iterator<Item = (Step, Verdict)>) -> (Vec<Step>, Verdict) {
    let (mut fated, mut found, mut settled) = (Vec::new(), false, false);
    for (mut step, verdict) in steps {
        if verdict != Verdict::Found {
            step.fate = Fate::LeftOut;
        }
        found |= verdict == Verdict::Found;
        settled |= verdict != Verdict::Unsettled;
        fated.push(step);
    }
    let verdict = match (found, settled || fated.is_empty()) {
        (true, _) => Verdict::Found,
        (false, true) => Verdict::Neg,
        (false, false) => Verdict::Unsettled,
    };
    (fated, verdict)
}

/// Lets requests run down the tree.
fn flow(step: &mut Step, probability: f64) {
    step.probability = probability;
    let taken = |step: &Step| step.fate == Fate::Taken;
    let weights: Vec<f64> = step.children.iter().filter(|s| taken(s)).filter_map(|s| s.weight).collect();
    let mut shares = shares(&weights).into_iter();
    for child in &mut step.children {
        let share = match (taken(child), child.weight) {
            (false, _) => 0.0,
            (true, None) => 1.0,
            (true, Some(_)) => shares.next().unwrap_or_default(),
        };
        flow(child, probability * share);
    }
}

impl Step {
    /// This step and all below it.
    pub fn all(&self) -> Vec<&Step> {
        let mut all = vec![self];
        let mut at = 0;
        while let Some(step) = all.get(at) {
            all.extend(&step.children);
            at += 1;
        }
        all
    }
}
