//! The engine and a real router in one process, against back ends and callers that do exactly what a test says.
//!
//! What the whole proxy does is tested in `e2e`; here is what needs exact bytes, small socket buffers or settings that a
//! document cannot express.

mod world;

mod concurrency;
mod doubt;
mod framing;
mod gone;
mod patience;
mod payloads;
mod pool;
mod pressure;
mod sessions;
mod splits;
mod stalls;
mod timeouts;
mod tunnels;
