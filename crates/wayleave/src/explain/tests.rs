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
    assert_eq!(text::show(&of, false, false), expected);
    assert!(text::show(&of, true, true).contains("\x1b[32m"));
}

#[tokio::test]
async fn last_words() {
    let check = async |dtab: &str, served: bool, expected: &str| {
        let of = of(dtab, "/svc/x", "").await;
        let shown = text::show(&of, false, false);
        assert_eq!(shown.lines().last(), Some(expected), "{shown}");
        assert_eq!(text::is_served(&of.outcome), served, "{shown}");
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
    let shown = text::show(&untried, false, false);
    assert_eq!(shown.lines().filter(|line| line.contains("not tried")).count(), 5, "{shown}");
    assert!(shown.contains(" more that are not tried, the first: /host/web"), "{shown}");
    assert!(text::show(&untried, false, true).lines().count() > 60);
    let loops = of("/host => /svc ; /svc => /host", "/svc/web", "").await;
    let shown = text::show(&loops, false, false);
    assert!(shown.contains("  (and so on, round and round)\n"), "{shown}");
    assert!(shown.lines().count() < 20, "{shown}");
}

#[tokio::test]
async fn for_programs() {
    let shown = json::show(&of("/svc => /#/io.l5d.fs/none | /#/io.l5d.fs", "/svc/web", "").await);
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
