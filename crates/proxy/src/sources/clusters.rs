//! The Kubernetes APIs that a process talks to: one for each address, whoever asks and through all reloads, so that
//! everything that is watched is watched once.

use kubernetes::{Access, Cluster};
use parking_lot::Mutex;
use std::collections::HashMap;
use telemetry::Metrics;
use tokio::runtime::Handle;

/// The APIs in use. Nothing is contacted before something is wanted of it.
#[derive(Debug)]
pub(crate) struct Clusters {
    control: Handle,
    metrics: Metrics,
    known: Mutex<HashMap<Access, Cluster>>,
}

impl Clusters {
    /// None yet; their watches run on `control` and count in `metrics` under `kubernetes/<address>`.
    pub(crate) fn new(control: &Handle, metrics: &Metrics) -> Clusters {
        Clusters { control: control.clone(), metrics: metrics.clone(), known: Mutex::default() }
    }

    /// The API that is reached by `access`.
    pub(crate) fn of(&self, access: &Access) -> Cluster {
        let mut known = self.known.lock();
        let make = || {
            let scope = self.metrics.scope(&["kubernetes", &access.to_string()]);
            Cluster::new(access.clone(), &self.control, &scope)
        };
        known.entry(access.clone()).or_insert_with(make).clone()
    }
}
