//! Anything may happen in any order; afterwards every binding shows what a fresh walk shows, and nothing is held too much.

use super::*;
use crate::namer::Untracked;
use crate::walk::bind_with;

const NAMES: [&str; 5] = ["/a", "/b", "/c", "/d", "/e"];

fn target(rng: &mut fastrand::Rng) -> String {
    let mut name = || format!("/#/t{}", NAMES[rng.usize(..NAMES.len())]);
    let (a, b, c) = (name(), name(), name());
    match rng.u8(..5) {
        0 => a,
        1 => format!("{a} | {b}"),
        2 => format!("{a} & {b} & {c}"),
        3 => format!("{a} & /$/inet/127.1/{}", rng.u8(1..4)),
        _ => format!("0.5*{a} & ({b} | {c})"),
    }
}

/// What a binding holds, as the walk would have it.
fn names_of(tree: &BoundTree<Client>) -> NameTree<BoundName> {
    tree.map(|leaf| BoundName { id: leaf.id.clone(), residual: leaf.residual.clone() })
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_the_newest_good_state_is_shown() {
    let f = fixture("/svc=>/#/t/a");
    let namers = Namers::new(Arc::new(NoHosts)).with(&path("/t"), f.stage.clone());
    let mut rng = fastrand::Rng::with_seed(7);
    let mut held: Vec<Arc<Binding<Client>>> = Vec::new();
    let (mut checked, mut next_port) = (0, 1);
    for round in 0..3_000 {
        let name = NAMES[rng.usize(..NAMES.len())];
        match rng.u8(..12) {
            0..=2 => f.stage.put(name, State::Ok(rng.u8(..4) > 0)),
            3 => f.stage.put(name, State::failed("x")),
            4 => f.stage.put(name, State::Pending),
            5..=6 => {
                next_port += 1;
                f.stage.serve(name, State::Ok(&[next_port]));
            }
            7 => f.stage.serve(name, if rng.bool() { State::Pending } else { State::failed("y") }),
            8 => f.binder.set_dtab(dtab(&format!("/svc=>{}", target(&mut rng)))),
            9 => {
                let local = if rng.bool() { format!("/svc=>{}", target(&mut rng)) } else { String::new() };
                held.push(f.binder.bind(&path(&format!("/svc/{}", rng.u8(..3))), &dtab(&local)));
            }
            10 if held.len() > 20 => {
                held.swap_remove(rng.usize(..held.len()));
            }
            _ => sleep(u64::from(rng.u16(..500))).await,
        }
        if round % 10 == 0 {
            // Past make before break.
            sleep(2_100).await;
            for binding in &held {
                let raw =
                    bind_with(&f.binder.dtab(), binding.local(), binding.path(), &namers, &mut Untracked);
                if let (State::Ok(raw), Some(Bound::Tree(tree))) = (raw, binding.current().as_deref()) {
                    assert_eq!(names_of(tree), raw, "round {round}: {binding:?}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 500, "only {checked} trees were checked");
    held.clear();
    settle().await;
    let stats = f.binder.stats();
    assert_eq!((stats.bindings, stats.leaves, stats.watches), (0, 0, 0));
    assert_eq!((f.stage.followed(), f.clients.load(Ordering::SeqCst)), (0, 0));
}
