//! Listening and accepting (architecture.md §2): one socket for each address for the life of the process.

use crate::context::Live;
use router::SocketSettings;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

/// Connections the kernel may queue; it cuts this down to its own limit (SOMAXCONN).
const BACKLOG: i32 = 65_535;
/// Pause after an accept that failed for want of descriptors or memory: trying at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(20);
/// How often that is tried again once the end has come: for about a second.
const LAST_TRIES: u32 = 50;
/// How often such failures are logged at most.
const SILENCE: Duration = Duration::from_secs(5);

/// Binds and listens. Port 0 takes any free port. Accepted connections inherit `no_delay` and `keep_alive`: Linux copies
/// them from the listening socket, so that a new connection costs no system call for them.
///
/// # Errors
/// What the system says, such as an address in use.
pub fn listen(address: SocketAddr, settings: &SocketSettings) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, settings)?;
    socket.bind(&address.into())?;
    socket.listen(backlog(settings))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn backlog(settings: &SocketSettings) -> i32 {
    settings.backlog.map_or(BACKLOG, |n| i32::try_from(n).unwrap_or(i32::MAX))
}

/// Makes a socket that listens already, one that was handed over, like one that [`listen`] would have made with `settings`,
/// as far as that can still be done: how its address may be shared was decided when it was bound.
///
/// # Errors
/// What the system says.
pub fn adopt(listener: &TcpListener, settings: &SocketSettings) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(settings.no_delay)?;
    if let Some(probe) = settings.keep_alive {
        socket.set_keepalive(probe)?;
    }
    // Once more `listen`: the queue gets the new length and keeps what is in it.
    socket.listen(backlog(settings))?;
    socket.set_nonblocking(true)
}

/// A socket to connect to `address` with.
///
/// # Errors
/// What the system says, such as no descriptor left.
pub(crate) fn dialler(address: SocketAddr, settings: &SocketSettings) -> io::Result<TcpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, settings)?;
    socket.set_nonblocking(true)?;
    Ok(TcpSocket::from_std_stream(socket.into()))
}

/// Sets what differs from a new socket's own options.
fn prepare(socket: &Socket, settings: &SocketSettings) -> io::Result<()> {
    if settings.reuse_addr {
        socket.set_reuse_address(true)?;
    }
    if settings.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if settings.no_delay {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(probe) = settings.keep_alive {
        socket.set_keepalive(probe)?;
    }
    Ok(())
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
    empty(&listener, hand).await
}

/// Hands what is queued on.
async fn empty(listener: &TcpListener, mut hand: impl FnMut(TcpStream, SocketAddr)) -> io::Result<()> {
    let mut tries = LAST_TRIES;
    loop {
        match listener.accept() {
            Ok((io, peer)) => {
                // One that cannot be used is closed; those behind it are served.
                if let Ok(io) = io.set_nonblocking(true).and_then(|()| TcpStream::from_std(io)) {
                    hand(io, peer);
                }
            }
            Err(e) => match e.kind() {
                io::ErrorKind::WouldBlock => return Ok(()),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                _ if tries == 0 => return Err(e),
                _ => {
                    tries -= 1;
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
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
        let listener = listen("127.0.0.1:0".parse().unwrap(), &SocketSettings::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(true);
        let callers: Vec<_> = (0..20).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut accepted = Vec::new();
        accept(listener, stopped, |io, _| accepted.push(io)).await.unwrap();
        assert_eq!(accepted.len(), callers.len());
        assert!(std::net::TcpStream::connect(address).is_err());
        drop(stop);
    }

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// What the kernel knows of a socket: SO_REUSEADDR, SO_REUSEPORT, TCP_NODELAY, SO_KEEPALIVE.
    fn options<'a>(io: impl Into<SockRef<'a>>) -> [bool; 4] {
        let io = io.into();
        [io.reuse_address(), io.reuse_port(), io.tcp_nodelay(), io.keepalive()].map(Result::unwrap)
    }

    /// dataplane.md §3.3: on the listening socket, on what it accepts, on what is dialled.
    #[tokio::test]
    async fn socket_options_reach_the_kernel() {
        async fn check(settings: SocketSettings, want: [bool; 4]) {
            let listener = listen(ANY, &settings).unwrap();
            assert_eq!(options(&listener), want, "{settings:?}");
            let address = listener.local_addr().unwrap();
            let dialled = dialler(address, &settings).unwrap().connect(address).await.unwrap();
            assert_eq!(options(&dialled), want, "dialled: {settings:?}");
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            assert_eq!(options(&accepted)[2..], want[2..], "accepted: {settings:?}");
        }
        let default = SocketSettings::default();
        check(default, [true, false, true, false]).await;
        check(SocketSettings { reuse_addr: false, ..default }, [false, false, true, false]).await;
        check(SocketSettings { reuse_port: true, ..default }, [true, true, true, false]).await;
        check(SocketSettings { no_delay: false, ..default }, [true, false, false, false]).await;
        check(SocketSettings { keep_alive: Some(true), ..default }, [true, false, true, true]).await;
        check(SocketSettings { keep_alive: Some(false), ..default }, [true, false, true, false]).await;
    }

    /// What the new configuration says goes for a socket of the old one, and nothing in its queue is lost.
    #[test]
    fn a_socket_handed_over_is_as_a_new_one() {
        let settings = SocketSettings { no_delay: false, backlog: Some(5), ..SocketSettings::default() };
        let listener = listen(ANY, &settings).unwrap();
        let caller = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        listener.set_nonblocking(false).unwrap();
        adopt(&listener, &SocketSettings { keep_alive: Some(true), ..SocketSettings::default() }).unwrap();
        assert_eq!(options(&listener), [true, false, true, true]);
        assert_eq!(listener.accept().unwrap().1, caller.local_addr().unwrap());
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_port_is_shared_by_those_who_agree_to() {
        let shared = SocketSettings { reuse_port: true, ..SocketSettings::default() };
        let first = listen(ANY, &shared).unwrap();
        let address = first.local_addr().unwrap();
        assert!(listen(address, &SocketSettings::default()).is_err());
        listen(address, &shared).unwrap();
    }

    /// The kernel queues one connection more than it is told; what comes then is left without an answer.
    #[tokio::test]
    async fn the_backlog_is_as_long_as_asked() {
        for backlog in [1, 5] {
            let settings = SocketSettings { backlog: Some(backlog), ..SocketSettings::default() };
            let address = listen(ANY, &settings).map(|l| (l.local_addr().unwrap(), l)).unwrap();
            let mut queued = Vec::new();
            while let Ok(Ok(io)) =
                tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address.0)).await
            {
                queued.push(io);
                assert!(queued.len() < 100);
            }
            assert_eq!(queued.len(), backlog as usize + 1);
        }
    }
}
