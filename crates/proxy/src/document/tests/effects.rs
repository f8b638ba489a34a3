//! Every key and kind has a test that shows what it does, or says that it does nothing: `effects.txt` and the
//! declarations are held to one another, and the list to the tests it names.

use super::super::Linkerd;
use config::{Declared, FamilyMeta, KeyMeta, ObjectMeta, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LIST: &str = include_str!("effects.txt");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Names of all keys and kinds that have to show an effect.
fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    object(Linkerd::META, &mut names);
    names
}

fn object(meta: &ObjectMeta, names: &mut BTreeSet<String>) {
    for key in meta.keys {
        ty((key.ty)(), names);
        if is_value(key)
            && !key.doc.first().is_some_and(|doc| doc.trim().starts_with("Accepted without effect:"))
        {
            names.insert(format!("{}.{}", meta.name, key.key));
        }
    }
}

/// Whether a key has a value of its own; what holds objects shows its effect through their keys and kinds.
fn is_value(key: &KeyMeta) -> bool {
    let holds_objects = |ty: &Type| matches!(ty, Type::Object(_) | Type::Scopes(_) | Type::Family(_));
    match (key.ty)() {
        Type::List(item) | Type::OneOrMore(item) => !holds_objects(&item()),
        ty => !holds_objects(&ty),
    }
}

fn ty(of: Type, names: &mut BTreeSet<String>) {
    match of {
        Type::Object(meta) | Type::Scopes(meta) => object(meta, names),
        Type::Family(family) => kinds(family, names),
        Type::List(item) | Type::OneOrMore(item) => ty(item(), names),
        _ => {}
    }
}

fn kinds(family: &FamilyMeta, names: &mut BTreeSet<String>) {
    for kind in family.kinds {
        names.insert(format!("{} {}", family.noun, kind.kind));
        object(kind.object, names);
    }
}

/// The list: name of a key or kind, and its test as file and function.
fn listed() -> BTreeMap<String, (String, String)> {
    let mut listed = BTreeMap::new();
    for line in LIST.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (name, test) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no test in `{line}`"));
        let (file, function) = test.split_once("::").unwrap_or_else(|| panic!("no function in `{line}`"));
        let before = listed.insert(name.trim().to_owned(), (file.to_owned(), function.to_owned()));
        assert!(before.is_none(), "`{}` stands twice in effects.txt", name.trim());
    }
    listed
}

#[test]
fn every_key_shows_an_effect_or_says_that_it_has_none() {
    let (declared, listed) = (declared(), listed());
    assert!(declared.len() > 60, "the walk has not walked: {declared:?}");
    let without: Vec<_> = declared.iter().filter(|name| !listed.contains_key(*name)).collect();
    assert!(
        without.is_empty(),
        "no test shows an effect of {without:?}: write one and name it in effects.txt, or begin the key's documentation with \
         `Accepted without effect:` and the reason"
    );
    let stale: Vec<_> = listed.keys().filter(|name| !declared.contains(*name)).collect();
    assert!(stale.is_empty(), "effects.txt names what is not declared, or has no effect: {stale:?}");
}

#[test]
fn the_tests_of_the_list_are_there() {
    for (name, (file, function)) in listed() {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&file)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains(&format!("fn {function}(")));
        let at = at.unwrap_or_else(|| panic!("{name}: {file} has no function {function}"));
        let is_test = lines[at.saturating_sub(4)..at].iter().any(|line| line.contains("test"));
        assert!(is_test || text.contains("each_width!"), "{name}: {function} of {file} is no test");
        // A test of a key speaks of it.
        let key = name.rsplit(['.', ' ']).next().unwrap_or_default();
        assert!(text.contains(key), "{name}: {file} does not mention `{key}`");
    }
}
