//! What the admin server tells about names: `/delegator.json` and the states of namers and interpreters (routing.md §8,
//! observability.md §6.3).

mod asked;
pub(crate) mod query;

use std::sync::Arc;
use std::time::Duration;

use crate::sources::{DtabSource, Sources};
use admin::{Method, Request, Response, Routes, StatusCode, json, status, text};
use names::Dtab;
use naming::{State, Stopped, json_text};

pub use asked::Asked;

/// How long namers and addresses are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

const METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
const GET: &[Method] = &[Method::GET, Method::HEAD];

/// Adds the pages about `sources`.
pub(crate) fn add(routes: Routes, sources: &Arc<Sources>) -> Routes {
    let of = sources.clone();
    let mut routes =
        routes.route_async("/delegator.json", METHODS, move |request| delegator(of.clone(), request));
    let of = sources.clone();
    routes = routes.route_async("/bound-names.json", GET, move |_| bound_names(of.clone()));
    for (prefix, namer) in &sources.files {
        let namer = namer.clone();
        routes = routes.get(&format!("/namer_state{prefix}.json"), move |_| json(namer.state_json()));
    }
    for (at, router) in sources.routers.iter().enumerate() {
        if router.dtab.is_some() {
            let of = sources.clone();
            let path = format!("/{}/interpreter_state/io.l5d.fs.json", router.label);
            routes = routes.get(&path, move |_| match &of.routers[at].dtab {
                Some(dtab) => json(interpreter_state(dtab)),
                None => text(""),
            });
        }
    }
    routes
}

async fn delegator(sources: Arc<Sources>, request: Request) -> Response {
    let asked = match request.method() {
        &Method::POST => posted(&request),
        _ => Ok(Asked::of_query(request.uri().query().unwrap_or_default())),
    };
    match asked {
        Ok(asked) => answer(&sources, asked).await,
        Err(refusal) => *refusal,
    }
}

fn posted(request: &Request) -> Result<Asked<'static>, Box<Response>> {
    let kind = request.headers().get("content-type").map(|kind| kind.as_bytes());
    if kind != Some(b"application/json") {
        return Err(Box::new(status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "")));
    }
    let body = request.body();
    Asked::of_body(body).ok_or_else(|| {
        let text = format!("Malformed delegation request: {}", String::from_utf8_lossy(body));
        Box::new(status(StatusCode::BAD_REQUEST, text))
    })
}

async fn answer(sources: &Sources, asked: Asked<'_>) -> Response {
    let (dtab, path) = match asked.parsed() {
        Ok(parsed) => parsed,
        Err(refusal) => return status(StatusCode::BAD_REQUEST, refusal),
    };
    let interpreter = match asked.namespace.as_deref() {
        None => Some(sources.bare()),
        Some(label) => sources.interpreter(label).filter(|interpreter| interpreter.delegates()),
    };
    let Some(interpreter) = interpreter else {
        let namespace = asked.namespace.unwrap_or_default();
        let text = format!("Name Interpreter for {namespace} cannot show delegations");
        return status(StatusCode::NOT_IMPLEMENTED, text);
    };
    let base = Dtab::empty();
    let tree = interpreter.delegated(&base, &dtab, &path);
    let Ok(tree) = tokio::time::timeout(PATIENCE, tree).await else {
        return status(StatusCode::SERVICE_UNAVAILABLE, "Request timed out.");
    };
    match tree.stopped() {
        None => json(tree.to_json()),
        Some((Stopped::Depth, _)) => status(StatusCode::INTERNAL_SERVER_ERROR, ""),
        Some((Stopped::Size, text)) => status(StatusCode::INTERNAL_SERVER_ERROR, text.to_string()),
    }
}

async fn bound_names(sources: Arc<Sources>) -> Response {
    let listed = tokio::task::spawn_blocking(move || {
        let mut names: Vec<String> =
            sources.files.iter().flat_map(|(_, namer)| namer.list()).map(|path| path.to_string()).collect();
        names.sort();
        names.dedup();
        names
    });
    match listed.await {
        Ok(names) => {
            let names: Vec<String> = names.iter().map(|name| json_text(name)).collect();
            json(format!("[{}]", names.join(",")))
        }
        Err(_) => status(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

fn interpreter_state(of: &DtabSource) -> String {
    let state = match of.live.get() {
        State::Pending => "\"value\":null".to_owned(),
        State::Ok(dtab) => format!("\"value\":{}", json_text(&dtab.to_string())),
        State::Failed(error) => format!("\"error\":{}", json_text(&error)),
    };
    let file = json_text(&of.path.display().to_string());
    format!("{{\"state\":{{{state}}},\"watch\":{{\"request\":{file}}}}}")
}

#[cfg(test)]
mod tests;
