//! What people and programs read.

use super::*;
use proxy::document;

/// The explanation of a name, through a folder with the files `web` and `api`.
async fn of(dtab: &str, name: &str, local: &str) -> proxy::explain::Explanation {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web"), "127.0.0.1 8081\n127.0.0.1 8082\n").unwrap();
    std::fs::write(folder.path().join("api"), "127.0.0.1 8083\n").unwrap();
    let text = format!(
        "namers: [{{kind: io.l5d.fs, rootDir: {}}}]\nrouters:\n- protocol: http\n  servers: [{{}}]\n  dtab: |\n    {dtab}\n",
        folder.path().display()
    );
    let document = document::load("l.yaml", text.as_bytes()).unwrap();
    let question = Question {
        router: None,
        subject: Subject::Name(name.parse().unwrap()),
        local: local.parse().unwrap(),
        wait: Duration::from_secs(10),
    };
    explain(&document, &question).await.unwrap()
}

#[tokio::test]
async fn for_people() {
    let dtab = "/srv => /#/io.l5d.fs ; /host => /$/inet/127.1/99 ; /host => 9 * /srv & 1 * /srv/api ; /svc => /host | !";
    let of = of(dtab, "/svc/web", "/x => /y").await;
    let expected = "\
router http, name /svc/web
  with the request's dtab /x=>/y

/svc/web
├─ 1. /host/web  <- /svc => /host | !  l.yaml:6:91
│  ├─ 1. /host/web  <- /host => 9.00*/srv & /srv/api  l.yaml:6:56
│  │  ├─ 9 * /srv/web  90 %  <- /host => 9.00*/srv & /srv/api  l.yaml:6:56
│  │  │  └─ /#/io.l5d.fs/web  127.0.0.1:8081, 127.0.0.1:8082  <- /srv => /#/io.l5d.fs  l.yaml:6:5
│  │  └─ 1 * /srv/api/web  10 %  <- /host => 9.00*/srv & /srv/api  l.yaml:6:56
│  │     └─ /#/io.l5d.fs/api/web  127.0.0.1:8083  <- /srv => /#/io.l5d.fs  l.yaml:6:5
│  └─ 2. /$/inet/127.1/99/web  127.0.0.1:99  [not tried: 1 comes first]  <- /host => /$/inet/127.1/99  l.yaml:6:28
└─ 2. /svc/web  fails (!)  [not tried: 1 comes first]  <- /svc => /host | !  l.yaml:6:91

  90 %  /#/io.l5d.fs/web, 127.0.0.1:8081, 127.0.0.1:8082
  10 %  /#/io.l5d.fs/api and /web of the name remains, 127.0.0.1:8083
requests are sent to the addresses above
";
    assert_eq!(to_text(&of, false, false), expected);
    assert!(to_text(&of, true, true).contains("\x1b[32m"));
}

#[tokio::test]
async fn last_words() {
    let check = async |dtab: &str, served: bool, expected: &str| {
        let of = of(dtab, "/svc/x", "").await;
        let shown = to_text(&of, false, false);
        assert_eq!(shown.lines().last(), Some(expected), "{shown}");
        assert_eq!(of.outcome.is_served(), served, "{shown}");
    };
    check("/a => /b", false, "requests get 502: no entry of the router's dtab is for this name").await;
    check("/svc => /#/io.l5d.fs", false, "requests get 502: nothing that was tried knows the name (`~`)")
        .await;
    check("/svc => !", false, "requests get 502: the name leads to `!`").await;
    check("/svc => $", false, "requests get 502: the name leads to `$`, which is nobody").await;
    check("/svc => /$/io.buoyant.http.status/404", true, "requests are answered here").await;
    check("/svc => /svc", false, "requests get 502: Max recursion level: 100 reached in Namer lookup").await;
    check(
        "/svc => 2 * /#/io.l5d.fs/web & $",
        true,
        "33.33 % of the requests get 502: nobody is there to take them",
    )
    .await;
}

/// A tree of 10,000 names is no help; where it goes round is.
#[tokio::test]
async fn what_goes_round_is_folded() {
    let untried = of("/host => /#/io.l5d.fs ; /svc => /host | /svc", "/svc/web", "").await;
    let shown = to_text(&untried, false, false);
    assert_eq!(shown.lines().filter(|line| line.contains("not tried")).count(), 5, "{shown}");
    assert!(shown.contains(" more that are not tried, the first: /host/web"), "{shown}");
    assert!(to_text(&untried, false, true).lines().count() > 60);
    let loops = of("/host => /svc ; /svc => /host", "/svc/web", "").await;
    let shown = to_text(&loops, false, false);
    assert!(shown.contains("  (and so on, round and round)\n"), "{shown}");
    assert!(shown.lines().count() < 20, "{shown}");
}

#[tokio::test]
async fn for_programs() {
    let shown = to_json(&of("/svc => /#/io.l5d.fs/none | /#/io.l5d.fs", "/svc/web", "").await);
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(json["outcome"], "routed");
    assert_eq!(json["choices"][0]["id"], "/#/io.l5d.fs/web");
    assert_eq!(json["choices"][0]["probability"], 1.0);
    assert_eq!(json["choices"][0]["addr"]["addrs"][1]["port"], 8082);
    let first = &json["tree"]["children"][0];
    assert_eq!((&first["type"], &first["fate"]), (&"unknown".into(), &"passedOver".into()));
    assert_eq!(first["entry"]["place"]["line"], 6);
    assert_eq!(first["message"], "the namer knows no such name");
}

#[test]
fn header_lines() {
    assert_eq!(header("l5d-dtab: /a => /b:c"), Ok(("l5d-dtab".to_owned(), "/a => /b:c".to_owned())));
    assert!(header("nothing").is_err() && header(": x").is_err());
}

/// A running proxy says what its configuration says, word for word, and what is wrong with a question.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_a_running_proxy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web"), "127.0.0.1 8081\n").unwrap();
    let text = format!(
        "admin: {{port: 0}}\nnamers: [{{kind: io.l5d.fs, rootDir: {}}}]\nrouters:\n\
         - {{protocol: http, label: in, servers: [{{port: 0}}], dtab: /svc => /#/io.l5d.fs}}\n\
         - {{protocol: http, label: out, servers: [{{port: 0}}], dtab: '/svc => ! | /x'}}\n",
        folder.path().display()
    );
    let document = document::load("l.yaml", text.as_bytes()).unwrap();
    let proxy = proxy::Proxy::start(&document, &proxy::Options { workers: Some(1), ..Default::default() })
        .await
        .unwrap();
    let base = format!("http://{}", proxy.admin());
    let arguments = |more: &[&str]| {
        let words = ["wayleave", "explain", "--admin", &base].into_iter().chain(more.iter().copied());
        match crate::arguments::Arguments::read(words.map(OsString::from)).command {
            crate::arguments::Command::Explain(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    };
    let check = async |more: &[&str], served: bool| {
        let asked = arguments(more);
        let live = live::ask(&base, &asked, false).await.unwrap();
        let name = asked.config.as_ref().map(|name| name.to_str().unwrap().parse().unwrap());
        let of = explain(&document, &question(&Explain { name, ..asked })).await.unwrap();
        let expected = if more.contains(&"json") { to_json(&of) } else { to_text(&of, false, false) };
        assert_eq!((live.text, live.served), (expected, served), "{more:?}");
    };
    check(&["/svc/web", "--router", "in"], true).await;
    check(&["/svc/web", "--router", "in", "--output", "json"], true).await;
    check(&["--host", "none", "--router", "in", "--header", "l5d-dtab: /svc/none => /svc/web"], true).await;
    check(&["/svc/web", "--router", "in", "--dtab", "/svc => /gone"], true).await;
    check(&["/svc/web", "--router", "out"], false).await;
    let refused = live::ask(&base, &arguments(&["/svc/web"]), false).await.err();
    assert_eq!(refused.as_deref(), Some("which router? The configuration has `in`, `out`\n"));
    proxy.stop().await;
    let gone = live::ask(&base, &arguments(&["/svc/web", "--router", "in"]), false).await.err();
    assert!(gone.is_some_and(|text| text.contains("cannot connect")));
}
