//! What delegation shows is what binding does, on random dtabs.

use super::*;

/// Elements in order: an entry leads mostly to later ones, so that few dtabs are loops.
const ELEMS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn random_path(rng: &mut fastrand::Rng, from: usize) -> String {
    let from = if from >= ELEMS.len() || rng.u8(..60) == 0 { 0 } else { from };
    let first = ELEMS[rng.usize(from..ELEMS.len())];
    match rng.u8(..4) {
        0 => format!("/{first}/{}", ELEMS[rng.usize(..ELEMS.len())]),
        _ => format!("/{first}"),
    }
}

fn random_tree(rng: &mut fastrand::Rng, from: usize, depth: usize) -> String {
    const ELSEWHERE: [&str; 9] = [
        "/#/never",
        "/#/error",
        "/$/nil",
        "/$/fail",
        "/#/io.l5d.fs",
        "/#/io.l5d.fs/web",
        "/#/rw/web/api",
        "/$/io.buoyant.http.anyHost",
        "/$/nosuch",
    ];
    let inner = |rng: &mut fastrand::Rng| random_tree(rng, from, depth + 1);
    match rng.u8(..if depth > 1 { 16 } else { 20 }) {
        0 => "!".into(),
        1 => "~".into(),
        2 => "$".into(),
        3 | 4 => ELSEWHERE[rng.usize(..ELSEWHERE.len())].into(),
        5..=8 => format!("/$/inet/{}", rng.u8(1..5)),
        9..=15 => random_path(rng, from),
        16 | 17 => format!("({} | {})", inner(rng), inner(rng)),
        _ => format!("({}*{} & {}*{})", rng.u8(..3), inner(rng), rng.u8(..3), inner(rng)),
    }
}

fn random_dtab(rng: &mut fastrand::Rng, entries: usize) -> Dtab {
    const ODD: [&str; 6] = ["/", "/*", "/a/*", "/$/inet", "/#/never", "/#/io.l5d.fs"];
    let entries: Vec<String> = (0..entries)
        .map(|_| {
            let from = rng.usize(..ELEMS.len());
            let prefix = match rng.u8(..120) {
                0..=2 => ODD[rng.usize(..ODD.len())].into(),
                3..=30 => format!("/{}/{}", ELEMS[from], ELEMS[rng.usize(..ELEMS.len())]),
                _ => format!("/{}", ELEMS[from]),
            };
            format!("{prefix}=>{}", random_tree(rng, from + 1, 0))
        })
        .collect();
    Dtab::parse(entries.join(";").as_bytes()).unwrap()
}

#[test]
fn delegation_agrees_with_binding() {
    let mut rng = fastrand::Rng::with_seed(4);
    let interpreter = interpreter();
    let (mut compared, mut trees, mut failed) = (0, 0, 0);
    while compared < 10_000 {
        let (base, local) = (rng.usize(4..12), rng.usize(..4));
        let (base, local) = (random_dtab(&mut rng, base), random_dtab(&mut rng, local));
        let name = path(&random_path(&mut rng, 0));
        let tree = interpreter.delegate(&base, &local, &name, &mut Untracked);
        if tree.cut().is_some() {
            // It looks at more than binding does, so it gives up earlier.
            continue;
        }
        let bound = interpreter.bind(&base, &local, &name, &mut Untracked);
        assert_eq!(tree.bound(), bound, "{name} in {base} and {local}");
        compared += 1;
        trees += usize::from(matches!(&bound, State::Ok(NameTree::Leaf(_) | NameTree::Union(_))));
        failed += usize::from(matches!(&bound, State::Failed(_)));
    }
    assert!(trees > 1_000 && failed > 500, "{trees} trees and {failed} failures");
}
