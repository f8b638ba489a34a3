//! What the admin server of a running proxy answers (observability.md §6).

use crate::delegator;
use crate::document as doc;
use crate::explain;
use crate::sockets::StartError;
use crate::sources::Sources;
use crate::telemeters::Telemeters;
use crate::translate;
use admin::AdminHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry::Metrics;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Binds and serves the admin server.
pub(crate) async fn serve_admin(
    document: &doc::Document,
    metrics: &Metrics,
    telemeters: &Telemeters,
    shutdown: &Arc<Notify>,
    sources: &Arc<Sources>,
    task: &mut JoinSet<()>,
) -> Result<(SocketAddr, AdminHandle), StartError> {
    let address = document.admin.address();
    let asked = shutdown.clone();
    let routes = admin::Routes::new().metrics_json(metrics).shutdown(move |_| asked.notify_one());
    let routes = telemeters.routes(routes, document, metrics);
    let routes = delegator::add(routes, sources);
    let routes = explain::page::add(routes, &Arc::new(document.clone()), sources);
    let socket = translate::socket(&document.admin.socket_options);
    let listener = engines::listen(address, &socket).map_err(|error| StartError::Listen {
        what: "the admin server".to_owned(),
        address,
        error,
    })?;
    let server =
        admin::Admin::on(listener, routes, translate::admin_limits(&socket)).map_err(StartError::System)?;
    let bound = server.address();
    let stop = server.handle();
    task.spawn(server.serve());
    tracing::info!("serving http admin on {bound}");
    Ok((bound, stop))
}
