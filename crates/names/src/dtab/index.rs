//! Finds the entries of a large dtab that match a name without trying the others: a tree of prefix
//! elements, all its edges in one hash map.

use std::hash::{Hash, Hasher};

use hashbrown::{Equivalent, HashMap};

use super::Prefix;
use crate::Path;
use crate::path::Elems;

/// Seeded at random: names and dtabs come from strangers.
type RandomState = foldhash::fast::RandomState;

/// The tree; node 0 is the empty prefix.
pub(super) struct Index {
    nodes: Vec<Node>,
    edges: HashMap<Edge, u32, RandomState>,
}

#[derive(Default)]
struct Node {
    /// Places of the entries whose prefix ends here, ascending.
    entries: Vec<u32>,
    /// Where `*` leads.
    any: Option<u32>,
}

/// "From this node with this element"; `*` has no edge here.
struct Edge {
    from: u32,
    elem: Box<[u8]>,
}

/// An [`Edge`] to ask for, without a copy of the element.
struct EdgeRef<'a> {
    from: u32,
    elem: &'a [u8],
}

impl Hash for EdgeRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.from.hash(state);
        self.elem.hash(state);
    }
}

impl Hash for Edge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        EdgeRef { from: self.from, elem: &self.elem }.hash(state);
    }
}

impl PartialEq for Edge {
    fn eq(&self, other: &Self) -> bool {
        self.from == other.from && self.elem == other.elem
    }
}

impl Eq for Edge {}

impl Equivalent<Edge> for EdgeRef<'_> {
    fn equivalent(&self, edge: &Edge) -> bool {
        self.from == edge.from && *self.elem == *edge.elem
    }
}

impl Index {
    /// The index of these prefixes by their places.
    pub(super) fn new<'a>(prefixes: impl Iterator<Item = &'a Prefix>) -> Index {
        let mut index = Index { nodes: vec![Node::default()], edges: HashMap::default() };
        for (place, prefix) in prefixes.enumerate() {
            let place = u32::try_from(place).expect("a dtab has fewer than four billion entries");
            let mut node = 0;
            for elem in prefix.raw_elems() {
                node = index.grow(node, elem);
            }
            index.nodes[node as usize].entries.push(place);
        }
        index
    }

    /// The node one element further, made if need be.
    fn grow(&mut self, from: u32, elem: &[u8]) -> u32 {
        let new = u32::try_from(self.nodes.len()).expect("a dtab has fewer than four billion elements");
        let there = if elem.is_empty() {
            *self.nodes[from as usize].any.get_or_insert(new)
        } else {
            *self.edges.entry(Edge { from, elem: elem.into() }).or_insert(new)
        };
        if there == new {
            self.nodes.push(Node::default());
        }
        there
    }

    /// Places of the entries that match, last to first.
    pub(super) fn find(&self, path: &Path) -> Vec<u32> {
        let mut found = Vec::new();
        self.walk(path, |node| found.extend_from_slice(&node.entries));
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// Visits the nodes that stand for a beginning of `path`: each at most once, so wildcards cannot
    /// multiply the work.
    fn walk(&self, path: &Path, mut visit: impl FnMut(&Node)) {
        let mut pending = vec![(0, path.elems())];
        while let Some((node, rest)) = pending.pop() {
            visit(&self.nodes[node as usize]);
            self.advance(node, rest, &mut pending);
        }
    }

    /// Adds the nodes that the next element leads to.
    fn advance<'p>(&self, node: u32, mut rest: Elems<'p>, pending: &mut Vec<(u32, Elems<'p>)>) {
        let Some(elem) = rest.next() else { return };
        if let Some(&there) = self.edges.get(&EdgeRef { from: node, elem }) {
            pending.push((there, rest.clone()));
        }
        if let Some(there) = self.nodes[node as usize].any {
            pending.push((there, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a look-up costs is the nodes it visits, whatever the number of entries.
    #[test]
    fn only_nodes_on_the_way_are_visited() {
        let prefixes: Vec<Prefix> = (0..1000)
            .map(|i| format!("/svc/s{i}/{}", if i % 2 == 0 { "x" } else { "*" }).parse().unwrap())
            .chain(["/".parse().unwrap(), "/svc/*/x".parse().unwrap()])
            .collect();
        let index = Index::new(prefixes.iter());
        let check = |path: &str, visited: usize, found: &[u32]| {
            let path = path.parse().unwrap();
            let mut count = 0;
            index.walk(&path, |_| count += 1);
            assert_eq!((count, index.find(&path).as_slice()), (visited, found), "{path}");
        };
        check("/", 1, &[1000]);
        check("/other/s1", 1, &[1000]);
        // The root, /svc, /svc/s7, /svc/s7/*, /svc/*, /svc/*/x.
        check("/svc/s7/x/y/z", 6, &[1001, 1000, 7]);
        check("/svc/s8/x", 6, &[1001, 1000, 8]);
        check("/svc/none/y", 3, &[1000]);
    }
}
