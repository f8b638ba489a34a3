//! How a proxy ends (dataplane.md §1.2, user-demand C2): readiness fails at once, accepting goes on for the drain delay, then
//! the sockets close and what runs is finished within the grace period.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// For how much of the grace period answers announce the end before idle connections are closed, at most.
pub(crate) const ANNOUNCE: Duration = Duration::from_millis(500);
/// The same where a successor serves already, so that nobody waits for the end.
const ANNOUNCE_TAKEN_OVER: Duration = Duration::from_secs(5);

/// Why a proxy ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// SIGTERM: a platform takes the proxy away and may still send it callers for a while.
    Terminated,
    /// SIGINT: somebody at a terminal waits for the end.
    Interrupted,
    /// `/admin/shutdown`; all of it may take as long as the query says, if it does.
    Asked(Option<Duration>),
    /// Another process serves on the same sockets.
    TakenOver,
}

/// How much time the parts of the end get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How long accepting goes on, so that those who watch readiness or a list of addresses learn of the end.
    pub delay: Duration,
    /// How much of the grace period is for telling callers with their answers before idle connections are closed.
    pub announce: Duration,
    /// How long requests in flight may take after the delay.
    pub grace: Duration,
    /// Whether the admin server stops at once: the successor answers for it.
    pub admin_first: bool,
}

impl Ending {
    /// `delay` and `grace` as configured.
    #[must_use]
    pub fn new(cause: Cause, delay: Duration, grace: Duration) -> Ending {
        let (delay, grace) = match cause {
            Cause::Terminated | Cause::Asked(None) => (delay, grace),
            Cause::Interrupted | Cause::TakenOver => (Duration::ZERO, grace),
            // At least half of it is left for the requests.
            Cause::Asked(Some(all)) => (delay.min(all / 2), all - delay.min(all / 2)),
        };
        let taken_over = cause == Cause::TakenOver;
        let announce = if taken_over { ANNOUNCE_TAKEN_OVER } else { ANNOUNCE };
        Ending { delay, announce: announce.min(grace / 2), grace, admin_first: taken_over }
    }
}

/// Whether somebody has asked for the end through the admin server.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown(Arc<watch::Sender<Option<Cause>>>);

impl Shutdown {
    pub(crate) fn new() -> Shutdown {
        Shutdown(Arc::new(watch::Sender::new(None)))
    }

    /// Asks for the end, which may take as long as `grace` says.
    pub(crate) fn ask(&self, grace: Option<Duration>) {
        self.0.send_replace(Some(Cause::Asked(grace)));
    }

    /// Resolves when somebody has asked.
    pub(crate) async fn asked(&self) -> Cause {
        let mut asked = self.0.subscribe();
        let cause = asked.wait_for(Option::is_some).await.map(|cause| *cause);
        cause.expect("the sender is in self").expect("waited for")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn check(cause: Cause, delay: u32, grace: u32, expected: (u32, u32, Duration)) {
        let got = Ending::new(cause, S * delay, S * grace);
        assert_eq!(
            (got.delay, got.grace, got.announce),
            (S * expected.0, S * expected.1, expected.2),
            "{cause:?}"
        );
        assert_eq!(got.admin_first, cause == Cause::TakenOver);
    }

    #[test]
    fn each_cause_gets_its_time() {
        check(Cause::Terminated, 5, 10, (5, 10, ANNOUNCE));
        check(Cause::Terminated, 5, 0, (5, 0, Duration::ZERO));
        check(Cause::Asked(None), 5, 10, (5, 10, ANNOUNCE));
        check(Cause::Asked(Some(S * 4)), 5, 10, (2, 2, ANNOUNCE));
        check(Cause::Asked(Some(S * 20)), 5, 10, (5, 15, ANNOUNCE));
        check(Cause::Asked(Some(S * 3)), 0, 10, (0, 3, ANNOUNCE));
        check(Cause::Interrupted, 5, 10, (0, 10, ANNOUNCE));
        check(Cause::TakenOver, 5, 10, (0, 10, ANNOUNCE_TAKEN_OVER));
        check(Cause::TakenOver, 5, 2, (0, 2, S));
    }

    #[tokio::test]
    async fn asking_is_remembered() {
        let shutdown = Shutdown::new();
        shutdown.ask(Some(S));
        assert_eq!(shutdown.asked().await, Cause::Asked(Some(S)));
    }
}
