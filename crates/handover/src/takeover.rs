//! Takeover: a new process receives the listening sockets of the one that runs, which ends once the new one serves
//! (docs/adr/0004-takeover.md).
//!
//! The two meet at a Unix socket. The new one greets; the old one sends one byte for each bundle of descriptors; the new one
//! starts on them and says that it is ready; the old one acknowledges and drains. Whatever goes wrong before the word
//! "ready", the old one goes on as if nothing had been asked.

mod claim;
mod offer;
mod wire;

pub use claim::{Claim, ClaimError, claim};
pub use offer::Offer;

#[cfg(test)]
mod tests;
