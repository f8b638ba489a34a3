//! The linker: a validated configuration becomes routers, servers, telemeters, admin.
//!
//! [`document::load`] reads and checks a file, [`Proxy::start`] runs it.

mod access_logs;
mod administration;
pub mod cluster_check;
mod delegator;
pub mod document;
mod ending;
pub mod explain;
mod health;
mod process;
pub mod reload;
mod running;
mod sections;
mod sockets;
mod sources;
mod telemeters;
mod translate;

pub use delegator::Asked;
pub use ending::{Cause, Ending};
pub use health::Health;
pub use process::{Bound, Options, Proxy};
pub use reload::{Load, ReloadSource, Reloaded};
pub use sockets::{Sockets, StartError};
pub use sources::Sources;
