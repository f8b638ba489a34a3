//! With which probability each leaf of a bound tree is chosen (routing.md §1.7).

use super::{Choice, Nobody, Outcome};
use names::{NameTree, Path, Weighted};
use naming::{Addr, BoundName, State, Walked, fixed_status};

/// The share of each branch of a union: by weight; equal ones when all weights are 0.
pub(super) fn shares(weights: &[f64]) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    let even = 1.0 / weights.len() as f64;
    weights.iter().map(|weight| if sum > 0.0 { weight / sum } else { even }).collect()
}

/// The replica sets of a bound tree with their probabilities, the likeliest first, each once.
pub(super) fn choices(tree: &NameTree<BoundName>, mut addr: impl FnMut(&Path) -> Addr) -> Vec<Choice> {
    let mut all: Vec<(BoundName, f64)> = Vec::new();
    spread(tree, 1.0, &mut |bound, probability| match all.iter_mut().find(|(known, _)| known == bound) {
        Some((_, sum)) => *sum += probability,
        None => all.push((bound.clone(), probability)),
    });
    all.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let choice = |(bound, probability): (BoundName, f64)| {
        let addr = addr(&bound.id);
        Choice { bound, addr, probability }
    };
    all.into_iter().map(choice).collect()
}

fn spread(tree: &NameTree<BoundName>, share: f64, each: &mut impl FnMut(&BoundName, f64)) {
    match tree {
        NameTree::Leaf(bound) => each(bound, share),
        NameTree::Union(branches) => {
            let weights: Vec<f64> = branches.iter().map(|b| b.weight).collect();
            for (Weighted { tree, .. }, part) in branches.iter().zip(shares(&weights)) {
                spread(tree, share * part, each);
            }
        }
        // Bound trees have no alternatives left.
        NameTree::Alt(_) | NameTree::Fail | NameTree::Neg | NameTree::Empty => {}
    }
}

/// What a request would meet.
pub(super) fn outcome(walked: &Walked, choices: &[Choice]) -> Outcome {
    match walked {
        State::Pending => Outcome::Pending,
        State::Failed(text) => Outcome::Failed(text.clone()),
        State::Ok(NameTree::Neg) => Outcome::NoReplicas(Nobody::Neg),
        State::Ok(NameTree::Fail) => Outcome::NoReplicas(Nobody::Fail),
        State::Ok(_) if choices.is_empty() => Outcome::NoReplicas(Nobody::Empty),
        State::Ok(_) => {
            let served = choices.iter().filter(|choice| is_served(choice));
            let served: f64 = served.map(|choice| choice.probability).sum();
            // What rounding leaves over is nobody's request.
            let refused = 1.0 - served;
            Outcome::Routed { refused: if refused < 1e-9 { 0.0 } else { refused } }
        }
    }
}

/// Whether a request sent there can be served. Of sets that are still pending the best is hoped.
fn is_served(choice: &Choice) -> bool {
    // Names that are statuses need nobody.
    if fixed_status(&choice.bound.id).is_some() {
        return true;
    }
    match &choice.addr {
        Addr::Pending => true,
        Addr::Neg | Addr::Failed(_) => false,
        Addr::Bound(set) => !set.addresses.is_empty(),
    }
}
