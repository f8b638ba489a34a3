//! What the admin server of a running proxy answers (observability.md §6).

mod config_json;
mod dashboard;
mod identifier;
mod served;

use crate::delegator;
use crate::document as doc;
use crate::explain;
use crate::health;
use crate::reload;
use crate::running::Lasting;
use crate::telemeters::Telemeters;
use admin::{About, Events, Request, Response, Routes, Ui, json};
use naming::{Addr, configured_prefix};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use telemetry::Metrics;

pub(crate) use identifier::routes as identifier_routes;
pub(crate) use served::{Current, Served};

/// The stream of the dashboard's numbers, and the task that tells them.
pub(crate) fn live_numbers(metrics: &Metrics) -> (Events, impl Future<Output = ()> + Send + 'static) {
    let events = Events::new(dashboard::LISTENERS);
    (events.clone(), dashboard::tell(events, metrics.clone()))
}

/// Everything the admin server of `document` answers. What `current` says is looked up for each answer.
pub(crate) fn routes(
    document: &doc::Document,
    lasting: &Lasting,
    telemeters: &Telemeters,
    current: &Current,
) -> Routes {
    let Lasting { metrics, shutdown, health, reloads, loggers, events, .. } = lasting;
    let asked = shutdown.clone();
    let mut routes = Routes::new()
        .secured(document.admin.security.rules())
        .metrics_json(metrics)
        .shutdown(move |grace| asked.ask(grace))
        .logging(loggers.clone())
        .diagnostics(&about(document, lasting));
    routes = telemeters.routes(routes, document, metrics);
    let (lint, config, clients) = (current.clone(), current.clone(), current.clone());
    routes = routes
        .lint(move || issues(&lint.get()))
        .get("/config.json", move |request| config_json(&config.get(), request))
        .get_async("/client_state.json", move |_| client_state(clients.get()));
    let listen = events.clone();
    routes = routes.get("/admin/events", move |request| match *request.method() {
        // Only the head is wanted, which a listener's place is too good for.
        admin::Method::HEAD => admin::text(""),
        _ => listen.listen(),
    });
    routes = health::add(routes, health);
    routes = delegator::add(routes, current);
    routes = explain::page::add(routes, current);
    routes = reload::route::add(routes, reloads);
    let ui = Ui::new(env!("CARGO_PKG_VERSION"), routes.has("/requests"));
    let shown = current.clone();
    routes.pages(ui).get("/delegator", move |_| delegator::page(ui, &shown.get()))
}

fn about(document: &doc::Document, lasting: &Lasting) -> About {
    let clock = lasting.clock;
    About {
        name: "wayleave",
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("WAYLEAVE_REVISION"),
        start_time: rfc3339(clock.epoch() / 1_000_000_000),
        uptime: Arc::new(move || clock.now().millis()),
        config: document.warnings.source().name().to_owned(),
        workers: lasting.metrics.workers(),
    }
}

/// A time in seconds since 1970, for people and programs.
fn rfc3339(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.unwrap_or_default().to_string()
}

fn config_json(served: &Served, request: &Request) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let origins = admin::query::first(asked, "origin").is_some_and(|value| matches!(&*value, b"1" | b"true"));
    match origins {
        true => json(format!("{:#}\n", config_json::with_origins(&served.document))),
        false => json(config_json::given(&served.document)),
    }
}

/// Each client with the addresses it knows (observability.md §6.3).
async fn client_state(served: Arc<Served>) -> Response {
    let mut all = Map::new();
    for router in &served.routers {
        for (id, addr) in router.binder().held().await.unwrap_or_default() {
            all.insert(id.to_string(), state(&addr));
        }
    }
    json(Value::from(all).to_string())
}

fn state(addr: &Addr) -> Value {
    let (state, addresses) = match addr {
        Addr::Pending => ("pending".to_owned(), Vec::new()),
        Addr::Neg => ("Neg".to_owned(), Vec::new()),
        Addr::Failed(why) => (format!("Failed: {why}"), Vec::new()),
        Addr::Bound(set) => {
            ("bound".to_owned(), set.addresses.iter().map(|address| address.socket.to_string()).collect())
        }
    };
    json!({ "state": state, "addresses": addresses })
}

/// What is odd about the routers' dtabs.
fn issues(served: &Served) -> Vec<Value> {
    let mut all = Vec::new();
    for doc::Router::Http(router) in &served.document.routers {
        for mut issue in findings(&served.document, router, &router.dtab) {
            issue["router"] = router.label().into();
            all.push(issue);
        }
    }
    all
}

/// What `wayleave lint` says of a dtab of this router.
pub(crate) fn findings(document: &doc::Document, router: &doc::HttpRouter, dtab: &names::Dtab) -> Vec<Value> {
    let namers: Vec<names::Path> =
        document.namers.iter().map(|namer| configured_prefix(namer.prefix())).collect();
    // An interpreter with a dtab of its own puts entries before these.
    let whole = matches!(router.interpreter, doc::Interpreter::Default(_));
    let scene = names::lint::Scene { namers: Some(&namers), whole, names: &[] };
    let one = |finding: &names::lint::Finding| {
        json!({
            "rule": finding.rule.name(), "severity": finding.severity.name(), "message": finding.message,
            "advice": finding.advice, "entry": dtab.entries()[finding.entry].to_string(),
        })
    };
    names::lint::lint(dtab, &scene).findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_states() {
        assert_eq!(rfc3339(1_700_000_000), "2023-11-14T22:13:20Z");
        let check = |addr: Addr, expected: Value| assert_eq!(state(&addr), expected);
        check(Addr::Pending, json!({ "state": "pending", "addresses": [] }));
        check(Addr::Neg, json!({ "state": "Neg", "addresses": [] }));
        check(Addr::Failed("gone".into()), json!({ "state": "Failed: gone", "addresses": [] }));
    }
}
