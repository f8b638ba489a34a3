//! Free ports for processes that cannot be asked which one they got.

use socket2::{Domain, Socket, Type};
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{LazyLock, Mutex};

static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port of 127.0.0.1 nobody listens on, never handed out twice by this process.
///
/// From below the kernel's ephemeral range, so that no outgoing connection takes it before its process binds it.
#[must_use]
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        let fresh = TAKEN.lock().expect("a test panicked while it chose a port").insert(port);
        if fresh && is_free(port) {
            return port;
        }
    }
}

/// Bound, and not listened on: a process that another test starts meanwhile inherits the socket until it has become its
/// program, and one that listened would keep the port for that long.
fn is_free(port: u16) -> bool {
    let bind = || -> std::io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())
    };
    bind().is_ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports: std::collections::HashSet<u16> = (0..50).map(|_| super::free_port()).collect();
        assert_eq!(ports.len(), 50);
        for port in ports {
            let listener = std::net::TcpListener::bind(("127.0.0.1", port));
            assert!(listener.is_ok() && !super::is_free(port), "{port}");
        }
    }
}
