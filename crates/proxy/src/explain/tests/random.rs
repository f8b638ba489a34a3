//! On random dtabs: the tree, the choices and binding agree, and so does lint.

use super::*;
use names::lint::{Finding, Rule, Scene, Severity, lint};
use names::{Dentry, NameTree, Prefix, PrefixElem, Weighted};
use naming::{Address, Named, Namer, Namers, NoHosts, Reader, Untracked};
use std::collections::BTreeMap;

const DTABS: usize = 10_000;
const LINTED: usize = 600;

/// Knows names by their first letter: `a` and `b` there, `c` there without addresses, `d` not yet, `e` broken, others not.
struct Letters;

impl Namer for Letters {
    fn bind(&self, path: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        let bound = BoundName {
            id: "/#/letters".parse::<Path>().unwrap().concat(&path.take(1)),
            residual: path.skip(1),
        };
        match path.first() {
            Some(b"a" | b"b" | b"c") => State::Ok(NameTree::Leaf(Named::Bound(bound))),
            Some(b"d") => State::Pending,
            Some(b"e") => State::failed("broken"),
            _ => State::Ok(NameTree::Neg),
        }
    }

    fn addresses(&self, id: &Path, _: &mut dyn Reader) -> Addr {
        match id.elems().last() {
            Some(b"c") => Addr::bound(Vec::new()),
            _ => Addr::bound(vec![Address::new(([127, 0, 0, 1], 80).into())]),
        }
    }
}

fn interpreter() -> Interpreter {
    let namers = Namers::new(Arc::new(NoHosts)).with(&"/letters".parse().unwrap(), Arc::new(Letters));
    Interpreter::from(Arc::new(namers))
}

/// A letter; small ones mostly, so that names meet.
fn letter(rng: &mut fastrand::Rng) -> &'static str {
    ["a", "b", "c", "d", "e", "f", "s", "t"][if rng.u8(..4) == 0 { rng.usize(..8) } else { rng.usize(..3) }]
}

fn some_path(rng: &mut fastrand::Rng, from: &str) -> Path {
    // Few ways back to /s: loops are slow, and there is little to learn from each.
    let head = match rng.u8(..10) {
        0..5 => "/#/letters",
        5 => "/$/inet/127.1/80",
        6 => ["/$/nil", "/$/fail", "/$/nobody", "/#/none", "/$/io.buoyant.http.anyHostPfx/s"][rng.usize(..5)],
        _ if rng.u8(..20) == 0 => "/s",
        _ if from == "s" => "/t",
        _ => "/#/letters",
    };
    let tail: String = (0..rng.usize(..3)).map(|_| format!("/{}", letter(rng))).collect();
    format!("{head}{tail}").parse().unwrap()
}

fn some_tree(rng: &mut fastrand::Rng, from: &str, deep: u8) -> NameTree<Path> {
    let kind = rng.u8(..if deep == 0 { 8 } else { 12 });
    match kind {
        0 => [NameTree::Fail, NameTree::Neg, NameTree::Neg, NameTree::Empty][rng.usize(..4)].clone(),
        1..8 => NameTree::Leaf(some_path(rng, from)),
        8 | 9 => NameTree::Alt((0..rng.usize(2..4)).map(|_| some_tree(rng, from, deep - 1)).collect()),
        _ => {
            let weight = |rng: &mut fastrand::Rng| [1.0, 1.0, 0.5, 3.0, 0.0][rng.usize(..5)];
            let branch = |_| Weighted::new(weight(rng), some_tree(rng, from, deep - 1));
            NameTree::Union((0..2 + usize::from(deep)).map(branch).collect())
        }
    }
}

fn some_dtab(rng: &mut fastrand::Rng) -> Dtab {
    let count = rng.usize(..7);
    let entry = |_| {
        let elems: Vec<&str> = match rng.u8(..32) {
            0 => vec![],
            1..5 => vec!["#", "letters", letter(rng)],
            kind => std::iter::once(if kind < 16 { "t" } else { "s" })
                .chain((0..rng.usize(..3)).map(|_| letter(rng)))
                .collect(),
        };
        let from = elems.first().copied().unwrap_or_default();
        let wild = |(at, elem)| match (at, rng.u8(..6)) {
            (1.., 0) => PrefixElem::Any,
            _ => PrefixElem::Label(<str>::as_bytes(elem)),
        };
        let prefix = Prefix::from_elems(elems.into_iter().enumerate().map(wild).collect::<Vec<_>>());
        Dentry::new(prefix, some_tree(rng, from, 2))
    };
    (0..count).map(entry).collect()
}

fn some_name(rng: &mut fastrand::Rng) -> Path {
    let tail: String = (0..rng.usize(..4)).map(|_| format!("/{}", letter(rng))).collect();
    format!("/s{tail}").parse().unwrap()
}

/// What binding itself says of each leaf: written down once more, in the words of routing.md §1.7.
fn expected(tree: &NameTree<BoundName>, share: f64, sums: &mut BTreeMap<String, f64>) {
    match tree {
        NameTree::Leaf(name) => *sums.entry(format!("{} {}", name.id, name.residual)).or_default() += share,
        NameTree::Union(branches) => {
            let sum: f64 = branches.iter().map(|b| b.weight).sum();
            for Weighted { weight, tree } in branches {
                let part = if sum == 0.0 { 1.0 / branches.len() as f64 } else { weight / sum };
                expected(tree, share * part, sums);
            }
        }
        _ => {}
    }
}

fn positive(sums: BTreeMap<String, f64>) -> Vec<(String, i64)> {
    sums.into_iter().map(|(name, p)| (name, (p * 1e9).round() as i64)).filter(|(_, p)| *p > 0).collect()
}

#[tokio::test]
async fn explanations_agree_with_binding() {
    let (interpreter, places) = (interpreter(), place::Places::default());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..DTABS {
        let rng = &mut fastrand::Rng::with_seed(seed as u64);
        let (base, local, name) = (some_dtab(rng), some_dtab(rng), some_name(rng));
        let local = if seed % 3 == 0 { local } else { Dtab::empty() };
        let context = format!("seed {seed}: {name} in {base} and {local}");
        let walked = naming::bind_with(&base, &local, &name, interpreter.namers(), &mut Untracked);
        let of = through(&interpreter, [&base, &local], &name, &places, Duration::ZERO).await;

        let mut sums = BTreeMap::new();
        if let State::Ok(tree) = &walked {
            expected(tree, 1.0, &mut sums);
        }
        let expected = positive(sums);
        let by_choice =
            of.choices.iter().map(|c| (format!("{} {}", c.bound.id, c.bound.residual), c.probability));
        assert_eq!(positive(by_choice.collect()), expected, "choices of {context}");
        if of.incomplete.is_none() {
            let mut in_tree = BTreeMap::new();
            for step in of.tree.all() {
                if let What::Replicas { bound, .. } = &step.what
                    && matches!(walked, State::Ok(_))
                {
                    *in_tree.entry(format!("{} {}", bound.id, bound.residual)).or_default() +=
                        step.probability;
                }
            }
            assert_eq!(positive(in_tree), expected, "tree of {context}");
        }
        let kind = match (&walked, &of.outcome) {
            (State::Pending, Outcome::Pending) => "pending",
            (State::Failed(a), Outcome::Failed(b)) if a == b => "failed",
            (State::Ok(NameTree::Neg), Outcome::NoReplicas(Nobody::Neg)) => "neg",
            (State::Ok(NameTree::Fail), Outcome::NoReplicas(Nobody::Fail)) => "fail",
            (State::Ok(tree), Outcome::NoReplicas(Nobody::Empty)) if tree.leaves().next().is_none() => {
                "empty"
            }
            (State::Ok(tree), Outcome::Routed { refused }) if tree.leaves().next().is_some() => {
                let in_vain = expected.iter().filter(|(name, _)| name.starts_with("/#/letters/c "));
                let all: i64 = expected.iter().map(|(_, p)| p).sum();
                let lost = 1e9 - all as f64 + in_vain.map(|(_, p)| *p as f64).sum::<f64>();
                assert!((refused * 1e9 - lost).abs() < 100.0, "{refused} of {context}");
                "routed"
            }
            (walked, outcome) => panic!("{walked:?} but {outcome:?}: {context}"),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    for kind in ["pending", "failed", "neg", "fail", "empty", "routed"] {
        assert!(kinds.get(kind).is_some_and(|n| *n > 50), "too few of {kind}: {kinds:?}");
    }
}

/// The name a finding says always goes round; wildcards stand for any element.
fn looping(finding: &Finding) -> Path {
    let quoted = finding.message.split('`').nth(1).unwrap();
    quoted.replace('*', "x").parse().unwrap()
}

fn is_failure(walked: &naming::Walked) -> bool {
    matches!(walked, State::Failed(_))
}

/// What lint calls unreachable or a duplicate may be deleted, and what it calls a sure loop never ends well.
#[test]
fn lint_is_right() {
    let namers = ["/#/letters".parse().unwrap()];
    let scene = Scene { namers: Some(&namers), whole: true, names: &[] };
    let interpreter = interpreter();
    let mut told: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..LINTED {
        let rng = &mut fastrand::Rng::with_seed(seed as u64);
        let dtab = some_dtab(rng);
        let names: Vec<Path> = (0..10).map(|_| some_name(rng)).collect();
        let bind = |dtab: &Dtab, name: &Path| naming::bind(dtab, name, interpreter.namers(), &mut Untracked);
        let findings = lint(&dtab, &scene).findings;
        // Where names go round, what a limit of binding leaves of them depends on every entry.
        let goes_round = findings.iter().any(|f| f.rule == Rule::Loop);
        for finding in findings {
            let without = |from: usize, to: usize| {
                let entries = dtab.entries().iter().enumerate().filter(|(at, _)| !(from..to).contains(at));
                entries.map(|(_, entry)| entry.clone()).collect::<Dtab>()
            };
            let less = match finding.rule {
                Rule::Unreachable | Rule::Duplicate | Rule::EndsAll if goes_round => continue,
                Rule::Unreachable | Rule::Duplicate => without(finding.entry, finding.entry + 1),
                Rule::EndsAll => without(0, finding.entry),
                Rule::Loop if finding.severity == Severity::Error => {
                    *told.entry("loop").or_default() += 1;
                    let name = looping(&finding);
                    assert!(is_failure(&bind(&dtab, &name)), "{name} in {dtab}: {finding:?}");
                    continue;
                }
                _ => continue,
            };
            *told.entry(finding.rule.name()).or_default() += 1;
            for name in &names {
                assert!(bind(&dtab, name) == bind(&less, name), "{name} in {dtab}: {finding:?}");
            }
        }
    }
    for rule in ["unreachable", "loop", "duplicate", "ends-all"] {
        assert!(told.get(rule).is_some_and(|n| *n > 2), "too few of {rule}: {told:?}");
    }
}
