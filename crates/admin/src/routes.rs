//! The route table: which handler answers a path, and with which methods.
//!
//! A path is matched exactly, or as a prefix where it was added as one; the longest match wins (observability.md §6.1).
//! What only shows something answers any method, as Linkerd's pages do; what changes something takes the methods it
//! names, and none of another site's pages.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};

use crate::guard::is_cross_site;
use crate::security::Security;
use crate::{Request, Response, status};

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;
type Handler = Arc<dyn Fn(Request) -> Answer + Send + Sync>;

#[derive(Clone)]
struct Route {
    /// Which methods it takes; `None` is all.
    methods: Option<&'static [Method]>,
    handler: Handler,
}

/// Paths and their handlers. HEAD gets the same answer as GET, without its body.
#[derive(Clone, Default)]
pub struct Routes {
    exact: BTreeMap<String, Route>,
    prefixes: BTreeMap<String, Route>,
    security: Security,
    /// Whether there is a list of the paths.
    index: bool,
}

const POST: &[Method] = &[Method::POST];

impl Routes {
    /// A table with what every daemon answers: `/admin/ping`, and the list of paths at `/`, `/admin` and
    /// `/admin/index.txt` (each replaced by a route of that path added later).
    pub fn new() -> Routes {
        Routes { index: true, ..Routes::default() }.get("/admin/ping", |_| crate::text("pong"))
    }

    /// Only paths that `security` permits are there; the others are not found.
    #[must_use]
    pub fn secured(self, security: Security) -> Routes {
        Routes { security, ..self }
    }

    /// A table without any path, and without a list of those that are added.
    pub fn empty() -> Routes {
        Routes::default()
    }

    /// Answers exactly `path`, whatever the method: for what only shows something.
    #[must_use]
    pub fn get(
        mut self,
        path: &str,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Routes {
        self.exact.insert(path.to_string(), Route { methods: None, handler: at_once(handler) });
        self
    }

    /// Answers POST on exactly `path`, unless the page of another site sends it.
    #[must_use]
    pub fn post(self, path: &str, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Routes {
        self.route(path, POST, handler)
    }

    /// Answers the given methods on exactly `path`; those that may change something not for pages of other sites. A later
    /// route of the same path takes its place.
    #[must_use]
    pub fn route(
        mut self,
        path: &str,
        methods: &'static [Method],
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Routes {
        let methods = Some(methods);
        self.exact.insert(path.to_string(), Route { methods, handler: at_once(handler) });
        self
    }

    /// Answers every path that begins with `prefix` and has no longer match, whatever the method.
    #[must_use]
    pub fn prefix(
        mut self,
        prefix: &str,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Routes {
        self.prefixes.insert(prefix.to_string(), Route { methods: None, handler: at_once(handler) });
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
        self.exact.insert(path.to_string(), Route { methods: Some(methods), handler });
        self
    }

    /// Like [`Routes::get`], for a handler that waits for something.
    #[must_use]
    pub fn get_async<F>(
        mut self,
        path: &str,
        handler: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Routes
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        self.exact.insert(path.to_string(), Route { methods: None, handler });
        self
    }

    /// Whether something answers exactly `path`.
    pub fn has(&self, path: &str) -> bool {
        self.exact.contains_key(path)
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
        if !self.index {
            return self;
        }
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
        let path = single_slashes(request.uri().path());
        let route = self.find(&path).filter(|_| self.security.permits(&path));
        let Some(route) = route else { return Box::pin(ready(status(StatusCode::NOT_FOUND, ""))) };
        if let Some(methods) = route.methods {
            if !methods.contains(request.method()) {
                return Box::pin(ready(method_not_allowed(methods)));
            }
            if !request.method().is_safe() && is_cross_site(request.headers()) {
                let text = "a page of another site may not do this (Origin, Sec-Fetch-Site)\n";
                return Box::pin(ready(status(StatusCode::FORBIDDEN, text)));
            }
        }
        (route.handler)(request)
    }

    fn find(&self, path: &str) -> Option<&Route> {
        let longest =
            || self.prefixes.iter().rev().filter(|(p, _)| path.starts_with(*p)).max_by_key(|(p, _)| p.len());
        self.exact.get(path).or_else(|| longest().map(|(_, route)| route))
    }
}

/// A path as routes know it: `//config.json` is `/config.json`. What is permitted is decided on this form too.
fn single_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut single = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !single.ends_with('/') {
            single.push(letter);
        }
    }
    Cow::Owned(single)
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
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED, "");
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let allow = HeaderValue::try_from(names.join(", ")).expect("method names are header text");
    response.headers_mut().insert(ALLOW, allow);
    response
}
