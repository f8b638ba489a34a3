//! Waiting in tests: for a condition or an event, never for an amount of time.

use std::future::Future;
use std::time::Duration;

/// How long a helper waits for something that must happen before it gives up; generous, because CI is slow and a
/// passing test never waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `cond` holds, or panics with `what` after `deadline`.
pub async fn eventually<F>(deadline: Duration, what: &str, mut cond: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let end = tokio::time::Instant::now() + deadline;
    while !cond().await {
        assert!(tokio::time::Instant::now() < end, "did not happen within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The result of `future`, or a panic with `what` when it takes longer than [`PATIENCE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("nothing for {PATIENCE:?}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_until_the_condition_holds() {
        let mut asked = 0;
        eventually(PATIENCE, "third time", || {
            asked += 1;
            let done = asked == 3;
            async move { done }
        })
        .await;
        assert_eq!(asked, 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "did not happen within 1s: never")]
    async fn gives_up_with_the_reason() {
        eventually(Duration::from_secs(1), "never", || async { false }).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "an answer")]
    async fn within_gives_up_too() {
        within("an answer", std::future::pending::<()>()).await;
    }
}
