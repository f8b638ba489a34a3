//! The listening sockets of a proxy, and why it could not have them.

use crate::document as doc;
use crate::translate;
use std::fmt;
use std::net::{SocketAddr, TcpListener};

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
        error: std::io::Error,
    },
    /// Threads or descriptors ran out.
    System(std::io::Error),
    /// An environment variable that the document relies on is not set.
    Environment(&'static str),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { what, address, error } => {
                write!(f, "cannot listen on {address} for {what}: {error}")?;
                match error.kind() {
                    std::io::ErrorKind::AddrInUse => {
                        write!(f, " (which process has it: `ss -ltnp 'sport = :{}'`)", address.port())
                    }
                    std::io::ErrorKind::AddrNotAvailable => {
                        write!(f, " (no interface of this host has the address {})", address.ip())
                    }
                    _ => Ok(()),
                }
            }
            StartError::System(e) => write!(f, "cannot start: {e}"),
            StartError::Environment(missing) => f.write_str(missing),
        }
    }
}

impl std::error::Error for StartError {}

/// Binds the socket of a server of the router `label`.
pub(crate) fn listen(label: &str, server: &doc::HttpServer) -> Result<TcpListener, StartError> {
    let (what, address) = (format!("router `{label}`"), server.address());
    let listener = engines::listen(address, &translate::socket(&server.socket_options));
    listener.map_err(|error| StartError::Listen { what, address, error })
}
