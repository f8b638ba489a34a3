//! Namers that need I/O: files, DNS.
//!
//! Each watches its source from the control world and publishes what it finds as live values of [`naming`]; none is ever
//! asked by a thread that serves traffic.

mod changes;
mod dns;
mod dns_srv;
mod dtab_file;
mod file_watch;
mod fs;
mod local;
mod rest;

pub use dns::{Dns, DnsHost, DnsSettings};
pub use dns_srv::DnsSrvNamer;
pub use dtab_file::DtabFile;
pub use file_watch::FileWatch;
pub use fs::{FsNamer, POLL_INTERVAL};
pub use local::local_ips;
pub use rest::{Rest, Verdict};
