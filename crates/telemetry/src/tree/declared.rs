//! Finds two metrics under one name: a metric's name may be spelt by nodes, by a block's list, or partly by each.

use std::sync::Arc;

use super::node::{Node, Part};

/// Panics unless exactly one metric is declared as `name` below `node` (`""`: the node itself).
pub(super) fn expect_sole(node: &Arc<Node>, name: &str, wanted: &str) {
    let mut found = Vec::new();
    visit(node, name, &mut |kind| found.push(kind));
    if found.len() > 1 {
        let slash = if name.is_empty() || node.name().is_empty() { "" } else { "/" };
        let other = found.iter().find(|kind| **kind != wanted).unwrap_or(&"metric of the same kind");
        panic!(
            "metric {}{slash}{name} is already a {other} declared elsewhere and cannot be a {wanted} here",
            node.path()
        );
    }
}

/// Calls `found` with the kind of every declaration of the name.
fn visit(node: &Arc<Node>, name: &str, found: &mut dyn FnMut(&'static str)) {
    visit_down(node, name, found);
    let mut suffix = name.to_string();
    let mut at = node.clone();
    // A key that contains a slash cannot be part of a block's name: there a slash separates levels.
    while !at.name().contains('/')
        && let Some(parent) = at.parent()
    {
        suffix = if suffix.is_empty() { at.name().to_string() } else { format!("{}/{suffix}", at.name()) };
        visit_parts(&parent, &suffix, found);
        at = parent;
    }
}

fn visit_down(node: &Arc<Node>, name: &str, found: &mut dyn FnMut(&'static str)) {
    if name.is_empty() {
        if let Some(metric) = node.contents().metric {
            found(metric.kind());
        }
        return;
    }
    visit_parts(node, name, found);
    let (first, rest) = name.split_once('/').unwrap_or((name, ""));
    if let Some(child) = node.existing_child(first) {
        visit_down(&child, rest, found);
    }
}

fn visit_parts(node: &Node, name: &str, found: &mut dyn FnMut(&'static str)) {
    node.with_parts(|part| match part {
        Part::Gauges(gauges) => count(gauges.names, name, "gauge", found),
        Part::Block(block) => {
            count(block.spec().counters, name, "counter", found);
            count(block.spec().histograms, name, "histogram", found);
            if block.spec().status && is_status(name) {
                found("status counter");
            }
        }
    });
}

fn count(names: &[&str], name: &str, kind: &'static str, found: &mut dyn FnMut(&'static str)) {
    names.iter().filter(|n| **n == name).for_each(|_| found(kind));
}

/// `status/<digits>` and `status/<digit>XX` belong to blocks that count response codes.
fn is_status(name: &str) -> bool {
    let Some(code) = name.strip_prefix("status/") else { return false };
    let digits = code.strip_suffix("XX").unwrap_or(code);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}
