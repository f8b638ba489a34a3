//! An attempt: one leaf of the bound tree, one replica of its client, the lines that belong to this attempt alone.

use super::WorkerRouter;
use crate::answer::{self, Fault};
use crate::client::{Client, Members, Picked};
use crate::context::Deadline;
use crate::entry::{self, Entry, Route};
use crate::exchange::{Attempt, Exchange, NEVER, Phase};
use crate::header::Known;
use crate::seam::{RequestHead, Step};
use crate::stats::client as idx;
use balance::Nanos;
use naming::{Bound, Leaf};
use std::sync::Arc;

impl WorkerRouter {
    /// Begins an attempt, or waits for what it needs.
    pub(super) fn attempt(&mut self, ex: &mut Exchange, head: &mut impl RequestHead, now: Nanos) -> Step {
        let Some(entry) = ex.entry.clone() else {
            debug_assert!(false, "an attempt without a name: {ex:?}");
            return self.refuse(ex, Fault::Unroutable, "no name", false, now);
        };
        let bound = entry.binding.load();
        match bound.as_deref() {
            None => self.wait(ex, entry.binding.ready(), now),
            Some(Bound::Failed(why)) => self.refuse(ex, Fault::BindingFailed, why, false, now),
            Some(Bound::Tree(tree)) => {
                self.router.count_tree(&entry, tree, now);
                match entry::draw(tree, &mut self.rng) {
                    Some(leaf) => self.dispatch(ex, head, &entry, leaf, now),
                    None => self.unroutable(ex, &entry, now),
                }
            }
        }
    }

    pub(super) fn wait(&mut self, ex: &mut Exchange, wait: crate::seam::BindingWait, now: Nanos) -> Step {
        ex.phase = Phase::Binding;
        if ex.deadline().is_some_and(|deadline| deadline <= now) {
            return self.on_deadline(ex, now);
        }
        Step::AwaitBinding(wait)
    }

    #[cold]
    pub(super) fn unroutable(&mut self, ex: &mut Exchange, entry: &Entry, now: Nanos) -> Step {
        let text = if self.entrance.clear_context {
            // Strangers are not told, and may ask for any number of such names.
            String::new()
        } else {
            answer::unroutable(&entry.service.path, &self.router.base_lines(), &entry.local)
        };
        self.refuse(ex, Fault::Unroutable, &text, false, now)
    }

    /// Sends the request to a replica of `leaf`.
    fn dispatch(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl RequestHead,
        entry: &Entry,
        leaf: &Arc<Leaf<Client>>,
        now: Nanos,
    ) -> Step {
        let client = &leaf.replicas;
        let members = client.members();
        let all = match &**members {
            Members::Known(set) => set,
            Members::Pending => return self.wait(ex, Box::pin(client.known()), now),
            Members::Failed(why) => return self.refuse(ex, Fault::BindingFailed, why, false, now),
        };
        if let Some(status) = client.status {
            return self.stand_in(ex, status, Vec::new(), now);
        }
        if ex.diagnosis.is_some()
            && let Some(step) = self.diagnose(ex, entry, leaf, all, now)
        {
            return step;
        }
        ex.tried.clear();
        let Some(mut picked) = all.choose(now, &mut self.rng) else {
            return self.unroutable(ex, entry, now);
        };
        if picked.is_marked_down() && !picked.reconnects(now) {
            return self.marked_down(ex, client, now);
        }
        client.budget.deposit(now);
        let route = entry.route(leaf);
        if ex.attempts > 0 {
            head.rewind();
        }
        ex.attempts += 1;
        ex.fresh = false;
        ex.dispatched.get_or_insert(now);
        ex.span = ex.trace.child(self.rng.u64(..));
        self.address(ex, head, client, &route, now);
        let attempt = self.assign(picked, leaf, route, now);
        ex.start(attempt);
        Step::Send
    }

    /// All replicas are marked down, and it is not time to find out whether one is back: nobody waits for a connect.
    #[cold]
    fn marked_down(&mut self, ex: &mut Exchange, client: &Client, now: Nanos) -> Step {
        let shard = client.stats.block.shard(self.worker);
        shard.inc(idx::CREATION_FAILURES);
        client.stats.faults.count(Fault::MarkedDown);
        let text = answer::marked_down(&client.stats.label);
        self.refuse(ex, Fault::MarkedDown, &text, false, now)
    }

    fn assign(
        &self,
        Picked { endpoint, choice, band }: Picked,
        leaf: &Arc<Leaf<Client>>,
        route: Arc<Route>,
        now: Nanos,
    ) -> Attempt {
        if choice.probe.is_some() {
            endpoint.count_probe(self.worker);
        }
        Attempt {
            endpoint,
            probe: choice.probe,
            reconnect: choice.reconnect,
            band,
            route,
            sent: now,
            answered: false,
            acquired: None,
            deadline: leaf.replicas.settings.attempt_timeout.map_or(NEVER, |timeout| now + timeout),
            refused: 0,
            requeues: 0,
            limit: None,
            requeued: 0,
            stale: false,
            leaf: Arc::clone(leaf),
        }
    }

    /// A replica for an attempt that could not use the one it had; `None` when there is none at all.
    pub(super) fn other(&mut self, client: &Client, tried: &[u64], now: Nanos) -> Option<Picked> {
        match &**client.members() {
            Members::Known(set) if tried.is_empty() => set.choose(now, &mut self.rng),
            Members::Known(set) => set.choose_other(tried, now, &mut self.rng),
            Members::Pending | Members::Failed(_) => None,
        }
    }

    /// Sends an attempt to another replica of its client. The head stays as it is: same client, same span.
    pub(super) fn reassign(
        &mut self,
        ex: &mut Exchange,
        mut attempt: Attempt,
        Picked { endpoint, choice, band }: Picked,
        now: Nanos,
    ) -> Step {
        if choice.probe.is_some() {
            endpoint.count_probe(self.worker);
        }
        // A connection nobody used before was wanted where one had gone stale.
        ex.fresh &= attempt.endpoint.id == endpoint.id;
        attempt.endpoint = endpoint;
        (attempt.probe, attempt.reconnect) = (choice.probe, choice.reconnect);
        attempt.band = band;
        attempt.sent = now;
        attempt.acquired = None;
        attempt.start_clock(now);
        attempt.requeued += 1;
        attempt.client().stats.block.shard(self.worker).inc(idx::REQUEUES);
        ex.start(attempt);
        Step::Send
    }

    /// The lines of this attempt.
    fn address(
        &mut self,
        ex: &mut Exchange,
        head: &mut impl RequestHead,
        client: &Client,
        route: &Route,
        now: Nanos,
    ) {
        if ex.renamed.is_active() || client.is_renamed() {
            ex.renamed.apply(head, client.authority());
        }
        head.append(Known::L5dDstClient.into(), client.shown.as_bytes());
        if !route.residual.is_empty() {
            head.append(Known::L5dDstResidual.into(), route.residual.as_bytes());
        }
        self.router.settings.propagator.write(head, &ex.span);
        if let Some(deadline) = self.deadline_out(ex, client, now) {
            self.scratch.clear();
            deadline.write(&mut self.scratch);
            // What may stand there still is one nobody could read.
            head.set(Known::L5dCtxDeadline.into(), &self.scratch);
        }
    }

    /// The caller's deadline and this proxy's time-outs, combined (dataplane.md §7.3).
    fn deadline_out(&self, ex: &Exchange, client: &Client, now: Nanos) -> Option<Deadline> {
        let epoch = self.router.settings.epoch;
        let total = ex.entry.as_ref().and_then(|entry| entry.service.settings.total_timeout);
        let total = total.map(|t| Deadline::starting(epoch.saturating_add(ex.arrived.0), t));
        let server = self.server.settings.timeout;
        let server = server.map(|t| Deadline::starting(epoch.saturating_add(ex.arrived.0), t));
        let attempt = client.settings.attempt_timeout;
        let attempt = attempt.map(|t| Deadline::starting(epoch.saturating_add(now.0), t));
        [ex.context, total, server, attempt].into_iter().flatten().reduce(Deadline::combine)
    }
}
