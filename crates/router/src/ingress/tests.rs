//! The tables of routing.md §4 and walkthroughs.md VIII, and what today's API says of hosts and paths.

mod order;
mod paths;

use super::*;

/// An object `ns/name`.
pub(super) fn object(name: &str, rules: &[IngressRule]) -> IngressObject {
    IngressObject { namespace: "ns".into(), name: name.into(), rules: rules.to_vec(), default: None }
}

/// A rule for `host` (all when empty) that leads to the Service `service`, port `http`.
pub(super) fn rule(host: &str, path_type: PathType, path: &str, service: &str) -> IngressRule {
    IngressRule {
        host: Some(host.to_owned()).filter(|host| !host.is_empty()),
        path: path.into(),
        path_type,
        backend: backend(service, "http"),
    }
}

pub(super) fn backend(service: &str, port: &str) -> IngressBackend {
    IngressBackend { service: service.into(), port: port.into() }
}

/// The name that a request finds, `-` when it finds none.
pub(super) fn found(table: &Table, host: &str, path: &str) -> String {
    let host = Some(host.as_bytes()).filter(|host| !host.is_empty());
    table.find(host, path.as_bytes()).map_or("-".into(), |found| found.name().to_string())
}

/// The objects of the rows: rules of one host, and a default backend.
fn foo(name: &str) -> IngressObject {
    let to = |path: &str, service: &str, port: &str| IngressRule {
        host: Some("foo.bar.com".into()),
        path: path.into(),
        path_type: PathType::Pattern,
        backend: backend(service, port),
    };
    IngressObject {
        namespace: "fooNamespace".into(),
        name: name.into(),
        rules: vec![
            to("/fooPath/.*", "fooPathService", "fooPathPort"),
            to("", "fooHostService", "fooHostPort"),
        ],
        default: Some(backend("defaultService", "defaultPort")),
    }
}

#[test]
fn rows_of_section_4() {
    let table = Table::new(&[foo("a")], true, None);
    assert_eq!(found(&table, "foo.bar.com", "/penguins"), "/fooNamespace/fooHostPort/fooHostService");
    assert_eq!(found(&table, "foo.bar.com", "/fooPath/penguins"), "/fooNamespace/fooPathPort/fooPathService");
    assert_eq!(found(&table, "authority", "/fooPath/penguins"), "/fooNamespace/defaultPort/defaultService");
    assert_eq!(found(&table, "", "/"), "/fooNamespace/defaultPort/defaultService");
    let without = Table::new(&[foo("a")], false, None);
    assert_eq!(found(&without, "authority", "/"), "-");
    // Rules of all objects go before any default backend.
    let first = IngressObject {
        rules: vec![rule("other", PathType::Pattern, "", "other")],
        default: Some(backend("first", "1")),
        ..object("first", &[])
    };
    let both = Table::new(&[first, foo("b")], true, None);
    assert_eq!(found(&both, "foo.bar.com", "/"), "/fooNamespace/fooHostPort/fooHostService");
    assert_eq!(found(&both, "nobody", "/"), "/ns/1/first", "of several default backends the first");
    assert_eq!(both.size(), (2, 3));
}

/// walkthroughs.md VIII.5, 7, 8: hello-world-ingress.yml.
#[test]
fn rows_of_walkthrough_viii() {
    assert_eq!(found(&Table::default(), "10.0.0.1", "/"), "-");
    let hello = IngressObject {
        namespace: "default".into(),
        name: "hello-world".into(),
        rules: vec![rule("world.v2", PathType::Pattern, "", "world-v2")],
        default: Some(backend("world-v1", "http")),
    };
    let table = Table::new(&[hello], true, None);
    assert_eq!(found(&table, "10.0.0.1", "/"), "/default/http/world-v1");
    assert_eq!(found(&table, "world.v2", "/any"), "/default/http/world-v2");
    assert_eq!(found(&table, "World.v2", "/"), "/default/http/world-v1", "hosts have a case");
}

/// What people are told of what was found.
#[test]
fn said() {
    let said = |table: &Table, host: &str, path: &str| {
        table.find(Some(host.as_bytes()), path.as_bytes()).unwrap().to_string()
    };
    let rules = [rule("*.a.com", PathType::Prefix, "/x", "x"), rule("", PathType::Pattern, "", "y")];
    let table = Table::new(&[object("o", &rules)], true, None);
    assert_eq!(
        said(&table, "b.a.com", "/z"),
        "the rule any host any path (ImplementationSpecific) of Ingress ns/o"
    );
    let table = Table::new(&[object("o", &rules[..1]), foo("a")], true, None);
    assert_eq!(said(&table, "b.a.com", "/x/y"), "the rule *.a.com /x (Prefix) of Ingress ns/o");
    assert_eq!(said(&table, "b.com", "/"), "the default backend of Ingress fooNamespace/a");
}

/// Requests that come early are told when the rules are there, also when they come while these do.
#[tokio::test]
async fn rules_become_known() {
    let rules = IngressRules::default();
    assert!(rules.load().is_none());
    let (early, late) = (rules.known(), rules.known());
    let waiting = tokio::spawn(early);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    rules.set(Arc::new(Table::new(&[foo("a")], true, None)));
    waiting.await.unwrap();
    late.await;
    rules.known().await;
    assert!(rules.load().is_some());
}
