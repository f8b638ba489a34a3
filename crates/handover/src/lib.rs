//! What a process is given when it starts and passes on when it ends: listening sockets, and word to the service manager.
//!
//! [`activation`] takes the sockets systemd listens on, [`takeover`] those of the process that runs already, [`notify`] tells
//! systemd how things stand. None of it is on the way of a request.

pub mod activation;
pub mod notify;
pub mod takeover;

/// Whether `socket` listens. Apple's kernel does not say: there every socket is believed to.
fn listens(socket: &std::net::TcpListener) -> std::io::Result<bool> {
    #[cfg(target_vendor = "apple")]
    let listens = socket.local_addr().map(|_| true);
    #[cfg(not(target_vendor = "apple"))]
    let listens = Ok(rustix::net::sockopt::socket_acceptconn(socket)?);
    listens
}
