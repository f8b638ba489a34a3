//! What a watch stream says, line by line.

use std::borrow::Cow;

use serde::Deserialize;

use crate::kind::Kind;

/// Longer lines are no events.
const LONGEST: usize = 32 << 20;

/// One line of a watch stream.
#[derive(Debug, PartialEq)]
pub(super) enum Event<K> {
    /// The object is now so.
    Put(K),
    /// There is no such object any more.
    Gone(K),
    /// Nothing has happened up to this version.
    Bookmark(Box<str>),
    /// The API gives up: the status code and the message.
    Error(u16, String),
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Holds<T> {
    object: T,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Marked {
    metadata: Mark,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    resource_version: Box<str>,
}

/// The event of a line.
///
/// # Errors
/// When the line is none: why.
pub(super) fn event<K: Kind>(line: &[u8]) -> Result<Event<K>, String> {
    fn object<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, serde_json::Error> {
        serde_json::from_slice::<Holds<T>>(line).map(|holds| holds.object)
    }
    let read = || -> Result<Option<Event<K>>, serde_json::Error> {
        let Head { kind } = serde_json::from_slice(line)?;
        Ok(Some(match &*kind {
            "ADDED" | "MODIFIED" => Event::Put(object(line)?),
            "DELETED" => Event::Gone(object(line)?),
            "BOOKMARK" => Event::Bookmark(object::<Marked>(line)?.metadata.resource_version),
            "ERROR" => object(line).map(|Status { code, message }| Event::Error(code, message))?,
            _ => return Ok(None),
        }))
    };
    match read() {
        Ok(Some(Event::Put(object) | Event::Gone(object))) if object.name().is_empty() => {
            Err("an event of an object without a name".to_owned())
        }
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err("an event of a type that is not known".to_owned()),
        Err(error) => Err(format!("a line that is no event: {error}")),
    }
}

/// Cuts what arrives in pieces into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// How much of `held` has been given out.
    given: usize,
}

impl Lines {
    /// Adds what has arrived.
    ///
    /// # Errors
    /// When a line has become too long to be an event.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.held.drain(..std::mem::take(&mut self.given));
        if self.held.len() + bytes.len() > LONGEST {
            return Err(format!("a line of more than {} MiB", LONGEST >> 20));
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole line that is not empty.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        loop {
            let end = self.given + self.held[self.given..].iter().position(|&byte| byte == b'\n')?;
            let line = std::mem::replace(&mut self.given, end + 1)..end;
            if !self.held[line.clone()].trim_ascii().is_empty() {
                return Some(&self.held[line]);
            }
        }
    }

    /// Whether part of a line is left.
    pub(super) fn is_half(&self) -> bool {
        !self.held[self.given..].trim_ascii().is_empty()
    }

    /// Gives unused memory back: a watch is quiet most of the time.
    pub(super) fn rest(&mut self) {
        if self.given == self.held.len() {
            *self = Lines::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::ConfigMap;

    fn cut(pieces: &[&str]) -> (Vec<String>, bool) {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.push(piece.as_bytes()).unwrap();
            while let Some(line) = lines.next() {
                found.push(String::from_utf8_lossy(line).into_owned());
            }
            lines.rest();
        }
        (found, lines.is_half())
    }

    #[test]
    fn lines_in_pieces() {
        let check = |pieces: &[&str], expected: &[&str], half: bool| {
            assert_eq!(
                cut(pieces),
                (expected.iter().map(|line| (*line).to_owned()).collect(), half),
                "{pieces:?}"
            );
        };
        check(&["a\nb\n"], &["a", "b"], false);
        check(&["a", "b\nc", "\n", "d"], &["ab", "c"], true);
        check(&["\n\r\na\r\n"], &["a\r"], false);
        check(&[], &[], false);
    }

    #[test]
    fn a_line_has_an_end() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; LONGEST]).unwrap();
        assert!(lines.push(b"x").unwrap_err().contains("32 MiB"));
    }

    #[test]
    fn events() {
        let parsed = |line: &str| event::<ConfigMap>(line.as_bytes());
        let Ok(Event::Put(map)) =
            parsed(r#"{"object":{"metadata":{"name":"a"},"data":null},"type":"ADDED"}"#)
        else {
            panic!("an object")
        };
        assert_eq!(&*map.metadata.name, "a");
        assert!(matches!(
            parsed(r#"{"type":"DELETED","object":{"metadata":{"name":"a"}}}"#),
            Ok(Event::Gone(_))
        ));
        let mark = r#"{"type":"BOOKMARK","object":{"kind":"X","metadata":{"resourceVersion":"12"}}}"#;
        assert_eq!(parsed(mark), Ok(Event::Bookmark("12".into())));
        let error = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        assert_eq!(parsed(error), Ok(Event::Error(410, "too old".to_owned())));
        for bad in [
            "",
            "{",
            "null",
            "[]",
            r#"{"type":"ODD","object":{}}"#,
            r#"{"type":"ADDED"}"#,
            r#"{"type":"DELETED","object":{}}"#,
        ] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }
}
