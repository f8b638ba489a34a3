//! Binding: from a path through the dtab and the namers to the tree of replica sets behind it (routing.md §1.4, §1.5).
//!
//! A pure walk over what is known now. It is run again when something it has read changes, so it keeps no state and
//! waits for nothing.

use std::fmt::Write as _;
use std::sync::Arc;

use names::{Dentry, Dtab, NameTree, Path, Rest, Weighted};

use crate::live::State;
use crate::namer::{BoundName, Named, Namers, Reader};

/// How many look-ups may follow one another, as in Linkerd.
pub const MAX_DEPTH: usize = 100;
/// How many nodes one walk may visit in total; more is a dtab that multiplies itself.
pub const MAX_NODES: usize = 10_000;
/// How deep trees may be nested along all look-ups together; keeps the walk within a thread's stack.
pub(crate) const MAX_NESTING: usize = 500;

/// What a path is bound to: simplified, without `Alt`.
pub type Walked = State<NameTree<BoundName>>;

/// Binds `path`. Every live value that the result depends on is noted in `reader`.
pub fn bind(dtab: &Dtab, path: &Path, namers: &Namers, reader: &mut dyn Reader) -> Walked {
    bind_with(dtab, &Dtab::empty(), path, namers, reader)
}

/// Binds `path` through `base ++ local` without building that dtab.
pub fn bind_with(base: &Dtab, local: &Dtab, path: &Path, namers: &Namers, reader: &mut dyn Reader) -> Walked {
    bind_through([&Dtab::empty(), base, local], path, namers, reader)
}

/// Binds `path` through three dtabs, of which later ones win, without building the one they make.
pub(crate) fn bind_through(
    tables: [&Dtab; 3],
    path: &Path,
    namers: &Namers,
    reader: &mut dyn Reader,
) -> Walked {
    let mut walk = Walk { tables, namers, reader, nodes: 0, nesting: 0, trail: Vec::new(), blown: None };
    let walked = walk.tree(&NameTree::Leaf(path.clone()), Rest::EMPTY, 0);
    walk.blown.map_or(walked, State::Failed)
}

struct Walk<'a> {
    tables: [&'a Dtab; 3],
    namers: &'a Namers,
    reader: &'a mut dyn Reader,
    nodes: usize,
    nesting: usize,
    /// The paths that led here, for the error that names a loop.
    trail: Vec<Path>,
    blown: Option<Arc<str>>,
}

/// A leaf of a tree still to be bound.
trait Step {
    fn step(&self, walk: &mut Walk<'_>, suffix: Rest<'_>, depth: usize) -> Walked;
}

/// A leaf of a dtab entry: the rest of the path is appended to it.
impl Step for Path {
    fn step(&self, walk: &mut Walk<'_>, suffix: Rest<'_>, depth: usize) -> Walked {
        walk.path(&self.append(suffix), depth)
    }
}

/// A leaf of a namer's answer, complete as it is.
impl Step for Named {
    fn step(&self, walk: &mut Walk<'_>, _: Rest<'_>, depth: usize) -> Walked {
        match self {
            Named::Path(path) => walk.path(path, depth),
            Named::Bound(name) => State::Ok(NameTree::Leaf(name.clone())),
        }
    }
}

/// What a union is bound to: the branches that are known, else the first failure, else nothing yet (routing.md §1.5).
pub(crate) fn union(branches: impl Iterator<Item = (f64, Walked)>) -> Walked {
    let mut known = Vec::new();
    let (mut none, mut any_ok, mut failed) = (true, false, None);
    for (weight, walked) in branches {
        none = false;
        match walked {
            State::Ok(tree) => {
                any_ok = true;
                if !matches!(tree, NameTree::Neg | NameTree::Fail) {
                    known.push(Weighted { weight, tree });
                }
            }
            State::Failed(text) => failed = failed.or(Some(text)),
            State::Pending => {}
        }
    }
    match (none || any_ok, failed) {
        (true, _) => State::Ok(union_of(known)),
        (false, Some(text)) => State::Failed(text),
        (false, None) => State::Pending,
    }
}

impl Walk<'_> {
    fn tree<T: Step>(&mut self, tree: &NameTree<T>, suffix: Rest<'_>, depth: usize) -> Walked {
        if let Some(refused) = self.refuse(depth) {
            return State::Failed(refused);
        }
        self.nesting += 1;
        let walked = match tree {
            NameTree::Leaf(leaf) => leaf.step(self, suffix, depth),
            NameTree::Fail => State::Ok(NameTree::Fail),
            NameTree::Neg => State::Ok(NameTree::Neg),
            NameTree::Empty => State::Ok(NameTree::Empty),
            NameTree::Alt(trees) => self.first(trees.iter(), |walk, tree| walk.tree(tree, suffix, depth)),
            NameTree::Union(branches) => self.union(branches, suffix, depth),
        };
        self.nesting -= 1;
        walked
    }

    /// The limits of depth, size and nesting, in this order.
    fn refuse(&mut self, depth: usize) -> Option<Arc<str>> {
        if depth > MAX_DEPTH {
            return Some(format!("Max recursion level: {MAX_DEPTH} reached in Namer lookup").into());
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES && self.blown.is_none() {
            self.blown = Some(self.blow_up());
        }
        if self.nesting >= MAX_NESTING && self.blown.is_none() {
            let path = self.trail.first().map(Path::to_string).unwrap_or_default();
            self.blown = Some(format!("Name tree of {path} is nested deeper than {MAX_NESTING}").into());
        }
        self.blown.clone()
    }

    /// One look-up: the matching dtab entries, last first; without any, the namers.
    fn path(&mut self, path: &Path, depth: usize) -> Walked {
        let tables = self.tables;
        self.trail.push(path.clone());
        let mut entries = tables.iter().rev().flat_map(|table| table.matches(path)).map(|(_, entry)| entry);
        let walked = match (entries.next(), entries.next()) {
            (None, _) => self.name(path, depth + 1),
            // An entry that says nothing but "not here" leaves the answer to the namers.
            (Some(only), None) if only.dst == NameTree::Neg => self.name(path, depth + 1),
            (Some(only), None) => self.entry(only, path, depth + 1),
            (Some(a), Some(b)) => {
                let entries = [a, b].into_iter().chain(entries);
                self.first(entries, |walk, entry| walk.entry(entry, path, depth + 1))
            }
        };
        self.trail.pop();
        walked
    }

    fn entry(&mut self, entry: &Dentry, path: &Path, depth: usize) -> Walked {
        let rest = entry.rest(path).expect("only entries whose prefix matches are walked");
        self.tree(&entry.dst, rest, depth)
    }

    fn name(&mut self, path: &Path, depth: usize) -> Walked {
        match self.namers.lookup(path, self.reader) {
            State::Ok(tree) => self.tree(&tree, Rest::EMPTY, depth),
            State::Pending => State::Pending,
            State::Failed(text) => State::Failed(text),
        }
    }

    /// Alternatives: the first that is not `Neg`. Waiting and failing are not `Neg`, so they end the search.
    fn first<I: Iterator>(&mut self, trees: I, mut walk: impl FnMut(&mut Self, I::Item) -> Walked) -> Walked {
        for tree in trees {
            match walk(self, tree) {
                State::Ok(NameTree::Neg) => {}
                decided => return decided,
            }
        }
        State::Ok(NameTree::Neg)
    }

    /// All branches that are known now; the others join when they are.
    fn union<T: Step>(&mut self, branches: &[Weighted<T>], suffix: Rest<'_>, depth: usize) -> Walked {
        union(branches.iter().map(|branch| (branch.weight, self.tree(&branch.tree, suffix, depth))))
    }

    /// The text for a walk that became too large: the loop when a path came back, else how the trail began.
    fn blow_up(&self) -> Arc<str> {
        let begin = self.trail.first().map(Path::to_string).unwrap_or_default();
        let mut text = format!("Name tree of {begin} is larger than {MAX_NODES} nodes: ");
        let came_back = self.trail.iter().enumerate().find_map(|(at, path)| {
            let again = self.trail[at + 1..].iter().position(|other| other == path)?;
            Some(&self.trail[at..=at + 1 + again])
        });
        let shown = came_back.unwrap_or(&self.trail);
        for (i, path) in shown.iter().take(SHOWN).enumerate() {
            let arrow = if i == 0 { "" } else { " => " };
            let path: String = path.to_string().chars().take(SHOWN_CHARS).collect();
            write!(text, "{arrow}{path}").expect("writing to a string");
        }
        if shown.len() > SHOWN {
            text.push_str(" => ...");
        }
        text.into()
    }
}

/// How many steps of a loop an error names.
const SHOWN: usize = 8;
/// How much of each path an error shows.
const SHOWN_CHARS: usize = 100;

/// A union of branches that are neither `Neg` nor `Fail` (routing.md §1.6).
pub(crate) fn union_of(mut known: Vec<Weighted<BoundName>>) -> NameTree<BoundName> {
    match known.len() {
        0 => NameTree::Neg,
        1 => known.swap_remove(0).tree,
        _ => NameTree::Union(known),
    }
}

#[cfg(test)]
mod tests;
