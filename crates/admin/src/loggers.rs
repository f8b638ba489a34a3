//! `/logging.json`: levels of loggers, shown and set while the process runs (observability.md §6.2).

use std::fmt;
use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::json;

use crate::{Request, Response, Routes, json, query, status};

/// The loggers of a process.
pub trait Loggers: fmt::Debug + Send + Sync {
    /// Each logger with its level (`INFO`), an inherited one where it has none of its own: `root` first, the others by
    /// name.
    fn levels(&self) -> Vec<(String, String)>;

    /// Sets the level of a logger; `root` is the one all others inherit from. An unknown logger or level changes nothing.
    fn set(&self, logger: &str, level: &str);
}

const METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];

/// The one logger of a process that says nothing of its loggers.
fn root_only() -> Vec<(String, String)> {
    vec![("root".to_owned(), "INFO".to_owned())]
}

impl Routes {
    /// Adds `/logging.json`: GET shows the levels, POST with `logger` and `level`, in the query or as a form, sets one and
    /// shows what they are then. Without loggers it shows the root's and changes nothing.
    #[must_use]
    pub fn logging(self, loggers: Option<Arc<dyn Loggers>>) -> Routes {
        self.route("/logging.json", METHODS, move |request| answer(loggers.as_deref(), request))
    }
}

fn answer(loggers: Option<&dyn Loggers>, request: &Request) -> Response {
    if request.method() == Method::POST {
        let (Some(logger), Some(level)) = (parameter(request, "logger"), parameter(request, "level")) else {
            let text = "expected `logger` and `level`, as in /logging.json?logger=root&level=DEBUG\n";
            return status(StatusCode::BAD_REQUEST, text);
        };
        if let Some(loggers) = loggers {
            loggers.set(&logger, &level);
        }
    }
    let levels = loggers.map_or_else(root_only, Loggers::levels);
    // `logger` before `level`, as Linkerd writes it.
    let one = |(logger, level): &(String, String)| {
        format!("{{\"logger\":{},\"level\":{}}}", json!(logger), json!(level))
    };
    json(format!("[{}]", levels.iter().map(one).collect::<Vec<_>>().join(",")))
}

/// A parameter of the query, or else of the form in the body.
fn parameter(request: &Request, name: &str) -> Option<String> {
    let form =
        || std::str::from_utf8(request.body()).ok().and_then(|form| query::first(form.trim_end(), name));
    let value = query::first(request.uri().query().unwrap_or_default(), name).or_else(form)?;
    Some(String::from_utf8_lossy(&value).into_owned())
}
