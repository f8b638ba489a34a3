//! The listening sockets of a running proxy: which of them go on, which are new, which end.

use crate::document as doc;
use crate::sockets::{Kept, Sockets, StartError};
use crate::translate;
use engines::ServerKey;
use router::SocketSettings;
use std::net::{SocketAddr, TcpListener};

/// A server that listens.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    /// The router's label.
    pub(super) router: String,
    /// As the document says it: 0 is any port.
    pub(super) asked: SocketAddr,
    /// Where it listens.
    pub(super) bound: SocketAddr,
    pub(super) socket: SocketSettings,
    pub(super) key: ServerKey,
    /// The socket's duplicate.
    pub(super) kept: Kept,
}

/// Where a server of a document is to listen.
pub(super) enum Door {
    /// On a socket that is open: its place among the entrances.
    Open(usize),
    /// On a new one.
    New(TcpListener, Kept),
}

/// The doors of all routers' servers, in the order of the document. Sockets of unchanged addresses stay open; the others
/// are bound here, and nothing else happens: a port that is taken leaves everything as it was.
pub(super) fn doors(
    document: &doc::Document,
    entrances: &[Entrance],
    sockets: &Sockets,
) -> Result<Vec<Vec<Door>>, StartError> {
    let mut free: Vec<Option<&Entrance>> = entrances.iter().map(Some).collect();
    let mut kept: Vec<Vec<Option<usize>>> = Vec::new();
    // Addresses are unique but for port 0: there a router keeps its own before another takes them.
    for own in [true, false] {
        for (at, router) in document.routers.iter().enumerate() {
            let doc::Router::Http(router) = router;
            if own {
                kept.push(vec![None; router.servers.len()]);
            }
            for (server, kept) in router.servers.iter().zip(&mut kept[at]) {
                let fits = |e: &&Entrance| e.asked == server.address() && own == (e.router == router.label());
                if kept.is_none() {
                    *kept = free.iter().position(|of| of.as_ref().is_some_and(fits));
                    kept.iter().for_each(|&taken| free[taken] = None);
                }
            }
        }
    }
    let open = |(router, kept): (&doc::Router, Vec<Option<usize>>)| {
        let doc::Router::Http(router) = router;
        let servers = router.servers.iter().zip(kept);
        servers
            .map(|(server, kept)| match kept {
                Some(at) => Ok(Door::Open(at)),
                None => match sockets.listen_for(router.label(), server) {
                    Ok((listener, kept)) => Ok(Door::New(listener, kept)),
                    Err(error) => Err(blame(error, entrances)),
                },
            })
            .collect()
    };
    document.routers.iter().zip(kept).map(open).collect()
}

/// Says so where the port is held by this very process.
fn blame(error: StartError, entrances: &[Entrance]) -> StartError {
    match error {
        StartError::Listen { what, address, error } if error.kind() == std::io::ErrorKind::AddrInUse => {
            let own = entrances.iter().find(|e| e.bound.port() == address.port());
            let what = match own {
                Some(own) => format!(
                    "{what} (this process itself listens on {} until the reload is done: remove that server in one \
                     reload and add this one in the next)",
                    own.bound
                ),
                None => what,
            };
            StartError::Listen { what, address, error }
        }
        other => other,
    }
}

/// Whether a socket that stays open was asked to be bound or to listen otherwise, which only a new one can.
pub(super) fn keeps_other_options(entrance: &Entrance, server: &doc::HttpServer) -> bool {
    let asked = translate::socket(&server.socket_options);
    let of_listening = |s: SocketSettings| SocketSettings { read_timeout: None, write_timeout: None, ..s };
    of_listening(asked) != of_listening(entrance.socket)
}
