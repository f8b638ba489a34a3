//! Discovery through a real API server, as issue 7 accepts it: never another service's address, never a failed request,
//! never more watches than may be. Each test has a cluster and a network of its own.

mod access;
mod bed;
mod churn;
mod many;
mod outage;
mod replaced;
mod reused;
mod scaled;
mod unknown;
