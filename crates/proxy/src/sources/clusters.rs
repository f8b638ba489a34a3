//! The Kubernetes APIs that a process talks to: one for each address, whoever asks and through all reloads, so that
//! everything that is watched is watched once.

use kubernetes::{Access, Cluster};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
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

    /// All watches of all APIs as JSON, by how the API is reached and by what is watched.
    pub(crate) fn state_json(&self) -> String {
        let known: BTreeMap<String, Cluster> =
            self.known.lock().iter().map(|(access, cluster)| (access.to_string(), cluster.clone())).collect();
        let one = |(access, cluster): (&String, &Cluster)| {
            format!("{}:{}", naming::json_text(access), cluster.state_json())
        };
        format!("{{{}}}", known.iter().map(one).collect::<Vec<_>>().join(","))
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
