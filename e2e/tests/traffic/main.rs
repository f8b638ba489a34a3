//! The proxy as its callers and back ends see it, at one worker and at four; one file for each behaviour.

mod access_log;
mod balancing;
mod bodies;
mod compression;
mod connections;
mod counting;
mod diagnosis;
mod drain;
mod entrance;
mod framing;
mod headers;
mod hostile;
mod identifiers;
mod interim;
mod limits;
mod memory;
mod pipelining;
mod replicas;
mod resets;
mod retries;
mod routing;
mod stalls;
mod storms;
mod streaming;
mod tunnels;
