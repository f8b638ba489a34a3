//! The walk that records.

use std::sync::Arc;

use names::{Dtab, NameTree, Path};

use crate::delegation::{Delegation, Entry, Kind, Stopped, Table};
use crate::interpreter::Interpreter;
use crate::live::State;
use crate::namer::{BoundName, Named, Reader};
use crate::transform::{self, Transformer};
use crate::walk::{MAX_DEPTH, MAX_NESTING, MAX_NODES};

const TABLES: [Table; 3] = [Table::Interpreter, Table::Base, Table::Local];

/// Records how `path` is bound through `tables`, of which later ones win.
pub(crate) fn delegate(
    tables: [&Dtab; 3],
    path: &Path,
    interpreter: &Interpreter,
    transformers: &[Transformer],
    reader: &mut dyn Reader,
) -> Delegation {
    let mut recorder = Recorder { tables, interpreter, transformers, reader, nodes: 0, nesting: 0 };
    recorder.path(path, None, 0).simplified()
}

struct Recorder<'a> {
    tables: [&'a Dtab; 3],
    interpreter: &'a Interpreter,
    transformers: &'a [Transformer],
    reader: &'a mut dyn Reader,
    nodes: usize,
    nesting: usize,
}

/// Where a tree stands: the path its entry matched, what is appended to its leaves, and the entry.
struct Place<'a> {
    path: &'a Path,
    suffix: &'a Path,
    entry: &'a Option<Entry>,
}

impl Place<'_> {
    fn node(&self, kind: Kind) -> Delegation {
        Delegation { path: self.path.clone(), entry: self.entry.clone(), kind }
    }
}

/// A leaf of a tree still to be walked.
trait Step: Sized {
    /// Whether `~` and `!` of such a tree were written by somebody.
    const WRITTEN: bool;
    fn step(&self, recorder: &mut Recorder<'_>, place: &Place<'_>, depth: usize) -> Delegation;
}

impl Step for Path {
    const WRITTEN: bool = true;

    fn step(&self, recorder: &mut Recorder<'_>, place: &Place<'_>, depth: usize) -> Delegation {
        recorder.path(&self.concat(place.suffix), place.entry.clone(), depth)
    }
}

impl Step for Named {
    const WRITTEN: bool = false;

    fn step(&self, recorder: &mut Recorder<'_>, place: &Place<'_>, depth: usize) -> Delegation {
        match self {
            Named::Path(path) => recorder.path(path, place.entry.clone(), depth),
            Named::Bound(name) => recorder.leaf(place, name),
        }
    }
}

impl Recorder<'_> {
    fn tree<T: Step>(&mut self, tree: &NameTree<T>, place: &Place<'_>, depth: usize) -> Delegation {
        if let Some((stopped, text)) = self.refuse(depth) {
            return place.node(Kind::Exception { message: text, stopped: Some(stopped) });
        }
        self.nesting += 1;
        let node = match tree {
            NameTree::Leaf(leaf) => leaf.step(self, place, depth),
            NameTree::Fail => place.node(Kind::Fail { literal: T::WRITTEN }),
            NameTree::Neg => place.node(Kind::Neg { literal: T::WRITTEN }),
            NameTree::Empty => place.node(Kind::Empty),
            NameTree::Alt(trees) => {
                let trees = trees.iter().map(|tree| self.tree(tree, place, depth)).collect();
                place.node(Kind::Alt(trees))
            }
            NameTree::Union(branches) => {
                let branches =
                    branches.iter().map(|b| (b.weight, self.tree(&b.tree, place, depth))).collect();
                place.node(Kind::Union(branches))
            }
        };
        self.nesting -= 1;
        node
    }

    fn refuse(&mut self, depth: usize) -> Option<(Stopped, Arc<str>)> {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            let text = format!("Max recursion level: {MAX_DEPTH} reached in Namer lookup");
            return Some((Stopped::Depth, text.into()));
        }
        let why = if self.nodes > MAX_NODES {
            format!("The delegation tree is larger than {MAX_NODES} nodes")
        } else if self.nesting >= MAX_NESTING {
            format!("The delegation tree is nested deeper than {MAX_NESTING}")
        } else {
            return None;
        };
        Some((Stopped::Size, why.into()))
    }

    /// One look-up: the matching entries, last first; without any, the namers.
    fn path(&mut self, path: &Path, entry: Option<Entry>, depth: usize) -> Delegation {
        let tables = self.tables;
        let entries: Vec<Entry> = tables
            .iter()
            .zip(TABLES)
            .rev()
            .flat_map(|(dtab, table)| {
                dtab.matches(path).map(move |(index, _)| Entry { table, index, dtab: (*dtab).clone() })
            })
            .collect();
        let kind = match entries.as_slice() {
            [] => return self.name(path, &entry, depth + 1),
            [only] if only.dentry().dst == NameTree::Neg => {
                // It leaves the answer to the namers; without one, it is what says "not here".
                let answer = self.name(path, &entry, depth + 1);
                if !matches!(answer.kind, Kind::Neg { .. }) {
                    return answer;
                }
                Kind::Delegate(Box::new(self.entry(path, only, depth)))
            }
            [only] => Kind::Delegate(Box::new(self.entry(path, only, depth))),
            _ => Kind::Alt(entries.iter().map(|only| self.entry(path, only, depth)).collect()),
        };
        Delegation { path: path.clone(), entry, kind }
    }

    fn entry(&mut self, path: &Path, entry: &Entry, depth: usize) -> Delegation {
        let dentry = entry.dentry();
        let suffix = path.skip(dentry.prefix.len());
        let place = Place { path, suffix: &suffix, entry: &Some(entry.clone()) };
        self.tree(&dentry.dst, &place, depth + 1)
    }

    fn name(&mut self, path: &Path, entry: &Option<Entry>, depth: usize) -> Delegation {
        let place = Place { path, suffix: &Path::empty(), entry };
        match self.interpreter.namers().lookup(path, self.reader) {
            State::Ok(tree) => self.tree(&tree, &place, depth),
            State::Pending => place.node(Kind::Pending),
            State::Failed(message) => place.node(Kind::Exception { message, stopped: None }),
        }
    }

    /// A bound name, inside the transformers that changed it.
    fn leaf(&mut self, place: &Place<'_>, name: &BoundName) -> Delegation {
        let mut made: Vec<(Path, &'static str, BoundName)> = Vec::new();
        let (mut path, mut last) = (place.path.clone(), name.clone());
        for (class, after) in transform::steps(self.transformers, name) {
            let before = std::mem::replace(&mut last, after);
            made.push((std::mem::replace(&mut path, last.id.clone()), class, before));
        }
        let addr = self.addr(&last, made.len());
        let mut node =
            Delegation { path, entry: place.entry.clone(), kind: Kind::Leaf { bound: last, addr } };
        for (count, (path, name, bound)) in made.into_iter().enumerate().rev() {
            let addr = self.addr(&bound, count);
            let kind = Kind::Transformation { name, bound, addr, tree: Box::new(node) };
            node = Delegation { path, entry: None, kind };
        }
        node
    }

    /// The addresses of a name after the first `count` transformers.
    fn addr(&mut self, name: &BoundName, count: usize) -> crate::Addr {
        let namers = self.interpreter.namers();
        transform::addresses(&self.transformers[..count], &name.id, &**namers, self.reader, &|id, reader| {
            namers.addresses(id, reader)
        })
    }
}
