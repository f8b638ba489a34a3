//! A connection to a back end.

use super::slots::{Grant, Slot};
use balance::Nanos;
use router::{Endpoint, SessionEnd};
use socket2::SockRef;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;

/// A connection to a back end.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) io: TcpStream,
    endpoint: Arc<Endpoint>,
    worker: usize,
    born: Nanos,
    /// Latest use.
    used: Nanos,
    /// Exchanges it served.
    pub(crate) served: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Number or age of the endpoint's connections is limited.
    bounded: bool,
    /// Its place among them, where their number matters.
    slot: Option<Slot>,
    /// It goes on under another worker; this is only what was left of it here.
    moved: bool,
}

/// A connection on its way from one worker to another.
#[derive(Debug)]
pub(crate) struct Parcel {
    io: std::net::TcpStream,
    endpoint: Arc<Endpoint>,
    born: Nanos,
    used: Nanos,
    served: u64,
    sent: u64,
    received: u64,
    slot: Slot,
}

impl Upstream {
    pub(crate) fn new(
        io: TcpStream,
        endpoint: Arc<Endpoint>,
        worker: usize,
        now: Nanos,
        slot: Option<Slot>,
    ) -> Upstream {
        let bounded = endpoint.connection().is_bounded();
        let (served, sent, received) = (0, 0, 0);
        Upstream {
            io,
            endpoint,
            worker,
            born: now,
            used: now,
            served,
            sent,
            received,
            bounded,
            slot,
            moved: false,
        }
    }

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Another exchange over it has ended, well or not.
    pub(crate) fn count_use(&mut self, now: Nanos) {
        self.used = now;
        self.served += 1;
    }

    /// Resets the connection, whose request nobody waits for any more: an orderly end could mean that the caller has only
    /// said everything, and the back end would go on working.
    pub(crate) fn abandon(self) {
        let _ = self.io.set_zero_linger();
    }

    /// Says that this proxy ends it; to be dropped next.
    pub(super) fn close(&self) {
        self.endpoint.closing(self.worker);
    }

    /// Whether discovery still lists the back end.
    pub(super) fn is_wanted(&self) -> bool {
        let wanted = !self.endpoint.is_removed();
        if !wanted {
            self.close();
        }
        wanted
    }

    /// Whether nothing has arrived on an idle connection: neither its end nor bytes nobody asked for.
    ///
    /// The runtime's readiness says so without a system call unless something did arrive. Not asked with `poll_read_ready`:
    /// that is pending, too, where the task has used up its turn.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.io.try_read(&mut [0; 1]), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether it has idled or lived too long; it is counted as such and must be dropped.
    #[inline]
    pub(super) fn is_over(&mut self, now: Nanos) -> bool {
        self.bounded && self.has_expired(now)
    }

    fn has_expired(&mut self, now: Nanos) -> bool {
        let settings = self.endpoint.connection();
        let passed = |since: Nanos, limit: Option<Nanos>| limit.is_some_and(|limit| since + limit <= now);
        if passed(self.born, settings.session.life) {
            self.endpoint.session_ended(SessionEnd::Life);
        } else if passed(self.used, settings.session.idle) {
            self.endpoint.session_ended(SessionEnd::Idle);
        } else if passed(self.used, settings.pool.idle) {
            // Only those above `minSize` go; who goes must be decided in one step with the other workers.
            let min = settings.pool.min;
            if !self.slot.as_mut().is_some_and(|slot| slot.give_up_above(min)) {
                return false;
            }
        } else {
            return false;
        }
        self.close();
        true
    }

    /// It is idle no more.
    pub(super) fn wake(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.set_idle(None);
        }
    }

    /// Whether requests wait for a connection to its endpoint.
    pub(super) fn is_awaited(&self) -> bool {
        self.slot.as_ref().is_some_and(Slot::is_awaited)
    }

    /// Gives it to the request that has waited longest; comes back, marked as idle, when none waits.
    pub(super) fn offer(mut self) -> Option<Upstream> {
        let worker = self.worker;
        loop {
            let Some(mut slot) = self.slot.take() else { return Some(self) };
            slot.set_idle(Some(worker));
            // A request begins to wait first and looks for idle connections then; here it is the other way round. So one
            // of the two sees the other.
            if !slot.is_awaited() {
                self.slot = Some(slot);
                return Some(self);
            }
            slot.set_idle(None);
            let Some(waiter) = slot.next_waiter() else {
                self.slot = Some(slot);
                continue;
            };
            let grant = if waiter.worker == worker {
                self.slot = Some(slot);
                Grant::Here(self)
            } else {
                self.pack(slot)
            };
            match waiter.give(grant) {
                None => return None,
                // That request is gone.
                Some(back) => self = back.unpack(worker)?,
            }
        }
    }

    /// Takes it, whose slot this is, off this worker. Where the system has no descriptor left for that it is closed, and its
    /// slot is granted.
    fn pack(mut self, slot: Slot) -> Grant {
        let Ok(io) = SockRef::from(&self.io).try_clone() else { return Grant::Dial(slot) };
        self.moved = true;
        Grant::Elsewhere(Box::new(Parcel {
            io: io.into(),
            endpoint: self.endpoint.clone(),
            born: self.born,
            used: self.used,
            served: self.served,
            sent: self.sent,
            received: self.received,
            slot,
        }))
    }
}

impl Parcel {
    /// Closes it; it counts for `worker`, the caller's.
    pub(super) fn discard(self, worker: usize) {
        let Parcel { endpoint, born, used, served, sent, received, .. } = self;
        endpoint.closed(worker, used.since(born), served, sent, received);
    }

    /// Goes on under `worker`, which must be the caller's; `None` when the system does not let it, then it is closed.
    pub(super) fn unpack(self, worker: usize) -> Option<Upstream> {
        let Parcel { io, endpoint, born, used, served, sent, received, slot } = self;
        match TcpStream::from_std(io) {
            Ok(io) => {
                let mut upstream = Upstream::new(io, endpoint, worker, born, Some(slot));
                upstream.used = used;
                (upstream.served, upstream.sent, upstream.received) = (served, sent, received);
                Some(upstream)
            }
            Err(_) => {
                endpoint.closed(worker, used.since(born), served, sent, received);
                None
            }
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if !self.moved {
            let age = self.used.since(self.born);
            self.endpoint.closed(self.worker, age, self.served, self.sent, self.received);
        }
    }
}
