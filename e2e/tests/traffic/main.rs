//! The proxy as its callers and back ends see it, at one worker and at four; one file for each behaviour.

mod bodies;
mod connections;
mod counting;
mod drain;
mod framing;
mod headers;
mod hostile;
mod interim;
mod limits;
mod memory;
mod overrides;
mod pipelining;
mod replicas;
mod resets;
mod retries;
mod routing;
