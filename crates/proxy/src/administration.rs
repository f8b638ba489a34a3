//! What the admin server of a running proxy answers (observability.md §6).

use crate::delegator;
use crate::document as doc;
use crate::explain;
use crate::health;
use crate::reload;
use crate::running::Lasting;
use crate::sources::Sources;
use admin::Routes;
use std::sync::Arc;

/// What it answers of `document`.
pub(crate) fn routes(document: &Arc<doc::Document>, lasting: &Lasting, sources: &Arc<Sources>) -> Routes {
    let Lasting { metrics, shutdown, health, reloads, .. } = lasting;
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
