//! How an attempt gets a connection of its own: a place among the endpoint's connections, then a dial.

use super::connection::Connection;
use super::work::Work;
use crate::accept::dialler;
use crate::context::Context as Worker;
use crate::pool::{Entry, Grant, Slot, Slots, Upstream};
use balance::Nanos;
use router::seam::{Failure, Step};
use router::{Endpoint, Exchange};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Longest a TCP connect may take (dataplane.md §6.2).
const CONNECT_TIME: Nanos = Nanos::from_secs(1);

/// What the system says when it has no descriptor or memory left.
const EXHAUSTED: [i32; 4] = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];

/// A request that waits for a connection, for the metrics.
struct Waiting<'a>(&'a Endpoint, usize);

impl Waiting<'_> {
    fn begin(endpoint: &Endpoint, worker: usize) -> Waiting<'_> {
        endpoint.waiting(worker, 1);
        Waiting(endpoint, worker)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting(self.1, -1);
    }
}

/// Why there is no connection.
pub(super) enum Unconnected {
    /// The router knows what comes next.
    Step(Step),
    /// Nobody waits for it any more.
    CallerGone,
}

impl From<Step> for Unconnected {
    fn from(step: Step) -> Unconnected {
        Unconnected::Step(step)
    }
}

/// How the wait for a place or a connection ended.
enum Waited<T> {
    Over(T),
    Deadline,
    CallerGone,
}

/// What a request is let have.
enum Place {
    /// A connection somebody else is done with.
    Taken(Upstream),
    /// Leave to dial.
    Free(Option<Slot>),
}

impl Connection {
    /// A connection that was not idle on this worker.
    pub(super) async fn connect(
        &mut self,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Result<Upstream, Unconnected> {
        let endpoint = exchange.endpoint().clone();
        match self.place(&endpoint, work, exchange).await? {
            Place::Free(slot) => self.dial(endpoint, slot, work, exchange).await,
            Place::Taken(upstream) => {
                exchange.connected(self.now);
                Ok(upstream)
            }
        }
    }

    /// Finds a place among the endpoint's connections, or waits for one in the order of arrival.
    async fn place(
        &mut self,
        endpoint: &Arc<Endpoint>,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Result<Place, Unconnected> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let Some(slots) = Slots::of(endpoint, worker.peers.count()) else { return Ok(Place::Free(None)) };
        if exchange.wants_fresh_connection() {
            // One had gone stale; those that idled with it are not worth a place.
            worker.pool.borrow_mut().forget(endpoint);
        }
        loop {
            let mut turn = match slots.enter(worker.worker) {
                Entry::Slot(slot) => return Ok(Place::Free(Some(slot))),
                Entry::Wait(turn) => turn,
                Entry::Full => {
                    endpoint.too_many_waiters(worker.worker);
                    let now = worker.clock.now();
                    self.now = now;
                    let mut router = server.router.borrow_mut();
                    let failure = Failure::TooManyWaiters;
                    return Err(router.on_failure(exchange, &mut work.request, failure, now).into());
                }
            };
            let waiting = (!turn.borrows()).then(|| Waiting::begin(endpoint, worker.worker));
            for holder in turn.holders() {
                worker.peers.ask_to_share(holder, endpoint.id);
            }
            exchange.queued(true, self.now);
            let deadline = exchange.deadline();
            let granted = poll_fn(|cx| {
                if let Poll::Ready(grant) = Pin::new(&mut turn).poll(cx) {
                    return Poll::Ready(Waited::Over(grant));
                }
                self.poll_interest(cx, deadline, work, worker)
            })
            .await;
            drop(waiting);
            self.now = worker.clock.now();
            if matches!(granted, Waited::Over(_)) {
                exchange.queued(false, self.now);
            }
            match granted {
                Waited::CallerGone => return Err(Unconnected::CallerGone),
                Waited::Deadline => {
                    return Err(server.router.borrow_mut().on_deadline(exchange, self.now).into());
                }
                Waited::Over(Some(Grant::Dial(slot))) => return Ok(Place::Free(Some(slot))),
                Waited::Over(grant) => {
                    if let Some(upstream) = grant.and_then(|grant| grant.unpack(worker.worker)) {
                        return Ok(Place::Taken(upstream));
                    }
                }
            }
        }
    }

    /// Ready when there is no point in waiting any longer: time is up or the caller has gone.
    fn poll_interest<T>(
        &mut self,
        cx: &mut Context<'_>,
        until: Option<Nanos>,
        work: &Work,
        worker: &Worker,
    ) -> Poll<Waited<T>> {
        if self.has_gone(cx, work, worker) {
            return Poll::Ready(Waited::CallerGone);
        }
        self.timer.poll(cx, until, &worker.clock).map(|()| Waited::Deadline)
    }

    async fn dial(
        &mut self,
        endpoint: Arc<Endpoint>,
        slot: Option<Slot>,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Result<Upstream, Unconnected> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let begun = worker.clock.now();
        let limit = begun + CONNECT_TIME;
        let deadline = exchange.deadline().filter(|d| *d < limit);
        let result = match dialler(endpoint.address, &endpoint.connection().socket) {
            Err(e) => Waited::Over(Err(e)),
            Ok(socket) => {
                let mut connecting = std::pin::pin!(socket.connect(endpoint.address));
                poll_fn(|cx| {
                    if let Poll::Ready(done) = connecting.as_mut().poll(cx) {
                        return Poll::Ready(Waited::Over(done));
                    }
                    self.poll_interest(cx, Some(deadline.unwrap_or(limit)), work, worker)
                })
                .await
            }
        };
        let now = worker.clock.now();
        self.now = now;
        let failure = match result {
            Waited::Over(Ok(io)) => {
                endpoint.connected(worker.worker, now.since(begun));
                exchange.connected(now);
                return Ok(Upstream::new(io, endpoint, worker.worker, now, slot));
            }
            Waited::CallerGone => {
                endpoint.connect_cancelled(worker.worker);
                return Err(Unconnected::CallerGone);
            }
            Waited::Deadline if deadline.is_some() => {
                endpoint.connect_cancelled(worker.worker);
                return Err(server.router.borrow_mut().on_deadline(exchange, now).into());
            }
            Waited::Deadline => Failure::Connect { reason: "connect timed out after 1 s".into() },
            Waited::Over(Err(e)) => {
                let reason = e.to_string().into();
                if is_own(&e) { Failure::Exhausted { reason } } else { Failure::Connect { reason } }
            }
        };
        tracing::debug!(address = %endpoint.address, ?failure, "no connection");
        if !matches!(failure, Failure::Exhausted { .. }) {
            endpoint.connect_failed(worker.worker, now.since(begun));
        }
        Err(server.router.borrow_mut().on_failure(exchange, &mut work.request, failure, now).into())
    }
}

/// Whether this machine has no descriptor or memory left, whomever it wanted to connect to.
fn is_own(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_this_machines_own_trouble() {
        let check =
            |code: i32, want: bool| assert_eq!(is_own(&io::Error::from_raw_os_error(code)), want, "{code}");
        for own in EXHAUSTED {
            check(own, true);
        }
        for other in [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::EADDRNOTAVAIL] {
            check(other, false);
        }
        assert!(!is_own(&io::ErrorKind::TimedOut.into()));
    }
}
