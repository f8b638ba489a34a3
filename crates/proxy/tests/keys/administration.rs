//! Keys of `admin`, and what the admin server of a running proxy tells (observability.md §6, §9 rows 12 to 17).

use super::*;
use testkit::{Backend, free_port, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Status and text of an answer of the admin server at `address`.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut client = Client::connect(address).await;
    client.send(request).await;
    let answer = client.response_to(request.split(' ').next().unwrap_or("GET")).await;
    (answer.status(), answer.text())
}

async fn get(running: &Running, path: &str) -> (u16, String) {
    ask(running.proxy.admin(), &format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n")).await
}

async fn post_json(running: &Running, path: &str, body: &str) -> (u16, String) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: admin\r\nContent-Type: application/json\r\n");
    ask(running.proxy.admin(), &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
}

/// `httpIdentifierPort`: each router's name for a request, or why it has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn http_identifier_port() {
    let port = free_port();
    let other = "- protocol: http\n  label: p\n  dstPrefix: /p\n  servers: [{port: 0}]\n  \
                 identifier: {kind: io.l5d.path, segments: 2}\n";
    let running = start(
        &format!("admin: {{port: 0, httpIdentifierPort: {port}}}"),
        &format!("  servers: [{{port: 0}}]\n{other}"),
    )
    .await;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (status, text) =
        ask(address, "PUT /a/b/c?d HTTP/1.1\r\nHost: web\r\nl5d-dtab: /a => /b\r\n\r\n").await;
    let expected = r#"{"p":{"dtab":"/a=>/b","path":"/p/a/b"},"r":{"dtab":"/a=>/b","path":"/svc/web"}}"#;
    assert_eq!((status, text.as_str()), (200, expected));
    let (_, text) = ask(address, "GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    assert!(text.contains(r#""r":{"path":"/svc/web"}"#), "{text}");
    let (_, text) = ask(address, "GET /a HTTP/1.1\r\nHost: web\r\n\r\n").await;
    assert_eq!(text, r#"{"p":{"error":"not enough segments in path"},"r":{"path":"/svc/web"}}"#);
    let (_, text) = ask(address, "GET http://other/a/b HTTP/1.1\r\nHost: web\r\nl5d-dtab: x\r\n\r\n").await;
    assert!(text.contains(r#""r":{"error":"l5d-dtab: '/' expected"#), "{text}");
    let (_, text) = ask(address, "GET http://other/a/b HTTP/1.1\r\nHost: web\r\n\r\n").await;
    assert!(text.contains(r#""r":{"path":"/svc/other"}"#), "{text}");
    // Whoever is asking when nobody wants it any more is answered all the same.
    let mut asking = Client::connect(address).await;
    asking.send("GET /a/b HTTP/1.1\r\nHost: web\r\nX-Re").await;
    // Accepted before this one.
    ask(address, "GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    let without = format!(
        "admin: {{port: 0}}\nrouters:\n- protocol: http\n  label: r\n  servers: [{{port: 0}}]\n{other}"
    );
    let without =
        document::load("linkerd.yaml", without.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    running.proxy.reload(without).await.expect("reloaded");
    eventually(PATIENCE, "nobody listens", || async { Client::try_connect(address).await.is_err() }).await;
    asking.send("st: x\r\n\r\n").await;
    let text = asking.response().await.text();
    assert!(text.contains(r#""p":{"path":"/p/a/b"}"#), "{text}");
    running.stop().await;
}

/// `security`: `uiEnabled`, `controlEnabled`, `diagnosticsEnabled`, `pathWhitelist`, `pathBlacklist`; row 12.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn security() {
    let check = async |security: &str, there: &[&str], not_there: &[&str]| {
        let running = start(&format!("admin: {{port: 0, security: {security}}}"), "").await;
        for (paths, expected) in [(there, 200), (not_there, 404)] {
            for path in paths {
                assert_eq!(get(&running, path).await.0, expected, "{security}: {path}");
            }
        }
        running.stop().await;
    };
    let ui = ["/", "/config.json", "/delegator", "/help", "/logging", "/files/css/dashboard.css"];
    let rest = ["/admin/ping", "/bound-names.json", "/admin/server_info"];
    check("{}", &[ui.as_slice(), &rest, &["/logging.json"]].concat(), &["/metrics.json"]).await;
    check("{uiEnabled: false}", &rest, &ui).await;
    check("{controlEnabled: false}", &rest, &["/logging.json", "/admin/shutdown"]).await;
    check("{diagnosticsEnabled: false}", &ui, &rest).await;
    let listed = "{uiEnabled: false, pathWhitelist: ['^/config.json$', '/h.*'], pathBlacklist: ['/admin/.*', '/help']}";
    check(listed, &["/config.json", "/bound-names.json"], &["/help", "/", "/admin/ping", "/logging"]).await;
    let wrong = "admin: {security: {pathBlacklist: ['/a', '(']}}\nrouters: [{protocol: http, servers: [{}]}]";
    let fault = document::load("l.yaml", wrong.as_bytes()).expect_err("no regular expression").to_string();
    assert!(fault.contains("l.yaml:1") && fault.contains("`(` is no regular expression"), "{fault}");
}

/// Rows 16 and 17: clients with their addresses once there was a request, and what is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rows_16_and_17_states() {
    let web = Backend::text("web").await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("web"), format!("127.0.0.1 {}\n", web.address.port())).expect("a file");
    let top = "namers: [{kind: io.l5d.fs, rootDir: '${DIR}'}]";
    let running = start_in(folder, top, "  dtab: /svc => /#/io.l5d.fs").await;
    assert_eq!(get(&running, "/client_state.json").await, (200, "{}".into()));
    assert_eq!(running.get("web").await.status(), 200);
    let expected = format!(r#"{{"/#/io.l5d.fs/web":{{"addresses":["{}"],"state":"bound"}}}}"#, web.address);
    assert_eq!(get(&running, "/client_state.json").await, (200, expected));
    assert_eq!(get(&running, "/bound-names.json").await, (200, r##"["/#/io.l5d.fs/web"]"##.into()));
    let (status, text) = get(&running, "/namer_state/io.l5d.fs.json").await;
    assert!(status == 200 && text.starts_with('{'), "{status} {text}");
    for path in [
        "/foo",
        "/namer_state/none.json",
        "/namer_state/io.l5d.fs",
        "/r/interpreter_state/io.l5d.fs.json",
        "/r",
    ] {
        assert_eq!(get(&running, path).await, (404, String::new()), "{path}");
    }
    let (status, text) = get(&running, "/").await;
    assert!(status == 200 && text.contains("<title>linkerd admin</title>"), "{text}");
    assert!(text.contains(env!("CARGO_PKG_VERSION")), "{text}");
    let (status, index) = get(&running, "/admin/index.txt").await;
    assert_eq!(status, 200);
    for path in
        ["/admin/shutdown", "/client_state.json", "/delegator", "/explain.json", "/files/*", "/logging.json"]
    {
        assert!(index.lines().any(|line| line == path), "{path} is missing in {index}");
    }
    running.stop().await;
}

/// The page about dtabs holds those of all routers; what is posted is tried out and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_dtab_page() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("d"), "/ext => /a;").expect("a file");
    let router = "  dtab: |\n    /svc => /$/inet/127.1/1;\n    /svc/x => /#/none;\n  \
                  interpreter: {kind: io.l5d.fs, dtabFile: '${DIR}/d'}";
    let running = start_in(folder, "", router).await;
    let base = r##"{"r":[{"prefix":"/svc","dst":"/$/inet/127.1/1"},{"prefix":"/svc/x","dst":"/#/none"}]}"##;
    let external = r#"{"r":[{"prefix":"/ext","dst":"/a"}]}"#;
    let whole = || async { get(&running, "/delegator").await.1.contains(external) };
    // The file is read in the background.
    eventually(PATIENCE, "the interpreter's dtab", whole).await;
    let (_, page) = get(&running, "/delegator?router=r").await;
    assert!(page.contains(base), "{page}");

    let (status, served) = post_json(&running, "/explain.json", r#"{"path":"/svc/x","router":"r"}"#).await;
    assert!(status == 200 && served.contains(r#""passedOver""#), "{served}");
    assert!(served.contains(r#""place":{"column":5,"file":"linkerd.yaml","line":"#), "{served}");
    let edited = r##"{"path":"/svc/x","base":"/svc => /$/inet/127.1/1;\n/svc/x => !;"}"##;
    let (status, tried) = post_json(&running, "/explain.json", edited).await;
    assert!(status == 200 && tried.contains(r#""served":false"#), "{tried}");
    assert!(tried.contains(r#""place":{"column":1,"file":"edited dtab","line":2}"#), "{tried}");
    assert!(tried.contains(r#""conclusion":"requests get 502: the name leads to `!`""#), "{tried}");
    let (_, again) = post_json(&running, "/explain.json", r#"{"path":"/svc/x"}"#).await;
    assert_eq!(again, served, "what is served has changed");
    let looped = r#"{"path":"/svc/x","base":"/svc => /svc;"}"#;
    let (_, text) = post_json(&running, "/explain.json", looped).await;
    assert!(text.contains(r#""rule":"loop""#), "{text}");
    let (status, text) = post_json(&running, "/explain.json", r#"{"path":"/svc","base":"x"}"#).await;
    assert_eq!(
        (status, text.as_str()),
        (400, "base, line 1, column 1: '/' expected but 'x' found at '[x]'\n")
    );
    let (status, _) = post_json(&running, "/explain.json", r#"{"path":"/svc","router":"none"}"#).await;
    assert_eq!(status, 400);
    running.stop().await;
}

/// Live numbers: the first at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn live_numbers() {
    let running = start("", "").await;
    running.get("web").await;
    running.wait("rt/r/service/svc/web/requests", 1.0).await;
    let mut stream = tokio::net::TcpStream::connect(running.proxy.admin()).await.expect("it listens");
    stream.write_all(b"GET /admin/events HTTP/1.1\r\nHost: admin\r\n\r\n").await.expect("room");
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("\"t\":") {
        let read = within("an event", stream.read_buf(&mut seen)).await.expect("more");
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
    }
    let text = String::from_utf8_lossy(&seen).into_owned();
    assert!(text.contains("text/event-stream") && text.contains("\ndata: {"), "{text}");
    assert!(text.contains("\"routers\":[{") && text.contains("\"kubernetes\":[]"), "{text}");
    assert!(text.contains(r#""n":"svc/web""#), "{text}");
    running.stop().await;
}

/// The configuration, and with where each of its values came from.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_configuration() {
    let running = start("", "  dtab: /a => /b ;").await;
    let (_, text) = get(&running, "/config.json").await;
    assert!(
        text.contains(
            r#""routers":[{"protocol":"http","servers":[{"port":0}],"dtab":"/a=>/b","label":"r"}]"#
        ),
        "{text}"
    );
    assert_eq!(get(&running, "/bound-names.json").await, (200, "[]".into()), "there are no namers");
    let (_, text) = get(&running, "/config.json?origin=true").await;
    assert!(text.contains("\"from\": \"linkerd.yaml:7:9\""), "{text}");
    assert!(
        text.contains("\"admin.shutdownGraceMs\": {\n    \"from\": \"default\",\n    \"value\": 10000"),
        "{text}"
    );
    running.stop().await;
}

/// A reload changes what is told, who may ask for what, and where requests are named; who looks at the numbers goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reloads() {
    let running = start("", "  dtab: /a => /b").await;
    let mut looking = tokio::net::TcpStream::connect(running.proxy.admin()).await.expect("it listens");
    looking.write_all(b"GET /admin/events HTTP/1.1\r\nHost: admin\r\n\r\n").await.expect("room");
    let ports = [free_port(), free_port()];
    let reload = async |admin: &str, label: &str| {
        let text = format!(
            "admin: {{port: 0{admin}}}\nrouters: [{{protocol: http, label: {label}, servers: [{{port: 0}}]}}]"
        );
        let document =
            document::load("next.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
        running.proxy.reload(document).await.unwrap_or_else(|error| panic!("{error}"));
    };
    let named = async |port: u16| {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        match Client::try_connect(address).await {
            Ok(_) => ask(address, "GET / HTTP/1.1\r\nHost: web\r\n\r\n").await.1,
            Err(_) => "nobody".to_owned(),
        }
    };
    reload(&format!(", httpIdentifierPort: {}", ports[0]), "two").await;
    let (_, text) = get(&running, "/config.json").await;
    assert!(text.contains(r#""label":"two""#) && !text.contains("dtab"), "{text}");
    assert!(get(&running, "/delegator").await.1.contains(r#"{"two":[]}"#));
    assert_eq!(named(ports[0]).await, r#"{"two":{"path":"/svc/web"}}"#);
    reload(&format!(", httpIdentifierPort: {}, security: {{uiEnabled: false}}", ports[1]), "three").await;
    assert_eq!(get(&running, "/config.json").await.0, 404);
    assert_eq!(named(ports[1]).await, r#"{"three":{"path":"/svc/web"}}"#);
    eventually(PATIENCE, "the first port is closed", || async { named(ports[0]).await == "nobody" }).await;
    reload("", "four").await;
    eventually(PATIENCE, "the second port is closed", || async { named(ports[1]).await == "nobody" }).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(r#""name":"four""#) {
        assert!(within("numbers", looking.read_buf(&mut seen)).await.expect("more") > 0, "the stream ended");
    }
    running.stop().await;
}
