//! The committed reference, schema and list of keys without effect are what the declarations say.

use super::super::{Linkerd, describe};
use config::{Declared, KeyMeta, ObjectMeta, Type};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// Set to write the files instead of comparing them.
const UPDATE: &str = "UPDATE_REFERENCE";

fn check(file: &str, generated: &str) {
    let path = format!("{ROOT}/{file}");
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, generated).expect("docs is there to be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(generated.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or(committed.lines().count().min(generated.lines().count())) + 1;
    assert!(
        committed == generated,
        "docs/{file} is not what the declarations say, from line {line} on; `{UPDATE}=1 cargo test -p proxy describe` writes it"
    );
}

#[test]
fn the_reference_is_up_to_date() {
    check("reference/linkerd.md", &describe::reference());
}

#[test]
fn the_schema_is_up_to_date() {
    check("reference/linkerd.schema.json", &describe::schema());
}

#[test]
fn the_keys_without_effect_are_up_to_date() {
    check("keys-without-effect.md", &describe::keys_without_effect());
}

/// A bound is what `check` says in words: the last value inside is taken, the first one outside is refused.
#[test]
fn bounds_are_what_documents_are_held_to() {
    let mut seen = Vec::new();
    object(Linkerd::META, &mut seen);
    assert!(
        seen.contains(&"ttlSecs") && seen.contains(&"paths") && seen.contains(&"decayTimeMs"),
        "{seen:?}"
    );
}

fn object(meta: &ObjectMeta, seen: &mut Vec<&'static str>) {
    for key in meta.keys {
        bounds(key, seen);
        ty((key.ty)(), seen);
    }
}

/// Held to their bounds by a rule over both of them.
const BY_RULE: [&str; 2] = ["minMs", "maxMs"];

fn bounds(key: &KeyMeta, seen: &mut Vec<&'static str>) {
    let Some(bounds) =
        key.bounds.filter(|_| !matches!((key.ty)(), Type::List(_)) && !BY_RULE.contains(&key.key))
    else {
        return;
    };
    seen.push(key.key);
    let check = |value: i64, inside: bool| {
        assert_eq!((key.check_example)(&value.to_string()).is_ok(), inside, "{}: {value}", key.key);
    };
    check(bounds.min, true);
    check(bounds.min - 1, false);
    if let Some(max) = bounds.max {
        check(max, true);
        check(max + 1, false);
    }
}

fn ty(ty_: Type, seen: &mut Vec<&'static str>) {
    match ty_ {
        Type::Object(meta) | Type::Scopes(meta) => object(meta, seen),
        Type::Family(family) => family.kinds.iter().for_each(|kind| object(kind.object, seen)),
        Type::List(item) | Type::OneOrMore(item) => ty(item(), seen),
        _ => {}
    }
}
