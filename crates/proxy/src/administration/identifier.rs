//! `admin.httpIdentifierPort`: which name each router would give to a request (dataplane.md §1.5). The request is named by
//! the routers' own identifiers and goes nowhere.

use super::served::{Current, Served};
use crate::document as doc;
use crate::explain;
use crate::translate;
use admin::{Request, Response, Routes, json};
use router::header::{Known, Name};
use router::seam::{Head, RequestHead, Version};
use serde_json::{Map, Value, json};

/// The routes of the second server: one answer for everything.
pub(crate) fn routes(current: &Current) -> Routes {
    let current = current.clone();
    Routes::empty().prefix("/", move |request| answer(&current, request))
}

fn answer(current: &Current, request: &Request) -> Response {
    let served = current.get();
    let named: Map<String, Value> = served
        .document
        .routers
        .iter()
        .map(|doc::Router::Http(router)| (router.label().to_owned(), named(&served, router, request)))
        .collect();
    json(Value::from(named).to_string())
}

fn named(served: &Served, from: &doc::HttpRouter, request: &Request) -> Value {
    let mut head = Asked::of(request);
    let local = explain::local_dtab(&head.texts());
    let rules = served.sources.rules(from.label());
    let (name, rule) = match router::name_of(&translate::router(from, 0, &rules), &mut head) {
        Ok(named) => named,
        Err(error) => return json!({ "error": error }),
    };
    let mut answer = match local {
        Err(error) => return json!({ "error": error.to_string() }),
        Ok(local) if local.is_empty() => json!({ "path": name.to_string() }),
        Ok(local) => json!({ "path": name.to_string(), "dtab": local.to_string() }),
    };
    if let Some(rule) = rule {
        answer["rule"] = rule.into();
    }
    answer
}

/// A request as identifiers look at it.
struct Asked {
    method: Vec<u8>,
    target: Vec<u8>,
    version: Version,
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    marked: Option<Vec<(Vec<u8>, Vec<u8>)>>,
}

impl Asked {
    fn of(request: &Request) -> Asked {
        let mut lines: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
            .collect();
        // The authority of an absolute target goes before what `Host` says (RFC 9112 §3.2.2).
        if let Some(authority) = request.uri().authority() {
            lines.retain(|(name, _): &(Vec<u8>, Vec<u8>)| !name.eq_ignore_ascii_case(b"host"));
            lines.push((b"Host".into(), authority.as_str().into()));
        }
        Asked {
            method: request.method().as_str().into(),
            target: request.uri().path_and_query().map_or("/", |target| target.as_str()).into(),
            version: match request.version() {
                admin::Version::HTTP_10 => Version::Http10,
                _ => Version::Http11,
            },
            lines,
            marked: None,
        }
    }

    fn texts(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.lines.iter().map(|(name, value)| (text(name), text(value))).collect()
    }
}

impl Head for Asked {
    fn get(&self, name: Name<'_>) -> Option<&[u8]> {
        let name = name.text();
        self.lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    fn each(&self, name: Name<'_>, f: &mut dyn FnMut(&[u8])) {
        let name = name.text();
        self.lines
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .for_each(|(_, value)| f(value));
    }

    fn has(&self, name: Known) -> bool {
        self.get(name.into()).is_some()
    }

    fn lines(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
        self.lines.iter().for_each(|(name, value)| f(name, value));
    }

    fn remove(&mut self, name: Name<'_>) {
        let name = name.text();
        self.lines.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    fn remove_prefix(&mut self, prefix: &[u8]) {
        let begins =
            |name: &[u8]| name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
        self.lines.retain(|(name, _)| !begins(name));
    }

    fn append(&mut self, name: Name<'_>, value: &[u8]) {
        self.lines.push((name.text().into(), value.into()));
    }

    fn extend_last(&mut self, name: Name<'_>, suffix: &[u8]) {
        let text = name.text();
        match self.lines.iter_mut().rev().find(|(known, _)| known.eq_ignore_ascii_case(text)) {
            Some((_, value)) => value.extend([b", ", suffix].concat()),
            None => self.append(name, suffix),
        }
    }

    fn version(&self) -> Version {
        self.version
    }
}

impl RequestHead for Asked {
    fn method(&self) -> &[u8] {
        &self.method
    }

    fn target(&self) -> &[u8] {
        &self.target
    }

    fn received_target(&self) -> &[u8] {
        &self.target
    }

    fn set_target(&mut self, target: &[u8]) {
        self.target = target.into();
    }

    fn mark(&mut self) {
        self.marked = Some(self.lines.clone());
    }

    fn rewind(&mut self) {
        if let Some(lines) = &self.marked {
            self.lines.clone_from(lines);
        }
    }
}
