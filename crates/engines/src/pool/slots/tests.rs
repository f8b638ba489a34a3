//! Slots without sockets: who gets in, who waits, who is told.

use super::*;
use std::sync::atomic::AtomicBool;
use tokio::task::JoinSet;

fn slots(max: u32, max_waiters: u32) -> Arc<Slots> {
    Arc::new(Slots::new(&PoolSettings { max, max_waiters, ..PoolSettings::default() }, 2))
}

fn slot(slots: &Arc<Slots>) -> Slot {
    match slots.enter(0) {
        Entry::Slot(slot) => slot,
        Entry::Wait(_) | Entry::Full => panic!("no slot is free: {slots:?}"),
    }
}

fn wait(slots: &Arc<Slots>) -> Turn {
    match slots.enter(1) {
        Entry::Wait(turn) => turn,
        Entry::Slot(_) | Entry::Full => panic!("not to wait: {slots:?}"),
    }
}

fn is_full(slots: &Arc<Slots>) -> bool {
    matches!(slots.enter(0), Entry::Full)
}

fn counts(slots: &Slots) -> (u32, u32) {
    let count = slots.count.load(SeqCst);
    (open(count), waiting(count))
}

async fn leave_to_dial(turn: Turn) -> Slot {
    match turn.await {
        Some(Grant::Dial(slot)) => slot,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn those_who_wait_are_served_in_order() {
    let slots = slots(2, 2);
    let (a, b) = (slot(&slots), slot(&slots));
    let (first, second) = (wait(&slots), wait(&slots));
    assert!(is_full(&slots));
    assert_eq!(counts(&slots), (2, 2));
    drop(b);
    let mut second = second;
    assert!(futures_pending(&mut second).await, "the first comes first");
    let c = leave_to_dial(first).await;
    assert_eq!(counts(&slots), (2, 1));
    drop((a, c));
    let d = leave_to_dial(second).await;
    assert_eq!(counts(&slots), (1, 0));
    drop(d);
    assert_eq!(counts(&slots), (0, 0));
}

async fn futures_pending(turn: &mut Turn) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *turn).poll(cx).is_pending())).await
}

#[tokio::test]
async fn who_leaves_the_queue_holds_nobody_up() {
    let slots = slots(1, 3);
    let held = slot(&slots);
    let (gone, kept, late) = (wait(&slots), wait(&slots), wait(&slots));
    drop(gone);
    assert_eq!(counts(&slots), (1, 2));
    drop(held);
    // The slot was given to `kept`, which goes away without taking it.
    drop(kept);
    let slot = leave_to_dial(late).await;
    assert_eq!(counts(&slots), (1, 0));
    drop(slot);
    assert_eq!(counts(&slots), (0, 0));
}

#[test]
fn nobody_waits_where_nobody_may() {
    let slots = slots(1, 0);
    let held = slot(&slots);
    assert!(is_full(&slots));
    drop(held);
    drop(slot(&slots));
}

#[test]
fn as_many_stay_as_must() {
    let slots = slots(5, 0);
    let mut all: Vec<_> = (0..5).map(|_| slot(&slots)).collect();
    let given_up = all.iter_mut().filter_map(|slot| slot.give_up_above(2).then_some(())).count();
    assert_eq!((given_up, counts(&slots)), (3, (2, 0)));
    drop(all);
    assert_eq!(counts(&slots), (0, 0));
}

#[test]
fn idle_connections_are_known_to_those_who_wait() {
    let slots = slots(1, 1);
    let mut held = slot(&slots);
    held.set_idle(Some(1));
    let turn = wait(&slots);
    assert_eq!(turn.holders().collect::<Vec<_>>(), [1]);
    assert!(held.is_awaited());
    held.set_idle(None);
    assert_eq!(turn.holders().count(), 0);
    drop((turn, held));
    assert!(slots.idle.iter().all(|n| n.load(SeqCst) == 0));
}

/// `maxWaiters` counts those for whom nothing idles.
#[test]
fn nobody_is_refused_for_whom_a_connection_idles() {
    let slots = slots(1, 0);
    let mut held = slot(&slots);
    assert!(is_full(&slots));
    held.set_idle(Some(1));
    let Entry::Wait(turn) = slots.enter(0) else { panic!("{slots:?}") };
    assert!(turn.borrows() && turn.holders().eq([1]));
    assert!(is_full(&slots), "that one is promised");
    drop(turn);
    held.set_idle(None);
    assert!(is_full(&slots));
    drop(held);
    assert_eq!(counts(&slots), (0, 0));
}

/// Eight threads, three slots: never more at a time, nobody is forgotten, nothing is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_forgotten() {
    let (slots, inside, broken) =
        (slots(3, 100), Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (slots, inside, broken) = (slots.clone(), inside.clone(), broken.clone());
        tasks.spawn(async move {
            for round in 0..2_000 {
                let slot = match slots.enter(task % 2) {
                    Entry::Slot(slot) => slot,
                    // Some lose interest at once.
                    Entry::Wait(_) if round % 7 == 0 => continue,
                    Entry::Wait(turn) => leave_to_dial(turn).await,
                    Entry::Full => panic!("a hundred may wait"),
                };
                broken.fetch_or(inside.fetch_add(1, SeqCst) >= 3, SeqCst);
                if round % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                inside.fetch_sub(1, SeqCst);
                drop(slot);
            }
        });
    }
    testkit::within("all rounds", tasks.join_all()).await;
    assert!(!broken.load(SeqCst), "more than three at a time");
    assert_eq!(counts(&slots), (0, 0));
    assert!(slots.queue.lock().waiters.is_empty());
}
