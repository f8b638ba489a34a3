//! Caches from names to entries: one that all workers share, behind a lock they take on misses only, and in front of it one
//! in each worker, asked without a lock and without an allocation.

mod local;
mod shared;

pub(crate) use local::Local;
pub(crate) use shared::{Caches, Full};
