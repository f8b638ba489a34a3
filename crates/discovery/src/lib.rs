//! Namers that need I/O: files, DNS.
//!
//! Each watches its source from the control world and publishes what it finds as live values of [`naming`]; none is ever
//! asked by a thread that serves traffic.

mod dns;
mod dns_srv;
mod dtab_file;
mod fs;
mod local;

pub use dns::{Dns, DnsHost, DnsSettings};
pub use dns_srv::DnsSrvNamer;
pub use dtab_file::DtabFile;
pub use fs::{FsNamer, POLL_INTERVAL};
pub use local::local_ips;
