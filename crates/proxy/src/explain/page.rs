//! Explanations of a running process: `/explain` for people, `/explain.json` for programs, both on the admin server. They
//! say what `wayleave explain` says of a configuration, from the namers that serve the traffic.

use super::{Question, Subject, Unexplained, explain_in, to_json, to_text};
use crate::Sources;
use crate::delegator::query;
use crate::document::Document;
use admin::{Method, Request, Response, Routes, StatusCode, json, status, text};
use names::{Dtab, Path};
use std::sync::Arc;
use std::time::Duration;

const GET: &[Method] = &[Method::GET, Method::HEAD];
/// How long namers are waited for when the question does not say.
const WAIT: Duration = Duration::from_secs(3);
/// And at most, whatever the question says, so that questions cannot pile up.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The header of an explanation that says whether requests would be served: `true` or `false`.
pub const SERVED: &str = "wayleave-served";

/// Adds the pages that explain the names of `document`, which is served from `sources`.
pub(crate) fn add(mut routes: Routes, document: &Arc<Document>, sources: &Arc<Sources>) -> Routes {
    for (path, for_programs) in [("/explain", false), ("/explain.json", true)] {
        let (document, sources) = (document.clone(), sources.clone());
        routes = routes.route_async(path, GET, move |request| {
            let (document, sources) = (document.clone(), sources.clone());
            async move { answer(&document, &sources, &request, for_programs).await }
        });
    }
    routes
}

async fn answer(document: &Document, sources: &Sources, request: &Request, for_programs: bool) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let explained = match question(asked) {
        Ok(question) => explain_in(document, sources, &question).await,
        Err(refusal) => Err(Unexplained(refusal)),
    };
    let of = match explained {
        Ok(of) => of,
        Err(Unexplained(why)) => return status(StatusCode::BAD_REQUEST, why + "\n"),
    };
    let mut response = match for_programs {
        true => json(to_json(&of)),
        false => text(to_text(&of, is_set(asked, "colour"), is_set(asked, "all"))),
    };
    let served = if of.outcome.is_served() { "true" } else { "false" };
    response.headers_mut().insert(SERVED, admin::HeaderValue::from_static(served));
    response
}

/// Whether a key of the query is there and says yes: `all=1`, `all=true`.
fn is_set(asked: &str, key: &str) -> bool {
    query::first(asked, key).is_some_and(|value| matches!(&*value, b"1" | b"true" | b"yes"))
}

/// The question of a query: `path`, or `host` and `header` (`name: value`, may be repeated) of a request; `router`,
/// `dtab`, `wait` in milliseconds.
fn question(asked: &str) -> Result<Question, String> {
    let word = |key: &str| query::first(asked, key).map(|value| String::from_utf8_lossy(&value).into_owned());
    let subject = match query::first(asked, "path") {
        Some(path) => Subject::Name(Path::parse(&path).map_err(|error| format!("path: {error}"))?),
        None => Subject::Request(headers(asked)?),
    };
    let local = query::first(asked, "dtab").unwrap_or_default();
    let wait = match word("wait") {
        None => WAIT,
        Some(millis) => {
            let millis = millis.parse().map_err(|_| format!("wait: `{millis}` is no number of milliseconds"));
            Duration::from_millis(millis?).min(LONGEST_WAIT)
        }
    };
    let local = Dtab::parse(&local).map_err(|error| format!("dtab: {error}"))?;
    Ok(Question { router: word("router"), subject, local, wait })
}

/// The header lines of the request that is asked about.
fn headers(asked: &str) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    if let Some(host) = query::first(asked, "host") {
        headers.push(("Host".to_owned(), String::from_utf8_lossy(&host).into_owned()));
    }
    for line in query::all(asked, "header") {
        let line = String::from_utf8_lossy(&line).into_owned();
        match line.split_once(':') {
            Some((name, value)) if !name.trim().is_empty() => {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => return Err(format!("header: expected `name: value`, not `{line}`")),
        }
    }
    if headers.is_empty() {
        let example = "/explain?path=/svc/web, or /explain?host=web for a request";
        return Err(format!("what shall be explained? For example {example}"));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: &str, expected: Result<(&str, Option<&str>, u64), &str>) {
        let got = question(asked).map(|q| (format!("{:?} {}", q.subject, q.local), q.router, q.wait));
        let expected = expected
            .map(|(text, router, wait)| {
                (text.to_owned(), router.map(str::to_owned), Duration::from_millis(wait))
            })
            .map_err(str::to_owned);
        assert_eq!(got, expected, "{asked}");
    }

    #[test]
    fn questions() {
        check("path=/svc/web", Ok(("Name(Path(/svc/web)) ", None, 3000)));
        check("path=%2Fsvc&dtab=/a=%3E/b&router=in&wait=50", Ok(("Name(Path(/svc)) /a=>/b", Some("in"), 50)));
        check("host=web&wait=999999", Ok((r#"Request([("Host", "web")]) "#, None, 30_000)));
        check(
            "header=l5d-dtab:+/a=%3E/b&header=Host:x",
            Ok((r#"Request([("l5d-dtab", "/a=>/b"), ("Host", "x")]) "#, None, 3000)),
        );
        check("path=svc", Err("path: '/' expected but 's' found at '[s]vc'"));
        check("path=/svc&dtab=x", Err("dtab: '/' expected but 'x' found at '[x]'"));
        check("path=/svc&wait=soon", Err("wait: `soon` is no number of milliseconds"));
        check("header=x", Err("header: expected `name: value`, not `x`"));
        check(
            "",
            Err(
                "what shall be explained? For example /explain?path=/svc/web, or /explain?host=web for a request",
            ),
        );
    }
}
