//! The rows of routing.md §9 about transformers, on namers and interpreters.

mod gateways;

use super::*;
use crate::delegation::tests::{Files, at, path};
use crate::interpreter::Interpreter;
use crate::namer::{Namers, NoHosts, Untracked};
use crate::{Address, Meta, Rewrite};
use names::{Dtab, PathPattern};

fn files() -> Arc<Files> {
    Arc::new(Files(vec![("users", at(&["10.0.0.1:8080"])), ("empty", at(&[]))]))
}

fn port(port: u16) -> Transformer {
    Transformer::new(&path(&format!("/io.l5d.port/{port}")), Change::Port(port))
}

fn only(prefix: &str, ips: &[&str]) -> Transformer {
    Transformer::new(&path(prefix), Change::Only(ips.iter().map(|ip| ip.parse().unwrap()).collect()))
}

fn local_node(ip: &str) -> Transformer {
    Transformer::new(&path(&format!("/io.l5d.k8s.localnode/{ip}")), Change::SameNet(ip.parse().unwrap()))
}

fn replace(to: &str) -> Transformer {
    Transformer::new(&path("/io.l5d.replace"), Change::Replace(path(to)))
}

fn constant(to: &str) -> Transformer {
    Transformer::new(&path("/io.l5d.const"), Change::Const(path(to)))
}

fn show(interpreter: &Interpreter, dtab: &str, name: &str) -> String {
    let dtab = Dtab::parse(dtab.as_bytes()).unwrap();
    match interpreter.bind(&dtab, &Dtab::empty(), &path(name), &mut Untracked) {
        State::Ok(NameTree::Leaf(name)) => {
            let residual =
                if name.residual.is_empty() { String::new() } else { format!(" | {}", name.residual) };
            let addr = match interpreter.addresses(&name.id, &mut Untracked) {
                Addr::Bound(set) => {
                    set.addresses.iter().map(|a| a.socket.to_string()).collect::<Vec<_>>().join(" ")
                }
                other => format!("{other:?}"),
            };
            format!("L({}{residual}) {addr}", name.id)
        }
        State::Ok(NameTree::Neg) => "Neg".into(),
        other => format!("{other:?}"),
    }
}

const FS: &str = "/svc=>/#/io.l5d.fs";
const FS_ELSE: &str = "/svc=>/#/io.l5d.fs | /$/inet/1";

#[track_caller]
fn check(row: u32, transformers: &[Transformer], dtab: &str, name: &str, expected: &str) {
    let namers = Arc::new(Namers::new(Arc::new(NoHosts)).with(&path("/io.l5d.fs"), files()));
    let interpreter = Interpreter::from(namers).with_transformers(transformers.to_vec());
    assert_eq!(show(&interpreter, dtab, name), expected, "row {row}");
}

#[test]
fn rows_of_interpreters() {
    let leaf = "L(/%/io.l5d.port/4140/#/io.l5d.fs/users | /r) 10.0.0.1:4140";
    check(75, &[port(4140)], FS, "/svc/users/r", leaf);
    check(
        76,
        &[local_node("10.0.0.9"), port(4141)],
        FS,
        "/svc/users",
        "L(/%/io.l5d.port/4141/%/io.l5d.k8s.localnode/10.0.0.9/#/io.l5d.fs/users) 10.0.0.1:4141",
    );
    check(
        77,
        &[local_node("10.9.9.9")],
        FS_ELSE,
        "/svc/users",
        "L(/%/io.l5d.k8s.localnode/10.9.9.9/#/io.l5d.fs/users) Neg",
    );
    let replaced = "L(/%/io.l5d.replace/$/inet/127.1/9) 127.0.0.1:9";
    check(78, &[replace("/$/inet/127.1/9")], FS, "/svc/users", replaced);
    check(79, &[replace("/$/inet/127.1/9")], FS, "/svc/nosuch", "Neg");
    let constant_leaf = "L(/%/io.l5d.const/$/inet/127.1/9) 127.0.0.1:9";
    check(80, &[constant("/$/inet/127.1/9")], FS, "/svc/nosuch", constant_leaf);
}

#[test]
fn chains() {
    let host = only("/io.l5d.specificHost", &["10.0.0.1"]);
    check(
        0,
        &[host.clone(), replace("/#/io.l5d.fs/users/rest"), port(9)],
        FS,
        "/svc/empty",
        "L(/%/io.l5d.port/9/%/io.l5d.replace/#/io.l5d.fs/users/rest | /rest) 10.0.0.1:9",
    );
    check(
        0,
        std::slice::from_ref(&host),
        FS,
        "/svc/empty",
        "L(/%/io.l5d.specificHost/#/io.l5d.fs/empty) Neg",
    );
    check(
        0,
        &[only("/here", &["127.0.0.1"]), port(1)],
        FS,
        "/svc/users",
        "L(/%/io.l5d.port/1/%/here/#/io.l5d.fs/users) Neg",
    );
    check(0, &[host], "/svc=>/$/fail", "/svc", "Ok(Fail)");
    check(0, &[constant("/gone")], FS, "/svc/users", "Neg");
}

fn on_namer(transformers: Vec<Transformer>) -> Interpreter {
    let rewrite = Rewrite::new(PathPattern::parse("/{x}"), "/#/io.l5d.fs/{x}");
    let namers = Namers::new(Arc::new(NoHosts))
        .with_transformed(&path("/io.l5d.fs"), files(), transformers.clone())
        .with_transformed(&path("/rw"), Arc::new(rewrite), transformers);
    Interpreter::from(Arc::new(namers))
}

#[test]
fn on_namers() {
    let check = |transformers: Vec<Transformer>, name: &str, expected: &str| {
        assert_eq!(show(&on_namer(transformers), FS_ELSE, name), expected, "{name}");
    };
    let ported = "L(/%/io.l5d.port/7/#/io.l5d.fs/users | /r) 10.0.0.1:7";
    check(vec![port(7)], "/svc/users/r", ported);
    check(vec![port(7)], "/svc/nosuch", "L(/$/inet/1 | /nosuch) 127.0.0.1:1");
    // A path that is bound again is not transformed, what it is bound to is: once.
    check(vec![port(7)], "/#/rw/users", "L(/%/io.l5d.port/7/#/io.l5d.fs/users) 10.0.0.1:7");
    // Two on the namer, one on the interpreter.
    let stacked = on_namer(vec![only("/here", &["10.0.0.1"]), port(7)]).with_transformers(vec![port(8)]);
    let expected = "L(/%/io.l5d.port/8/%/io.l5d.port/7/%/here/#/io.l5d.fs/users) 10.0.0.1:8";
    assert_eq!(show(&stacked, FS, "/svc/users"), expected);
    // A transformer that leads to its own namer comes to an end.
    let looped = "L(/%/io.l5d.const/#/io.l5d.fs/users) 10.0.0.1:8080";
    check(vec![constant("/#/io.l5d.fs/users")], "/svc/nosuch", looped);
}

#[test]
fn filters() {
    let address = |socket: &str, node: &str| Address {
        meta: if node.is_empty() { Meta::default() } else { Meta::new([("nodeName", node)]) },
        ..Address::new(socket.parse().unwrap())
    };
    let set = ["1.1.1.2:8888", "1.1.1.3:8888", "1.1.2.2:8888", "[::1]:8888", "[::ffff:1.1.1.4]:8888"];
    let check = |change: Change, expected: &[&str]| {
        let addresses = set.iter().map(|socket| address(socket, if *socket < "1.1.1.3" { "a" } else { "" }));
        let before = Addr::bound(addresses.collect());
        let filtered = Transformer::new(&path("/t"), change).change(before, &mut Untracked);
        let mut sockets: Vec<String> = match filtered {
            Addr::Bound(set) => set.addresses.iter().map(|a| a.socket.to_string()).collect(),
            other => vec![format!("{other:?}")],
        };
        sockets.sort();
        assert_eq!(sockets, expected);
    };
    let local = "1.1.1.1".parse().unwrap();
    check(Change::SameNet(local), &["1.1.1.2:8888", "1.1.1.3:8888", "[::ffff:1.1.1.4]:8888"]);
    check(Change::SameNet("::1".parse().unwrap()), &["Neg"]);
    check(Change::SameNode("a".into()), &["1.1.1.2:8888"]);
    check(Change::Only(["::1".parse().unwrap()].into()), &["[::1]:8888"]);
    let other = Transformer::new(&path("/t"), Change::SameNet(local));
    assert_eq!(other.change(Addr::failed("x"), &mut Untracked), Addr::failed("x"));
    assert_eq!(other.change(Addr::Pending, &mut Untracked), Addr::Pending);
}

/// Transformers show as nodes; what they make is a leaf under the changed id.
#[test]
fn in_delegation_trees() {
    let namers = Arc::new(Namers::new(Arc::new(NoHosts)).with(&path("/io.l5d.fs"), files()));
    let both = Interpreter::from(namers)
        .with_transformers(vec![only("/io.l5d.specificHost", &["10.0.0.1"]), port(9)]);
    let dtab = Dtab::parse(FS.as_bytes()).unwrap();
    let tree = both.delegate(&Dtab::empty(), &dtab, &path("/svc/users/r"), &mut Untracked);
    let bound = |id: &str, port: u16| {
        format!(
            r#"{{"addr":{{"type":"bound","addrs":[{{"ip":"10.0.0.1","port":{port},"meta":{{}}}}],"meta":{{}}}},"id":"{id}","path":"/r"}}"#
        )
    };
    let (fs, host) = ("/#/io.l5d.fs/users", "/%/io.l5d.specificHost/#/io.l5d.fs/users");
    let last = format!("/%/io.l5d.port/9{host}");
    let expected = format!(
        concat!(
            r#"{{"type":"delegate","path":"/svc/users/r","delegate":{{"type":"transformation","path":"{fs}/r","#,
            r#""name":"SubnetLocalTransformer","bound":{before},"tree":{{"type":"transformation","path":"{host}","#,
            r#""name":"DelegatingNameTreeTransformer$","bound":{between},"tree":{{"type":"leaf","path":"{last}","#,
            r#""dentry":{{"prefix":"/svc","dst":"/#/io.l5d.fs"}},"bound":{after}}}}}}}}}"#
        ),
        fs = fs,
        host = host,
        last = last,
        before = bound(fs, 8080),
        between = bound(host, 8080),
        after = bound(&last, 9)
    );
    assert_eq!(tree.to_json(), expected);
    assert_eq!(tree.bound(), both.bind(&Dtab::empty(), &dtab, &path("/svc/users/r"), &mut Untracked));
    assert!(both.delegates());
    assert!(!both.with_transformers(vec![replace("/x")]).delegates());
}
