//! Namers that need I/O: files, DNS.
//!
//! Each watches its source from the control world and publishes what it finds as live values of [`naming`]; none is ever
//! asked by a thread that serves traffic.

mod dns;
mod fs;

pub use dns::{Dns, DnsSettings};
pub use fs::{FsNamer, POLL_INTERVAL};
