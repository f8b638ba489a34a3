//! The naming chapters of the specification, row by row, and the laws that hold for every input.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod errors;
mod hostile;
mod laws;
mod lexical;
mod lookup;
mod observed;
mod patterns;
mod show;
mod simplify;
