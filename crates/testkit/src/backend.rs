//! A back end that does exactly what its script says and remembers every byte it heard.

mod run;
mod script;
#[cfg(test)]
mod tests;

pub use script::{Act, Delay, Gate, Play};

use crate::head::Head;
use crate::wait::{PATIENCE, eventually};
use crate::wire::Body;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

/// A request as a back end received it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Number of the connection it came on, from 0.
    pub connection: usize,
    /// Its head.
    pub head: Head,
    /// Its body.
    pub body: Body,
}

/// What is shared by a back end's tasks and its handle.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    plays: Mutex<(Vec<Play>, usize)>,
    seen: Mutex<Vec<Seen>>,
    requests: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    bytes: AtomicU64,
    keep: AtomicUsize,
}

/// Requests remembered in full; more are only counted.
const REMEMBERED: usize = 10_000;

/// Connections the kernel may queue, which it cuts down to its own limit: when a busy machine keeps this process from
/// accepting, callers wait. With a short queue theirs would be dropped, and tried again by their kernel only when the
/// proxy's second for connecting is over.
const BACKLOG: u32 = 65_535;

fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a test panicked while it held the lock")
}

impl Shared {
    /// The next play, without using it up.
    fn peek(&self) -> Option<Play> {
        let plays = lock(&self.plays);
        plays.0.get(plays.1.min(plays.0.len().saturating_sub(1))).cloned()
    }

    /// The next play; the last one repeats.
    fn next(&self) -> Option<Play> {
        let mut plays = lock(&self.plays);
        let at = plays.1.min(plays.0.len().saturating_sub(1));
        plays.1 += 1;
        plays.0.get(at).cloned()
    }

    fn remember(&self, seen: Seen) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut all = lock(&self.seen);
        if all.len() < REMEMBERED {
            all.push(seen);
        }
    }
}

/// A scripted HTTP/1.1 back end on a port of 127.0.0.1. Dropping it closes its port and all its connections.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Backend {
    /// A back end that plays `plays` in order, one for each request; the last one repeats.
    pub async fn start(plays: impl IntoIterator<Item = Play>) -> Backend {
        Backend::start_at((Ipv4Addr::LOCALHOST, 0).into(), plays).await
    }

    /// As [`Backend::start`], at a given address: a replica that comes back.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn start_at(at: SocketAddr, plays: impl IntoIterator<Item = Play>) -> Backend {
        let listener = listen(at).unwrap_or_else(|e| panic!("bind {at}: {e}"));
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { keep: AtomicUsize::new(1 << 20), ..Shared::default() });
        *lock(&shared.plays) = (plays.into_iter().collect(), 0);
        let task = tokio::spawn(run::accept(listener, shared.clone()));
        Backend { address, shared, task }
    }

    /// A back end that answers every request with 200 and `text`.
    pub async fn text(text: &str) -> Backend {
        Backend::start([Play::text(text)]).await
    }

    /// Replaces the script from the next play on.
    pub fn play(&self, plays: impl IntoIterator<Item = Play>) {
        *lock(&self.shared.plays) = (plays.into_iter().collect(), 0);
    }

    /// Bytes of each request body that are remembered; the rest is counted.
    pub fn keep(&self, bytes: usize) {
        self.shared.keep.store(bytes, Ordering::SeqCst);
    }

    /// The whole requests received so far, in the order in which they were complete.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// The newest whole request.
    ///
    /// # Panics
    /// When there was none.
    #[must_use]
    pub fn last(&self) -> Seen {
        lock(&self.shared.seen).last().cloned().expect("the back end has received a request")
    }

    /// Whole requests received.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Connections accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Bytes received, whole requests or not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::SeqCst)
    }

    /// Waits until so many whole requests have come.
    pub async fn wait_requests(&self, n: usize) {
        eventually(PATIENCE, "requests at the back end", || async { self.requests() >= n }).await;
    }

    /// Kills the back end: port and connections are gone when this returns.
    pub async fn kill(self) {
        self.task.abort();
        eventually(PATIENCE, "the back end's connections closed", || async {
            self.task.is_finished() && self.open() == 0
        })
        .await;
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}
