//! The routers of a running proxy: built, and given what those before them leave.

use super::Lasting;
use crate::document as doc;
use crate::sources::Sources;
use crate::translate;
use engines::HttpSettings;
use naming::{Binder, BinderSettings};
use router::{ClientFactory, RecentRequests, Router, Succession};
use std::sync::Arc;
use std::time::Duration;
use telemetry::AccessLog;

/// A router that is served.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) label: String,
    pub(super) router: Arc<Router>,
    pub(super) settings: HttpSettings,
}

/// What a router is built from besides its section of the document.
pub(super) struct Parts<'a> {
    pub(super) lasting: &'a Lasting,
    pub(super) sources: &'a Sources,
    pub(super) log: Option<AccessLog>,
    /// Where the latest requests are noted.
    pub(super) recent: Option<RecentRequests>,
    /// The router whose place it takes.
    pub(super) before: Option<&'a Served>,
}

/// A router, and the task that binds its names, which ends with it.
pub(super) fn build(
    from: &doc::HttpRouter,
    parts: Parts<'_>,
    workers: usize,
) -> (Served, impl Future<Output = ()> + Send + use<>) {
    let Parts { lasting: Lasting { metrics, clock, .. }, sources, log, recent, before } = parts;
    let mut settings = translate::router(from, clock.epoch(), &sources.rules(from.label()));
    (settings.access_log, settings.recent) = (log, recent);
    sources.serve(from.label());
    if let Some(before) = before {
        settings.succeed(before.router.settings());
    }
    let factory = ClientFactory::new(&settings, metrics);
    let (binder, task) = Binder::new(sources.of(from), from.dtab.clone(), factory, BinderSettings::default());
    let router = Router::new(settings, binder, metrics, workers);
    let scope = metrics.scope(&["rt", from.label()]);
    match from.originator {
        true => scope.gauge("originator", || 1.0),
        false if before.is_some() => scope.scope("originator").prune(),
        false => {}
    }
    (Served { label: from.label().to_owned(), router, settings: translate::engine(from) }, task)
}

/// Has the names of the routers `before` bound by those that take their place. Ends when all are, or after `patience`.
pub(super) async fn successions(before: &[Served], after: &[Served], patience: Duration) -> Vec<Succession> {
    let pairs = before.iter().flat_map(|old| after.iter().map(move |new| (old, new)));
    let replaced =
        pairs.filter(|(old, new)| old.label == new.label && !Arc::ptr_eq(&old.router, &new.router));
    let begun: Vec<_> = replaced.map(|(old, new)| new.router.succeed(&old.router)).collect();
    let all = async {
        for succession in &begun {
            succession.ready().await;
        }
    };
    if tokio::time::timeout(patience, all).await.is_err() {
        tracing::warn!("some names are not bound yet by the new configuration; requests for them will wait");
    }
    begun
}

/// Takes the names off the routers that nobody is served by any more.
pub(super) fn retire(before: &[Served], after: &[Served]) {
    let is_used = |of: &Served| after.iter().any(|other| Arc::ptr_eq(&other.router, &of.router));
    before.iter().filter(|of| !is_used(of)).for_each(|of| of.router.retire());
}
