//! Heads of messages for tests: lists of lines, searched the slow and obvious way.

use crate::header::{Known, Name};
use crate::seam::{Head, RequestHead, ResponseHead, Version};

type Line = (String, Vec<u8>);

/// A request's head.
#[derive(Clone, Debug)]
pub(crate) struct FakeRequest {
    pub(crate) method: Vec<u8>,
    pub(crate) target: Vec<u8>,
    received: Option<Vec<u8>>,
    pub(crate) version: Version,
    lines: Vec<Line>,
    marked: Option<Vec<Line>>,
}

/// A response's head.
#[derive(Clone, Debug)]
pub(crate) struct FakeResponse {
    pub(crate) status: u16,
    pub(crate) version: Version,
    pub(crate) body: Vec<u8>,
    /// The body comes without a length.
    pub(crate) streamed: bool,
    lines: Vec<Line>,
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn matches(line: &Line, name: Name<'_>) -> bool {
    if let Name::Other(text) = name {
        assert_eq!(Known::classify(text), None, "an engine would never find it");
    }
    line.0.as_bytes().eq_ignore_ascii_case(name.text())
}

impl FakeRequest {
    pub(crate) fn new(method: &str, target: &[u8]) -> FakeRequest {
        FakeRequest {
            method: method.into(),
            target: target.to_vec(),
            received: None,
            version: Version::Http11,
            lines: Vec::new(),
            marked: None,
        }
    }

    pub(crate) fn get(target: &str) -> FakeRequest {
        FakeRequest::new("GET", target.as_bytes())
    }

    /// Values of a field, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.lines.iter().filter(|l| matches(l, Name::of(name.as_bytes()))).map(|l| text(&l.1)).collect()
    }

    /// The value of a field that may stand there once at most.
    pub(crate) fn one(&self, name: &str) -> Option<String> {
        let mut all = self.all(name);
        assert!(all.len() < 2, "{name} stands there {} times: {all:?}", all.len());
        all.pop()
    }

    pub(crate) fn line(&mut self, name: &str, value: &str) -> &mut Self {
        self.raw_line(name, value.as_bytes())
    }

    pub(crate) fn raw_line(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.lines.push((name.to_owned(), value.to_vec()));
        self
    }

    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        self.lines.iter().map(|(n, v)| (n.clone(), text(v))).collect()
    }
}

impl FakeResponse {
    pub(crate) fn new(status: u16) -> FakeResponse {
        let (version, lines) = (Version::Http11, Vec::new());
        FakeResponse { status, version, body: Vec::new(), streamed: false, lines }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.lines.iter().filter(|l| matches(l, Name::of(name.as_bytes()))).map(|l| text(&l.1)).collect()
    }

    pub(crate) fn line(&mut self, name: &str, value: &str) -> &mut Self {
        self.lines.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }
}

macro_rules! head {
    ($type:ty) => {
        impl Head for $type {
            fn get(&self, name: Name<'_>) -> Option<&[u8]> {
                self.lines.iter().find(|l| matches(l, name)).map(|l| l.1.as_slice())
            }

            fn each(&self, name: Name<'_>, f: &mut dyn FnMut(&[u8])) {
                self.lines.iter().filter(|l| matches(l, name)).for_each(|l| f(&l.1));
            }

            fn has(&self, name: Known) -> bool {
                self.get(name.into()).is_some()
            }

            fn lines(&self, f: &mut dyn FnMut(&[u8], &[u8])) {
                self.lines.iter().for_each(|l| f(l.0.as_bytes(), &l.1));
            }

            fn remove(&mut self, name: Name<'_>) {
                self.lines.retain(|l| !matches(l, name));
            }

            fn remove_prefix(&mut self, prefix: &[u8]) {
                let prefix = text(prefix).to_ascii_lowercase();
                self.lines.retain(|l| !l.0.to_ascii_lowercase().starts_with(&prefix));
            }

            fn append(&mut self, name: Name<'_>, value: &[u8]) {
                assert!(!value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "illegal value {value:?}");
                self.lines.push((text(name.text()), value.to_vec()));
            }

            fn extend_last(&mut self, name: Name<'_>, suffix: &[u8]) {
                match self.lines.iter_mut().rev().find(|l| matches(l, name)) {
                    Some(line) => {
                        line.1.extend_from_slice(b", ");
                        line.1.extend_from_slice(suffix);
                    }
                    None => self.append(name, suffix),
                }
            }

            fn version(&self) -> Version {
                self.version
            }
        }
    };
}

head!(FakeRequest);
head!(FakeResponse);

impl RequestHead for FakeRequest {
    fn method(&self) -> &[u8] {
        &self.method
    }

    fn target(&self) -> &[u8] {
        &self.target
    }

    fn received_target(&self) -> &[u8] {
        self.received.as_deref().unwrap_or(&self.target)
    }

    fn set_target(&mut self, target: &[u8]) {
        let before = std::mem::replace(&mut self.target, target.to_vec());
        self.received.get_or_insert(before);
    }

    fn mark(&mut self) {
        assert!(self.marked.is_none(), "marked twice");
        self.marked = Some(self.lines.clone());
    }

    fn rewind(&mut self) {
        self.lines = self.marked.clone().expect("rewind without mark");
    }
}

impl ResponseHead for FakeResponse {
    fn status(&self) -> u16 {
        self.status
    }

    fn length(&self) -> Option<u64> {
        match self.get(Known::ContentLength.into()) {
            Some(announced) => text(announced).parse().ok(),
            None => (!self.streamed && !self.body.is_empty()).then_some(self.body.len() as u64),
        }
    }

    fn is_chunked(&self) -> bool {
        self.streamed
    }
}
