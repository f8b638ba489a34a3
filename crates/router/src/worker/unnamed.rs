//! Requests that come before the rules are known by which they get their names: they wait for them (routing.md §4).

use super::WorkerRouter;
use super::head::Stopped;
use crate::exchange::{Exchange, NEVER};
use crate::ingress::IngressRules;
use crate::seam::{Arrival, RequestHead, Step};
use balance::Nanos;
use std::sync::Arc;

/// What is kept of a request until its name can be made. Its head has been read already: it cannot be read twice.
pub(crate) struct Unnamed {
    pub(super) arrival: Arrival,
    /// Whether it brought dtabs, which stand in `key`.
    pub(super) local: bool,
    pub(super) key: Vec<u8>,
}

impl WorkerRouter {
    /// Waits for `rules`, as long as a name may take to be bound.
    pub(super) fn await_rules(
        &mut self,
        ex: &mut Exchange,
        unnamed: Unnamed,
        rules: &Arc<IngressRules>,
        now: Nanos,
    ) -> Step {
        let arrived = unnamed.arrival.now;
        ex.binding_deadline = arrived + self.router.settings.binding_timeout;
        ex.total_deadline = self.server.settings.timeout.map_or(NEVER, |timeout| arrived + timeout);
        ex.server_is_first = true;
        ex.unnamed = Some(Box::new(unnamed));
        self.wait(ex, Box::pin(rules.known()), now)
    }

    /// The rules are known: names the request and goes on with it.
    #[cold]
    pub(super) fn name_late(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl RequestHead,
        unnamed: Unnamed,
        now: Nanos,
    ) -> Step {
        let Unnamed { arrival, local, key } = unnamed;
        self.key.clear();
        self.key.extend_from_slice(&key);
        match self.identify(ex, head, &arrival, local) {
            Ok(()) => self.attempt(ex, head, now),
            Err(Stopped::Waits(rules)) => self.await_rules(ex, Unnamed { arrival, local, key }, &rules, now),
            Err(stopped) => self.stopped(ex, stopped, &arrival, local, now),
        }
    }
}
