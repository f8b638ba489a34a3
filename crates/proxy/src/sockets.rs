//! The listening sockets of a proxy: those it was given by the process before it or by the service manager, those it opened
//! itself, and why it could not have one.

use crate::document as doc;
use crate::translate;
use router::SocketSettings;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Why a proxy did not start.
#[derive(Debug)]
pub enum StartError {
    /// A socket could not be bound.
    Listen {
        /// What it was for.
        what: String,
        /// Where.
        address: SocketAddr,
        /// The system's words.
        error: io::Error,
    },
    /// Threads or descriptors ran out.
    System(io::Error),
    /// An environment variable that the document relies on is not set.
    Environment(String),
}

impl StartError {
    /// With file, line and column of what relies on an environment variable; reading the document has warned of it.
    pub(crate) fn placed(self, document: &doc::Document) -> StartError {
        let StartError::Environment(missing) = self else { return self };
        let (faults, source) = (&document.warnings, document.warnings.source());
        let warned = faults.iter().find(|fault| fault.message == missing && !fault.span.is_nowhere());
        StartError::Environment(match warned.map(|fault| source.position(fault.span.start)) {
            Some(at) => format!("{}:{}:{}: {missing}", source.name(), at.line, at.column),
            None => missing,
        })
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { what, address, error } => {
                write!(f, "cannot listen on {address} for {what}: {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        write!(f, " (which process has it: `ss -ltnp 'sport = :{}'`)", address.port())
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        write!(f, " (no interface of this host has the address {})", address.ip())
                    }
                    io::ErrorKind::PermissionDenied if address.port() < 1024 => write!(
                        f,
                        " (without the capability CAP_NET_BIND_SERVICE, only where the sysctl \
                         net.ipv4.ip_unprivileged_port_start is at most {}; a Pod may set it, `securityContext.sysctls`)",
                        address.port()
                    ),
                    _ => Ok(()),
                }
            }
            StartError::System(e) => write!(f, "cannot start: {e}"),
            StartError::Environment(missing) => f.write_str(missing),
        }
    }
}

impl std::error::Error for StartError {}

/// The listening sockets of a process. Control's alone: locked when a socket is opened or handed on, never by traffic.
#[derive(Debug, Default)]
pub struct Sockets(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Given and not asked for yet.
    given: Vec<TcpListener>,
    /// Duplicates of those in use.
    used: Vec<Weak<TcpListener>>,
}

/// A duplicate of a listening socket, for the process that takes over. A socket listens as long as one copy of it is open:
/// drop this, and all clones of it, before the socket itself is to close.
#[derive(Clone, Debug)]
pub(crate) struct Kept(#[expect(dead_code, reason = "held for its drop")] Arc<TcpListener>);

impl Sockets {
    /// Adds sockets that listen already. A server of exactly that address takes one instead of binding its own.
    pub fn give(&self, listeners: Vec<TcpListener>) {
        self.lock().given.extend(listeners);
    }

    /// Closes the sockets nobody has asked for, and returns their addresses.
    pub fn close_unused(&self) -> Vec<SocketAddr> {
        let unused = std::mem::take(&mut self.lock().given);
        unused.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// A socket that listens on `address`, for `what`: one that was given, else a new one.
    ///
    /// # Errors
    /// [`StartError::Listen`].
    pub(crate) fn listen(
        &self,
        what: &str,
        address: SocketAddr,
        settings: &SocketSettings,
    ) -> Result<(TcpListener, Kept), StartError> {
        let mut inner = self.lock();
        let given = inner.given.iter().position(|l| l.local_addr().is_ok_and(|at| at == address));
        let listener = match given.map(|i| inner.given.swap_remove(i)) {
            Some(listener) => engines::adopt(&listener, settings).map(|()| listener),
            None => engines::listen(address, settings),
        };
        let both = listener.and_then(|listener| Ok((listener.try_clone()?, listener)));
        let (duplicate, listener) =
            both.map_err(|error| StartError::Listen { what: what.to_owned(), address, error })?;
        let duplicate = Arc::new(duplicate);
        inner.used.retain(|one| one.strong_count() > 0);
        inner.used.push(Arc::downgrade(&duplicate));
        Ok((listener, Kept(duplicate)))
    }

    /// Duplicates of all sockets in use, for another process.
    ///
    /// # Errors
    /// What the system says when there is no descriptor left.
    pub fn duplicates(&self) -> io::Result<Vec<TcpListener>> {
        self.lock().used.iter().filter_map(Weak::upgrade).map(|one| one.try_clone()).collect()
    }

    /// The socket of a server of the router `label`.
    pub(crate) fn listen_for(
        &self,
        label: &str,
        server: &doc::HttpServer,
    ) -> Result<(TcpListener, Kept), StartError> {
        let settings = translate::socket(&server.socket_options);
        self.listen(&format!("router `{label}`"), server.address(), &settings)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // What is in there is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn a_given_socket_is_taken_by_its_address_and_its_queue_with_it() {
        let (sockets, settings) = (Sockets::default(), SocketSettings::default());
        let given = [TcpListener::bind(ANY).unwrap(), TcpListener::bind(ANY).unwrap()];
        let [at, unused] = [0, 1].map(|i: usize| given[i].local_addr().unwrap());
        let caller = TcpStream::connect(at).unwrap();
        sockets.give(given.into());
        let (listener, _kept) = sockets.listen("a server", at, &settings).unwrap();
        assert_eq!(listener.accept().unwrap().1, caller.local_addr().unwrap());
        let again = sockets.listen("a server", at, &settings).unwrap_err().to_string();
        assert!(again.starts_with(&format!("cannot listen on {at} for a server: ")), "{again}");
        assert_eq!(sockets.close_unused(), [unused]);
        TcpStream::connect(unused).unwrap_err();
    }

    #[test]
    fn an_error_says_what_to_look_at() {
        let rows = [
            (io::ErrorKind::AddrInUse, "`ss -ltnp 'sport = :80'`"),
            (io::ErrorKind::AddrNotAvailable, "no interface of this host has the address 127.0.0.1"),
            (io::ErrorKind::PermissionDenied, "net.ipv4.ip_unprivileged_port_start is at most 80"),
        ];
        for (kind, want) in rows {
            let address = SocketAddr::new(ANY.ip(), 80);
            let text =
                StartError::Listen { what: "router `http`".into(), address, error: kind.into() }.to_string();
            assert!(text.starts_with("cannot listen on 127.0.0.1:80 for router `http`: "), "{text}");
            assert!(text.contains(want), "{text}");
        }
    }

    #[test]
    fn a_socket_listens_until_it_is_closed_and_not_kept_any_more() {
        let (sockets, settings) = (Sockets::default(), SocketSettings::default());
        let listen = || sockets.listen("a server", ANY, &settings).unwrap();
        let ((first, kept), (second, kept_too)) = (listen(), listen());
        let [at, other] = [&first, &second].map(|l| l.local_addr().unwrap());
        let handed =
            || -> Vec<_> { sockets.duplicates().unwrap().iter().map(|l| l.local_addr().unwrap()).collect() };
        assert_eq!(handed(), [at, other]);
        drop((first, second));
        TcpStream::connect(at).unwrap();
        drop(kept);
        TcpStream::connect(at).unwrap_err();
        TcpStream::connect(other).unwrap();
        assert_eq!(handed(), [other]);
        drop(kept_too);
        TcpStream::connect(other).unwrap_err();
    }
}
