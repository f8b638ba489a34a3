//! The configuration reference: Markdown generated from the declarations.

use crate::schema::is_required;
use crate::{FamilyMeta, KeyMeta, ObjectMeta, Type};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

/// What begins the doc comment of a key that does nothing.
const WITHOUT_EFFECT: &str = "Accepted without effect:";

/// The reference of the documents whose root is declared by `root`, after `head`, which is Markdown too.
pub fn reference(root: &'static ObjectMeta, head: &str) -> String {
    let mut pages = Pages::default();
    let mut text = head.to_owned();
    text.push_str("\n## The document\n\n");
    pages.object(root, &mut text);
    while let Some(section) = pages.waiting.pop_front() {
        pages.section(section, &mut text);
    }
    text
}

/// The keys that are accepted and do nothing, with the reasons of their doc comments, after `head`.
pub fn keys_without_effect(root: &'static ObjectMeta, head: &str) -> String {
    let mut pages = Pages::default();
    pages.object(root, &mut String::new());
    while let Some(section) = pages.waiting.pop_front() {
        pages.section(section, &mut String::new());
    }
    let mut text = format!("{head}\n| In | Key | Why it does nothing |\n|---|---|---|\n");
    for (place, key, reason) in pages.without_effect {
        let _ = writeln!(text, "| {place} | `{key}` | {reason} |");
    }
    if !pages.former.is_empty() {
        text.push_str("\nKeys of older Linkerds, ignored with a warning:\n\n");
        text.push_str("| In | Key | Until Linkerd | Why ignoring it is right |\n|---|---|---|---|\n");
        for (place, key, until, reason) in pages.former {
            let _ = writeln!(text, "| {place} | `{key}` | {until} | {reason} |");
        }
    }
    text
}

/// A doc comment as one line of text.
pub(crate) fn text(doc: &[&str]) -> String {
    doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// What has a section of its own.
#[derive(Clone, Copy)]
enum Section {
    Object(&'static ObjectMeta),
    Scopes(&'static ObjectMeta),
    Family(&'static FamilyMeta),
}

impl Section {
    fn title(self) -> String {
        match self {
            Section::Object(object) | Section::Scopes(object) => words(object.name),
            Section::Family(family) => capital(family.noun),
        }
    }

    fn anchor(self) -> String {
        anchor(&self.title())
    }
}

#[derive(Default)]
struct Pages {
    waiting: VecDeque<Section>,
    known: BTreeSet<String>,
    /// Place, key, reason.
    without_effect: Vec<(String, &'static str, String)>,
    /// Place, key, version, reason.
    former: Vec<(String, &'static str, &'static str, &'static str)>,
}

impl Pages {
    fn section(&mut self, section: Section, out: &mut String) {
        let _ = writeln!(out, "\n## <a id=\"{}\"></a>{}\n", section.anchor(), section.title());
        match section {
            Section::Object(object) => self.object(object, out),
            Section::Scopes(object) => {
                self.object(object, out);
                out.push_str(
                    "\nThe keys stand on the object itself, or `kind: io.l5d.static` is given with `configs`: a list of objects, \
                     each with a `prefix` and these keys. All entries whose prefix matches a name hold for it; later ones win, key \
                     by key.\n",
                );
            }
            Section::Family(family) => self.family(family, out),
        }
    }

    fn family(&mut self, family: &'static FamilyMeta, out: &mut String) {
        let _ = writeln!(out, "{}\n", text(family.doc));
        let default = family.default.map(|kind| format!(" Without it: `{kind}`.")).unwrap_or_default();
        let _ = writeln!(out, "The key `{}` says which.{default}", family.discriminator);
        list(out, "Not built yet", family.later.iter().map(|kind| format!("`{kind}`")));
        for kind in family.kinds {
            let _ = writeln!(out, "\n### `{}`\n", kind.kind);
            let place = format!("{} `{}`", family.noun, kind.kind);
            let doc = if kind.doc.is_empty() { kind.object.doc } else { kind.doc };
            let _ = writeln!(out, "{}", text(doc));
            self.keys(kind.object, &place, out);
        }
    }

    fn object(&mut self, object: &'static ObjectMeta, out: &mut String) {
        let _ = writeln!(out, "{}", text(object.doc));
        self.keys(object, &words(object.name).to_lowercase(), out);
    }

    /// `place`: what the object is called where keys are listed by place.
    fn keys(&mut self, object: &'static ObjectMeta, place: &str, out: &mut String) {
        if !object.keys.is_empty() {
            out.push_str("\n| Key | Type | Default | Meaning | Example |\n|---|---|---|---|---|\n");
        }
        for key in object.keys {
            self.key(key, place, out);
        }
        list(out, "Not built yet", object.later.iter().map(|key| format!("`{key}`")));
        let only = |key: &crate::OnlyMeta| {
            format!("`{}: {}` ({})", key.key, key.default, text(key.doc).trim_end_matches('.'))
        };
        list(out, "Built with this value only", object.only.iter().map(only));
        let former = |key: &crate::FormerMeta| format!("`{}` (until {})", key.key, key.until);
        list(out, "Of older Linkerds, ignored with a warning", object.former.iter().map(former));
        self.former.extend(
            object.former.iter().map(|former| (place.to_owned(), former.key, former.until, former.reason)),
        );
    }

    fn key(&mut self, key: &KeyMeta, place: &str, out: &mut String) {
        let doc = text(key.doc);
        if let Some(reason) = doc.strip_prefix(WITHOUT_EFFECT) {
            self.without_effect.push((place.to_owned(), key.key, cell(reason.trim())));
        }
        let default = match key.default.filter(|_| !is_required(key)) {
            Some(default) => code(default),
            None if is_required(key) => "required".to_owned(),
            None => "–".to_owned(),
        };
        let bounds = key.bounds.map(|bounds| match (key.ty)() {
            Type::List(_) => format!(", {} elements", bounds.describe()),
            _ => format!(", {}", bounds.describe()),
        });
        let ty = self.ty((key.ty)()) + &bounds.unwrap_or_default();
        let example = key.example.map(code).unwrap_or_default();
        let _ = writeln!(out, "| `{}` | {ty} | {default} | {} | {example} |", key.key, cell(&doc));
    }

    fn ty(&mut self, ty: Type) -> String {
        match ty {
            Type::Bool => "boolean".into(),
            Type::Int { .. } => "whole number".into(),
            Type::Number => "number".into(),
            Type::Text => "text".into(),
            Type::Port => "port".into(),
            Type::Ip => "IP address".into(),
            Type::Path => "name".into(),
            Type::Pattern => "prefix".into(),
            Type::Dtab => "dtab".into(),
            Type::Directory => "directory".into(),
            Type::File => "file".into(),
            Type::List(item) => format!("list of {}", self.ty(item())),
            Type::OneOrMore(item) => format!("{}, or a list of them", self.ty(item())),
            Type::Object(object) => self.link(Section::Object(object)),
            Type::Scopes(object) => self.link(Section::Scopes(object)),
            Type::Family(family) => self.link(Section::Family(family)),
        }
    }

    fn link(&mut self, section: Section) -> String {
        let anchor = section.anchor();
        if self.known.insert(anchor.clone()) {
            self.waiting.push_back(section);
        }
        format!("[{}](#{anchor})", section.title().to_lowercase())
    }
}

fn list(out: &mut String, what: &str, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        let _ = writeln!(out, "\n{what}: {}.", names.join(", "));
    }
}

/// A text of a declaration as code in a table.
fn code(text: &str) -> String {
    match text {
        "''" | "\"\"" => "empty".to_owned(),
        _ => format!("`{}`", cell(text)),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// `BindingCache` is `Binding cache`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for (at, char) in name.char_indices() {
        if at > 0 && char.is_uppercase() {
            words.push(' ');
            words.extend(char.to_lowercase());
        } else {
            words.push(char);
        }
    }
    words
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}
