//! The question of a request to `/delegator.json`: from a query or from a JSON body, still as text (routing.md §8). Reading
//! it never fails half-way: strangers may send anything.

use std::borrow::Cow;

use config::Node;
use names::{Dtab, Path};

use admin::query::first;

/// A question, still as text.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The label of the router that shall answer.
    pub namespace: Option<Cow<'a, str>>,
    /// The dtab to look the path up in; empty when it was not given.
    pub dtab: Cow<'a, [u8]>,
    /// The path.
    pub path: Option<Cow<'a, [u8]>>,
}

impl<'a> Asked<'a> {
    /// The question of a query such as `path=/svc/web&dtab=/svc%3D%3E/host`.
    #[must_use]
    pub fn of_query(query: &'a str) -> Asked<'a> {
        let namespace = first(query, "namespace");
        Asked {
            namespace: namespace.map(|name| String::from_utf8_lossy(&name).into_owned().into()),
            dtab: first(query, "dtab").unwrap_or_default().into(),
            path: first(query, "path").map(Cow::Owned),
        }
    }

    /// The question of a JSON body; `None` when it is no JSON, or lacks `dtab` or `path`.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Option<Asked<'a>> {
        // The reader of configurations takes YAML too; this is the API of programs.
        body.trim_ascii_start().first().filter(|first| **first == b'{')?;
        let document = config::Document::parse("request", body).ok()?;
        let value = |key: &str| document.root.get(key).and_then(Node::text).map(str::to_owned);
        let (dtab, path) = (value("dtab")?, value("path")?);
        Some(Asked {
            namespace: value("namespace").map(Cow::Owned),
            dtab: dtab.into_bytes().into(),
            path: Some(path.into_bytes().into()),
        })
    }

    /// Dtab and path, parsed in this order.
    ///
    /// # Errors
    /// The text of the refusal, `Invalid dtab: ...` or `Invalid path: ...`.
    pub fn parsed(&self) -> Result<(Dtab, Path), String> {
        let dtab = Dtab::parse(&self.dtab).map_err(|error| format!("Invalid dtab: {error}"))?;
        match self.path.as_deref().map(Path::parse) {
            Some(Ok(path)) => Ok((dtab, path)),
            Some(Err(error)) => Err(format!("Invalid path: {error}")),
            None => Err("Invalid path: null".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        let check = |body: &str, expected: Option<&str>| {
            let path = Asked::of_body(body.as_bytes()).and_then(|asked| asked.path);
            assert_eq!(path.as_deref(), expected.map(str::as_bytes), "{body}");
        };
        check(r#"{"dtab":"","path":"/a"}"#, Some("/a"));
        check(" {\"path\":\"/a\",\"dtab\":\"\",\"more\":1}", Some("/a"));
        check("dtab: ''\npath: /a\n", None);
        check(r#"{"dtab":"","path":"/a",}"#, None);
        check("{'dtab':'','path':'/a'}", None);
        check("{dtab: '', path: /a}", None);
        check(r#"{"path":"/a"}"#, None);
        check(r#"["dtab"]"#, None);
        check("", None);
    }
}
