//! Nothing is lost, nothing is kept longer than the linger.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Hook for Count {
    fn changed(&self, _: SourceId, _: Instant) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_state_is_read_at_once_and_states_between_are_skipped() {
    let publisher = Publisher::<u32>::default();
    let mut live = publisher.live();
    assert_eq!(live.get(), State::Pending);
    publisher.set(State::Ok(1));
    publisher.set(State::Ok(2));
    publisher.set(State::failed("gone"));
    assert_eq!(live.get(), State::failed("gone"));
    assert_eq!(live.changed().await, State::failed("gone"));
    let again = tokio::time::timeout(Duration::from_secs(9), live.changed()).await;
    assert!(again.is_err(), "one change is told once");
}

#[tokio::test(start_paused = true)]
async fn an_equal_state_is_no_change() {
    let publisher = Publisher::new(State::Ok(1));
    let live = publisher.live();
    let count = Arc::new(Count::default());
    let subscription = live.subscribe(count.clone());
    publisher.set(State::Ok(1));
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    publisher.set(State::Ok(2));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    drop(subscription);
    publisher.set(State::Ok(3));
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "no call after the subscription ended");
}

#[tokio::test(start_paused = true)]
async fn a_watch_closes_only_after_the_linger_without_readers() {
    let publisher = Publisher::new(State::Ok(1));
    let first = publisher.live();
    let second = first.clone();
    let start = Instant::now();
    let closer = tokio::spawn({
        let publisher = publisher.clone();
        async move {
            publisher.closed(LINGER).await;
            Instant::now()
        }
    });
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!closer.is_finished());
    drop(first);
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(!closer.is_finished(), "one reader is left");
    drop(second);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(!closer.is_finished());
    let back = publisher.live();
    tokio::time::sleep(Duration::from_secs(29)).await;
    drop(back);
    let closed = closer.await.unwrap();
    assert_eq!(closed - start, Duration::from_secs(100 + 100 + 29 + 29 + 30));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_an_observation() {
    let publisher = Publisher::new(State::Ok(1));
    let subscription = publisher.live().subscribe(Arc::new(Count::default()));
    assert!(publisher.is_observed());
    assert_eq!(publisher.idle_for(), None);
    drop(subscription);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(publisher.idle_for(), Some(Duration::from_secs(7)));
}

/// Several threads publish while others read: each reader ends with the last state, none waits for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_up_is_lost() {
    for round in 0..200u32 {
        let publisher = Publisher::new(State::Ok(0));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let mut live = publisher.live();
                tokio::spawn(async move { while live.changed().await != State::Ok(20 + round) {} })
            })
            .collect();
        for n in 1..=20 + round {
            publisher.set(State::Ok(n));
        }
        for reader in readers {
            tokio::time::timeout(Duration::from_secs(10), reader).await.expect("woken").unwrap();
        }
    }
}

/// Doubt changes no state and wakes no reader; hooks hear of its beginning and of its end.
#[tokio::test(start_paused = true)]
async fn doubt() {
    let publisher = Publisher::new(State::Ok(1));
    let mut live = publisher.live();
    let count = Arc::new(Count::default());
    let _subscription = live.subscribe(count.clone());
    let seen = |live: &Live<u32>| (live.get(), live.is_sound(), count.0.load(Ordering::SeqCst));
    assert_eq!(seen(&live), (State::Ok(1), true, 0));
    publisher.doubt();
    publisher.doubt();
    assert_eq!(seen(&live), (State::Ok(1), false, 1));
    publisher.set(State::Ok(1));
    assert_eq!(seen(&live), (State::Ok(1), true, 2));
    publisher.doubt();
    publisher.set(State::failed("down"));
    assert_eq!(seen(&live), (State::failed("down"), false, 4));
    assert_eq!(live.changed().await, State::failed("down"));
    publisher.set(State::Pending);
    assert!(live.is_sound(), "nothing is known, nothing is lost");
}
