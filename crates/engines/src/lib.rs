//! Sockets and wire: workers, accepting, pools, HTTP/1.1 (architecture.md §2, §5).
//!
//! A [`Workers`] owns the traffic world. `proxy` binds sockets with [`listen`] and gives each, with its router, to
//! [`Workers::serve`].

mod accept;
mod clock;
mod context;
mod http1;
mod pool;
mod pulse;
mod timer;
mod worker;

pub use accept::listen;
pub use clock::Clock;
pub use http1::{Compression, Limits};
pub use worker::{Drained, HttpSettings, Workers};
