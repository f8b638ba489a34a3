//! The rules, each a question to the dtab, and the words of their findings.

use hashbrown::{HashMap, HashSet};

use super::answer::{Answer, Outcomes, of_namers};
use super::shape::{Shape, covers};
use super::walk::{Loop, Walk};
use super::{Cost, Finding, MAX_DEPTH, MAX_LOOKUPS, Report, Rule, Scene, Severity};
use crate::{Dentry, Dtab, NameTree, Path, PrefixElem, Weighted};

/// From here on the cost of a name is worth a word, though nothing breaks yet.
const MANY_LOOKUPS: u64 = 1_000;
/// How many names of a loop are told.
const SHOWN: usize = 6;

pub(super) fn all(dtab: &Dtab, scene: &Scene<'_>) -> Report {
    let mut rules = Rules { dtab, scene, walk: Walk::new(dtab, scene), findings: Vec::new() };
    let worst = rules.cost();
    rules.order();
    rules.loops();
    for (index, entry) in dtab.entries().iter().enumerate() {
        rules.leaves(index, entry);
        rules.weights(index, &entry.dst);
    }
    let mut findings = rules.findings;
    findings.sort_by_key(|f| (f.entry, f.severity, f.rule));
    findings.dedup();
    Report { findings, worst }
}

struct Rules<'a> {
    dtab: &'a Dtab,
    scene: &'a Scene<'a>,
    walk: Walk<'a>,
    findings: Vec<Finding>,
}

impl Rules<'_> {
    fn find(&mut self, rule: Rule, severity: Severity, entry: usize, related: Option<usize>, text: Text) {
        let span = self.dtab.entries()[entry].span.clone();
        let Text { message, advice } = text;
        self.findings.push(Finding { rule, severity, entry, span, related, message, advice });
    }

    /// Follows every name there is a reason to think of; notes loops on the way.
    fn cost(&mut self) -> Option<Cost> {
        let starts = self.dtab.entries().iter().enumerate();
        let starts = starts.map(|(index, entry)| (Some(index), Shape::of(&entry.prefix)));
        let names = self.scene.names.iter().map(|name| (None, Shape::exactly(name)));
        let mut worst: Option<(Option<usize>, Cost)> = None;
        for (index, shape) in starts.chain(names) {
            let name = shape.to_string();
            let seen = self.walk.name(shape);
            let cost = Cost { name, depth: seen.depth, lookups: seen.lookups };
            let size = |c: &Cost| (c.depth > MAX_DEPTH, c.lookups, c.depth);
            if worst.as_ref().is_none_or(|(_, known)| size(&cost) > size(known)) {
                worst = Some((index, cost));
            }
        }
        let (entry, cost) = worst?;
        // A loop is told as a loop.
        if let Some(entry) = entry.filter(|_| self.walk.loops.is_empty()) {
            self.costly(entry, &cost);
        }
        Some(cost)
    }

    fn costly(&mut self, entry: usize, cost: &Cost) {
        let Cost { name, depth, lookups } = cost;
        let (severity, message) = if *depth > MAX_DEPTH {
            (
                Severity::Error,
                format!(
                    "names under `{name}` may take {depth} look-ups one after the other; the limit is {MAX_DEPTH}"
                ),
            )
        } else if *lookups > MAX_LOOKUPS {
            (
                Severity::Error,
                format!(
                    "names under `{name}` may take {lookups} look-ups; binding gives up after {MAX_LOOKUPS}"
                ),
            )
        } else if *lookups > MANY_LOOKUPS {
            (
                Severity::Note,
                format!(
                    "names under `{name}` may take {lookups} look-ups, {depth} of them one after the other"
                ),
            )
        } else {
            return;
        };
        let advice = "let fewer entries with alternatives lead to one another; each multiplies the next";
        self.find(Rule::Cost, severity, entry, None, text(message, advice));
    }

    /// Entries that come too late to be tried, or to be tried first.
    fn order(&mut self) {
        let entries = self.dtab.entries();
        let mut settled = HashSet::new();
        self.duplicates(&mut settled);
        if let Some(end) = (2..entries.len()).rev().find(|end| self.ends_all(*end)) {
            let message = format!(
                "the {end} entries before `{}` are never tried: it is for all their names and always answers",
                entries[end].prefix
            );
            let advice = "put it first, so that it becomes the last resort, or delete them";
            self.find(Rule::EndsAll, Severity::Warning, end, Some(end - 1), text(message, advice));
            settled.extend(0..end);
        }
        let mut known = HashMap::new();
        for (early, entry) in entries.iter().enumerate().filter(|(early, _)| !settled.contains(early)) {
            let ahead = *known.entry(&entry.prefix).or_insert_with(|| self.ahead(early));
            self.shadow(early, ahead);
        }
    }

    /// What stands ahead of the entries with the prefix of `early`, were they first.
    fn ahead(&mut self, early: usize) -> Ahead {
        let entries = self.dtab.entries();
        let covering = self.walk.index.covering(&entries[early].prefix);
        let wilder = covering.iter().copied().find(|later| wilder(&entries[*later], &entries[early]));
        Ahead { hides: covering.into_iter().find(|later| self.hides(*later, early)), wilder }
    }

    fn duplicates(&mut self, settled: &mut HashSet<usize>) {
        let mut seen: HashMap<&Dentry, usize> = HashMap::new();
        let entries = self.dtab.entries();
        for (index, entry) in entries.iter().enumerate().rev() {
            let Some(later) = seen.insert(entry, index) else { continue };
            settled.insert(index);
            let message =
                format!("`{}` is there again further on; this one changes nothing", shortened(entry));
            self.find(Rule::Duplicate, Severity::Warning, index, Some(later), text(message, "delete it"));
        }
    }

    fn ends_all(&mut self, end: usize) -> bool {
        (0..end).all(|early| self.hides(end, early))
    }

    /// Whether `later` answers every name that `early` is for. What is sure to fail is told as a failure instead.
    fn hides(&mut self, later: usize, early: usize) -> bool {
        let entries = self.dtab.entries();
        if !covers(&entries[later].prefix, &entries[early].prefix) {
            return false;
        }
        let outcomes = self.walk.entry(later, &Shape::of(&entries[early].prefix)).outcomes;
        !outcomes.may(Outcomes::NEG) && !outcomes.only(Outcomes::ERROR)
    }

    fn shadow(&mut self, early: usize, ahead: Ahead) {
        let entries = self.dtab.entries();
        let prefix = &entries[early].prefix;
        if let Some(later) = ahead.hides.filter(|later| *later > early) {
            let other = &entries[later].prefix;
            let message =
                format!("never tried: `{other}` stands further on, so it comes first, and it always answers");
            let advice = if prefix == other {
                "delete one of the two".to_owned()
            } else {
                format!("put `{prefix}` behind `{other}`, or delete it")
            };
            let text = Text { message, advice };
            return self.find(Rule::Unreachable, Severity::Warning, early, Some(later), text);
        }
        if let Some(later) = ahead.wilder.filter(|later| *later > early) {
            let other = &entries[later].prefix;
            let message =
                format!("`{other}` stands further on, so it comes before the more exact `{prefix}`");
            let advice = format!("put `{prefix}` behind `{other}` unless it is meant as a fallback");
            self.find(Rule::Wildcard, Severity::Warning, early, Some(later), Text { message, advice });
        }
    }

    fn loops(&mut self) {
        for found in std::mem::take(&mut self.walk.loops) {
            let Loop { entries, names, always } = &found;
            let Some(entry) = entries.first() else { continue };
            let related = entries.iter().find(|other| *other != entry).copied();
            let more = if names.len() > SHOWN { " => ..." } else { "" };
            let shown = names[..names.len().min(SHOWN)].join(" => ");
            let (severity, whose) = if *always {
                (Severity::Error, format!("names under `{}` are", names[0]))
            } else {
                (Severity::Warning, format!("names under `{}` that nothing tried before knows are", names[0]))
            };
            let message = format!("{whose} rewritten for ever: {shown}{more}");
            let advice = "such requests fail after 100 look-ups; let one of the entries lead to another name";
            self.find(Rule::Loop, severity, *entry, related, text(message, advice));
        }
    }

    /// Names an entry leads to that nobody answers.
    fn leaves(&mut self, index: usize, entry: &Dentry) {
        for leaf in entry.dst.leaves() {
            if let Some((rule, severity, text)) = self.unanswered(leaf) {
                self.find(rule, severity, index, None, text);
            }
        }
    }

    fn unanswered(&self, leaf: &Path) -> Option<(Rule, Severity, Text)> {
        let mut shape = Shape::under(leaf);
        for _ in 0..MAX_DEPTH {
            if self.walk.index.is_met(&shape) {
                return None;
            }
            match of_namers(&shape, self.scene) {
                Answer::Outcomes(_) => return None,
                Answer::Rewritten(to) => shape = to,
                Answer::Broken(why) => {
                    let advice =
                        "see the names under `/$/` in the documentation; such requests fail with 502";
                    return Some((Rule::NoNamer, Severity::Error, text(why, advice)));
                }
                Answer::Nobody { configured: true } => {
                    let message = format!("no configured namer answers `{shape}`");
                    return Some((Rule::NoNamer, Severity::Error, text(message, &self.known())));
                }
                Answer::Nobody { configured: false } if self.scene.whole => {
                    let message = format!("`{shape}` leads nowhere: no entry begins with it");
                    let advice = format!("add an entry for `{shape}`, or correct the name");
                    return Some((Rule::DeadEnd, Severity::Warning, text(message, &advice)));
                }
                Answer::Nobody { .. } => return None,
            }
        }
        None
    }

    fn known(&self) -> String {
        match self.scene.namers {
            Some([]) | None => "add the namer to the configuration's `namers`".to_owned(),
            Some(namers) => {
                let known: Vec<String> = namers.iter().map(|n| format!("`{n}`")).collect();
                format!("add the namer to the configuration's `namers`; there are {}", known.join(", "))
            }
        }
    }

    fn weights(&mut self, index: usize, tree: &NameTree<Path>) {
        match tree {
            NameTree::Alt(branches) => branches.iter().for_each(|branch| self.weights(index, branch)),
            NameTree::Union(branches) => {
                self.union(index, branches);
                branches.iter().for_each(|branch| self.weights(index, &branch.tree));
            }
            _ => {}
        }
    }

    fn union(&mut self, index: usize, branches: &[Weighted<Path>]) {
        let sum: f64 = branches.iter().map(|b| b.weight).sum();
        if sum == 0.0 {
            let message = format!("all {} weights are 0, so the branches get equal shares", branches.len());
            let text = text(message, "write equal weights if that is meant, or `~` if nothing shall answer");
            return self.find(Rule::LostWeight, Severity::Warning, index, None, text);
        }
        for Weighted { weight, tree } in branches {
            let branch = shortened(tree);
            let (severity, message, advice) = if *weight == 0.0 {
                let message = format!("`{branch}` has weight 0: it gets no request");
                (Severity::Warning, message, "delete the branch, or give it a weight")
            } else if sum + weight == sum {
                let message = format!("the share of `{branch}` is lost to rounding: it gets no request");
                (Severity::Warning, message, "use weights of about the same size")
            } else if *weight < 0.005 {
                let message = format!("the weight of `{branch}` becomes 0.00 where Linkerd 1.x passes it on");
                (Severity::Note, message, "multiply all weights of the union")
            } else {
                continue;
            };
            self.find(Rule::LostWeight, severity, index, None, text(message, advice));
        }
    }
}

/// The last entries that come before those of a prefix, if they stand further on than these.
#[derive(Clone, Copy)]
struct Ahead {
    /// Answers all their names.
    hides: Option<usize>,
    /// Is for all their names, by a wildcard where the prefix names an element.
    wilder: Option<usize>,
}

/// Message and advice.
struct Text {
    message: String,
    advice: String,
}

fn text(message: String, advice: &str) -> Text {
    Text { message, advice: advice.to_owned() }
}

/// Whether `later` is for all names of `early`, and by a wildcard where that one names an element.
fn wilder(later: &Dentry, early: &Dentry) -> bool {
    let mut elems = later.prefix.elems().zip(early.prefix.elems());
    covers(&later.prefix, &early.prefix)
        && elems.any(|(wide, exact)| wide == PrefixElem::Any && exact != PrefixElem::Any)
}

/// A text of reasonable length for a message.
fn shortened(what: &impl std::fmt::Display) -> String {
    const LONGEST: usize = 60;
    let text = what.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST - 3).chain("...".chars()).collect()
}
