//! A service that goes down to nothing and comes back, and one that is deleted and made again.

use super::bed::{Bed, Pod, long};
use std::time::Duration;

/// How soon a proxy has to know (user-demand.md §5).
const SOON: Duration = Duration::from_secs(1);
/// Rounds. Each has to be that fast where the machine has nothing else to do (`WAYLEAVE_LONG=1`), else most of them.
const ROUNDS: usize = 5;

fn assert_soon(what: &str, mut took: Vec<Duration>) {
    took.sort();
    eprintln!("{what}: {took:?}");
    let counts = if long() { took.len() - 1 } else { took.len() / 2 };
    assert!(took[counts] <= SOON, "{what}: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_nothing_and_back() {
    let Some(bed) = Bed::start("scaled::to_nothing_and_back", "").await else { return };
    let pod = Pod::start(1).await;
    bed.create("web", &[1]).await;
    assert_eq!(bed.world.get("web").await.text(), "pod 1");
    let (mut down, mut up) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let since = bed.set("web", &[]).await;
        down.push(bed.until("web", since, |status| status >= 500).await);
        let seen = pod.requests_for("web");
        assert!(bed.world.get("web").await.status() >= 500);
        assert_eq!(pod.requests_for("web"), seen, "the pod is not the service's any more");
        let since = bed.set("web", &[1]).await;
        up.push(bed.until("web", since, |status| status == 200).await);
    }
    assert_soon("to nothing", down);
    assert_soon("and back", up);
    bed.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_and_made_again() {
    let Some(bed) = Bed::start("scaled::deleted_and_made_again", "").await else { return };
    let pods = [Pod::start(1).await, Pod::start(2).await];
    bed.create("web", &[1]).await;
    assert_eq!(bed.world.get("web").await.text(), "pod 1");
    let (mut gone, mut back) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Made again somewhere else each time.
        let number = if round % 2 == 0 { 2 } else { 1 };
        let since = bed.delete("web").await;
        gone.push(bed.until("web", since, |status| status != 200).await);
        let made = tokio::time::Instant::now();
        bed.create("web", &[number]).await;
        back.push(bed.until("web", made, |status| status == 200).await);
        let before = pods[usize::from(2 - number)].requests_for("web");
        assert_eq!(bed.world.get("web").await.text(), format!("pod {number}"));
        assert_eq!(pods[usize::from(2 - number)].requests_for("web"), before, "the old service's pod");
    }
    assert_soon("deleted", gone);
    assert_soon("made again", back);
    bed.finish().await;
}
