//! Explanations of files, and of random dtabs against binding itself.

use super::*;
use crate::document;
use naming::Table;

/// A configuration over a folder of files, at `rootDir`.
fn world(dtab: &str, rest: &str) -> (tempfile::TempDir, Document) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web"), "127.0.0.1 8081\n127.0.0.1 8082\n").unwrap();
    std::fs::write(folder.path().join("api"), "127.0.0.1 8083\n").unwrap();
    std::fs::write(folder.path().join("empty"), "").unwrap();
    let dtab: String = dtab.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "namers:\n- kind: io.l5d.fs\n  rootDir: {}\nrouters:\n- protocol: http\n  servers: [{{}}]\n  dtab: |\n{dtab}{rest}",
        folder.path().display()
    );
    let document = document::load("l.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    (folder, document)
}

fn question(name: &str, local: &str) -> Question {
    Question {
        router: None,
        subject: Subject::Name(name.parse().unwrap()),
        local: local.parse().unwrap(),
        wait: Duration::from_secs(10),
    }
}

async fn explained(dtab: &str, name: &str, local: &str) -> Explanation {
    let (_folder, document) = world(dtab, "");
    explain(&document, &question(name, local)).await.unwrap()
}

/// Id, probability in percent and number of addresses of each choice.
fn choices(of: &Explanation) -> Vec<(String, u32, usize)> {
    let addresses = |addr: &Addr| match addr {
        Addr::Bound(set) => set.addresses.len(),
        _ => 0,
    };
    let one =
        |c: &Choice| (c.bound.id.to_string(), (c.probability * 100.0).round() as u32, addresses(&c.addr));
    of.choices.iter().map(one).collect()
}

#[tokio::test]
async fn who_wins_and_why() {
    let of =
        explained("/srv => /#/io.l5d.fs\n; /host => /srv | /$/inet/127.1/99 ; /svc => /host", "/svc/web", "")
            .await;
    assert_eq!(choices(&of), [("/#/io.l5d.fs/web".to_owned(), 100, 2)]);
    assert_eq!(of.outcome, Outcome::Routed { refused: 0.0 });
    let seen: Vec<String> = of
        .tree
        .all()
        .iter()
        .map(|step| {
            let place = step.by.as_ref().and_then(|by| by.place.as_ref());
            let place = place.map(|p| format!(" {}:{}:{}", p.file, p.line, p.column)).unwrap_or_default();
            format!("{} {:?} {}{place}", step.path, step.fate, step.probability)
        })
        .collect();
    let expected = [
        "/svc/web Taken 1",
        "/host/web Taken 1 l.yaml:9:42",
        "/srv/web Taken 1 l.yaml:9:7",
        "/$/inet/127.1/99/web Beaten(0) 0 l.yaml:9:7",
        "/#/io.l5d.fs/web Taken 1 l.yaml:8:5",
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn fallbacks_unions_and_overrides() {
    let of = explained("/svc => /#/io.l5d.fs/api ; /svc => /#/io.l5d.fs", "/svc/none", "").await;
    assert_eq!(choices(&of), [("/#/io.l5d.fs/api".to_owned(), 100, 1)]);
    let passed = &of.tree.children[0];
    assert_eq!(
        (passed.fate, &passed.what),
        (Fate::PassedOver, &What::Unknown("the namer knows no such name"))
    );

    let of =
        explained("/svc => 1 * /#/io.l5d.fs/web & 3 * /#/io.l5d.fs/api & 6 * /#/io.l5d.fs/none", "/svc", "")
            .await;
    assert_eq!(
        choices(&of),
        [("/#/io.l5d.fs/api".to_owned(), 75, 1), ("/#/io.l5d.fs/web".to_owned(), 25, 2)]
    );
    assert_eq!(of.tree.children[2].fate, Fate::LeftOut);

    let of = explained("/svc => /#/io.l5d.fs/web & /#/io.l5d.fs/empty & $", "/svc", "").await;
    let Outcome::Routed { refused } = of.outcome else { panic!("{:?}", of.outcome) };
    assert!((refused - 2.0 / 3.0).abs() < 1e-6, "{refused}");

    let of = explained("/svc => /#/io.l5d.fs", "/svc/web", "/svc/web => /#/io.l5d.fs/api").await;
    assert_eq!(choices(&of), [("/#/io.l5d.fs/api".to_owned(), 100, 1)]);
    assert_eq!(of.tree.children[0].by.as_ref().unwrap().table, Table::Local);
}

#[tokio::test]
async fn nobody_is_there() {
    let outcome = async |dtab: &str| explained(dtab, "/svc/x", "").await.outcome;
    assert_eq!(outcome("/svc => /#/io.l5d.fs").await, Outcome::NoReplicas(Nobody::Neg));
    assert_eq!(outcome("/svc => !").await, Outcome::NoReplicas(Nobody::Fail));
    assert_eq!(outcome("/svc => /$/nil").await, Outcome::NoReplicas(Nobody::Empty));
    let failed = outcome("/svc => /svc").await;
    assert_eq!(failed, Outcome::Failed("Max recursion level: 100 reached in Namer lookup".into()));
    assert_eq!(outcome("/svc => /#/io.l5d.fs/empty").await, Outcome::Routed { refused: 1.0 });
    let of = explained("/svc => /#/io.l5d.k8s", "/svc/x", "").await;
    let last = *of.tree.all().last().unwrap();
    assert_eq!(last.what, What::Unknown("no namer is configured for it"));
}

/// dataplane.md §7.4: what strangers say in `l5d-*` fields is dropped, so it explains nothing.
#[tokio::test]
async fn strangers_say_nothing() {
    let (_folder, mut document) = world("/svc => /#/io.l5d.fs", "");
    let document::Router::Http(router) = &mut document.routers[0];
    router.servers.iter_mut().for_each(|server| server.clear_context = true);
    let headers = [("host", "web"), ("l5d-dtab", "/svc => /b"), ("L5d-Ctx-Dtab", "/svc => /a")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let question = Question { subject: Subject::Request(headers), ..question("/", "") };
    let of = explain(&document, &question).await.unwrap();
    assert_eq!((of.name.to_string(), of.local.to_string()), ("/svc/web".into(), String::new()));
}

#[tokio::test]
async fn requests_get_their_names() {
    let (_folder, document) = world("/svc => /#/io.l5d.fs", "");
    let ask = async |headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        explain(&document, &Question { subject: Subject::Request(headers), ..question("/", "") }).await
    };
    let of =
        ask(&[("host", "web"), ("l5d-dtab", "/svc => /b"), ("L5d-Ctx-Dtab", "/svc => /a")]).await.unwrap();
    assert_eq!((of.name.to_string(), of.local.to_string()), ("/svc/web".into(), "/svc=>/a;/svc=>/b".into()));
    let error = |result: Result<Explanation, Unexplained>| result.unwrap_err().to_string();
    assert_eq!(
        error(ask(&[]).await),
        "the request has no name: its header `Host` is absent or empty (status 400)"
    );
    assert!(error(ask(&[("Host", "a"), ("l5d-dtab", "x")]).await).starts_with("l5d-dtab: '/' expected"));
}

/// Every identifier of a list has its turn.
#[tokio::test]
async fn lists_of_identifiers_are_tried() {
    let name = async |list: &str, headers: &[(&str, &str)]| {
        let (_folder, document) = world("/svc => /#/io.l5d.fs", "");
        let mut document = document;
        let text = format!("routers: [{{protocol: http, identifier: {list}, servers: [{{}}]}}]");
        document.routers = document::load("list.yaml", text.as_bytes()).expect("a document").routers;
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let asked = Question { subject: Subject::Request(headers), ..question("/", "") };
        explain(&document, &asked).await.map(|of| of.name.to_string()).map_err(|e| e.to_string())
    };
    let list =
        "[{kind: io.l5d.header}, {kind: io.l5d.header.token, header: x}, {kind: io.l5d.static, path: /last}]";
    assert_eq!(name(list, &[("l5d-name", "/a/b"), ("x", "y")]).await, Ok("/svc/a/b".into()));
    assert_eq!(name(list, &[("x", "y")]).await, Ok("/svc/y".into()));
    assert_eq!(name(list, &[]).await, Ok("/svc/last".into()));
    let bad = "l5d-name: '/' expected but 'u' found at '[u]sers' (status 400)";
    assert_eq!(name(list, &[("l5d-name", "users")]).await, Err(bad.into()));
    let text = "`io.l5d.path` names requests by more than their headers; give a name instead";
    assert_eq!(name("{kind: io.l5d.path}", &[]).await, Err(text.into()));
}

#[tokio::test]
async fn routers_go_by_their_labels() {
    let second = "- protocol: http\n  label: b\n  servers: [{port: 4141}]\n";
    let (_folder, document) = world("/svc => /#/io.l5d.fs", second);
    let ask = async |label: Option<&str>| {
        let question = Question { router: label.map(str::to_owned), ..question("/svc/web", "") };
        explain(&document, &question).await.map(|of| of.choices.len()).map_err(|e| e.to_string())
    };
    assert_eq!(ask(None).await, Err("which router? The configuration has `http`, `b`".to_owned()));
    assert_eq!(ask(Some("c")).await, Err("there is no router `c`; there are `http`, `b`".to_owned()));
    assert_eq!(ask(Some("http")).await, Ok(1));
    assert_eq!(ask(Some("b")).await, Ok(0));
}

mod random;
