//! What the admin server tells about names: `/delegator.json` and the states of namers and interpreters (routing.md §8,
//! observability.md §6.3).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::sources::{DtabSource, Sources};
use admin::{Method, Request, Response, Routes, StatusCode, json, status, text};
use config::Node;
use names::{Dtab, Path};
use naming::{State, Stopped, json_text};

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

/// A question, still as text.
struct Asked<'a> {
    namespace: Option<Cow<'a, str>>,
    dtab: Cow<'a, [u8]>,
    path: Option<Cow<'a, [u8]>>,
}

async fn delegator(sources: Arc<Sources>, request: Request) -> Response {
    let asked = match request.method() {
        &Method::POST => posted(&request),
        _ => Ok(queried(request.uri().query().unwrap_or_default())),
    };
    match asked {
        Ok(asked) => answer(&sources, asked).await,
        Err(refusal) => *refusal,
    }
}

fn queried(query: &str) -> Asked<'_> {
    let value = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == wanted).map(|(_, value)| form_decoded(value))
    };
    Asked {
        namespace: value("namespace").map(|name| String::from_utf8_lossy(&name).into_owned().into()),
        dtab: value("dtab").unwrap_or_default().into(),
        path: value("path").map(Cow::Owned),
    }
}

fn posted(request: &Request) -> Result<Asked<'_>, Box<Response>> {
    let refusal = |code, text: String| Err(Box::new(status(code, text)));
    let kind = request.headers().get("content-type").map(|kind| kind.as_bytes());
    if kind != Some(b"application/json") {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, String::new());
    }
    let body = request.body();
    let malformed = || format!("Malformed delegation request: {}", String::from_utf8_lossy(body));
    let Ok(document) = config::Document::parse("request", body) else {
        return refusal(StatusCode::BAD_REQUEST, malformed());
    };
    let value = |key: &str| document.root.get(key).and_then(Node::text).map(str::to_owned);
    let (Some(dtab), Some(path)) = (value("dtab"), value("path")) else {
        return refusal(StatusCode::BAD_REQUEST, malformed());
    };
    Ok(Asked {
        namespace: value("namespace").map(Cow::Owned),
        dtab: dtab.into_bytes().into(),
        path: Some(path.into_bytes().into()),
    })
}

async fn answer(sources: &Sources, asked: Asked<'_>) -> Response {
    let bad = |what: &str, why: &dyn std::fmt::Display| {
        status(StatusCode::BAD_REQUEST, format!("Invalid {what}: {why}"))
    };
    let dtab = match Dtab::parse(&asked.dtab) {
        Ok(dtab) => dtab,
        Err(error) => return bad("dtab", &error),
    };
    let path = match asked.path.as_deref().map(Path::parse) {
        Some(Ok(path)) => path,
        Some(Err(error)) => return bad("path", &error),
        None => return bad("path", &"null"),
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

/// A value of a query: `+` for blanks, `%xx` for any byte; what is no escape stays.
fn form_decoded(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escape = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = escape.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let (byte, used) = match (first, escape.map(|digits| u8::from_str_radix(digits, 16))) {
            (b'%', Some(Ok(byte))) => (byte, 3),
            (b'+', _) => (b' ', 1),
            (other, _) => (other, 1),
        };
        out.push(byte);
        rest = &rest[used..];
    }
    out
}

#[cfg(test)]
mod tests;
