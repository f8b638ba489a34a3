//! Micro-benchmarks of binding, parsing and engine.
