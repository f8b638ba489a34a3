//! The admin HTTP server: liveness, metrics, shutdown, and whatever pages the daemon adds (observability.md §6).
//!
//! It runs in the control world, over hyper. Nothing it does can hold up traffic: handlers read what traffic left in
//! shared memory, connections and header times are bounded, and a handler that panics costs one answer.

mod body;
mod builtin;
mod client;
mod diagnostics;
mod events;
mod guard;
mod lenient;
mod loggers;
mod patient;
pub mod query;
mod reply;
mod routes;
mod security;
mod server;
mod ui;

pub use body::Body;
pub use client::{Answer, AskError, get};
pub use diagnostics::About;
pub use events::Events;
pub use hyper::body::Bytes;
pub use hyper::header::HeaderValue;
pub use hyper::{Method, StatusCode, Version};
pub use loggers::Loggers;
pub use reply::{Response, json, plain, plain_pieces, status, text};
pub use routes::Routes;
pub use security::{PathRule, Security};
pub use server::{Admin, AdminHandle, Limits};
pub use ui::{Page, Ui};

/// A request with its whole body (at most [`Limits::body_bytes`]).
pub type Request = hyper::Request<Bytes>;
