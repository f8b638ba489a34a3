//! The linker: a validated configuration becomes routers, servers, telemeters, admin.
//!
//! [`document::load`] reads and checks a file, [`Proxy::start`] runs it.

pub mod document;
mod process;
mod translate;

pub use process::{Bound, Options, Proxy, StartError};
