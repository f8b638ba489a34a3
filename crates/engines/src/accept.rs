//! Listening and accepting (architecture.md §2): one socket for each address for the life of the process.

use crate::context::Live;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

/// Connections the kernel may queue; it cuts this down to its own limit (SOMAXCONN).
const BACKLOG: i32 = 65_535;
/// Pause after an accept that failed for want of descriptors or memory: trying at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(20);
/// How often such failures are logged at most.
const SILENCE: Duration = Duration::from_secs(5);

/// Binds and listens. Port 0 takes any free port.
///
/// # Errors
/// What the system says, such as an address in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts until `stop` turns true, then empties the queue and closes the socket: whoever was let into the queue is
/// served. Each connection is handed to `hand`.
pub(crate) async fn accept(
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
    mut hand: impl FnMut(TcpStream, SocketAddr),
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut said: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((io, peer)) => hand(io, peer),
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(e) => {
                    let now = Instant::now();
                    if said.is_none_or(|said| now - said >= SILENCE) {
                        said = Some(now);
                        tracing::warn!(error = %e, "cannot accept connections: is the limit of open files (`ulimit -n`) reached?");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = stopped(&mut stop) => break,
        }
    }
    // The runtime may not have heard yet of connections that are queued: ask the system itself.
    let listener = listener.into_std()?;
    while let Ok((io, peer)) = listener.accept() {
        io.set_nonblocking(true)?;
        hand(TcpStream::from_std(io)?, peer);
    }
    Ok(())
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody can stop this any more: the workers are gone, so end as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The worker with the fewest connections; among equals the one after the last chosen.
pub(crate) fn least_loaded(live: &[Arc<AtomicUsize>], last: &mut usize) -> usize {
    let n = live.len();
    let from = *last + 1;
    let best = (from..from + n).map(|i| i % n).min_by_key(|&i| live[i].load(Ordering::Acquire)).unwrap_or(0);
    *last = best;
    best
}

/// A connection on its way from the acceptor to a worker.
pub(crate) struct Accepted {
    pub(crate) io: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) live: Live,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_loaded_worker_gets_the_connection_and_equals_take_turns() {
        let live: Vec<_> = [0, 0, 0].map(|n| Arc::new(AtomicUsize::new(n))).into();
        let mut last = 2;
        let turns: Vec<_> = (0..4).map(|_| least_loaded(&live, &mut last)).collect();
        assert_eq!(turns, [0, 1, 2, 0]);
        live[1].store(3, Ordering::Release);
        live[2].store(2, Ordering::Release);
        live[0].store(3, Ordering::Release);
        assert_eq!(least_loaded(&live, &mut last), 2);
    }

    #[tokio::test]
    async fn stopping_empties_the_queue_first() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(true);
        let callers: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut accepted = Vec::new();
        accept(listener, stopped, |io, _| accepted.push(io)).await.unwrap();
        assert_eq!(accepted.len(), callers.len());
        assert!(std::net::TcpStream::connect(address).is_err());
        drop(stop);
    }
}
