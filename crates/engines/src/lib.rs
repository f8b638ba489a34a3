//! Sockets and wire: workers, accepting, pools, HTTP/1.1 (architecture.md §2, §5).
//!
//! A [`Workers`] owns the traffic world. `proxy` binds sockets with [`listen`] and gives each, with its router, to
//! [`Workers::serve`].

mod accept;
mod clock;
mod context;
mod health;
mod http1;
mod pool;
mod pulse;
mod seat;
mod timer;
mod worker;

pub use accept::{adopt, listen};
pub use clock::Clock;
pub use health::{Health, Silent, StallGuard};
pub use http1::{Compression, Limits};
pub use worker::{Drained, HttpSettings, ServerKey, Workers};

/// Reads the bytes of a caller's connection, which arrive in these pieces, with this engine and with hyper.
///
/// # Errors
/// Where the two disagree for a reason that is not listed.
#[cfg(fuzzing)]
pub fn compare_with_hyper(pieces: &[&[u8]]) -> Result<(), String> {
    http1::compare_with_hyper(pieces)
}
