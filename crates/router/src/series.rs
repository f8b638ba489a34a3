//! How many services, clients and services of clients of one router have metrics of their own. Names come from callers:
//! without a limit, whoever can invent names could fill the memory, and that of whoever scrapes the metrics.
//!
//! Those beyond the limit are counted together, under the name [`OTHER`] in place of theirs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use telemetry::{Counter, Scope};

/// The scope of all that have none of their own.
pub(crate) const OTHER: &str = "other";

/// Most scopes of a router unless its settings say otherwise.
const MOST: usize = 30_000;

/// The scopes there may be. Clones are the same number of scopes.
#[derive(Clone, Debug)]
pub struct Series(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    used: AtomicUsize,
    told: AtomicBool,
    refused: OnceLock<Counter>,
}

impl Default for Series {
    fn default() -> Series {
        Series::at_most(MOST)
    }
}

impl Series {
    /// At most so many scopes.
    #[must_use]
    pub fn at_most(most: usize) -> Series {
        let (used, told, refused) = Default::default();
        Series(Arc::new(Shared { most, used, told, refused }))
    }

    /// Whether there may be as many of them as of those.
    pub(crate) fn has_limit_of(&self, other: &Series) -> bool {
        self.0.most == other.0.most
    }

    /// Shows under `router` how many scopes there are (`metric_scopes/used`) and how many were refused
    /// (`metric_scopes/refused`).
    pub(crate) fn show(&self, router: &Scope) {
        let scope = router.scope("metric_scopes");
        let shared = Arc::clone(&self.0);
        scope.gauge("used", move || shared.used.load(Relaxed) as f64);
        let _ = self.0.refused.set(scope.counter("refused"));
    }

    /// A place for the scope `name`, and the name it has; `None` and [`OTHER`] when there is no place left.
    pub(crate) fn place<'a>(&self, name: &'a str) -> (Option<Place>, &'a str) {
        let more = |used: usize| (used < self.0.most).then_some(used + 1);
        if self.0.used.fetch_update(Relaxed, Relaxed, more).is_ok() {
            return (Some(Place(Arc::clone(&self.0))), name);
        }
        if let Some(refused) = self.0.refused.get() {
            refused.inc();
        }
        if !self.0.told.swap(true, Relaxed) {
            tracing::warn!(
                "more than {} services and clients have metrics of their own: `{name}` and further ones are counted \
                 together as `{OTHER}` (maxMetricScopes)",
                self.0.most
            );
        }
        (None, OTHER)
    }
}

/// One scope's place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.used.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::Metrics;

    #[test]
    fn places_are_limited_and_come_back() {
        let metrics = Metrics::new(1);
        let series = Series::at_most(2);
        series.show(&metrics.scope(&["rt", "r"]));
        let (a, name) = series.place("a");
        assert_eq!((a.is_some(), name), (true, "a"));
        let (b, _) = series.place("b");
        let (c, name) = series.place("c");
        assert_eq!((b.is_some(), c.is_none(), name), (true, true, OTHER));
        drop(a);
        assert_eq!(series.place("d").1, "d");
        let refused = metrics.scope(&["rt", "r", "metric_scopes"]).counter("refused");
        assert_eq!(refused.get(), 1);
        assert!(telemetry::render_prometheus(&metrics, "").contains("rt:metric_scopes:used{rt=\"r\"} 1.0"));
    }
}
