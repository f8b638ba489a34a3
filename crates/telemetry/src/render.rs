//! What the renderers share: a walk over the tree that shows every metric with its value.

pub(crate) mod influx;
pub(crate) mod json;
pub(crate) mod prometheus;
mod scope_path;
pub(crate) mod statsd;

use std::fmt::Write;
use std::sync::Arc;

use crate::block::{Block, STATUS_CLASSES};
use crate::histogram::cells::Reading;
use crate::histogram::{Cumulative, Summary};
use crate::tree::{Contents, Metric, Node, Part};

/// A metric's value at the moment it was looked at.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A number of events.
    Counter(u64),
    /// A number as it is now.
    Gauge(f32),
    /// The last summary of a histogram. `None`: no window has ended since the histogram was made.
    Stat(Option<Summary>),
}

/// Sees the tree depth first.
pub trait Visitor {
    /// A scope (one key) begins.
    fn enter(&mut self, key: &str);
    /// The scope entered last ends.
    fn leave(&mut self);
    /// A metric of the scope entered last; levels of `name` are separated by `/`, `""` is the scope itself.
    fn metric(&mut self, name: &str, value: Value);

    /// Whether [`Visitor::samples`] is to be called for the histogram of this name (of its own key, if it is a scope).
    fn wants_samples(&self, _name: &str) -> bool {
        false
    }

    /// What a histogram has ever counted; `name` as for [`Visitor::metric`].
    fn samples(&mut self, _name: &str, _all: &Cumulative) {}
}

/// Walks everything below `node`. Holds no lock while `visitor` or a gauge runs.
pub(crate) fn walk(node: &Arc<Node>, visitor: &mut (impl Visitor + ?Sized)) {
    walk_with(node, visitor, &mut Scratch::default());
}

/// What the samples of histograms are read into, made when the first are asked for.
#[derive(Default)]
struct Scratch {
    reading: Option<Box<Reading>>,
    all: Cumulative,
}

fn walk_with(node: &Arc<Node>, visitor: &mut (impl Visitor + ?Sized), scratch: &mut Scratch) {
    let contents = node.contents();
    own_metrics(&contents, &mut |name, value| visitor.metric(name, value));
    own_samples(node.name(), &contents, visitor, scratch);
    for child in &contents.children {
        visitor.enter(child.name());
        walk_with(child, visitor, scratch);
        visitor.leave();
    }
}

/// The samples of the histograms a node holds itself, as far as they are wanted.
fn own_samples(own: &str, contents: &Contents, visitor: &mut (impl Visitor + ?Sized), scratch: &mut Scratch) {
    let Scratch { reading, all } = scratch;
    if let Some(Metric::Histogram(histogram)) = &contents.metric
        && visitor.wants_samples(own)
    {
        histogram.cumulative(reading.get_or_insert_with(Reading::new), all);
        visitor.samples("", all);
    }
    for part in &contents.parts {
        let Part::Block(block) = part else { continue };
        for (i, name) in block.spec().histograms.iter().enumerate() {
            if visitor.wants_samples(name) {
                block.cumulative(i, reading.get_or_insert_with(Reading::new), all);
                visitor.samples(name, all);
            }
        }
    }
}

/// The metrics a node holds itself: its own (`""`) and those of its parts.
pub(crate) fn own_metrics(contents: &Contents, each: &mut impl FnMut(&str, Value)) {
    match &contents.metric {
        Some(Metric::Counter(counter)) => each("", Value::Counter(counter.get())),
        Some(Metric::Gauge(read)) => each("", Value::Gauge(read() as f32)),
        Some(Metric::Histogram(histogram)) => each("", Value::Stat(histogram.summary())),
        None => {}
    }
    for part in &contents.parts {
        match part {
            Part::Block(block) => block_metrics(block, each),
            Part::Gauges(gauges) => {
                let value = |i| Value::Gauge((gauges.read)(i) as f32);
                gauges.names.iter().enumerate().for_each(|(i, name)| each(name, value(i)));
            }
        }
    }
}

fn block_metrics(block: &Block, each: &mut impl FnMut(&str, Value)) {
    let spec = block.spec();
    for (i, name) in spec.counters.iter().enumerate() {
        each(name, Value::Counter(block.counter_sum(i)));
    }
    block.visit_summaries(&mut |i, summary| each(spec.histograms[i], Value::Stat(summary)));
    if spec.status {
        status_metrics(block, each);
    }
}

fn status_metrics(block: &Block, each: &mut impl FnMut(&str, Value)) {
    let mut classes = [0; STATUS_CLASSES.len()];
    let mut name = String::new();
    for (code, count) in block.status_codes() {
        name.clear();
        write!(name, "status/{code}").expect("a String takes everything");
        each(&name, Value::Counter(count));
        if let Some(class) = usize::from(code / 100).checked_sub(1).and_then(|at| classes.get_mut(at)) {
            *class += count;
        }
    }
    for (class, count) in STATUS_CLASSES.iter().zip(classes) {
        each(class, Value::Counter(count));
    }
}
