//! The sample service of Linkerd's examples: says its text, after asking another service if told to (sample-apps.md §1).
//!
//! A library so that demos and tests run many of them in one process; the binary of the same name only adds flags and
//! signals. Nothing is process-wide: each [`serve`] has its own latency, failure rate and connections.

mod answer;
mod control;
mod flags;
mod go;
mod proxy;
mod redirect;
mod server;
mod settings;
mod upstream;

pub use server::{Announce, bind, serve, serve_announcing};
pub use settings::{Fault, Protocol, ProxySettings, Settings};
