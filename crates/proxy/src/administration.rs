//! What the admin server of a running proxy answers (observability.md §6).

use crate::delegator;
use crate::document as doc;
use crate::ending::Shutdown;
use crate::explain;
use crate::health::{self, Health};
use crate::reload::{self, Reloads};
use crate::sources::Sources;
use admin::Routes;
use std::sync::Arc;
use telemetry::Metrics;

/// What it answers of `document`.
pub(crate) fn routes(
    document: &Arc<doc::Document>,
    metrics: &Metrics,
    shutdown: &Shutdown,
    health: &Health,
    sources: &Arc<Sources>,
    reloads: &Reloads,
) -> Routes {
    let asked = shutdown.clone();
    let mut routes = Routes::new().metrics_json(metrics).shutdown(move |grace| asked.ask(grace));
    for doc::Telemeter::Prometheus(p) in &document.telemetry {
        routes = routes.prometheus(&p.path, metrics, &p.prefix);
    }
    let routes = health::add(routes, health);
    let routes = delegator::add(routes, sources);
    let routes = explain::page::add(routes, document, sources);
    reload::route::add(routes, reloads)
}
