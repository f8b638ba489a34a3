//! What to do with a request: identify, route, attempt, classify, retry, record; a decision machine without sockets.
//!
//! An engine tells a [`WorkerRouter`] what happens to a request, one event at a time, each with one reading of the clock,
//! and does what the [`seam::Step`] it gets back says. Names are bound by a [`naming::Binder`], whose leaves are the
//! [`Client`]s made here.

pub mod header;
pub mod seam;
pub mod status;

mod absolute;
mod answer;
mod authority;
mod cache;
mod classify;
mod client;
mod concurrency;
mod connection;
mod context;
mod diagnose;
mod draw;
mod endpoint;
mod entry;
mod exchange;
mod forwarded;
mod heritage;
mod hop;
mod identify;
mod ingress;
mod recent;
mod router;
mod series;
mod server;
mod service;
mod settings;
mod stats;
mod text;
mod trace;
mod worker;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use answer::Fault;
pub use classify::{Class, Classifier, Method};
pub use client::{Client, ClientFactory};
pub use connection::{ConnectionSettings, PoolSettings, SessionEnd, SessionSettings, SocketSettings};
pub use endpoint::Endpoint;
pub use exchange::Exchange;
pub use forwarded::{Forwarded, Labeler};
pub use heritage::Heritage;
pub use identify::{
    HeaderPath, HeaderToken, Identifier, Ingress, MethodAndHost, PathSegments, StaticName, name_of,
};
pub use ingress::{Found, IngressBackend, IngressObject, IngressRule, IngressRules, PathType, Table};
pub use recent::{Recent, RecentRequests};
pub use router::{Router, Succession};
pub use series::Series;
pub use server::Server;
pub use settings::{
    CacheSettings, ClientPartial, ClientSettings, Retries, RouterSettings, Scope, ServerId, ServerSettings,
    ServicePartial, ServiceSettings,
};
pub use stats::Clock;
pub use trace::{Propagator, TraceId};
pub use worker::WorkerRouter;
