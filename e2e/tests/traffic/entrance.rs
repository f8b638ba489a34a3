//! What the keys of a server do to requests that come in there, and to their answers (dataplane.md §3.4, §7.4, §7.5).

use testkit::{Backend, Client, Play, Setup, World, each_width};

each_width!(
    rows_16_and_17_strangers,
    rows_18_and_19_errors_to_strangers,
    answers_with_errors_to_strangers,
    row_20_and_50_added_fields,
    random_labels,
    row_21_call_depth,
    zipkin
);

async fn world(workers: usize, web: &Backend, server: &str) -> World {
    Setup::new().replicas("web", &[web.address]).server(server).start(workers).await
}

async fn ask(client: &mut Client, lines: &str) -> testkit::Response {
    client.send(format!("GET / HTTP/1.1\r\nHost: web\r\n{lines}\r\n")).await;
    client.response_to("GET").await
}

async fn rows_16_and_17_strangers(workers: usize) {
    let said = "L5d-Dtab: /svc=>/$/nil\r\nl5d-ctx-thing: 1\r\nl5d-ctx-dtab: /a=>/b\r\nl5d-sample: 1\r\nX-Mine: 1\r\n";
    let web = Backend::start([Play::text("ok")]).await;
    let world = world(workers, &web, "clearContext: true").await;
    let response = world.ask("GET", format!("GET / HTTP/1.1\r\nHost: web\r\n{said}\r\n")).await;
    assert_eq!((response.text().as_str(), response.head.get("l5d-success-class")), ("ok", None));
    let head = web.last().head;
    let mut names: Vec<_> = head.lines.iter().map(|(n, _)| n.to_ascii_lowercase()).collect();
    names.retain(|n| n.starts_with("l5d-"));
    names.sort();
    assert_eq!(names, ["l5d-ctx-trace", "l5d-dst-client", "l5d-dst-service", "l5d-reqid"]);
    assert_eq!(head.get("x-mine"), Some("1"));
    drop(web);
    world.finish().await;
}

async fn rows_18_and_19_errors_to_strangers(workers: usize) {
    let segments = "  identifier: {kind: io.l5d.path, segments: 2}";
    for (keys, status) in [("", 502), (segments, 400)] {
        let setup = Setup::new().dtab("/svc => /$/inet/127.1/1;").router(keys);
        let world = setup.server("clearContext: true").start(workers).await;
        let mut client = world.client().await;
        for _ in 0..2 {
            let response = client.get("/a", "test").await;
            assert_eq!((response.status(), response.text().as_str()), (status, ""));
            let l5d = response.head.lines.iter().find(|(n, _)| n.to_ascii_lowercase().starts_with("l5d-"));
            assert_eq!(l5d, None);
        }
        drop(client);
        world.finish().await;
    }
}

/// §7.4 without its faults: the length is that of the body the caller gets, streamed bodies go as well, and the next
/// request on either connection finds its place.
async fn answers_with_errors_to_strangers(workers: usize) {
    let head = "HTTP/1.1 502 X\r\nl5d-err: boo\r\nl5d-foo: 1\r\n";
    let bodies = [
        "Content-Length: 3\r\n\r\nboo".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n3\r\nboo\r\n0\r\n\r\n".to_owned(),
        format!("Content-Length: 200000\r\n\r\n{}", "x".repeat(200_000)),
        "Transfer-Encoding: chunked\r\n\r\n3\r\nboo\r\n".to_owned(),
    ];
    for body in bodies {
        let web = Backend::start([Play::reply(format!("{head}{body}")), Play::text("after")]).await;
        let world = world(workers, &web, "clearContext: true").await;
        let mut client = world.client().await;
        let response = ask(&mut client, "").await;
        assert_eq!((response.status(), response.text().as_str()), (502, ""));
        assert_eq!(response.head.get("content-length"), Some("0"));
        assert_eq!((response.head.get("l5d-err"), response.head.get("l5d-foo")), (None, None));
        assert_eq!(ask(&mut client, "").await.text(), "after", "{}", &body[..40.min(body.len())]);
        drop((client, web));
        world.finish().await;
    }
}

/// Rows 20, 50 and 51.
async fn row_20_and_50_added_fields(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let server = "addForwardedHeader: {by: {kind: static, label: http}, for: {kind: ip}}\n\
                  timestampHeader: x-request-start";
    let world = world(workers, &web, server).await;
    let mut client = world.client().await;
    ask(&mut client, "Forwarded: for=8.8.4.4\r\n").await;
    let head = web.last().head;
    let lines: Vec<_> = head.all("forwarded").collect();
    assert_eq!(lines, ["for=8.8.4.4", "by=_http;for=127.0.0.1;host=web"]);
    let start: u64 = head.get("x-request-start").expect("a time stamp").parse().expect("a number");
    assert!((1_600_000_000_000..10_000_000_000_000).contains(&start), "{start}");
    client.send("GET http://web/x HTTP/1.1\r\nHost: other\r\n\r\n").await;
    client.response_to("GET").await;
    let last = web.last().head.get("forwarded").map(str::to_owned);
    assert_eq!(last.as_deref(), Some("by=_http;for=127.0.0.1;host=other;proto=http"));
    drop((client, web));
    world.finish().await;
}

/// §3.4: the address the caller connected to, and labels that last for a connection or a request.
async fn random_labels(workers: usize) {
    let for_connections = "addForwardedHeader: {by: {kind: 'ip:port'}, for: {kind: connectionRandom}}";
    for (server, lasts) in [(for_connections, true), ("addForwardedHeader: {}", false)] {
        let web = Backend::start([Play::text("ok")]).await;
        let world = world(workers, &web, server).await;
        let label = async |client: &mut Client| {
            ask(client, "").await;
            web.last().head.get("forwarded").unwrap_or_default().to_owned()
        };
        let (mut one, mut other) = (world.client().await, world.client().await);
        let first = label(&mut one).await;
        let at = format!("by=\"127.0.0.1:{}\";for=_", world.router.port());
        assert_eq!(first.starts_with(&at), lasts, "{first}");
        assert_eq!(label(&mut one).await == first, lasts, "of one connection");
        assert_ne!(label(&mut other).await, first, "of another connection");
        drop((one, other, web));
        world.finish().await;
    }
}

async fn row_21_call_depth(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let world = world(workers, &web, "maxCallDepth: 2").await;
    let mut client = world.client().await;
    let response = ask(&mut client, "Via: hop1, hop2, hop3\r\n").await;
    let text = "Maximum number of calls (2) has been exceeded. Please check for proxy loops.";
    assert_eq!((response.status(), response.text().as_str()), (400, text));
    assert!(response.head.get("l5d-err").is_some());
    assert_eq!(ask(&mut client, "Via: hop1, hop2\r\n").await.status(), 200);
    drop((client, web));
    world.finish().await;
}

async fn zipkin(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let setup = Setup::new().replicas("web", &[web.address]);
    let world = setup.router("  tracePropagator: {kind: io.l5d.zipkin}").start(workers).await;
    let mut client = world.client().await;
    ask(&mut client, "X-B3-TraceId: a\r\nX-B3-SpanId: b\r\nX-B3-Sampled: 1\r\n").await;
    let head = web.last().head;
    assert_eq!(head.all("x-b3-traceid").collect::<Vec<_>>(), ["000000000000000a"]);
    assert_eq!((head.get("x-b3-sampled"), head.get("x-b3-flags")), (Some("1"), Some("0")));
    assert_eq!((head.get("l5d-ctx-trace"), head.get("l5d-reqid")), (None, None));
    drop((client, web));
    world.finish().await;
}
