//! What the admin server tells about names: `/delegator.json` and the states of namers and interpreters (routing.md §8,
//! observability.md §6.3).

mod asked;

use std::sync::Arc;
use std::time::Duration;

use crate::administration::{Current, Served};
use crate::document as doc;
use crate::sources::{DtabSource, Sources};
use admin::{Method, Request, Response, Routes, StatusCode, Ui, json, status};
use names::Dtab;
use naming::{Stopped, json_text};

pub use asked::Asked;

/// How long namers and addresses are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

const METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

/// Adds the pages about the sources of names that are served.
pub(crate) fn add(routes: Routes, current: &Current) -> Routes {
    let (delegates, names, namers, interpreters) =
        (current.clone(), current.clone(), current.clone(), current.clone());
    let clusters = current.clone();
    routes
        .route_async("/delegator.json", METHODS, move |request| {
            let sources = delegates.get().sources.clone();
            delegator(sources, request)
        })
        .get_async("/bound-names.json", move |_| bound_names(names.get().sources.clone()))
        .get("/kubernetes_state.json", move |_| json(clusters.get().sources.clusters.state_json()))
        .prefix("/namer_state/", move |request| {
            found(namer_state(&namers.get().sources, request.uri().path()))
        })
        // Labels are the configuration's, so that these paths may be any.
        .prefix("/", move |request| {
            found(interpreters_state(&interpreters.get().sources, request.uri().path()))
        })
}

fn found(state: Option<String>) -> Response {
    state.map_or_else(|| status(StatusCode::NOT_FOUND, ""), json)
}

/// The state of the namer of a path such as `/namer_state/io.l5d.fs.json`.
fn namer_state(sources: &Sources, path: &str) -> Option<String> {
    let prefix = path.trim_start_matches("/namer_state").strip_suffix(".json")?;
    let (_, namer) = sources.told.iter().find(|(known, _)| known.to_string() == prefix)?;
    Some(namer.state_json())
}

/// The state of the interpreter of a path such as `/out/interpreter_state/io.l5d.fs.json`.
fn interpreters_state(sources: &Sources, path: &str) -> Option<String> {
    let (label, name) = path.strip_prefix('/')?.strip_suffix(".json")?.rsplit_once("/interpreter_state/")?;
    let router = sources.routers.iter().find(|router| router.label == label)?;
    router.dtab.as_deref().filter(|dtab| dtab.state_name() == name).map(DtabSource::state_json)
}

/// The page about dtabs: for each router the entries its interpreter brings along, and its own.
pub(crate) fn page(ui: Ui, served: &Served) -> Response {
    let external = |label: &str| {
        let router = served.sources.routers.iter().find(|router| router.label == label)?;
        router.dtab.as_ref()?.live.get().ok()
    };
    let of = |dtab: &dyn Fn(&doc::HttpRouter) -> Option<Dtab>| {
        let one = |doc::Router::Http(router): &doc::Router| {
            let entries = dtab(router).map_or_else(String::new, |dtab| entries(&dtab));
            format!("{}:[{entries}]", json_text(router.label()))
        };
        let all: Vec<String> = served.document.routers.iter().map(one).collect();
        format!("{{{}}}", all.join(","))
    };
    ui.delegator(of(&|router| external(router.label())), of(&|router| Some(router.dtab.clone())))
}

fn entries(dtab: &Dtab) -> String {
    let entry = |dentry: &names::Dentry| {
        let (prefix, dst) = (json_text(&dentry.prefix.to_string()), json_text(&dentry.dst.to_string()));
        format!("{{\"prefix\":{prefix},\"dst\":{dst}}}")
    };
    dtab.entries().iter().map(entry).collect::<Vec<_>>().join(",")
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
            sources.told.iter().flat_map(|(_, namer)| namer.list()).map(|path| path.to_string()).collect();
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

#[cfg(test)]
mod tests;
