//! A connection's one timer.
//!
//! Nearly every deadline is met, so setting and unsetting a timer for each request would be waste. The timer here stays
//! where it is while later deadlines replace earlier ones; when it fires it looks at the deadline in force and, if that
//! is still to come, is set again. A steady connection touches the runtime's timer wheel once for each time-out's length.

use crate::clock::Clock;
use balance::Nanos;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;

/// Fires when a deadline that may move has passed.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    armed: Option<(Pin<Box<Sleep>>, Nanos)>,
}

impl Timer {
    /// Ready when `deadline` has passed; never without one. Always to be called from the same task.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Nanos>, clock: &Clock) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        match &mut self.armed {
            // It fires before the deadline and its waker is this task's: nothing to do now.
            Some((sleep, at)) if *at <= deadline && !sleep.is_elapsed() => return Poll::Pending,
            Some((sleep, at)) => {
                if clock.now() >= deadline {
                    return Poll::Ready(());
                }
                sleep.as_mut().reset(clock.instant(deadline));
                *at = deadline;
            }
            None => {
                self.armed = Some((Box::pin(tokio::time::sleep_until(clock.instant(deadline))), deadline));
            }
        }
        let (sleep, _) = self.armed.as_mut().expect("set above");
        // Outside the task's budget: where that is spent, the timer would answer `Pending` without having been set, and
        // the arm above would then wait for it for ever.
        std::pin::pin!(unconstrained(sleep.as_mut())).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_may_move_both_ways() {
        let clock = Clock::start();
        let mut timer = Timer::default();
        let first = poll_fn(|cx| Poll::Ready(timer.poll(cx, Some(Nanos::from_millis(100)), &clock))).await;
        assert!(first.is_pending());
        poll_fn(|cx| timer.poll(cx, Some(Nanos::from_millis(300)), &clock)).await;
        assert_eq!(clock.now().millis() / 10, 30);
        poll_fn(|cx| Poll::Ready(timer.poll(cx, Some(Nanos::from_millis(900)), &clock))).await.is_pending();
        poll_fn(|cx| timer.poll(cx, Some(Nanos::from_millis(500)), &clock)).await;
        assert_eq!(clock.now().millis() / 10, 50);
        assert!(poll_fn(|cx| Poll::Ready(timer.poll(cx, None, &clock))).await.is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_set_by_a_task_that_has_spent_its_budget_fires_all_the_same() {
        let clock = Clock::start();
        let mut timer = Timer::default();
        let mut polls = 0;
        let fired = poll_fn(|cx| {
            polls += 1;
            if polls == 1 {
                while let Poll::Ready(budget) = tokio::task::coop::poll_proceed(cx) {
                    budget.made_progress();
                }
            }
            timer.poll(cx, Some(Nanos::from_millis(100)), &clock)
        });
        tokio::time::timeout(std::time::Duration::from_secs(10), fired).await.expect("the deadline is seen");
        assert_eq!(clock.now().millis(), 100);
    }
}
