//! The route table: which handler answers a path, and with which methods.
//!
//! A path is matched exactly, or as a prefix where it was added as one; the longest match wins (observability.md §6.1).

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};

use crate::{Request, Response, status};

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Handler = Arc<dyn Fn(Request) -> Answer + Send + Sync>;

#[derive(Clone)]
struct Route {
    methods: &'static [Method],
    handler: Handler,
}

/// Paths and their handlers. HEAD is allowed wherever GET is and gets the same answer without its body.
#[derive(Clone, Default)]
pub struct Routes {
    exact: BTreeMap<String, Route>,
    prefixes: BTreeMap<String, Route>,
}

const GET: &[Method] = &[Method::GET, Method::HEAD];
const POST: &[Method] = &[Method::POST];

impl Routes {
    /// A table with what every daemon answers: `/admin/ping`, and the list of paths at `/`, `/admin` and
    /// `/admin/index.txt` (each replaced by a route of that path added later).
    pub fn new() -> Routes {
        Routes::default().get("/admin/ping", |_| crate::text("pong"))
    }

    /// Answers GET and HEAD on exactly `path`.
    #[must_use]
    pub fn get(self, path: &str, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Routes {
        self.route(path, GET, handler)
    }

    /// Answers POST on exactly `path`.
    #[must_use]
    pub fn post(self, path: &str, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Routes {
        self.route(path, POST, handler)
    }

    /// Answers the given methods on exactly `path`. A later route of the same path takes its place.
    #[must_use]
    pub fn route(
        mut self,
        path: &str,
        methods: &'static [Method],
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Routes {
        self.exact.insert(path.to_string(), Route { methods, handler: at_once(handler) });
        self
    }

    /// Answers GET and HEAD on every path that begins with `prefix` and has no longer match.
    #[must_use]
    pub fn prefix(
        mut self,
        prefix: &str,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Routes {
        self.prefixes.insert(prefix.to_string(), Route { methods: GET, handler: at_once(handler) });
        self
    }

    /// Like [`Routes::route`], for a handler that waits for something.
    #[must_use]
    pub fn route_async<F>(
        mut self,
        path: &str,
        methods: &'static [Method],
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Routes
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        self.exact.insert(path.to_string(), Route { methods, handler });
        self
    }

    /// All paths, in order, prefixes with their trailing `*`.
    pub fn paths(&self) -> Vec<String> {
        let prefixes = self.prefixes.keys().map(|p| format!("{p}*"));
        let mut paths: Vec<String> = self.exact.keys().cloned().chain(prefixes).collect();
        paths.sort();
        paths
    }

    /// Adds the index, which lists the paths known by then, where nothing else answers.
    pub(crate) fn with_index(mut self) -> Routes {
        const INDEX: [&str; 3] = ["/", "/admin", "/admin/index.txt"];
        let mut paths = self.paths();
        paths.extend(INDEX.iter().filter(|p| !self.exact.contains_key(**p)).map(ToString::to_string));
        paths.sort();
        let list = paths.join("\n") + "\n";
        for path in INDEX {
            if !self.exact.contains_key(path) {
                let list = list.clone();
                self = self.get(path, move |_| crate::text(list.clone()));
            }
        }
        self
    }

    /// The answer to `request`: its route's, or why there is none.
    pub(crate) fn answer(&self, request: Request) -> Answer {
        match self.find(request.uri().path()) {
            Some(route) if route.methods.contains(request.method()) => (route.handler)(request),
            Some(route) => Box::pin(ready(method_not_allowed(route.methods))),
            None => Box::pin(ready(status(StatusCode::NOT_FOUND, "not found\n"))),
        }
    }

    fn find(&self, path: &str) -> Option<&Route> {
        let longest =
            || self.prefixes.iter().rev().filter(|(p, _)| path.starts_with(*p)).max_by_key(|(p, _)| p.len());
        self.exact.get(path).or_else(|| longest().map(|(_, route)| route))
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths()).finish()
    }
}

fn at_once(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Handler {
    let handler = Arc::new(handler);
    // The handler runs inside the future, so that its panic is caught where the future runs.
    Arc::new(move |request| {
        let handler = handler.clone();
        Box::pin(async move { handler(&request) })
    })
}

fn method_not_allowed(methods: &[Method]) -> Response {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::try_from(names.join(", ")).expect("method names are header text");
    response.headers_mut().insert(ALLOW, allow);
    response
}
