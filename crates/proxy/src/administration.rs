//! What the admin server of a running proxy answers (observability.md §6).

use crate::delegator;
use crate::document as doc;
use crate::ending::Shutdown;
use crate::explain;
use crate::health::{self, Health};
use crate::sockets::{Kept, Sockets, StartError};
use crate::sources::Sources;
use crate::translate;
use admin::AdminHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry::Metrics;
use tokio::task::JoinSet;

/// Binds and serves the admin server.
pub(crate) async fn serve_admin(
    document: &doc::Document,
    metrics: &Metrics,
    shutdown: &Shutdown,
    health: &Health,
    sockets: &Sockets,
    sources: &Arc<Sources>,
    task: &mut JoinSet<()>,
) -> Result<(SocketAddr, AdminHandle, Kept), StartError> {
    let address = document.admin.address();
    let asked = shutdown.clone();
    let mut routes = admin::Routes::new().metrics_json(metrics).shutdown(move |grace| asked.ask(grace));
    for doc::Telemeter::Prometheus(p) in &document.telemetry {
        routes = routes.prometheus(&p.path, metrics, &p.prefix);
    }
    let routes = health::add(routes, health);
    let routes = delegator::add(routes, sources);
    let routes = explain::page::add(routes, &Arc::new(document.clone()), sources);
    let socket = translate::socket(&document.admin.socket_options);
    let (listener, kept) = sockets.listen("the admin server", address, &socket)?;
    let server =
        admin::Admin::on(listener, routes, translate::admin_limits(&socket)).map_err(StartError::System)?;
    let bound = server.address();
    let stop = server.handle();
    task.spawn(server.serve());
    tracing::info!("serving http admin on {bound}");
    Ok((bound, stop, kept))
}
