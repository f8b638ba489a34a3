//! The telemeters of a document: who is told of the metrics and of the latest requests (observability.md §1).

mod requests;
mod statsd;
mod usage;

use crate::document as doc;
use admin::{Method, Request, Response, Routes, text};
use router::RecentRequests;
use std::sync::Arc;
use telemetry::{Metrics, PrometheusOptions, render_influx, render_prometheus_pieces};
use tokio::task::JoinSet;

const GET: &[Method] = &[Method::GET, Method::HEAD];

/// What the telemeters of a running proxy hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Telemeters {
    recent: Option<RecentRequests>,
}

impl Telemeters {
    /// Starts those that send by themselves, on the control runtime.
    pub(crate) fn start(
        document: &doc::Document,
        metrics: &Metrics,
        control: &mut JoinSet<()>,
    ) -> Telemeters {
        let mut telemeters = Telemeters::default();
        for telemeter in &document.telemetry {
            match telemeter {
                doc::Telemeter::Statsd(to) => drop(control.spawn(statsd::run(to.clone(), metrics.clone()))),
                doc::Telemeter::RecentRequests(of) => {
                    let capacity = of.capacity as usize;
                    telemeters.recent =
                        Some(RecentRequests::new(metrics.workers(), capacity, of.sample_rate));
                }
                doc::Telemeter::Prometheus(_)
                | doc::Telemeter::Influxdb(_)
                | doc::Telemeter::CommonMetrics(_) => {}
            }
        }
        telemeters
    }

    /// Where routers note the latest requests; `None` when nobody asks.
    pub(crate) fn recent(&self) -> Option<RecentRequests> {
        self.recent.clone()
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
            routes = requests::add(routes, recent);
        }
        if document.usage.enabled {
            routes = usage::add(routes, document, metrics);
        }
        routes
    }
}

fn prometheus(routes: Routes, at: &doc::Prometheus, metrics: &Metrics) -> Routes {
    let options = PrometheusOptions { prefix: at.prefix.clone(), histograms: at.histograms };
    let (metrics, options) = (metrics.clone(), Arc::new(options));
    routes.route_async(&at.path, GET, move |_| {
        let (metrics, options) = (metrics.clone(), options.clone());
        apart(move || {
            let mut pieces = Vec::new();
            render_prometheus_pieces(&metrics, &options, |piece| pieces.push(piece));
            text(pieces.concat())
        })
    })
}

fn influxdb(routes: Routes, metrics: &Metrics) -> Routes {
    let metrics = metrics.clone();
    routes.route_async("/admin/metrics/influxdb", GET, move |request: Request| {
        let metrics = metrics.clone();
        apart(move || {
            let host = request.headers().get("host").and_then(|host| host.to_str().ok());
            text(render_influx(&metrics, host.unwrap_or("none")))
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
