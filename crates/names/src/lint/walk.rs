//! Binding of names of which only the beginning is known: every outcome that cannot be excluded, what it costs at
//! worst, and the loops on the way.

use hashbrown::HashMap;

use super::answer::{Answer, Outcomes, of_namers};
use super::index::Index;
use super::shape::{Meets, Shape};
use super::{MAX_DEPTH, Scene};
use crate::{Dtab, NameTree, Path, Weighted};

/// So many steps that surely follow one another are a loop for the binder, whatever comes then.
const TOO_DEEP: usize = MAX_DEPTH as usize + 1;
/// Where the walk turns back. A name found less than `TOO_DEEP` before is not judged by what was cut off.
const LIMIT: usize = 2 * TOO_DEEP;
/// How many look-ups one lint may take, besides some for each entry; what is not seen by then stays unsaid.
const BUDGET: usize = 10_000;
const BUDGET_PER_ENTRY: usize = 5;
/// How many different loops are told.
const MAX_LOOPS: usize = 100;

/// What a name, or a tree, may come to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) outcomes: Outcomes,
    /// Look-ups that follow one another.
    pub(super) depth: u32,
    /// Look-ups in total.
    pub(super) lookups: u64,
}

impl Seen {
    const fn of(outcomes: Outcomes) -> Seen {
        Seen { outcomes, depth: 0, lookups: 0 }
    }

    fn cost_of(self, other: Seen) -> Seen {
        let lookups = self.lookups.saturating_add(other.lookups);
        Seen { depth: self.depth.max(other.depth), lookups, ..self }
    }

    /// These outcomes, and where they are `Neg` the other's.
    fn then(self, next: Seen, meets: Meets) -> Seen {
        let kept = if meets == Meets::All { self.outcomes.without(Outcomes::NEG) } else { self.outcomes };
        Seen { outcomes: kept | next.outcomes, ..self.cost_of(next) }
    }
}

/// Names that lead back to themselves.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// The entries that rewrite them, in turn.
    pub(super) entries: Vec<usize>,
    /// The names, in turn, until they repeat.
    pub(super) names: Vec<String>,
    /// Whether such a name always gets there; otherwise only when what is tried before does not know it.
    pub(super) always: bool,
}

/// How a name was reached.
#[derive(Clone, Copy)]
struct Link {
    /// The entry that rewrote the name before; none for a namer or the first name.
    entry: Option<usize>,
    /// Whether every name of the shape before is led here, if nothing tried earlier knows it.
    sure: bool,
    /// Whether nothing tried earlier can know it.
    always: bool,
}

struct Step {
    shape: Shape,
    link: Link,
}

enum Memo {
    /// On the trail, at this place.
    Busy(usize),
    Done(Seen),
}

pub(super) struct Walk<'a> {
    dtab: &'a Dtab,
    pub(super) index: Index<'a>,
    scene: &'a Scene<'a>,
    memo: HashMap<Shape, Memo, foldhash::fast::RandomState>,
    trail: Vec<Step>,
    /// Whether something below was cut off, so that names near the cut must not be remembered.
    cut: bool,
    budget: usize,
    pub(super) loops: Vec<Loop>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(dtab: &'a Dtab, scene: &'a Scene<'a>) -> Walk<'a> {
        let budget = BUDGET + BUDGET_PER_ENTRY * dtab.len();
        let memo = HashMap::default();
        Walk {
            dtab,
            index: Index::new(dtab.entries()),
            scene,
            memo,
            trail: Vec::new(),
            cut: false,
            budget,
            loops: Vec::new(),
        }
    }

    /// Follows all names of a shape.
    pub(super) fn name(&mut self, shape: Shape) -> Seen {
        self.cut = false;
        self.look_up(shape, Link { entry: None, sure: true, always: true })
    }

    /// Follows only what entry `index` makes of `shape`, which it matches.
    pub(super) fn entry(&mut self, index: usize, shape: &Shape) -> Seen {
        self.cut = false;
        self.through(index, shape, Link { entry: Some(index), sure: true, always: true })
    }

    fn look_up(&mut self, shape: Shape, link: Link) -> Seen {
        match self.memo.get(&shape) {
            Some(Memo::Done(seen)) => return *seen,
            Some(Memo::Busy(at)) => return self.came_back(*at, shape, link),
            None => {}
        }
        if self.trail.len() >= LIMIT {
            return self.too_deep(link);
        }
        if self.budget == 0 {
            self.cut = true;
            return Seen::of(Outcomes::ANY);
        }
        self.budget -= 1;
        self.memo.insert(shape.clone(), Memo::Busy(self.trail.len()));
        self.trail.push(Step { shape: shape.clone(), link });
        let found = self.all(&shape);
        self.trail.pop();
        let seen = Seen { depth: found.depth + 1, lookups: found.lookups.saturating_add(1), ..found };
        if self.cut && (self.budget == 0 || self.trail.len() > LIMIT - TOO_DEEP) {
            self.memo.remove(&shape);
        } else {
            self.memo.insert(shape, Memo::Done(seen));
        }
        seen
    }

    /// All entries that may be for the name, last to first, then the namers.
    fn all(&mut self, shape: &Shape) -> Seen {
        let entries = self.dtab.entries();
        let mut seen = Seen::of(Outcomes::NEG);
        let (mut surely, mut sure_neg) = (0, false);
        for index in self.index.meeting(shape) {
            let entry = &entries[index];
            let meets = shape.meets(&entry.prefix);
            let always = seen.outcomes == Outcomes::NEG;
            let link = Link { entry: Some(index), sure: meets == Meets::All, always };
            seen = seen.then(self.through(index, shape, link), meets);
            if !seen.outcomes.may(Outcomes::NEG) {
                return seen;
            }
            if meets == Meets::All {
                surely += 1;
                sure_neg = entry.dst == NameTree::Neg;
            }
        }
        // An entry that says nothing but "not here" leaves the answer to the namers.
        if surely == 0 || (surely == 1 && sure_neg) {
            let named = self.namers(shape, seen.outcomes == Outcomes::NEG);
            seen = seen.then(named, if surely == 0 { Meets::All } else { Meets::Some });
        }
        seen
    }

    fn through(&mut self, index: usize, shape: &Shape, link: Link) -> Seen {
        let entry = &self.dtab.entries()[index];
        self.tree(&entry.dst, shape, entry.prefix.len(), link)
    }

    fn tree(&mut self, tree: &NameTree<Path>, shape: &Shape, skipped: usize, link: Link) -> Seen {
        match tree {
            NameTree::Leaf(path) => self.look_up(shape.rewritten(path, skipped), link),
            NameTree::Fail => Seen::of(Outcomes::FAIL),
            NameTree::Neg => Seen::of(Outcomes::NEG),
            NameTree::Empty => Seen::of(Outcomes::FOUND),
            NameTree::Alt(branches) => self.alternatives(branches, shape, skipped, link),
            NameTree::Union(branches) => self.union(branches, shape, skipped, link),
        }
    }

    fn alternatives(
        &mut self,
        branches: &[NameTree<Path>],
        shape: &Shape,
        skipped: usize,
        link: Link,
    ) -> Seen {
        let mut seen = Seen::of(Outcomes::NEG);
        for branch in branches {
            let always = link.always && seen.outcomes == Outcomes::NEG;
            seen = seen.then(self.tree(branch, shape, skipped, Link { always, ..link }), Meets::All);
            if !seen.outcomes.may(Outcomes::NEG) {
                break;
            }
        }
        seen
    }

    /// One branch that is found is enough; errors show only when there is nothing else.
    fn union(&mut self, branches: &[Weighted<Path>], shape: &Shape, skipped: usize, link: Link) -> Seen {
        let (mut found, mut error, mut neg) = (false, true, true);
        let mut total = Seen::of(Outcomes::NONE);
        // A branch that fails is made good by the others.
        let link = Link { always: link.always && branches.len() == 1, ..link };
        for branch in branches {
            let seen = self.tree(&branch.tree, shape, skipped, link);
            found |= seen.outcomes.may(Outcomes::FOUND);
            error &= seen.outcomes.may(Outcomes::ERROR);
            neg &= !seen.outcomes.only(Outcomes::FOUND);
            total = total.cost_of(seen);
        }
        let when = |possible: bool, outcome| if possible { outcome } else { Outcomes::NONE };
        let outcomes = when(found, Outcomes::FOUND)
            | when(error && !branches.is_empty(), Outcomes::ERROR)
            | when(neg || branches.is_empty(), Outcomes::NEG);
        Seen { outcomes, ..total }
    }

    fn namers(&mut self, shape: &Shape, always: bool) -> Seen {
        match of_namers(shape, self.scene) {
            Answer::Outcomes(outcomes) => Seen::of(outcomes),
            Answer::Broken(_) => Seen::of(Outcomes::ERROR),
            Answer::Nobody { .. } if self.scene.whole => Seen::of(Outcomes::NEG),
            Answer::Nobody { .. } => Seen::of(Outcomes::ANY),
            Answer::Rewritten(to) => {
                // What such a namer takes off the name need not be there another time.
                let seen = self.look_up(to, Link { entry: None, sure: false, always });
                Seen { outcomes: seen.outcomes | Outcomes::NEG, ..seen }
            }
        }
    }

    /// A name that is on the trail already.
    fn came_back(&mut self, at: usize, shape: Shape, link: Link) -> Seen {
        let sure = link.sure && self.trail[at + 1..].iter().all(|step| step.link.sure);
        if !sure {
            return Seen::of(Outcomes::ANY);
        }
        self.trail.push(Step { shape, link });
        let last = self.trail.len() - 1;
        self.tell(at, last, last);
        self.trail.pop();
        Seen::of(Outcomes::ERROR)
    }

    /// The end of the trail: a loop of growing names, or at least what no binder would finish.
    fn too_deep(&mut self, link: Link) -> Seen {
        self.cut = true;
        let tail = self.trail.len() - TOO_DEEP;
        if !link.sure || !self.trail[tail..].iter().all(|step| step.link.sure) {
            return Seen::of(Outcomes::ANY);
        }
        let via = |at: usize| self.trail[at].link.entry;
        let last = self.trail.len() - 1;
        let repeats = |period: usize| (tail + period..=last).all(|at| via(at) == via(at - period));
        if let Some(period) = (1..=TOO_DEEP / 2).find(|period| repeats(*period)) {
            let mut from = tail;
            let sure = |at: usize| self.trail[at].link.sure;
            while from > 0 && sure(from) && from + period <= last && via(from) == via(from + period) {
                from -= 1;
            }
            self.tell(from, from + period, last);
        }
        Seen::of(Outcomes::ERROR)
    }

    /// Notes the loop between two places of the trail, once for each set of entries. It is sure to go on as far as
    /// `last`.
    fn tell(&mut self, from: usize, to: usize, last: usize) {
        let entries: Vec<usize> = self.trail[from + 1..=to].iter().filter_map(|s| s.link.entry).collect();
        let names = self.trail[from..=to].iter().map(|step| step.shape.to_string()).collect();
        let always = self.trail[from + 1..=last].iter().all(|step| step.link.always);
        let key = |entries: &[usize]| {
            let mut key = entries.to_vec();
            key.sort_unstable();
            key.dedup();
            key
        };
        match self.loops.iter().position(|known| key(&known.entries) == key(&entries)) {
            // The surer of two accounts is the better one.
            Some(at) if always && !self.loops[at].always => self.loops[at] = Loop { entries, names, always },
            None if self.loops.len() < MAX_LOOPS => self.loops.push(Loop { entries, names, always }),
            _ => {}
        }
    }
}
