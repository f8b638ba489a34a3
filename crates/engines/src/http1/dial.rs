//! How an attempt gets a connection of its own: a place among the endpoint's connections, then a dial.

use super::connection::Connection;
use super::work::Work;
use crate::accept::dialler;
use crate::pool::{Entry, Grant, Slot, Slots, Upstream};
use balance::Nanos;
use router::seam::{Failure, Step};
use router::{Endpoint, Exchange};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Longest a TCP connect may take (dataplane.md §6.2).
const CONNECT_TIME: Nanos = Nanos::from_secs(1);

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

/// What a request is let have.
enum Place {
    /// A connection somebody else is done with.
    Taken(Upstream),
    /// Leave to dial.
    Free(Option<Slot>),
}

impl Connection {
    /// A connection that was not idle on this worker; `Err` is the router's next step.
    pub(super) async fn connect(
        &mut self,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Result<Upstream, Step> {
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
    ) -> Result<Place, Step> {
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
                    return Err(router.on_failure(exchange, &mut work.request, Failure::TooManyWaiters, now));
                }
            };
            let waiting = Waiting::begin(endpoint, worker.worker);
            for holder in turn.holders() {
                worker.peers.ask_to_share(holder, endpoint.id);
            }
            exchange.queued(true, self.now);
            let deadline = exchange.deadline();
            let granted = poll_fn(|cx| match Pin::new(&mut turn).poll(cx) {
                Poll::Ready(grant) => Poll::Ready(Some(grant)),
                Poll::Pending => self.timer.poll(cx, deadline, &worker.clock).map(|()| None),
            })
            .await;
            drop(waiting);
            self.now = worker.clock.now();
            if granted.is_some() {
                exchange.queued(false, self.now);
            }
            match granted {
                None => return Err(server.router.borrow_mut().on_deadline(exchange, self.now)),
                Some(Some(Grant::Dial(slot))) => return Ok(Place::Free(Some(slot))),
                Some(grant) => {
                    if let Some(upstream) = grant.and_then(|grant| grant.unpack(worker.worker)) {
                        return Ok(Place::Taken(upstream));
                    }
                }
            }
        }
    }

    async fn dial(
        &mut self,
        endpoint: Arc<Endpoint>,
        slot: Option<Slot>,
        work: &mut Work,
        exchange: &mut Exchange,
    ) -> Result<Upstream, Step> {
        let server = self.server.clone();
        let worker = &*server.worker;
        let begun = worker.clock.now();
        let limit = begun + CONNECT_TIME;
        let deadline = exchange.deadline().filter(|d| *d < limit);
        let result = match dialler(endpoint.address, &endpoint.connection().socket) {
            Err(e) => Some(Err(e)),
            Ok(socket) => {
                let mut connecting = std::pin::pin!(socket.connect(endpoint.address));
                poll_fn(|cx| {
                    if let Poll::Ready(done) = connecting.as_mut().poll(cx) {
                        return Poll::Ready(Some(done));
                    }
                    self.timer.poll(cx, Some(deadline.unwrap_or(limit)), &worker.clock).map(|()| None)
                })
                .await
            }
        };
        let now = worker.clock.now();
        self.now = now;
        let reason: Box<str> = match result {
            Some(Ok(io)) => {
                endpoint.connected(worker.worker, now.since(begun));
                exchange.connected(now);
                return Ok(Upstream::new(io, endpoint, worker.worker, now, slot));
            }
            Some(Err(e)) => e.to_string().into(),
            None if deadline.is_some() => {
                endpoint.connect_cancelled(worker.worker);
                return Err(server.router.borrow_mut().on_deadline(exchange, now));
            }
            None => "connect timed out after 1 s".into(),
        };
        endpoint.connect_failed(worker.worker, now.since(begun));
        let failure = Failure::Connect { reason };
        Err(server.router.borrow_mut().on_failure(exchange, &mut work.request, failure, now))
    }
}
