//! The recorded answers of Linkerd 1.7.5, and the two walks against one another.

mod random;
mod recorded;

use super::*;
use crate::interpreter::Interpreter;
use crate::namer::{Named, Namer, Namers, NoHosts, Reader, Untracked};
use crate::{Address, Rewrite, configured_prefix};
use names::PathPattern;

/// Files by name, as `io.l5d.fs` would find them.
pub(crate) struct Files(pub(crate) Vec<(&'static str, Addr)>);

impl Namer for Files {
    fn bind(&self, path: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        let name = path.take(1);
        let found = self.0.iter().any(|(file, _)| name.first() == Some(file.as_bytes()));
        let bound = BoundName { id: fs_prefix().concat(&name), residual: path.skip(1) };
        State::Ok(if found { NameTree::Leaf(Named::Bound(bound)) } else { NameTree::Neg })
    }

    fn addresses(&self, id: &Path, _: &mut dyn Reader) -> Addr {
        let name = id.strip_prefix(&fs_prefix()).unwrap();
        let found = self.0.iter().find(|(file, _)| name.first() == Some(file.as_bytes()));
        found.map_or(Addr::Neg, |(_, addr)| addr.clone())
    }
}

fn fs_prefix() -> Path {
    configured_prefix(&path("/io.l5d.fs"))
}

pub(crate) fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

pub(crate) fn at(sockets: &[&str]) -> Addr {
    Addr::bound(sockets.iter().map(|socket| Address::new(socket.parse().unwrap())).collect())
}

/// Answers nothing but `State`.
struct Stuck(Walked);

impl Namer for Stuck {
    fn bind(&self, _: &Path, _: &mut dyn Reader) -> State<NameTree<Named>> {
        self.0.clone().map(|tree| tree.map(|name| Named::Bound(name.clone())))
    }

    fn addresses(&self, _: &Path, _: &mut dyn Reader) -> Addr {
        Addr::Pending
    }
}

/// The namers of `names-open.json`, and two that are stuck.
fn namers() -> Namers {
    let weighted = vec![
        Address::new("127.0.0.1:8083".parse().unwrap()).weighing(2.0),
        Address::new("127.0.0.1:8084".parse().unwrap()).weighing(0.5),
    ];
    let files = Files(vec![
        ("web", at(&["127.0.0.1:8080"])),
        ("users", at(&["127.0.0.1:8081", "127.0.0.1:8082"])),
        ("weighted", Addr::bound(weighted)),
        ("empty", at(&[])),
        ("a", at(&["127.0.0.1:9001"])),
        ("b", at(&["127.0.0.1:9002"])),
    ]);
    let rewrite = |pattern: &str, name: &str| Arc::new(Rewrite::new(PathPattern::parse(pattern), name));
    Namers::new(Arc::new(NoHosts))
        .with(&path("/io.l5d.fs"), Arc::new(files))
        .with(&path("/rw"), rewrite("/{service}/api", "/srv/{service}"))
        .with(&path("/swap"), rewrite("/{a}/*/{b}", "/#/io.l5d.fs/{b}/{a}"))
        .with(&path("/never"), Arc::new(Stuck(State::Pending)))
        .with(&path("/error"), Arc::new(Stuck(State::failed("error naming"))))
}

fn interpreter() -> Interpreter {
    Interpreter::from(Arc::new(namers()))
}

fn run(dtab: &str, name: &str) -> Delegation {
    let dtab = Dtab::parse(dtab.as_bytes()).unwrap();
    interpreter().delegate(&Dtab::empty(), &dtab, &path(name), &mut Untracked)
}

#[test]
fn the_way_to_a_leaf() {
    let check = |dtab: &str, name: &str, (id, residual): (&str, &str), expected: &[&str]| {
        let tree = run(dtab, name);
        let way = tree.way_to(&path(id), &path(residual));
        let shown: Vec<String> = way.iter().map(|node| node.path.to_string()).collect();
        assert_eq!(shown, expected, "{dtab} {name}");
    };
    let leaf = ("/$/inet/127.1/80", "/dog");
    let way = ["/svc/dog", "/srv/dog", "/$/inet/127.1/80/dog"];
    check("/svc=>/srv;/srv=>/$/inet/127.1/80", "/svc/dog", leaf, &way);
    // Past alternatives and branches that do not lead there.
    let tree = "/svc => /x | 0.5*/srv & 0.5*/$/inet/1 ; /srv=>/$/inet/127.1/80";
    let passed = ["/svc/dog", "/svc/dog", "/srv/dog", "/$/inet/127.1/80/dog"];
    check(tree, "/svc/dog", leaf, &passed);
    check(tree, "/svc/dog", ("/$/inet/127.1/80", "/cat"), &[]);
    check("", "/svc/dog", leaf, &[]);
}

#[test]
fn examples_of_the_specification() {
    let check = |dtab: &str, name: &str, expected: &str| assert_eq!(run(dtab, name).to_json(), expected);
    check(
        "/meh => /heh",
        "/meh",
        r#"{"type":"delegate","path":"/meh","delegate":{"type":"neg","path":"/heh","dentry":{"prefix":"/meh","dst":"/heh"}}}"#,
    );
    check(
        "/neg => ~",
        "/neg",
        r#"{"type":"delegate","path":"/neg","delegate":{"type":"neg","path":"~","dentry":{"prefix":"/neg","dst":"~"}}}"#,
    );
    let dtab = "/err => /#/error ; /ok/x => /$/inet/127.1/8080 ; /foo => /ok | /err | /$/fail ; /foo => /bar ; \
                /boo => /foo";
    let alt = "/ok | /err | /$/fail";
    let expected = format!(
        concat!(
            r#"{{"type":"delegate","path":"/boo/x","delegate":{{"type":"alt","path":"/foo/x","#,
            r#""dentry":{{"prefix":"/boo","dst":"/foo"}},"alt":["#,
            r#"{{"type":"neg","path":"/bar/x","dentry":{{"prefix":"/foo","dst":"/bar"}}}},"#,
            r#"{{"type":"delegate","path":"/ok/x","dentry":{{"prefix":"/foo","dst":"{alt}"}},"delegate":{{"#,
            r#""type":"leaf","path":"/$/inet/127.1/8080","dentry":{{"prefix":"/ok/x","dst":"/$/inet/127.1/8080"}},"#,
            r#""bound":{{"addr":{{"type":"bound","addrs":[{{"ip":"127.0.0.1","port":8080,"meta":{{}}}}],"meta":{{}}}},"#,
            r#""id":"/$/inet/127.1/8080","path":"/"}}}}}},"#,
            r#"{{"type":"delegate","path":"/err/x","dentry":{{"prefix":"/foo","dst":"{alt}"}},"delegate":{{"#,
            r#""type":"exception","path":"/#/error/x","dentry":{{"prefix":"/err","dst":"/#/error"}},"#,
            r#""message":"error naming"}}}},"#,
            r#"{{"type":"fail","path":"/$/fail/x","dentry":{{"prefix":"/foo","dst":"{alt}"}}}}]}}}}"#
        ),
        alt = alt
    );
    check(dtab, "/boo/x", &expected);
}

#[test]
fn entries_tell_where_they_stand() {
    let base = "# first\n/x => /gone ;\n/svc => /x ;";
    let tables = [base, "/x => /$/inet/1"].map(|text| Dtab::parse(text.as_bytes()).unwrap());
    let tree = interpreter().delegate(&tables[0], &tables[1], &path("/svc"), &mut Untracked);
    let alternatives = tree.children().next().unwrap();
    assert_eq!(alternatives.chosen(), Some(0));
    let places: Vec<_> = std::iter::once(alternatives)
        .chain(alternatives.children())
        .map(|node| {
            let entry = node.entry.as_ref().unwrap();
            (entry.table, entry.index, entry.dentry().span.clone())
        })
        .collect();
    let expected = [(Table::Base, 1, 22..32), (Table::Local, 0, 0..15), (Table::Base, 0, 8..19)];
    assert_eq!(places, expected, "{tree:?}");
}

#[test]
fn limits() {
    let stopped = |dtab: &str| run(dtab, "/s").stopped().map(|(stopped, text)| (stopped, text.to_string()));
    let check = |dtab: &str, expected: Option<(Stopped, &str)>| {
        assert_eq!(stopped(dtab), expected.map(|(stopped, text)| (stopped, text.to_owned())), "{dtab}");
    };
    check("/s => /$/inet/1", None);
    check("/s => /s/x", Some((Stopped::Depth, "Max recursion level: 100 reached in Namer lookup")));
    check(
        "/s => /$/inet/1 | /s/x",
        Some((Stopped::Depth, "Max recursion level: 100 reached in Namer lookup")),
    );
    check(
        "/s => /s/a & /s/b | /s/c",
        Some((Stopped::Depth, "Max recursion level: 100 reached in Namer lookup")),
    );
    assert!(run("/s => /s/a & /s/b", "/s").cut().is_some(), "its size stops it too, later");
    let wide: Vec<String> = (0..20).map(|i| format!("/w{i}=>/w{} & /w{}", i + 1, i + 1)).collect();
    let wide = format!("/s=>/w0;{}", wide.join(";"));
    check(&wide, Some((Stopped::Size, "The delegation tree is larger than 10000 nodes")));
}

#[test]
fn pending() {
    assert!(run("/x => /$/inet/1 | /#/never", "/x").is_pending());
    assert!(run("/x => /$/inet/1 & /#/never", "/x").is_pending());
    assert!(!run("/x => /$/inet/1 & /#/error", "/x").is_pending());
}
