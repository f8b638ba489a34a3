//! The walk against a second, plain reading of routing.md §1.4 to §1.6 that builds every tree it talks about.

use super::*;

/// Binding as the specification words it: whole trees, whole dtab, no laziness.
fn model(dtab: &Dtab, tree: &NameTree<Named>, depth: usize) -> Walked {
    if depth > MAX_DEPTH {
        return State::failed("Max recursion level: 100 reached in Namer lookup");
    }
    match tree {
        NameTree::Leaf(Named::Bound(name)) => State::Ok(NameTree::Leaf(name.clone())),
        NameTree::Leaf(Named::Path(path)) => match step(dtab, path) {
            State::Ok(tree) => model(dtab, &tree, depth + 1),
            State::Pending => State::Pending,
            State::Failed(text) => State::Failed(text),
        },
        NameTree::Fail => State::Ok(NameTree::Fail),
        NameTree::Neg => State::Ok(NameTree::Neg),
        NameTree::Empty => State::Ok(NameTree::Empty),
        NameTree::Alt(trees) => {
            let mut walked = trees.iter().map(|tree| model(dtab, tree, depth));
            walked.find(|walked| *walked != State::Ok(NameTree::Neg)).unwrap_or(State::Ok(NameTree::Neg))
        }
        NameTree::Union(branches) if branches.len() == 1 => model(dtab, &branches[0].tree, depth),
        NameTree::Union(branches) => {
            let walked: Vec<_> = branches.iter().map(|b| (b.weight, model(dtab, &b.tree, depth))).collect();
            let known: Vec<_> = walked
                .iter()
                .filter_map(|(weight, walked)| Some(Weighted::new(*weight, walked.clone().ok()?)))
                .collect();
            let failed = walked.iter().find(|(_, walked)| matches!(walked, State::Failed(_)));
            match (known.is_empty(), failed) {
                (false, _) => State::Ok(NameTree::Union(known).simplified()),
                (true, Some((_, failed))) => failed.clone(),
                (true, None) => State::Pending,
            }
        }
    }
}

fn step(dtab: &Dtab, path: &Path) -> State<NameTree<Named>> {
    match dtab.lookup(path) {
        NameTree::Neg => namers().lookup(path, &mut Untracked),
        tree => State::Ok(tree.map(|path| Named::Path(path.clone()))),
    }
}

/// Elements in order: an entry leads mostly to later ones, so that few dtabs are loops.
const ELEMS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn random_path(rng: &mut fastrand::Rng, from: usize) -> String {
    let from = if from >= ELEMS.len() || rng.u8(..10) == 0 { 0 } else { from };
    let first = ELEMS[rng.usize(from..ELEMS.len())];
    match rng.u8(..4) {
        0 => format!("/{first}/{}", ELEMS[rng.usize(..ELEMS.len())]),
        _ => format!("/{first}"),
    }
}

fn random_tree(rng: &mut fastrand::Rng, from: usize, depth: usize) -> String {
    let inner = |rng: &mut fastrand::Rng| random_tree(rng, from, depth + 1);
    match rng.u8(..if depth > 1 { 16 } else { 20 }) {
        0 => "!".into(),
        1 => "~".into(),
        2 => "$".into(),
        3 => ["/#/never", "/#/error", "/$/nil"][rng.usize(..3)].into(),
        4..=9 => format!("/$/inet/{}", rng.u8(1..5)),
        10..=15 => random_path(rng, from),
        16 | 17 => format!("({} | {})", inner(rng), inner(rng)),
        _ => format!("({}*{} & {}*{})", rng.u8(..3), inner(rng), rng.u8(..3), inner(rng)),
    }
}

fn random_dtab(rng: &mut fastrand::Rng, entries: usize) -> Dtab {
    let entries: Vec<String> = (0..entries)
        .map(|_| {
            let from = rng.usize(..ELEMS.len());
            let prefix = match rng.u8(..60) {
                0 => "/".into(),
                1 => "/*".into(),
                2 => "/a/*".into(),
                3 => "/$/inet".into(),
                4 => "/#/never".into(),
                5..=14 => format!("/{}/{}", ELEMS[from], ELEMS[rng.usize(..ELEMS.len())]),
                _ => format!("/{}", ELEMS[from]),
            };
            format!("{prefix}=>{}", random_tree(rng, from + 1, 0))
        })
        .collect();
    Dtab::parse(entries.join(";").as_bytes()).unwrap()
}

#[test]
fn the_walk_agrees_with_the_model() {
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut compared, mut trees) = (0, 0);
    while compared < 4_000 {
        let (base, local) = (rng.usize(6..18), rng.usize(..4));
        let (base, local) = (random_dtab(&mut rng, base), random_dtab(&mut rng, local));
        let name = path(&random_path(&mut rng, 0));
        let walked = bind_with(&base, &local, &name, &namers(), &mut Untracked);
        if matches!(&walked, State::Failed(text) if text.contains("larger than")) {
            // The model would take for ever.
            continue;
        }
        let expected = model(&base.concat(&local), &NameTree::Leaf(Named::Path(name.clone())), 0);
        assert_eq!(walked, expected, "{name} in {base} and {local}");
        compared += 1;
        trees += usize::from(matches!(&walked, State::Ok(NameTree::Leaf(_) | NameTree::Union(_))));
    }
    assert!(trees > 400, "only {trees} trees were compared");
}
