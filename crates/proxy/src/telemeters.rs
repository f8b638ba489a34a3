//! The telemeters of a document: who is told of the metrics and of the latest requests (observability.md §1).

mod requests;
mod statsd;
mod usage;

use crate::document as doc;
use admin::{Method, Request, Response, Routes, plain, plain_pieces};
use router::RecentRequests;
use std::sync::Arc;
use telemetry::{Metrics, PrometheusOptions, render_influx, render_prometheus_pieces};
use tokio::task::JoinSet;

const GET: &[Method] = &[Method::GET, Method::HEAD];

/// What the telemeters of a running proxy hold. Those that send by themselves end with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Telemeters {
    declared: Vec<doc::Telemeter>,
    recent: Option<Noted>,
    _senders: Arc<JoinSet<()>>,
}

/// Where the latest requests are noted, as that was declared.
#[derive(Clone, Debug)]
struct Noted {
    declared: doc::RecentRequests,
    requests: RecentRequests,
}

impl Telemeters {
    /// Starts those that send by themselves, on the control runtime.
    pub(crate) fn start(document: &doc::Document, metrics: &Metrics) -> Telemeters {
        Telemeters::build(document, metrics, None)
    }

    /// Those of `document`, which follows on the one these are of: what is declared the same goes on.
    pub(crate) fn succeed(&self, document: &doc::Document, metrics: &Metrics) -> Telemeters {
        if self.declared == document.telemetry {
            return self.clone();
        }
        Telemeters::build(document, metrics, self.recent.as_ref())
    }

    fn build(document: &doc::Document, metrics: &Metrics, before: Option<&Noted>) -> Telemeters {
        let (mut senders, mut recent) = (JoinSet::new(), None);
        for telemeter in &document.telemetry {
            match telemeter {
                doc::Telemeter::Statsd(to) => drop(senders.spawn(statsd::run(to.clone(), metrics.clone()))),
                doc::Telemeter::RecentRequests(of) => {
                    let same = before.filter(|before| before.declared == *of).cloned();
                    recent = Some(same.unwrap_or_else(|| Noted::new(of, metrics)));
                }
                doc::Telemeter::Prometheus(_)
                | doc::Telemeter::Influxdb(_)
                | doc::Telemeter::CommonMetrics(_) => {}
            }
        }
        Telemeters { declared: document.telemetry.clone(), recent, _senders: Arc::new(senders) }
    }

    /// Whether requests are noted where they are by `other`.
    pub(crate) fn notes_as(&self, other: &Telemeters) -> bool {
        let declared = |of: &Telemeters| of.recent.as_ref().map(|noted| noted.declared.clone());
        declared(self) == declared(other)
    }

    /// Where routers note the latest requests; `None` when nobody asks.
    pub(crate) fn recent(&self) -> Option<RecentRequests> {
        self.recent.as_ref().map(|noted| noted.requests.clone())
    }

    /// Adds the endpoints of those that are asked.
    pub(crate) fn routes(&self, mut routes: Routes, document: &doc::Document, metrics: &Metrics) -> Routes {
        for telemeter in &document.telemetry {
            routes = match telemeter {
                doc::Telemeter::Prometheus(at) => prometheus(routes, at, metrics),
                doc::Telemeter::Influxdb(_) => influxdb(routes, metrics),
                doc::Telemeter::RecentRequests(_)
                | doc::Telemeter::Statsd(_)
                | doc::Telemeter::CommonMetrics(_) => routes,
            };
        }
        if let Some(recent) = &self.recent {
            routes = requests::add(routes, &recent.requests);
        }
        if document.usage.enabled {
            routes = usage::add(routes, document, metrics);
        }
        routes
    }
}

impl Noted {
    fn new(declared: &doc::RecentRequests, metrics: &Metrics) -> Noted {
        let requests =
            RecentRequests::new(metrics.workers(), declared.capacity as usize, declared.sample_rate);
        Noted { declared: declared.clone(), requests }
    }
}

fn prometheus(routes: Routes, at: &doc::Prometheus, metrics: &Metrics) -> Routes {
    let options = PrometheusOptions { prefix: at.prefix.clone(), histograms: at.histograms };
    let (metrics, options) = (metrics.clone(), Arc::new(options));
    routes.route_async(&at.path, GET, move |_| {
        let (metrics, options) = (metrics.clone(), options.clone());
        apart(move || {
            // Held until it is whole: sent while it is made, it would hold the thread for as long as somebody reads slowly.
            let mut pieces = Vec::new();
            render_prometheus_pieces(&metrics, &options, &mut |piece| pieces.push(piece));
            plain_pieces(pieces)
        })
    })
}

fn influxdb(routes: Routes, metrics: &Metrics) -> Routes {
    let metrics = metrics.clone();
    routes.route_async("/admin/metrics/influxdb", GET, move |request: Request| {
        let metrics = metrics.clone();
        apart(move || {
            let host = request.headers().get("host").and_then(|host| host.to_str().ok());
            plain(render_influx(&metrics, host.unwrap_or("none")))
        })
    })
}

/// Makes a long text on a thread of its own: with thousands of services it takes a while, and discovery must not wait.
async fn apart(make: impl FnOnce() -> Response + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(make).await {
        Ok(response) => response,
        Err(broken) => std::panic::resume_unwind(broken.into_panic()),
    }
}
