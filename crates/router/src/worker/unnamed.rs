//! Requests that come before the rules are known by which they get their names: they wait for them (routing.md §4).

use super::WorkerRouter;
use crate::exchange::{Exchange, NEVER};
use crate::ingress::IngressRules;
use crate::seam::{Arrival, RequestHead, Step};
use balance::Nanos;
use std::sync::Arc;

/// What is kept of a request until its name can be made. Its head has been read already: it cannot be read twice.
pub(crate) struct Unnamed {
    pub(super) arrival: Arrival,
    /// The dtabs it brought, as they came.
    pub(super) dtabs: Option<Vec<u8>>,
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
        let Unnamed { arrival, dtabs } = unnamed;
        let local = dtabs.is_some();
        match dtabs {
            Some(dtabs) => self.key = dtabs,
            None => self.key.clear(),
        }
        match self.identify(ex, head, &arrival, local) {
            Ok(()) => self.attempt(ex, head, now),
            Err(stopped) => self.stopped(ex, stopped, &arrival, local, now),
        }
    }
}
