//! The query string of `/admin/metrics.json`.

use std::fmt;

use super::writer::push_escaped;

/// What of the metrics to show and how. The default shows everything, flat and compact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonQuery {
    /// Indented, keys in order.
    pub pretty: bool,
    /// Nested objects instead of one flat one.
    pub tree: bool,
    /// Only what is below these keys, separated by `/`.
    pub subtree: Option<String>,
}

impl JsonQuery {
    /// Reads `pretty`, `tree` (on for `1`, `t`, `true`) and `q` from a URL's query; other parameters are ignored.
    pub fn parse(query: &str) -> JsonQuery {
        let mut parsed = JsonQuery::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decoded(value);
            let on = matches!(value.as_str(), "1" | "t" | "true");
            match key {
                "pretty" => parsed.pretty = on,
                "tree" => parsed.tree = on,
                "q" => parsed.subtree = Some(value),
                _ => {}
            }
        }
        parsed
    }

    pub(super) fn is_plain(&self) -> bool {
        *self == JsonQuery::default()
    }

    pub(super) fn levels(&self) -> impl Iterator<Item = &str> {
        self.subtree.as_deref().unwrap_or_default().split('/').filter(|level| !level.is_empty())
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(hex_byte).filter(|_| *first == b'%');
        out.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

/// The query named a subtree that is not there. Displays as the JSON body of a 404 answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchSubtree {
    /// The subtree as it was asked for.
    pub query: String,
}

impl fmt::Display for NoSuchSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut query = String::new();
        push_escaped(&mut query, &self.query);
        write!(f, "{{\"error\": \"No such subtree: {query}\"}}")
    }
}

impl std::error::Error for NoSuchSubtree {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let check = |query: &str, pretty: bool, tree: bool, subtree: Option<&str>| {
            let expected = JsonQuery { pretty, tree, subtree: subtree.map(str::to_string) };
            assert_eq!(JsonQuery::parse(query), expected, "{query}");
        };
        check("", false, false, None);
        check("pretty=1", true, false, None);
        check("pretty=t&tree=true", true, true, None);
        check("pretty=yes&tree=0&x=1", false, false, None);
        check("tree=1&q=rt%2Fout/a+b", false, true, Some("rt/out/a b"));
        check("q=100%&q=%zz", false, false, Some("%zz"));
        check("q=", false, false, Some(""));
    }
}
