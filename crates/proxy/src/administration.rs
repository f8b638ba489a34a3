//! What the admin server of a running proxy answers (observability.md §6).

use crate::delegator;
use crate::document as doc;
use crate::explain;
use crate::reload::{self, Reloads};
use crate::sockets::StartError;
use crate::sources::Sources;
use crate::translate;
use admin::Routes;
use std::net::TcpListener;
use std::sync::Arc;
use telemetry::Metrics;
use tokio::sync::Notify;

/// What it answers of `document`.
pub(crate) fn routes(
    document: &Arc<doc::Document>,
    metrics: &Metrics,
    shutdown: &Arc<Notify>,
    sources: &Arc<Sources>,
    reloads: &Reloads,
) -> Routes {
    let asked = shutdown.clone();
    let mut routes = Routes::new().metrics_json(metrics).shutdown(move |_| asked.notify_one());
    for doc::Telemeter::Prometheus(p) in &document.telemetry {
        routes = routes.prometheus(&p.path, metrics, &p.prefix);
    }
    let routes = delegator::add(routes, sources);
    let routes = explain::page::add(routes, document, sources);
    reload::route::add(routes, reloads)
}

/// Binds its socket.
pub(crate) fn listen(document: &doc::Document) -> Result<TcpListener, StartError> {
    let (what, address) = ("the admin server".to_owned(), document.admin.address());
    let listener = engines::listen(address, &translate::socket(&document.admin.socket_options));
    listener.map_err(|error| StartError::Listen { what, address, error })
}
