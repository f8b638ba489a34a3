//! Names to back ends: files, overrides, weights, and what is said when nothing is there.

use testkit::{Backend, Setup, each_width};

each_width!(by_host, override_by_header, weighted_split, nothing_there, no_host, absolute_form);

/// dataplane.md §13 row 1.
async fn by_host(workers: usize) {
    let (web, users) = (Backend::text("web").await, Backend::text("users").await);
    let setup = Setup::new().replicas("web", &[web.address]).replicas("users", &[users.address]);
    let world = setup.start(workers).await;
    let mut client = world.client().await;
    for (host, expected) in [("web", "web"), ("users", "users"), ("web", "web")] {
        let response = client.get("/a?b=c", host).await;
        assert_eq!((response.status(), response.text().as_str()), (200, expected));
        assert_eq!(response.head.get("via"), Some("1.1 linkerd"));
        assert_eq!(response.head.get("l5d-success-class"), Some("1.0"));
    }
    let seen = web.last();
    assert_eq!(
        (seen.head.method(), seen.head.target(), seen.head.get("host")),
        ("GET", "/a?b=c", Some("web"))
    );
    assert_eq!(seen.head.get("l5d-dst-service"), Some("/svc/web"));
    assert_eq!(seen.head.get("l5d-dst-client"), Some("/#/io.l5d.fs/web"));
    assert_eq!(seen.head.get("l5d-dst-residual"), None);
    assert!(seen.head.get("l5d-ctx-trace").is_some() && seen.head.get("l5d-reqid").is_some());
    drop((client, web, users));
    world.finish().await;
}

/// dataplane.md §7.2: `l5d-dtab` wins, reaches the next hop as `l5d-ctx-dtab`, and is gone with its request.
async fn override_by_header(workers: usize) {
    let (v1, v2) = (Backend::text("v1").await, Backend::text("v2").await);
    let setup = Setup::new().dtab("/srv => /#/io.l5d.fs;\n/svc/world => /srv/v1;");
    let world = setup.replicas("v1", &[v1.address]).replicas("v2", &[v2.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("/", "world").await.text(), "v1");
        client.send("GET / HTTP/1.1\r\nHost: world\r\nl5d-dtab: /svc/world => /srv/v2;\r\n\r\n").await;
        assert_eq!(client.response().await.text(), "v2");
    }
    let seen = v2.last().head;
    assert_eq!((seen.get("l5d-ctx-dtab"), seen.get("l5d-dtab")), (Some("/svc/world=>/srv/v2"), None));
    assert_eq!(v1.last().head.get("l5d-ctx-dtab"), None);
    client.send("GET / HTTP/1.1\r\nHost: world\r\nl5d-dtab: i am not a dtab\r\n\r\n").await;
    let refused = client.response().await;
    assert!(refused.status() == 400 && refused.head.get("l5d-err").is_some(), "{refused:?}");
    drop((client, v1, v2));
    world.finish().await;
}

async fn weighted_split(workers: usize) {
    let (v1, v2) = (Backend::text("v1").await, Backend::text("v2").await);
    let setup = Setup::new().dtab("/srv => /#/io.l5d.fs;\n/svc/world => 9 * /srv/v1 & 1 * /srv/v2;");
    let world = setup.replicas("v1", &[v1.address]).replicas("v2", &[v2.address]).start(workers).await;
    let mut client = world.client().await;
    for _ in 0..2_000 {
        assert_eq!(client.get("/", "world").await.status(), 200);
    }
    // Six standard deviations around 200: fails once in five hundred million runs.
    assert!((120..=280).contains(&v2.requests()), "{} of 2000 instead of about 200", v2.requests());
    assert_eq!(v1.requests() + v2.requests(), 2_000);
    drop((client, v1, v2));
    world.finish().await;
}

/// dataplane.md §4.6, §13 row 2: 502 with the block that says what was looked up where.
async fn nothing_there(workers: usize) {
    let world = Setup::new().start(workers).await;
    let mut client = world.client().await;
    let response = client.get("/", "nobody").await;
    assert_eq!(response.status(), 502);
    let expected = "Unable to route request!\n\nservice name: /svc/nobody\ndtab:\n\nbase dtab:\n  /svc => /#/io.l5d.fs\noverride dtab:\n\n";
    assert_eq!(response.text(), expected);
    assert!(response.head.get("l5d-err").is_some_and(|e| e.starts_with("Unable+to+route+request%21%0A")));
    assert_eq!(client.get("/", "nobody").await.status(), 502, "the connection goes on");
    drop(client);
    world.finish().await;
}

/// dataplane.md §13 row 3.
async fn no_host(workers: usize) {
    let world = Setup::new().start(workers).await;
    let response = world.ask("GET", "GET /x HTTP/1.1\r\nHost:\r\n\r\n").await;
    assert_eq!(response.status(), 400);
    let text = response.text();
    assert!(text.starts_with("Unknown destination: Request(\"GET /x\", from /127.0.0.1:"), "{text}");
    assert!(text.ends_with("/ Host header is absent"), "{text}");
    world.finish().await;
}

/// architecture.md §8, dataplane.md §13 row 47: the URI's authority decides, and the back end gets origin form.
async fn absolute_form(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let response = world.ask("GET", "GET http://web/a?b=R%26D HTTP/1.1\r\nHost: other\r\n\r\n").await;
    assert_eq!((response.status(), response.text().as_str()), (200, "web"));
    let seen = web.last().head;
    assert_eq!((seen.target(), seen.all("host").collect::<Vec<_>>()), ("/a?b=R%26D", vec!["web"]));
    assert_eq!(world.ask("GET", "GET http://web HTTP/1.1\r\nHost: other\r\n\r\n").await.status(), 200);
    assert_eq!(web.last().head.target(), "/");
    drop(web);
    world.finish().await;
}
