//! Walks all declarations: each key and kind is documented, its default and example are values of its type, and no
//! name is both built and not built.

use super::super::Linkerd;
use config::{Declared, FamilyMeta, KeyMeta, ObjectMeta, Type};
use std::collections::BTreeSet;

/// What a walk has seen: names for the count, and what is wrong.
#[derive(Default)]
struct Walk {
    keys: BTreeSet<String>,
    kinds: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Walk {
    fn object(&mut self, object: &ObjectMeta) {
        self.rule(!object.doc.is_empty(), || format!("{} has no documentation", object.name));
        self.unique(object.name, object.keys.iter().map(|key| key.key).chain(object.later.iter().copied()));
        for key in object.keys {
            self.key(object, key);
        }
    }

    fn key(&mut self, object: &ObjectMeta, key: &KeyMeta) {
        let name = format!("{}.{}", object.name, key.key);
        if !self.keys.insert(name.clone()) {
            return;
        }
        self.rule(!key.doc.is_empty(), || format!("{name} has no documentation"));
        for (what, text) in [("default", key.default), ("example", key.example)] {
            let fault = text.and_then(|text| (key.check_example)(text).err());
            self.rule(fault.is_none(), || format!("the {what} of {name}: {}", fault.unwrap_or_default()));
        }
        self.rule(key.example.is_some(), || format!("{name} has no example"));
        let only_one = matches!((key.ty)(), Type::Family(family) if family.kinds.len() == 1);
        self.rule(key.default != key.example || only_one, || format!("the example of {name} is its default"));
        self.rule(!((key.required)() && key.default.is_some()), || {
            format!("{name} is required and has a default")
        });
        self.ty((key.ty)());
    }

    fn ty(&mut self, ty: Type) {
        match ty {
            Type::Object(object) | Type::Scopes(object) => self.object(object),
            Type::Family(family) => self.family(family),
            Type::List(item) | Type::OneOrMore(item) => self.ty(item()),
            _ => {}
        }
    }

    fn family(&mut self, family: &FamilyMeta) {
        self.rule(!family.doc.is_empty(), || format!("{} has no documentation", family.noun));
        self.unique(
            family.noun,
            family.kinds.iter().map(|kind| kind.kind).chain(family.later.iter().copied()),
        );
        let built = |kind: &str| family.kinds.iter().any(|built| built.kind == kind);
        self.rule(family.default.is_none_or(built), || {
            format!("the default of {} is not built", family.noun)
        });
        for kind in family.kinds {
            self.kinds.insert(format!("{} {}", family.noun, kind.kind));
            self.object(kind.object);
        }
    }

    fn unique<'a>(&mut self, place: &str, names: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for name in names {
            self.rule(seen.insert(name), || format!("{place} has {name} twice"));
        }
    }

    fn rule(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }
}

#[test]
fn all_declarations_are_whole() {
    let mut walk = Walk::default();
    walk.object(Linkerd::META);
    assert_eq!(walk.wrong, Vec::<String>::new());
    // The walk has really walked.
    for kind in [
        "protocol http",
        "load balancer ewma",
        "load balancer roundRobin",
        "failure accrual io.l5d.successRateWindowed",
        "backoff jittered",
        "namer io.l5d.fs",
        "telemeter io.l5d.prometheus",
    ] {
        assert!(walk.kinds.contains(kind), "{kind} was not reached: {:?}", walk.kinds);
    }
    for key in ["RetryBudget.ttlSecs", "HttpServer.port", "Ewma.decayTimeMs", "Usage.orgId"] {
        assert!(walk.keys.contains(key), "{key} was not reached: {:?}", walk.keys);
    }
}
