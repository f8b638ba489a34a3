//! What a process is given when it starts and passes on when it ends: listening sockets, and word to the service manager.
//!
//! [`activation`] takes the sockets systemd listens on, [`takeover`] those of the process that runs already, [`notify`] tells
//! systemd how things stand. None of it is on the way of a request.

pub mod activation;
pub mod notify;
pub mod takeover;
