//! Explanations of a running process: `/explain` for people, `/explain.json` for programs, both on the admin server. They
//! say what `wayleave explain` says of a configuration, from the namers that serve the traffic. A question posted as JSON
//! may bring a dtab to try in the place of the router's.

use super::json::value;
use super::{
    Edited, Explanation, Question, Subject, TARGET, Unexplained, explain_edited, find_router, to_json,
    to_text,
};
use crate::administration::{Current, Served, findings};
use admin::{Method, Request, Response, Routes, StatusCode, json, query, status, text};
use config::Node;
use names::{Dtab, Path};
use std::time::Duration;

const METHODS: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
/// How long namers are waited for when the question does not say.
const WAIT: Duration = Duration::from_secs(3);
/// And at most, whatever the question says, so that questions cannot pile up.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The header of an explanation that says whether requests would be served: `true` or `false`.
pub const SERVED: &str = "wayleave-served";

/// Adds the pages that explain the names of what is served.
pub(crate) fn add(mut routes: Routes, current: &Current) -> Routes {
    for (path, for_programs) in [("/explain", false), ("/explain.json", true)] {
        let current = current.clone();
        let methods = if for_programs { METHODS } else { &METHODS[..2] };
        routes = routes.route_async(path, methods, move |request| {
            let served = current.get();
            async move {
                match *request.method() {
                    Method::POST => posted(&served, &request).await,
                    _ => asked(&served, &request, for_programs).await,
                }
            }
        });
    }
    routes
}

async fn asked(served: &Served, request: &Request, for_programs: bool) -> Response {
    let asked = request.uri().query().unwrap_or_default();
    let explained = match question(asked) {
        Ok(question) => explained(served, &question, None).await,
        Err(refusal) => Err(Unexplained(refusal)),
    };
    let of = match explained {
        Ok(of) => of,
        Err(Unexplained(why)) => return status(StatusCode::BAD_REQUEST, why + "\n"),
    };
    let response = match for_programs {
        true => json(to_json(&of)),
        false => text(to_text(&of, is_set(asked, "colour"), is_set(asked, "all"))),
    };
    marked(response, &of)
}

/// The answer to a question in JSON, with what is odd about the dtab.
async fn posted(served: &Served, request: &Request) -> Response {
    let kind = request.headers().get("content-type").map(|kind| kind.as_bytes());
    if !kind.is_some_and(|kind| kind.starts_with(b"application/json")) {
        return status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected `Content-Type: application/json`\n");
    }
    let asked = match Posted::read(request.body()) {
        Ok(asked) => asked,
        Err(why) => return status(StatusCode::BAD_REQUEST, why + "\n"),
    };
    match explained(served, &asked.question, asked.edited.as_ref()).await {
        Ok(of) => {
            let mut out = value(&of);
            if let Ok((_, router)) = find_router(&served.document, Some(&of.router)) {
                out["lint"] = findings(&served.document, router, &of.base).into();
            }
            marked(json(out.to_string()), &of)
        }
        Err(Unexplained(why)) => status(StatusCode::BAD_REQUEST, why + "\n"),
    }
}

async fn explained(
    served: &Served,
    question: &Question,
    edited: Option<&Edited>,
) -> Result<Explanation, Unexplained> {
    explain_edited(&served.document, &served.sources, question, edited).await
}

/// Says in the head whether requests would be served.
fn marked(mut response: Response, of: &Explanation) -> Response {
    let served = if of.outcome.is_served() { "true" } else { "false" };
    response.headers_mut().insert(SERVED, admin::HeaderValue::from_static(served));
    response
}

/// A question in JSON: `path`, and `router`, `base` (a dtab in the place of the router's), `dtab` (the request's).
#[derive(Debug)]
struct Posted {
    question: Question,
    edited: Option<Edited>,
}

impl Posted {
    fn read(body: &[u8]) -> Result<Posted, String> {
        let malformed = || "expected JSON such as {\"path\": \"/svc/web\", \"router\": \"http\"}".to_owned();
        // The reader of configurations takes YAML too; this is the API of programs.
        body.trim_ascii_start().first().filter(|first| **first == b'{').ok_or_else(malformed)?;
        let document = config::Document::parse("question", body).map_err(|_| malformed())?;
        let word = |key: &str| document.root.get(key).and_then(Node::text);
        let path = word("path").ok_or_else(malformed)?;
        let name = Path::parse(path.as_bytes()).map_err(|error| format!("path: {error}"))?;
        let dtab = |key: &str, text: &str| {
            Dtab::parse(text.as_bytes()).map_err(|error| {
                let at = config::Source::new(key, text.to_owned());
                let place = at.position(u32::try_from(error.offset).unwrap_or(u32::MAX));
                format!("{key}, line {}, column {}: {error}", place.line, place.column)
            })
        };
        let local = dtab("dtab", word("dtab").unwrap_or_default())?;
        let edited = match word("base") {
            None => None,
            Some(text) => Some(Edited { text: text.to_owned(), dtab: dtab("base", text)? }),
        };
        let (router, subject) = (word("router").map(str::to_owned), Subject::Name(name));
        Ok(Posted { question: Question { router, subject, local, wait: WAIT }, edited })
    }
}

/// Whether a key of the query is there and says yes: `all=1`, `all=true`.
fn is_set(asked: &str, key: &str) -> bool {
    query::first(asked, key).is_some_and(|value| matches!(&*value, b"1" | b"true" | b"yes"))
}

/// The question of a query: `path`, or `host`, `target` and `header` (`name: value`, may be repeated) of a request; `router`,
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
    if let Some(target) = query::first(asked, "target") {
        headers.push((TARGET.to_owned(), String::from_utf8_lossy(&target).into_owned()));
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
        check("host=web&target=/a", Ok((r#"Request([("Host", "web"), (":path", "/a")]) "#, None, 3000)));
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

    #[test]
    fn questions_in_json() {
        let check = |body: &str, expected: Result<(&str, Option<&str>), &str>| {
            let got = Posted::read(body.as_bytes()).map(|asked| {
                (format!("{:?}", asked.question.subject), asked.edited.map(|e| e.dtab.to_string()))
            });
            let expected =
                expected.map(|(name, dtab)| (format!("Name(Path({name}))"), dtab.map(str::to_owned)));
            assert_eq!(got, expected.map_err(str::to_owned), "{body}");
        };
        check(r#"{"path":"/svc/web"}"#, Ok(("/svc/web", None)));
        check(r#"{"path":"/svc/web","base":"/svc => /a;"}"#, Ok(("/svc/web", Some("/svc=>/a"))));
        let malformed = "expected JSON such as {\"path\": \"/svc/web\", \"router\": \"http\"}";
        for wrong in ["", "path: /svc", "{\"router\":\"a\"}", "{"] {
            check(wrong, Err(malformed));
        }
        check(r#"{"path":"svc"}"#, Err("path: '/' expected but 's' found at '[s]vc'"));
        check(
            r#"{"path":"/svc","base":"/a => /b;\n/c = /d"}"#,
            Err("base, line 2, column 5: '>' expected but ' ' found at '/a => /b;\n/c =[ ]/d'"),
        );
    }
}
