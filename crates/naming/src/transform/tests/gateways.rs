//! The rows of routing.md §5 about daemonset and localnode, and what is said there of states.

use super::*;
use crate::namer::Reader;
use crate::{BoundName, Named, Namer};

/// A namer with one name, `/ns/port/svc`, in a state.
struct Mesh(State<bool>, Addr);

impl Namer for Mesh {
    fn bind(&self, name: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        let bound = BoundName { id: path("/#/io.l5d.k8s").concat(name), residual: Path::empty() };
        self.0.clone().map(|exists| match exists && *name == path("/ns/port/svc") {
            true => NameTree::Leaf(Named::Bound(bound)),
            false => NameTree::Neg,
        })
    }

    fn addresses(&self, id: &Path, _: &mut dyn Reader) -> Addr {
        assert_eq!(*id, path("/#/io.l5d.k8s/ns/port/svc"));
        self.1.clone()
    }
}

/// `1.1.1.1:80`, or `1.1.1.1:80@node`.
fn address(text: &str) -> Address {
    let (socket, node) = text.split_once('@').unwrap_or((text, ""));
    let meta = if node.is_empty() { Meta::default() } else { Meta::new([("nodeName", node)]) };
    Address { meta, ..Address::new(socket.parse().unwrap()) }
}

fn set(texts: &[&str]) -> Addr {
    Addr::bound(texts.iter().map(|text| address(text)).collect())
}

fn gateways(nearness: Nearness, name: &str, exists: State<bool>, members: Addr) -> Transformer {
    let gateways = Gateways::new(Arc::new(Mesh(exists, members)), path(name), nearness);
    Transformer::new(&path("/io.l5d.k8s.daemonset/ns/port/svc"), Change::Gateways(gateways))
}

#[track_caller]
fn check(nearness: Nearness, members: &[&str], before: &[&str], expected: &[&str]) {
    let gateways = gateways(nearness, "/ns/port/svc", State::Ok(true), set(members));
    let after = gateways.change(set(before), &mut Untracked);
    let want = if expected.is_empty() { Addr::Neg } else { set(expected) };
    assert_eq!(after, want, "{before:?}");
}

#[test]
fn subnets() {
    let members = ["1.1.1.1:4141", "1.1.2.1:4141", "1.1.3.1:4141"];
    let check = |before: &[&str], expected: &[&str]| check(Nearness::SameNet, &members, before, expected);
    check(&["1.1.2.55:8888"], &["1.1.2.1:4141"]);
    check(&["1.1.4.55:8888"], &[]);
    check(&["1.1.2.55:8888", "1.1.2.56:8888", "1.1.4.1:1"], &["1.1.2.1:4141"]);
    check(&["1.1.3.7:1", "1.1.1.7:1"], &["1.1.1.1:4141", "1.1.3.1:4141"]);
    check(&["[::ffff:1.1.3.7]:1"], &["1.1.3.1:4141"]);
    check(&["[fd00::7]:1"], &[]);
    check(&[], &[]);
}

#[test]
fn nodes() {
    let members = ["7.7.7.1:4141@7.7.7.1", "7.7.7.2:4141@7.7.7.2"];
    let check = |members: &[&str], before: &[&str], expected: &[&str]| {
        check(Nearness::SameNode, members, before, expected);
    };
    check(&members, &["1.1.1.55:8888@7.7.7.2"], &["7.7.7.2:4141@7.7.7.2"]);
    check(&members, &["1.1.1.55:8888@7.7.7.3"], &[]);
    check(&members, &["7.7.7.1:8888"], &[]);
    check(&["7.7.7.1:4141", "7.7.7.2:4141@n"], &["1.1.1.1:1"], &["7.7.7.1:4141"]);
    check(&["[fd00::1]:4141@n"], &["[fd00::2]:1@n"], &["[fd00::1]:4141@n"]);
}

#[test]
fn localnode() {
    let near = |change: Change, before: &[&str]| {
        Transformer::new(&path("/t"), change).change(set(before), &mut Untracked)
    };
    let pods = ["1.1.1.2:8888", "1.1.1.3:8888", "1.1.2.2:8888", "1.1.2.3:8888"];
    let same_net = || Change::SameNet("1.1.1.1".parse().unwrap());
    assert_eq!(near(same_net(), &pods), set(&["1.1.1.2:8888", "1.1.1.3:8888"]));
    assert_eq!(near(same_net(), &pods[2..]), Addr::Neg);
    let nodes = ["1.1.1.2:8888@7.7.7.7", "1.1.1.3:8888@7.7.7.8", "1.1.2.2:8888"];
    assert_eq!(near(Change::SameNode("7.7.7.7".into()), &nodes), set(&nodes[..1]));
    assert_eq!(near(Change::SameNode("7.7.7.9".into()), &nodes), Addr::Neg);
}

#[test]
fn states() {
    let change = |gateways: Transformer, before: Addr| gateways.change(before, &mut Untracked);
    let of =
        |exists: State<bool>, members: Addr| gateways(Nearness::SameNet, "/ns/port/svc", exists, members);
    let known = || of(State::Ok(true), set(&["1.1.1.1:1"]));
    let pod = || set(&["1.1.1.2:2"]);
    assert_eq!(change(known(), Addr::Pending), Addr::Pending);
    assert_eq!(change(known(), Addr::Neg), Addr::Neg);
    assert_eq!(change(known(), Addr::failed("x")), Addr::failed("x"));
    assert_eq!(change(of(State::Pending, Addr::Neg), pod()), Addr::Pending);
    assert_eq!(change(of(State::Ok(true), Addr::Pending), pod()), Addr::Pending);
    assert_eq!(change(of(State::Ok(false), Addr::Neg), pod()), Addr::Neg);
    assert_eq!(change(of(State::failed("no"), Addr::Neg), pod()), Addr::failed("no"));
    let elsewhere = gateways(Nearness::SameNet, "/ns/port/other", State::Ok(true), set(&["1.1.1.1:1"]));
    assert_eq!(change(elsewhere, pod()), Addr::Neg);
    // What is known of the whole set stays.
    let meta = Meta::new([("authority", "web")]);
    let before = Addr::Bound(Arc::new(AddrSet::new(vec![address("1.1.1.2:2")], meta.clone())));
    let after = Addr::Bound(Arc::new(AddrSet::new(vec![address("1.1.1.1:1")], meta)));
    assert_eq!(change(known(), before), after);
}

/// On an interpreter and behind another transformer: ids stack, and the tree is left alone.
#[test]
fn chained() {
    let near = || gateways(Nearness::SameNet, "/ns/port/svc", State::Ok(true), set(&["10.0.0.9:4141"]));
    let id = "/%/io.l5d.k8s.daemonset/ns/port/svc/#/io.l5d.fs/users";
    super::check(0, &[near()], FS, "/svc/users/r", &format!("L({id} | /r) 10.0.0.9:4141"));
    let ported = format!("L(/%/io.l5d.port/7{id}) 10.0.0.9:7");
    super::check(0, &[near(), port(7)], FS, "/svc/users", &ported);
    // What is no pod has no proxy beside it.
    let other = "L(/%/io.l5d.k8s.daemonset/ns/port/svc/$/inet/1 | /nosuch) Neg";
    super::check(0, &[near()], FS_ELSE, "/svc/nosuch", other);
    let elsewhere = gateways(Nearness::SameNet, "/ns/port/svc", State::Ok(true), set(&["10.0.1.9:4141"]));
    super::check(0, &[elsewhere], FS_ELSE, "/svc/users", &format!("L({id}) Neg"));
}
