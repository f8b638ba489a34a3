//! Every identifier of a document gives names, and what is said when one does not (dataplane.md §4.2).

use testkit::{Backend, Play, Setup, World, each_width};

each_width!(rows_52_to_54, lists_and_failures, statuses);

async fn world(workers: usize, web: &Backend, identifier: &str) -> World {
    let dtab = format!("/svc => /$/inet/127.1/{};", web.address.port());
    Setup::new().dtab(&dtab).router(&format!("  identifier: {identifier}")).start(workers).await
}

/// dataplane.md §13 rows 52 to 54: name and target as the back end sees them.
async fn rows_52_to_54(workers: usize) {
    let rows = [
        ("{kind: io.l5d.methodAndHost}", "/a?x", "", "/svc/1.1/GET/domain", "/a?x"),
        (
            "{kind: io.l5d.methodAndHost, httpUriInDst: true}",
            "/a/b?x",
            "",
            "/svc/1.1/GET/domain/a/b",
            "/a/b?x",
        ),
        ("{kind: io.l5d.path, segments: 2, consume: true}", "/a/b/c?x", "", "/svc/a/b", "/c?x"),
        ("{kind: io.l5d.path}", "/a/b", "", "/svc/a", "/a/b"),
        ("{kind: io.l5d.header}", "/", "l5d-name: /x/y\r\n", "/svc/x/y", "/"),
        ("{kind: io.l5d.header.token, header: my-header}", "/", "My-Header: /x\r\n", "/svc/\\x2f\\x78", "/"),
        ("{kind: io.l5d.static, path: /last}", "/", "", "/svc/last", "/"),
    ];
    for (identifier, target, lines, name, sent) in rows {
        let web = Backend::start([Play::text("ok")]).await;
        let world = world(workers, &web, identifier).await;
        let mut client = world.client().await;
        for _ in 0..3 {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: DoMaiN\r\n{lines}\r\n")).await;
            assert_eq!(client.response_to("GET").await.text(), "ok", "{identifier}");
            let head = web.last().head;
            assert_eq!((head.get("l5d-dst-service"), head.target()), (Some(name), sent), "{identifier}");
        }
        drop((client, web));
        world.finish().await;
    }
}

/// A list is tried in its order; a failure stops it (row 53).
async fn lists_and_failures(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let list = "[{kind: io.l5d.methodAndHost}, {kind: io.l5d.path}]";
    let world = world(workers, &web, list).await;
    let named = async |head: &str| {
        let response = world.ask("GET", format!("{head}\r\n\r\n")).await;
        assert_eq!(response.text(), "ok", "{head}");
        web.last().head.get("l5d-dst-service").unwrap_or_default().to_owned()
    };
    assert_eq!(named("GET /one/two HTTP/1.1\r\nHost: a").await, "/svc/1.1/GET/a");
    assert_eq!(named("GET /one/two/three HTTP/1.1").await, "/svc/one");
    assert_eq!(named("GET /one/two HTTP/1.0\r\nHost: a").await, "/svc/1.0/GET");
    for (target, reason) in [("/", "not enough segments in path"), ("//a//b", "requirement failed")] {
        let response = world.ask("GET", format!("GET {target} HTTP/1.1\r\n\r\n")).await;
        assert_eq!(response.status(), 400, "{target}");
        assert!(response.text().ends_with(&format!(" / {reason}")), "{}", response.text());
        assert!(
            response.text().starts_with(&format!("Unknown destination: Request(\"GET {target}\", from /"))
        );
    }
    drop(web);
    world.finish().await;
}

/// `/$/io.buoyant.http.status` answers without anybody behind it (dataplane.md §4.6).
async fn statuses(workers: usize) {
    let world = Setup::new().dtab("/svc => /$/io.buoyant.http.status;").start(workers).await;
    let mut client = world.client().await;
    for (code, class) in [("404", "1.0"), ("503", "0.0"), ("200", "1.0"), ("204", "1.0")] {
        let response = client.get("/", code).await;
        assert_eq!(response.status().to_string(), code);
        let length = if code == "204" { None } else { Some("0") };
        let head = response.head;
        assert_eq!((head.get("via"), head.get("content-length")), (Some("1.1 linkerd"), length), "{code}");
        assert_eq!((head.get("l5d-success-class"), head.get("l5d-err")), (Some(class), None), "{code}");
    }
    drop(client);
    world.finish().await;
}
