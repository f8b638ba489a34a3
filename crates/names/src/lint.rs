//! What is odd about a dtab, found without asking anybody: entries that are never tried, names that go round for
//! ever, names nobody answers, shares that vanish, and what the worst name costs.
//!
//! Only what follows from the dtab and the prefixes of the namers is said: a name stands for all names that begin
//! with it (`shape`), and the walk over such names (`walk`) keeps every answer that cannot be excluded.

mod answer;
mod index;
mod rules;
mod shape;
mod walk;

use std::fmt;
use std::ops::Range;

use crate::{Dtab, Path};

/// What is known of the world around a dtab.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scene<'a> {
    /// The prefixes of all configured namers, with their `/#`; `None` when they are not known.
    pub namers: Option<&'a [Path]>,
    /// Whether no other dtab is put before or behind this one, per-request overrides aside. If so, a name that no
    /// entry and no namer is for leads nowhere.
    pub whole: bool,
    /// Names that will be asked for, besides those the entries begin with.
    pub names: &'a [Path],
}

/// All that was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the entries.
    pub findings: Vec<Finding>,
    /// What the worst name costs, among those the entries begin with and those asked for; `None` for no name.
    pub worst: Option<Cost>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Requests will fail.
    Error,
    /// It works, but hardly as meant.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// `error`, `warning` or `note`.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// What sort of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// An entry that is never tried, because a later one always answers.
    Unreachable,
    /// An entry that keeps all entries before it from being tried.
    EndsAll,
    /// Names that are rewritten for ever.
    Loop,
    /// A name that no namer is for.
    NoNamer,
    /// A name that no entry and no namer is for.
    DeadEnd,
    /// A branch of a union that gets no traffic, or loses its weight on the way.
    LostWeight,
    /// A wildcard that is tried before a more exact entry.
    Wildcard,
    /// An entry that is there twice.
    Duplicate,
    /// A name that takes very many look-ups.
    Cost,
}

impl Rule {
    /// The rule's name in machine-readable output: `unreachable`, `ends-all`, ...
    pub const fn name(self) -> &'static str {
        match self {
            Rule::Unreachable => "unreachable",
            Rule::EndsAll => "ends-all",
            Rule::Loop => "loop",
            Rule::NoNamer => "no-namer",
            Rule::DeadEnd => "dead-end",
            Rule::LostWeight => "lost-weight",
            Rule::Wildcard => "wildcard",
            Rule::Duplicate => "duplicate",
            Rule::Cost => "cost",
        }
    }
}

/// One thing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What sort of thing.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// The entry it is about, by its place in the dtab.
    pub entry: usize,
    /// The bytes where that entry stands in the dtab's text.
    pub span: Range<usize>,
    /// The other entry that has to do with it.
    pub related: Option<usize>,
    /// What was found, one line, without a final period.
    pub message: String,
    /// What to do about it, one line.
    pub advice: String,
}

/// What binding one name may cost at worst: when every alternative has to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The beginning of the name.
    pub name: String,
    /// How many look-ups follow one another; `MAX_DEPTH` of them are answered.
    pub depth: u32,
    /// How many look-ups there are in total; saturates.
    pub lookups: u64,
}

/// How many look-ups may follow one another when a name is bound (routing.md §1.5).
pub const MAX_DEPTH: u32 = 100;

/// How many nodes one name may take in total; binding gives up beyond.
pub const MAX_LOOKUPS: u64 = 10_000;

/// Looks a dtab over.
pub fn lint(dtab: &Dtab, scene: &Scene<'_>) -> Report {
    rules::all(dtab, scene)
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { name, depth, lookups } = self;
        let s = |n: u64| if n == 1 { "" } else { "s" };
        write!(f, "{name}: up to {lookups} look-up{}, {depth} deep", s(*lookups))
    }
}

#[cfg(test)]
mod tests;
