//! The whole router in tables: requests against scripted back ends, without a socket, on a clock that tests move.

mod access_log;
mod caches;
mod context;
mod diagnosis;
mod entrance;
mod ingress;
mod latency;
mod limits;
mod mesh;
mod names;
mod property;
mod reload;
mod replicas;
mod retries;
mod routing;
mod statistics;
mod timeouts;
