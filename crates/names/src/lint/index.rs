//! Which entries are for a name of which only the beginning is known, or for all names of a prefix, without trying the
//! others: generated dtabs have tens of thousands of entries.

use hashbrown::HashMap;

use super::shape::Shape;
use crate::{Dentry, Prefix, PrefixElem};

/// A tree of prefix elements; node 0 is the empty prefix.
pub(super) struct Index<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Default)]
struct Node<'a> {
    /// Places of the entries whose prefix ends here.
    entries: Vec<usize>,
    labels: HashMap<&'a [u8], usize, foldhash::fast::RandomState>,
    /// Where `*` leads.
    any: Option<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(entries: &'a [Dentry]) -> Index<'a> {
        let mut index = Index { nodes: vec![Node::default()] };
        for (place, entry) in entries.iter().enumerate() {
            let mut node = 0;
            for elem in entry.prefix.elems() {
                node = index.grow(node, elem);
            }
            index.nodes[node].entries.push(place);
        }
        index
    }

    /// The node one element further, made if need be.
    fn grow(&mut self, from: usize, elem: PrefixElem<'a>) -> usize {
        let new = self.nodes.len();
        let there = match elem {
            PrefixElem::Any => *self.nodes[from].any.get_or_insert(new),
            PrefixElem::Label(label) => *self.nodes[from].labels.entry(label).or_insert(new),
        };
        if there == new {
            self.nodes.push(Node::default());
        }
        there
    }

    /// The entries that match some name of the shape, last to first.
    pub(super) fn meeting(&self, shape: &Shape) -> Vec<usize> {
        let mut found = Vec::new();
        self.visit(shape, |node| {
            found.extend_from_slice(&node.entries);
            true
        });
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// Whether there is such an entry.
    pub(super) fn is_met(&self, shape: &Shape) -> bool {
        let mut met = false;
        self.visit(shape, |node| {
            met = !node.entries.is_empty();
            !met
        });
        met
    }

    /// The entries whose prefix matches every name that `narrow` does, last to first.
    pub(super) fn covering(&self, narrow: &Prefix) -> Vec<usize> {
        let mut found = Vec::new();
        let mut here = vec![0];
        let mut elems = narrow.elems();
        while !here.is_empty() {
            here.iter().for_each(|node| found.extend_from_slice(&self.nodes[*node].entries));
            let Some(elem) = elems.next() else { break };
            let further = |node: &usize| {
                let node = &self.nodes[*node];
                let label = match elem {
                    PrefixElem::Label(label) => node.labels.get(label).copied(),
                    PrefixElem::Any => None,
                };
                label.into_iter().chain(node.any)
            };
            here = here.iter().flat_map(further).collect();
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// Visits the nodes whose entries match some name of the shape, until `go_on` says no.
    fn visit(&self, shape: &Shape, mut go_on: impl FnMut(&Node<'a>) -> bool) {
        let mut pending = vec![(0, 0)];
        while let Some((at, depth)) = pending.pop() {
            let node = &self.nodes[at];
            if !go_on(node) {
                return;
            }
            let all = || node.labels.values().copied().chain(node.any);
            match shape.elems.get(depth) {
                Some(Some(label)) => {
                    let there = node.labels.get(&**label).copied().into_iter().chain(node.any);
                    pending.extend(there.map(|node| (node, depth + 1)));
                }
                Some(None) => pending.extend(all().map(|node| (node, depth + 1))),
                None if shape.open => pending.extend(all().map(|node| (node, depth + 1))),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dtab;
    use crate::lint::shape::{Meets, covers};

    #[test]
    fn only_nodes_on_the_way_are_visited() {
        let text: String = (0..1000).map(|i| format!("/svc/s{i}/x => !;")).collect();
        let dtab = Dtab::parse((text + "/svc/* => ~").as_bytes()).unwrap();
        let index = Index::new(dtab.entries());
        let check = |name: &str, open: bool, expected: usize| {
            let mut visited = 0;
            let shape = Shape { open, ..Shape::exactly(&name.parse().unwrap()) };
            index.visit(&shape, |_| {
                visited += 1;
                true
            });
            assert_eq!(visited, expected, "{name}");
        };
        check("/svc/s7/x/y", true, 5);
        check("/other", true, 1);
        check("/svc", false, 2);
        check("/svc", true, 2 + 2 * 1000 + 1);
    }

    /// The index finds what trying all entries finds.
    #[test]
    fn as_trying_all_entries() {
        let mut rng = fastrand::Rng::with_seed(16);
        let prefix = |rng: &mut fastrand::Rng| {
            let elems: Vec<&str> =
                (0..rng.usize(..4)).map(|_| ["a", "b", "c", "*"][rng.usize(..4)]).collect();
            format!("/{}", elems.join("/"))
        };
        for _ in 0..500 {
            let entries: Vec<String> =
                (0..rng.usize(1..12)).map(|_| format!("{} => !", prefix(&mut rng))).collect();
            let dtab = Dtab::parse(entries.join(";").as_bytes()).unwrap();
            let index = Index::new(dtab.entries());
            let narrow: Prefix = prefix(&mut rng).parse().unwrap();
            let all = |keep: &dyn Fn(&Prefix) -> bool| -> Vec<usize> {
                let entries = dtab.entries();
                (0..entries.len()).rev().filter(|at| keep(&entries[*at].prefix)).collect()
            };
            assert_eq!(index.covering(&narrow), all(&|wide| covers(wide, &narrow)), "{narrow} in {dtab}");
            for open in [true, false] {
                let shape = Shape { open, ..Shape::of(&narrow) };
                let met = all(&|prefix| shape.meets(prefix) != Meets::None);
                assert_eq!(index.is_met(&shape), !met.is_empty(), "{shape} in {dtab}");
                assert_eq!(index.meeting(&shape), met, "{shape} in {dtab}");
            }
        }
    }
}
