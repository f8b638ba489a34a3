//! Socket activation: sockets that listen already, given by the service manager (`sd_listen_fds(3)`).
//!
//! The sockets outlive the process, so that connections wait in their queue while it is started again.

use listenfd::ListenFd;
use std::net::TcpListener;

/// Takes the sockets that `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` speak of, and the variables with them, so that they
/// are taken once. To be called before the process has a second thread. What is no listening TCP socket is left alone, with a
/// warning.
#[must_use]
pub fn sockets() -> Vec<TcpListener> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut given = ListenFd::from_env();
    let taken = (0..given.len()).filter_map(|i| match given.take_tcp_listener(i).and_then(listening) {
        Ok(listener) => listener,
        Err(error) => {
            let name = names.split(':').nth(i).unwrap_or_default();
            tracing::warn!("socket {} (`{name}`) of LISTEN_FDS cannot be used: {error}", i + 3);
            None
        }
    });
    taken.collect()
}

/// With `Accept=yes` systemd hands over single connections instead.
fn listening(listener: Option<TcpListener>) -> std::io::Result<Option<TcpListener>> {
    let Some(listener) = listener else { return Ok(None) };
    if crate::listens(&listener)? {
        return Ok(Some(listener));
    }
    Err(std::io::Error::other("it does not listen (a socket unit must say `Accept=no`)"))
}
