//! What is added to, taken from and left alone in the heads of messages.

use testkit::{Backend, Head, Play, Setup, each_width};

each_width!(hop_by_hop, via_is_extended, context_headers, others_are_untouched);

const REPLY: &str = "HTTP/1.1 200 Fine\r\nConnection: X-Hop\r\nX-Hop: 1\r\nX-Kept: 2\r\nProxy-Authenticate: x\r\n\
    Upgrade: y\r\nVia: 1.0 bob, 1.1 mary\r\nContent-Length: 2\r\n\r\nok";

async fn exchange(workers: usize, reply: &str, lines: &str) -> (Head, Head) {
    let web = Backend::start([Play::reply(reply)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let response = world.ask("GET", format!("GET / HTTP/1.1\r\nHost: web\r\n{lines}\r\n")).await;
    assert_eq!(response.status(), 200);
    let seen = web.last().head;
    drop(web);
    world.finish().await;
    (seen, response.head)
}

fn has(head: &Head, names: &[&str]) -> Vec<String> {
    names.iter().filter(|n| head.get(n).is_some()).map(|n| (*n).to_owned()).collect()
}

/// dataplane.md §13 row 48.
async fn hop_by_hop(workers: usize) {
    let lines = "Connection: Foo, Bar\r\nFoo: 1\r\nBar: 2\r\nBaz: 3\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\n\
        Proxy-Authorization: p\r\nProxy-Connection: keep-alive\r\n";
    let (seen, got) = exchange(workers, REPLY, lines).await;
    let gone = ["connection", "foo", "bar", "te", "trailer", "upgrade", "proxy-authorization"];
    assert_eq!(has(&seen, &gone), Vec::<String>::new());
    assert_eq!(has(&seen, &["baz", "proxy-connection"]), ["baz", "proxy-connection"]);
    assert_eq!(has(&got, &["x-hop", "upgrade", "proxy-authenticate"]), Vec::<String>::new());
    assert_eq!(got.get("x-kept"), Some("2"));
}

/// dataplane.md §13 row 49.
async fn via_is_extended(workers: usize) {
    let (seen, got) = exchange(workers, REPLY, "Via: 1.0 bob, 1.1 mary\r\n").await;
    assert_eq!(seen.all("via").collect::<Vec<_>>(), ["1.0 bob, 1.1 mary, 1.1 linkerd"]);
    assert_eq!(got.all("via").collect::<Vec<_>>(), ["1.0 bob, 1.1 mary, 1.1 linkerd"]);
}

/// dataplane.md §13 rows 13 to 17, §7.1.
async fn context_headers(workers: usize) {
    let lines = "l5d-ctx-dtab: /a=>/b\r\nl5d-ctx-thing: 1\r\nl5d-foo: 2\r\nl5d-dst-service: /fake\r\nl5d-dst-client: /fake\r\n\
        l5d-dst-residual: /fake\r\nl5d-sample: 1.0\r\nl5d-reqid: abc\r\ndtab-local: /c=>/d\r\n";
    let (seen, _) = exchange(workers, REPLY, lines).await;
    let expected = [
        ("l5d-ctx-dtab", Some("/a=>/b")),
        ("l5d-ctx-thing", Some("1")),
        ("l5d-foo", Some("2")),
        ("l5d-dst-service", Some("/svc/web")),
        ("l5d-dst-client", Some("/#/io.l5d.fs/web")),
        ("l5d-dst-residual", None),
        ("l5d-sample", None),
        ("dtab-local", Some("/c=>/d")),
    ];
    for (name, value) in expected {
        assert_eq!(seen.get(name), value, "{name}");
    }
    assert_eq!(seen.all("l5d-reqid").map(str::len).collect::<Vec<_>>(), [16]);
    assert_eq!(seen.all("l5d-ctx-trace").count(), 1);
}

/// Order and spelling of lines of one name, Latin-1 bytes, several Via lines, reason phrases (architecture.md §8).
async fn others_are_untouched(workers: usize) {
    let reply = "HTTP/1.1 299 Odd but mine\r\nX-b: 1\r\nx-B: 2\r\nContent-Length: 0\r\n\r\n";
    let web = Backend::start([Play::reply(reply)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut request =
        b"get / HTTP/1.1\r\nhOST: web\r\nX-a: 1\r\nx-A: caf\xe9\r\nVia: 1.0 one\r\nVia: 1.1 two\r\n\r\n"
            .to_vec();
    let response = world.ask("GET", std::mem::take(&mut request)).await;
    assert_eq!(response.head.start, "HTTP/1.1 299 Odd but mine");
    let lines = |head: &Head, name: &str| -> Vec<(String, String)> {
        head.lines.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).cloned().collect()
    };
    let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
    assert_eq!(lines(&response.head, "x-b"), [pair("X-b", "1"), pair("x-B", "2")]);
    let seen = web.last().head;
    assert_eq!(seen.method(), "get");
    assert_eq!(lines(&seen, "x-a"), [pair("X-a", "1"), pair("x-A", "caf\u{e9}")]);
    assert_eq!(lines(&seen, "host"), [pair("hOST", "web")]);
    assert_eq!(seen.all("via").collect::<Vec<_>>(), ["1.0 one", "1.1 two, 1.1 linkerd"]);
    drop(web);
    world.finish().await;
}
