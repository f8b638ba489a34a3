//! `/admin/metrics/usage`: what Linkerd would send to its makers each hour. Nothing is sent anywhere; whoever is asked can
//! look at it here (observability.md §1).

use crate::document as doc;
use admin::{Routes, json};
use serde_json::{Value, json};
use telemetry::{JsonQuery, Metrics, render_json};

/// Adds the endpoint.
pub(super) fn add(routes: Routes, document: &doc::Document, metrics: &Metrics) -> Routes {
    let (about, metrics) = (about(document), metrics.clone());
    routes.get("/admin/metrics/usage", move |_| {
        let mut about = about.clone();
        about["counters"] = json!([{ "name": "srv_requests", "value": server_requests(&metrics) }]);
        json(about.to_string())
    })
}

/// What the document says of itself, by kinds; no name, address or path of it.
fn about(document: &doc::Document) -> Value {
    let routers: Vec<Value> = document
        .routers
        .iter()
        .map(|router| {
            let doc::Router::Http(http) = router;
            let identifiers: Vec<&str> = http.identifier.iter().map(doc::Identifier::kind).collect();
            let transformers = http.interpreter.transformers();
            let transformers: Vec<&str> = transformers.iter().map(doc::Transformer::kind).collect();
            json!({
                "protocol": "http",
                "interpreter": http.interpreter.kind(),
                "identifiers": identifiers,
                "transformers": transformers,
            })
        })
        .collect();
    let namers: Vec<&str> = document.namers.iter().map(doc::Namer::kind).collect();
    json!({ "orgId": document.usage.org_id, "routers": routers, "namers": namers })
}

/// Requests of all servers.
fn server_requests(metrics: &Metrics) -> u64 {
    let text = render_json(metrics, &JsonQuery::parse("q=rt&tree=1")).unwrap_or_default();
    let tree: Value = serde_json::from_str(&text).unwrap_or_default();
    let values =
        |of: &Value| of.as_object().map(|o| o.values().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let servers = values(&tree).into_iter().flat_map(|router| values(&router["server"]));
    servers.filter_map(|server| server["requests"]["counter"].as_u64()).sum()
}
