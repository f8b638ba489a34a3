//! Endpoints common to all daemons that need something from them: metrics and shutdown (observability.md §6.2).

use std::time::Duration;

use hyper::StatusCode;
use telemetry::{JsonQuery, Metrics, render_json};

use crate::reply::reply;
use crate::{Request, Response, Routes, json, status, text};

impl Routes {
    /// Adds `/admin/metrics.json` (observability.md §2.3).
    #[must_use]
    pub fn metrics_json(self, metrics: &Metrics) -> Routes {
        let metrics = metrics.clone();
        self.get("/admin/metrics.json", move |request| metrics_json(&metrics, request))
    }

    /// Adds `/admin/shutdown`: a POST calls `hook` with the grace of the query (`?grace=5.seconds`), if it has one,
    /// and answers before the process ends. The hook must only start the shutdown, not wait for it.
    #[must_use]
    pub fn shutdown(self, hook: impl Fn(Option<Duration>) + Send + Sync + 'static) -> Routes {
        self.post("/admin/shutdown", move |request| shutdown(&hook, request))
    }
}

fn metrics_json(metrics: &Metrics, request: &Request) -> Response {
    let query = JsonQuery::parse(request.uri().query().unwrap_or_default());
    match render_json(metrics, &query) {
        Ok(body) => json(body),
        Err(missing) => reply(StatusCode::NOT_FOUND, "application/json", missing.to_string().into()),
    }
}

fn shutdown(hook: &impl Fn(Option<Duration>), request: &Request) -> Response {
    let grace =
        request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("grace="));
    let parsed = grace.map(parse_duration);
    if let Some(None) = parsed {
        return status(
            StatusCode::BAD_REQUEST,
            "could not parse the grace: expected a duration like 5.seconds\n",
        );
    }
    hook(parsed.flatten());
    text("quitting\n")
}

/// Durations as Twitter's libraries print them: `5.seconds`, `100.milliseconds`; the unit singular or plural.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once('.')?;
    let number: u32 = number.parse().ok()?;
    let unit = match unit.strip_suffix('s').unwrap_or(unit) {
        "nanosecond" => Duration::from_nanos(1),
        "microsecond" => Duration::from_micros(1),
        "millisecond" => Duration::from_millis(1),
        "second" => Duration::from_secs(1),
        "minute" => Duration::from_secs(60),
        "hour" => Duration::from_secs(3600),
        "day" => Duration::from_secs(86_400),
        _ => return None,
    };
    unit.checked_mul(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check =
            |text: &str, expected: Option<Duration>| assert_eq!(parse_duration(text), expected, "{text}");
        check("5.seconds", Some(Duration::from_secs(5)));
        check("1.second", Some(Duration::from_secs(1)));
        check("250.milliseconds", Some(Duration::from_millis(250)));
        check("2.minutes", Some(Duration::from_secs(120)));
        check("0.seconds", Some(Duration::ZERO));
        check("5", None);
        check("5.parsecs", None);
        check("-1.seconds", None);
        check("x.seconds", None);
        check("", None);
    }
}
