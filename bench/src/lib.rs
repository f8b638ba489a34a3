//! What the tests and benchmarks of this folder share: a clock for micro-benchmarks, and traffic that costs next to
//! nothing by itself. What is measured here, and how to run it, is in README.md.

pub mod timing;
pub mod traffic;
