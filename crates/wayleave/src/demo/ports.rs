//! Which ports the demo uses: Linkerd's usual ones where they are free, so that what its documentation says holds here too.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// The ports of the demo, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) outgoing: u16,
    pub(crate) incoming: u16,
    pub(crate) admin: u16,
    pub(crate) control: u16,
}

/// What is used where nobody else does.
pub(crate) const PREFERRED: Ports = Ports { outgoing: 4140, incoming: 4141, admin: 9990, control: 4199 };

impl Ports {
    /// The preferred ports, others in place of those that are taken.
    ///
    /// They are free now; whoever binds them has to be ready for another demo that was quicker.
    ///
    /// # Errors
    /// No port is left at all.
    pub(crate) fn choose(preferred: Ports) -> io::Result<Ports> {
        // Held until all are chosen, so that none is chosen twice.
        let held = [preferred.outgoing, preferred.incoming, preferred.admin, preferred.control]
            .map(|port| listen(port).or_else(|_| listen(0)));
        let port = |listener: &io::Result<TcpListener>| match listener {
            Ok(listener) => Ok(listener.local_addr()?.port()),
            Err(e) => Err(io::Error::new(e.kind(), e.to_string())),
        };
        let [outgoing, incoming, admin, control] = held.each_ref().map(port);
        Ok(Ports { outgoing: outgoing?, incoming: incoming?, admin: admin?, control: control? })
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_replaced_and_only_that() {
        let taken = listen(0).unwrap();
        let free = Ports::choose(Ports { outgoing: 0, incoming: 0, admin: 0, control: 0 }).unwrap();
        let wanted = Ports { incoming: taken.local_addr().unwrap().port(), ..free };
        let got = Ports::choose(wanted).unwrap();
        assert_ne!(got.incoming, wanted.incoming);
        assert_eq!(Ports { incoming: wanted.incoming, ..got }, wanted);
    }
}
