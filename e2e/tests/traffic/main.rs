//! The proxy as its callers and back ends see it, at one worker and at four; one file for each behaviour.

mod bodies;
mod classifiers;
mod connections;
mod context;
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
