//! A worker's idle connections to back ends: most recent first, none of them dead.

use balance::Nanos;
use router::Endpoint;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
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
}

impl Upstream {
    pub(crate) fn new(io: TcpStream, endpoint: Arc<Endpoint>, worker: usize, now: Nanos) -> Upstream {
        Upstream { io, endpoint, worker, born: now, used: now, served: 0, sent: 0, received: 0 }
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

    /// Whether discovery still lists the back end.
    fn is_wanted(&self) -> bool {
        let wanted = !self.endpoint.is_removed();
        if !wanted {
            self.endpoint.closing(self.worker);
        }
        wanted
    }

    /// Whether nothing has arrived on an idle connection: neither its end nor bytes nobody asked for.
    ///
    /// The runtime's readiness says so without a system call unless something did arrive.
    fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        match self.io.poll_read_ready(&mut cx) {
            Poll::Pending => true,
            Poll::Ready(_) => {
                matches!(self.io.try_read(&mut [0; 1]), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
            }
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.endpoint.closed(self.worker, self.used.since(self.born), self.served, self.sent, self.received);
    }
}

/// Endpoint ids are unique numbers already.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Spread consecutive ids over the high bits, which choose the group in the table.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Idle connections by endpoint.
#[derive(Default)]
pub(crate) struct Pool {
    idle: HashMap<u64, Vec<Upstream>, BuildHasherDefault<IdHasher>>,
}

impl Pool {
    /// The connection used last that is still open.
    pub(crate) fn take(&mut self, endpoint: u64) -> Option<Upstream> {
        let idle = self.idle.get_mut(&endpoint)?;
        while let Some(mut upstream) = idle.pop() {
            if upstream.is_quiet() {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose exchange has ended cleanly.
    pub(crate) fn put(&mut self, upstream: Upstream) {
        self.idle.entry(upstream.endpoint.id).or_default().push(upstream);
    }

    /// Closes connections that ended, and those whose endpoint discovery has dropped. Run about once a second.
    pub(crate) fn sweep(&mut self) {
        self.idle.retain(|_, idle| {
            idle.retain_mut(|upstream| upstream.is_wanted() && upstream.is_quiet());
            if idle.capacity() > 2 * idle.len() + 16 {
                idle.shrink_to_fit();
            }
            !idle.is_empty()
        });
    }
}
