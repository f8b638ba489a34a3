//! A service: everything that belongs to one identified name (architecture.md §4, the path stack): settings, retry budget,
//! numbers.

use crate::client::Client;
use crate::series::Place;
use crate::settings::{RouterSettings, ServiceSettings};
use crate::stats::{Faults, PerWorker, pair, service as idx};
use balance::Budget;
use names::Path;
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use telemetry::{Block, Lease, Scope};

/// One identified name.
pub(crate) struct Service {
    pub(crate) path: Path,
    /// The path's show form, the value of `l5d-dst-service`.
    pub(crate) shown: Box<str>,
    pub(crate) settings: ServiceSettings,
    pub(crate) budget: Budget,
    pub(crate) block: Block,
    pub(crate) faults: Faults,
    pub(crate) pending: PerWorker,
    /// What clients count of this service's requests, by the client's serial number. Asked when a route is made.
    pairs: Mutex<Vec<(u64, Weak<Pair>)>>,
    _scope: Lease,
    _place: Option<Place>,
}

/// Gauges of a service, in the order they are read.
const GAUGES: &[&str] = &["pending", "retries/budget"];

impl Service {
    /// The service `path` with settings of its `own`, in the scope `rt/<label>/service`.
    pub(crate) fn new(
        path: &Path,
        own: ServiceSettings,
        settings: &RouterSettings,
        services: &Scope,
    ) -> Arc<Service> {
        let shown: Box<str> = path.to_string().into();
        let (place, name) = settings.series.place(label(&shown));
        let scope = services.lease(name);
        let clock = settings.clock.clone();
        let settings = own;
        Arc::new_cyclic(|weak: &Weak<Service>| {
            let gauges = Weak::clone(weak);
            // Several that are counted together have no gauges: one's would hide the other's.
            if place.is_some() {
                scope.gauges(GAUGES, move |at| match (gauges.upgrade(), at) {
                    (None, _) => 0.0,
                    (Some(service), 0) => service.pending.sum(),
                    (Some(service), _) => service.budget.balance(clock.now()) as f64,
                });
            }
            Service {
                path: path.clone(),
                shown,
                settings,
                budget: Budget::new(settings.retries.budget),
                block: scope.block(&idx::SPEC),
                faults: Faults::new(&scope),
                pending: PerWorker::new(scope.workers()),
                pairs: Mutex::default(),
                _scope: scope,
                _place: place,
            }
        })
    }

    /// What `client` counts of this service's requests.
    pub(crate) fn pair(&self, client: &Client) -> Arc<Pair> {
        let mut pairs = self.pairs.lock();
        pairs.retain(|(_, pair)| pair.strong_count() > 0);
        let known = pairs.iter().find(|(serial, _)| *serial == client.serial);
        if let Some(pair) = known.and_then(|(_, pair)| pair.upgrade()) {
            return pair;
        }
        let pair = Arc::new(Pair::new(self, client));
        pairs.push((client.serial, Arc::downgrade(&pair)));
        pair
    }
}

/// The name of a scope: the path without its first slash.
fn label(shown: &str) -> &str {
    shown.strip_prefix('/').unwrap_or(shown)
}

/// A service within a client.
pub(crate) struct Pair {
    pub(crate) block: Block,
    pub(crate) faults: Faults,
    pub(crate) pending: Arc<PerWorker>,
    _scope: Lease,
    _place: Option<Place>,
}

impl Pair {
    fn new(service: &Service, client: &Client) -> Pair {
        let (place, name) = client.stats.series.place(label(&service.shown));
        let scope = client.stats.scope.scope("service").lease(name);
        let pending = Arc::new(PerWorker::new(scope.workers()));
        if place.is_some() {
            let gauge = Arc::clone(&pending);
            scope.gauge("pending", move || gauge.sum());
        }
        let (block, faults) = (scope.block(&pair::SPEC), Faults::new(&scope));
        Pair { block, faults, pending, _scope: scope, _place: place }
    }
}
