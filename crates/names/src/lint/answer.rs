//! What can become of a name: sets of outcomes, and what the namers make of names of which only the beginning is known.

use std::ops::BitOr;

use super::Scene;
use super::shape::{Meets, Shape};
use crate::Prefix;

/// A set of what a look-up may come down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcomes(u8);

impl Outcomes {
    pub(super) const NONE: Outcomes = Outcomes(0);
    pub(super) const NEG: Outcomes = Outcomes(1);
    pub(super) const FAIL: Outcomes = Outcomes(2);
    /// A replica set, a union or `$`.
    pub(super) const FOUND: Outcomes = Outcomes(4);
    /// A failure that no other alternative makes good.
    pub(super) const ERROR: Outcomes = Outcomes(8);
    pub(super) const ANY: Outcomes = Outcomes(15);

    pub(super) const fn may(self, one: Outcomes) -> bool {
        self.0 & one.0 != 0
    }

    /// Whether nothing outside `others` is possible.
    pub(super) const fn only(self, others: Outcomes) -> bool {
        self.0 & !others.0 == 0
    }

    pub(super) const fn without(self, one: Outcomes) -> Outcomes {
        Outcomes(self.0 & !one.0)
    }
}

impl BitOr for Outcomes {
    type Output = Outcomes;

    fn bitor(self, other: Outcomes) -> Outcomes {
        Outcomes(self.0 | other.0)
    }
}

/// What the namers answer.
pub(super) enum Answer {
    /// One of these.
    Outcomes(Outcomes),
    /// `Neg`, or this name instead, which is looked up in turn.
    Rewritten(Shape),
    /// Always a failure; why.
    Broken(String),
    /// Nobody is asked; whether `/#/` came first.
    Nobody { configured: bool },
}

/// The namers under `/$/` that put the second element in front of what they make of the rest, or the third.
const REARRANGING: [(&[u8], usize); 6] = [
    (b"io.buoyant.hostportPfx", 2),
    (b"io.buoyant.porthostPfx", 2),
    (b"io.buoyant.http.anyMethodPfx", 2),
    (b"io.buoyant.http.anyHostPfx", 2),
    (b"io.buoyant.http.domainToPathPfx", 2),
    (b"io.buoyant.http.subdomainOfPfx", 3),
];

/// The other namers under `/$/` whose answer depends on what follows.
const OTHERS: [&[u8]; 6] = [
    b"io.buoyant.http.anyMethod",
    b"io.buoyant.http.anyHost",
    b"io.buoyant.http.domainToPath",
    b"io.buoyant.http.subdomainOf",
    b"io.buoyant.namer.zk.leader",
    b"io.buoyant.rinet",
];

/// What the namers answer to a name that no entry is for.
pub(super) fn of_namers(shape: &Shape, scene: &Scene<'_>) -> Answer {
    match shape.elems.first() {
        Some(Some(first)) if **first == *b"$" => global(shape),
        Some(Some(first)) if **first == *b"#" => match scene.namers {
            Some(namers) if !namers.iter().any(|n| shape.meets(&Prefix::from(n)) != Meets::None) => {
                Answer::Nobody { configured: true }
            }
            _ => Answer::Outcomes(Outcomes::ANY),
        },
        Some(Some(_)) => Answer::Nobody { configured: false },
        None if !shape.open => Answer::Outcomes(Outcomes::NEG),
        _ => Answer::Outcomes(Outcomes::ANY),
    }
}

/// The namers under `/$/` (routing.md §2.2).
fn global(shape: &Shape) -> Answer {
    let outcomes = match shape.label(1) {
        None if shape.elems.len() == 1 && !shape.open => Outcomes::NEG,
        None => Outcomes::ANY,
        Some(b"nil" | b"io.buoyant.http.status") => Outcomes::FOUND,
        Some(b"fail") => Outcomes::FAIL,
        Some(b"inet" | b"fixedinet") => return inet(shape),
        Some(b"io.buoyant.rinet") if shape.elems.len() >= 4 => Outcomes::FOUND,
        Some(name) => return other(name, shape),
    };
    Answer::Outcomes(outcomes)
}

fn inet(shape: &Shape) -> Answer {
    let number = |at: usize| match shape.elems.get(at) {
        Some(Some(elem)) => Some(std::str::from_utf8(elem).is_ok_and(|text| text.parse::<i32>().is_ok())),
        Some(None) => None,
        None if shape.open => None,
        None => Some(false),
    };
    let port = |at| shape.label(at).map(|elem| crate::show_elem(elem).to_string()).unwrap_or_default();
    match (number(3), number(2)) {
        (Some(true), _) | (_, Some(true)) => Answer::Outcomes(Outcomes::FOUND),
        (Some(false), Some(false)) if shape.elems.len() > 3 => {
            Answer::Broken(format!("`{}` is no port number", port(3)))
        }
        (Some(false), Some(false)) => Answer::Broken(format!("`{shape}` names no port")),
        _ => Answer::Outcomes(Outcomes::FOUND | Outcomes::ERROR),
    }
}

fn other(name: &[u8], shape: &Shape) -> Answer {
    if let Some((_, at)) = REARRANGING.iter().find(|(known, _)| *known == name) {
        return match shape.elems.get(*at) {
            Some(pfx) => Answer::Rewritten(Shape { elems: vec![pfx.clone()], open: true }),
            None if shape.open => Answer::Outcomes(Outcomes::ANY),
            None => Answer::Outcomes(Outcomes::NEG),
        };
    }
    if OTHERS.contains(&name) {
        return Answer::Outcomes(Outcomes::ANY);
    }
    Answer::Broken(format!("there is no namer `/$/{}`", crate::show_elem(name)))
}
