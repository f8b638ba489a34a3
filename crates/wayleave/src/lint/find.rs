//! Finds the dtabs of a file: the file itself, the `dtab` of routers, the namespaces a namerd keeps in memory, and the
//! same inside the ConfigMaps of a Kubernetes manifest. The tree is read, not the typed configuration, so that a kind
//! that is not built yet keeps no dtab from being looked at.

use config::{Document, Fault, Faults, Node, Scalar, Source, Span, Value, inner_span};
use names::{Dtab, ParseError, Path};
use std::ops::Range;

/// A dtab and what surrounds it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) dtab: Dtab,
    /// Whose it is: ``router `http` ``; none for a file that is a dtab.
    pub(super) owner: Option<String>,
    /// The prefixes of all namers, if they are known.
    pub(super) namers: Option<Vec<Path>>,
    /// Whether no other dtab is joined to it.
    pub(super) whole: bool,
    place: Place,
}

impl Found {
    /// The text spans are about: that of the file.
    pub(super) fn source(&self) -> &Source {
        &self.place.file
    }

    /// Where bytes of the dtab's text stand in the file.
    pub(super) fn span(&self, bytes: &Range<usize>) -> Span {
        let start = self.place.offset(bytes.start);
        let end = match bytes.end.checked_sub(1) {
            Some(last) if last >= bytes.start => self.place.offset(last) + 1,
            _ => start,
        };
        Span::new(start..end)
    }
}

/// Where a text stands: in scalars inside one another, or in nothing but the file.
#[derive(Clone, Debug)]
struct Place {
    file: Source,
    /// Outermost first.
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    source: Source,
    span: Span,
    scalar: Scalar,
}

impl Place {
    /// Where a byte of the text stands in the file.
    fn offset(&self, offset: usize) -> usize {
        self.layers.iter().rev().fold(offset, |offset, layer| {
            inner_span(&layer.source, layer.span, &layer.scalar, offset).start as usize
        })
    }

    /// The place of a text inside the document that stands here.
    fn inside(&self, source: &Source, span: Span, scalar: &Scalar) -> Place {
        let mut place = self.clone();
        place.layers.push(Layer { source: source.clone(), span, scalar: scalar.clone() });
        place
    }
}

/// All dtabs of a file, and what kept others from being read.
pub(super) fn dtabs(name: &str, bytes: &[u8]) -> (Vec<Found>, Faults) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = String::from_utf8_lossy(bytes);
    let file = Source::new(name, text.clone().into_owned());
    let place = Place { file: file.clone(), layers: Vec::new() };
    let mut search = Search { found: Vec::new(), faults: Vec::new() };
    if name.ends_with(".dtab") || is_dtab(&text) {
        match Dtab::parse(bytes) {
            Ok(dtab) => search.found.push(Found { dtab, owner: None, namers: None, whole: false, place }),
            Err(error) => search.faults.push(misread(&error, &place)),
        }
    } else {
        for document in documents(&text) {
            match Document::parse(name, document.as_bytes()) {
                Ok(Document { source, root, .. }) => search.document(&source, &root, &place),
                Err(faults) => search.faults.extend(faults.iter().cloned()),
            }
        }
    }
    (search.found, Faults::new(file, search.faults))
}

/// Dtabs begin with `/` or are empty, and no YAML of ours does, comments aside. Where the first line has a `=>` that stands in
/// no value of a key, somebody meant a dtab.
fn is_dtab(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(line) = lines.next() else { return true };
    let entry = |(before, _): (&str, &str)| {
        !before.starts_with(['{', '[', '-', '"', '\'']) && !before.contains(": ") && !before.contains(":\t")
    };
    line.starts_with('/') || line.split_once("=>").is_some_and(entry)
}

/// The documents of a YAML stream, each with blank lines in the place of those before it, so that lines keep their
/// numbers. Bytes keep theirs too.
fn documents(text: &str) -> Vec<String> {
    let mut documents = Vec::new();
    let mut before = String::new();
    let mut now = String::new();
    for line in text.split_inclusive('\n') {
        let ends = line.trim_end() == "---";
        if !ends {
            now.push_str(line);
        }
        before.extend(line.chars().flat_map(|c| {
            let blank = if c == '\n' { '\n' } else { ' ' };
            std::iter::repeat_n(blank, c.len_utf8())
        }));
        if ends {
            documents.push(std::mem::replace(&mut now, before.clone()));
        }
    }
    documents.push(now);
    let said = |text: &str| text.lines().any(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
    documents.retain(|document| said(document));
    documents
}

fn misread(error: &ParseError, place: &Place) -> Fault {
    let message = error.to_string();
    let end = message.find(" at '").unwrap_or(message.len());
    let start = place.offset(error.offset);
    Fault::new(Span::new(start..start + 1), &message[..end])
        .expected("a dtab, for example `/svc => /#/io.l5d.fs;`")
}

struct Search {
    found: Vec<Found>,
    faults: Vec<Fault>,
}

impl Search {
    fn document(&mut self, source: &Source, root: &Node, place: &Place) {
        if text(root, "kind") == Some("ConfigMap") {
            return self.config_map(source, root, place);
        }
        let namers = namers(root);
        for router in root.get("routers").and_then(Node::list).unwrap_or_default() {
            let Some(dtab) = router.get("dtab") else { continue };
            let label = text(router, "label").or_else(|| text(router, "protocol")).unwrap_or("?");
            let kind = router.get("interpreter").and_then(|i| text(i, "kind")).unwrap_or("default");
            let (own_namers, whole) = match kind {
                "default" => (true, true),
                "io.l5d.fs" | "io.l5d.k8s.configMap" | "io.l5d.consul.interpreter" => (true, false),
                _ => (false, false),
            };
            let known = namers.clone().filter(|_| own_namers);
            self.dtab(source, dtab, place, (format!("router `{label}`"), known, whole));
        }
        // What linkers send along is put behind a namespace of namerd.
        if let Some(Value::Object(namespaces)) =
            root.get("storage").and_then(|s| s.get("namespaces")).map(|n| &n.value)
        {
            for entry in namespaces {
                let owner = format!("namespace `{}`", entry.key.value);
                self.dtab(source, &entry.value, place, (owner, namers.clone(), false));
            }
        }
    }

    /// The files in a ConfigMap: those that are dtabs, and those that are configurations.
    fn config_map(&mut self, source: &Source, root: &Node, place: &Place) {
        let Some(Value::Object(files)) = root.get("data").map(|data| &data.value) else { return };
        for file in files {
            let Value::Scalar(scalar) = &file.value.value else { continue };
            let place = place.inside(source, file.value.span, scalar);
            if is_dtab(&scalar.text) && file.key.value.ends_with("dtab") {
                self.dtab(source, &file.value, &place, (format!("`{}`", file.key.value), None, false));
            } else if let Ok(inner) = Document::parse("", scalar.text.as_bytes()) {
                self.document(&inner.source, &inner.root, &place);
            }
        }
    }

    fn dtab(
        &mut self,
        source: &Source,
        node: &Node,
        place: &Place,
        (owner, namers, whole): (String, Option<Vec<Path>>, bool),
    ) {
        let Value::Scalar(scalar) = &node.value else { return };
        let place = place.inside(source, node.span, scalar);
        match Dtab::parse(scalar.text.as_bytes()) {
            Ok(dtab) => self.found.push(Found { dtab, owner: Some(owner), namers, whole, place }),
            Err(e) => self.faults.push(misread(&e, &place)),
        }
    }
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.get(key).and_then(Node::text)
}

/// The prefixes of a configuration's namers; `None` when one of them cannot be read.
fn namers(root: &Node) -> Option<Vec<Path>> {
    let namers = root.get("namers").and_then(Node::list).unwrap_or_default();
    let prefix = |namer: &Node| {
        let prefix = text(namer, "prefix")
            .map_or_else(|| format!("/{}", text(namer, "kind").unwrap_or("?")), str::to_owned);
        format!("/#{prefix}").parse().ok()
    };
    namers.iter().map(prefix).collect()
}
