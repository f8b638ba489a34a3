//! The admin server over real sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use admin::{About, Admin, AdminHandle, Events, Limits, Loggers, Method, PathRule, Routes, Security, text};
use telemetry::{Metrics, render_prometheus};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    handle: AdminHandle,
    task: JoinHandle<()>,
}

async fn start(routes: Routes, limits: Limits) -> Running {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let admin = Admin::on(listener, routes, limits).unwrap();
    let (address, handle) = (admin.address(), admin.handle());
    Running { address, handle, task: tokio::spawn(admin.serve()) }
}

/// Sends `request` and reads until the server closes.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Status line, head in lower case, and body of one exchange.
async fn ask(address: SocketAddr, method: &str, target: &str) -> (String, String, String) {
    let request = format!("{method} {target} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n");
    let answer = raw(address, &request).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (line, fields) = head.split_once("\r\n").unwrap();
    (line.to_string(), fields.to_lowercase(), body.to_string())
}

fn sample() -> Metrics {
    let metrics = Metrics::new(1);
    metrics.scope(&["rt", "out", "server", "0.0.0.0/4140"]).counter("requests").add(3);
    metrics
}

#[tokio::test]
async fn endpoints() {
    let metrics = sample();
    let routes = Routes::new()
        .metrics_json(&metrics)
        .get("/admin/metrics/prometheus", move |_| admin::plain(render_prometheus(&metrics, "linkerd_")))
        .shutdown(|_| {})
        .prefix("/files/", |_| text("any file"))
        .prefix("/files/js/", |_| text("any script"))
        .get("/files/js/main.js", |_| text("the script"));
    let server = start(routes, Limits::default()).await;
    let check = async |method: &str, target: &str, status: &str, field: &str, body: &str| {
        let (line, fields, got) = ask(server.address, method, target).await;
        assert_eq!(
            (line.as_str(), got.as_str()),
            (format!("HTTP/1.1 {status}").as_str(), body),
            "{method} {target}"
        );
        assert!(fields.contains(field), "{method} {target}: {field} missing in {fields}");
    };
    // Row 11.
    check("GET", "/admin/ping", "200 OK", "content-type: text/plain", "pong").await;
    check("HEAD", "/admin/ping", "200 OK", "content-length: 4", "").await;
    check("DELETE", "/admin/ping", "200 OK", "x-content-type-options: nosniff", "pong").await;
    check("GET", "/admin/shutdown", "405 Method Not Allowed", "allow: post", "").await;
    check("POST", "/admin/shutdown", "200 OK", "content-type: text/plain", "quitting\n").await;
    // Row 1.
    let flat = r#"{"rt/out/server/0.0.0.0/4140/requests":3}"#;
    check("GET", "/admin/metrics.json", "200 OK", "content-type: application/json", flat).await;
    let tree = r#"{"out":{"server":{"0.0.0.0/4140":{"requests":{"counter":3}}}}}"#;
    check("GET", "/admin/metrics.json?tree=1&q=rt", "200 OK", "content-type: application/json", tree).await;
    let nope = r#"{"error": "No such subtree: nope"}"#;
    check("GET", "/admin/metrics.json?q=nope", "404 Not Found", "content-type: application/json", nope).await;
    // Row 3.
    let lines = "linkerd_rt:server:requests{rt=\"out\", server=\"0.0.0.0/4140\"} 3\n";
    check("GET", "/admin/metrics/prometheus", "200 OK", "content-type: text/plain", lines).await;
    // Row 17.
    check("GET", "/foo", "404 Not Found", "content-type: text/plain", "").await;
    check("GET", "/admin/ping/", "404 Not Found", "", "").await;
    check("GET", "/metrics.json", "404 Not Found", "", "").await;
    check("GET", "//admin///ping", "200 OK", "", "pong").await;
    check("GET", "/files/a/b", "200 OK", "", "any file").await;
    check("GET", "/files/js/b", "200 OK", "", "any script").await;
    check("GET", "/files/js/main.js", "200 OK", "", "the script").await;
    let index = "/\n/admin\n/admin/index.txt\n/admin/metrics.json\n/admin/metrics/prometheus\n/admin/ping\n\
                 /admin/shutdown\n/files/*\n/files/js/*\n/files/js/main.js\n";
    for path in ["/", "/admin", "/admin/index.txt"] {
        check("GET", path, "200 OK", "content-type: text/plain", index).await;
    }
}

/// §9 row 12, over the wire: what is not permitted is not there, however it is spelt.
#[tokio::test]
async fn row_12_what_is_not_permitted_is_not_there() {
    let security = Security {
        control: false,
        blacklist: vec![PathRule::parse("/admin/lint.*").unwrap()],
        ..Security::default()
    };
    let routes = Routes::new()
        .secured(security)
        .shutdown(|_| panic!("not permitted"))
        .logging(None)
        .lint(Vec::new)
        .get("/help", |_| text("help"));
    let server = start(routes, Limits::default()).await;
    let check = async |method: &str, target: &str, status: u16| {
        let (line, _, _) = ask(server.address, method, target).await;
        assert!(line.contains(&status.to_string()), "{method} {target}: {line}");
    };
    check("POST", "/admin/shutdown", 404).await;
    check("POST", "//admin/shutdown", 404).await;
    check("POST", "/logging.json?logger=root&level=INFO", 404).await;
    check("GET", "/admin/lint", 404).await;
    check("GET", "/admin//lint.json", 404).await;
    check("GET", "/admin/ping", 200).await;
    check("GET", "/help", 200).await;
}

/// Loggers that keep what they are told.
#[derive(Debug, Default)]
struct Told(std::sync::Mutex<Vec<(String, String)>>);

impl Loggers for Told {
    fn levels(&self) -> Vec<(String, String)> {
        let told = self.0.lock().unwrap();
        let root = told.iter().rev().find(|(logger, _)| logger == "root");
        vec![
            ("root".into(), root.map_or("INFO".into(), |(_, level)| level.clone())),
            ("a\"".into(), "DEBUG".into()),
        ]
    }

    fn set(&self, logger: &str, level: &str) {
        self.0.lock().unwrap().push((logger.to_owned(), level.to_owned()));
    }
}

/// §9 row 14.
#[tokio::test]
async fn row_14_levels_of_loggers() {
    let loggers = Arc::new(Told::default());
    let server = start(Routes::new().logging(Some(loggers.clone())), Limits::default()).await;
    let shown =
        |root: &str| format!(r#"[{{"logger":"root","level":"{root}"}},{{"logger":"a\"","level":"DEBUG"}}]"#);
    let (line, fields, body) = ask(server.address, "GET", "/logging.json").await;
    assert!(line.contains("200") && fields.contains("application/json"), "{line} {fields}");
    assert_eq!(body, shown("INFO"));
    let post = async |query: &str, form: &str, more: &str| {
        let length = form.len();
        let head =
            format!("POST /logging.json{query} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n{more}");
        let answer = raw(server.address, &format!("{head}content-length: {length}\r\n\r\n{form}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].to_owned(), body.to_owned())
    };
    assert_eq!(post("?logger=root&level=DEBUG", "", "").await, ("200".into(), shown("DEBUG")));
    assert_eq!(post("", "logger=root&level=WARNING", "").await, ("200".into(), shown("WARNING")));
    assert_eq!(post("?logger=root", "", "").await.0, "400");
    assert_eq!(post("", "level=INFO", "").await.0, "400");
    // The page of another site in an operator's browser.
    assert_eq!(post("?logger=root&level=OFF", "", "origin: http://evil.example\r\n").await.0, "403");
    assert_eq!(post("?logger=root&level=OFF", "", "sec-fetch-site: cross-site\r\n").await.0, "403");
    assert_eq!(loggers.0.lock().unwrap().len(), 2);
    let (line, fields, _) = ask(server.address, "PUT", "/logging.json").await;
    assert!(line.contains("405") && fields.contains("allow: get, head, post"), "{line} {fields}");
    let server = start(Routes::new().logging(None), Limits::default()).await;
    assert_eq!(ask(server.address, "GET", "/logging.json").await.2, r#"[{"logger":"root","level":"INFO"}]"#);
}

#[tokio::test]
async fn another_sites_page_ends_nothing() {
    let server = start(Routes::new().shutdown(|_| panic!("asked to end")), Limits::default()).await;
    let request =
        "POST /admin/shutdown HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\norigin: http://b:1\r\n\r\n";
    let answer = raw(server.address, request).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn a_stream_goes_on_until_the_server_stops() {
    let events = Events::new(1);
    let listened = events.clone();
    let server = start(Routes::new().get("/events", move |_| listened.listen()), Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    let mut until = async |stream: &mut TcpStream, text: &str| {
        while !seen.contains(text) {
            let mut piece = [0; 1000];
            let read = stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "it ended before {text}: {seen}");
            seen += std::str::from_utf8(&piece[..read]).unwrap();
        }
        seen.clone()
    };
    let head = until(&mut stream, "retry: 2000\n\n").await;
    assert!(head.contains("text/event-stream") && head.contains("no-store"), "{head}");
    assert!(ask(server.address, "GET", "/events").await.0.contains("503"), "one may listen");
    events.tell("one");
    until(&mut stream, "data: one\n\n").await;
    events.tell("two");
    until(&mut stream, "data: two\n\n").await;
    server.handle.stop();
    // Without waiting for the drain's end.
    tokio::time::timeout(Limits::default().drain / 2, server.task)
        .await
        .expect("streams hold up no end")
        .unwrap();
    assert_eq!(stream.read(&mut [0; 100]).await.unwrap_or(0), 0);
    assert!(!events.has_listeners());
}

/// What tells of the process (§6.2), by status, type and the beginning of the body.
#[tokio::test]
async fn diagnostics() {
    let about = About {
        name: "wayleave",
        version: "9.8.7",
        revision: None,
        start_time: "2023-11-14T22:13:20Z".into(),
        uptime: Arc::new(|| 17),
        config: "linkerd.yaml".into(),
        workers: 3,
    };
    let issue = serde_json::json!({ "rule": "loop", "severity": "error", "message": "m", "advice": "a" });
    let routes = Routes::new().diagnostics(&about).lint(move || vec![issue.clone()]);
    let server = start(routes, Limits::default()).await;
    let check = async |target: &str, status: u16, kind: &str, part: &str| {
        let (line, fields, body) = ask(server.address, "GET", target).await;
        assert!(line.contains(&status.to_string()), "{target}: {line}");
        assert!(fields.contains(&format!("content-type: {kind}")), "{target}: {fields}");
        assert!(body.contains(part), "{target}: {body}");
    };
    let json = "application/json;charset=utf-8";
    check("/admin/server_info", 200, json, r#""version":"9.8.7""#).await;
    check("/admin/server_info", 200, json, r#""uptime":17"#).await;
    check("/admin/registry.json", 200, json, r#""config":"linkerd.yaml""#).await;
    check("/admin/threads", 200, "text/plain", &std::process::id().to_string()).await;
    check("/admin/threads.json", 200, json, r#"{"threads":[{"#).await;
    check("/admin/lint.json", 200, json, r#"{"lint":{"issues":[{"#).await;
    check("/admin/lint", 200, "text/plain", "error[loop]: m").await;
    check("/admin/contention", 200, "text/plain", "No request waits for a lock").await;
    check("/admin/tracing?enable=true", 200, "text/html", "no switch").await;
    check("/admin/tracing?enable=true&disable=true", 400, "text/plain", "not both").await;
    check("/admin/announcer", 200, "text/plain", "Nothing is announced").await;
    check("/admin/pprof/profile", 501, "text/plain", "perf record").await;
    check("/admin/pprof/heap?pause=1", 501, "text/plain", "heaptrack").await;
    check("/admin/pprof/contention", 501, "text/plain", "not profiled").await;
}

#[tokio::test]
async fn row_11_shutdown_passes_the_grace_on() {
    let (sender, mut graces) = mpsc::unbounded_channel();
    let routes = Routes::new().shutdown(move |grace| sender.send(grace).unwrap());
    let server = start(routes, Limits::default()).await;
    let mut check = async |query: &str, status: &str, expected: Option<Option<Duration>>| {
        let (line, _, _) = ask(server.address, "POST", &format!("/admin/shutdown{query}")).await;
        assert_eq!((line.as_str(), graces.try_recv().ok()), (status, expected), "{query}");
    };
    check("", "HTTP/1.1 200 OK", Some(None)).await;
    check("?grace=5.seconds", "HTTP/1.1 200 OK", Some(Some(Duration::from_secs(5)))).await;
    check("?x=1&grace=20.milliseconds", "HTTP/1.1 200 OK", Some(Some(Duration::from_millis(20)))).await;
    check("?grace=soon", "HTTP/1.1 400 Bad Request", None).await;
}

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_the_connection_lives() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let routes = Routes::new()
        .get("/bad", move |_| match counted.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("as the test wants it"),
            _ => text("recovered"),
        })
        .route_async("/bad_later", &[Method::GET], async |_| {
            tokio::task::yield_now().await;
            panic!("as the test wants it")
        });
    let server = start(routes, Limits::default()).await;
    let one = |path: &str, connection: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\r\n")
    };
    let request = [one("/bad", "keep-alive"), one("/bad_later", "keep-alive"), one("/bad", "close")].concat();
    let answer = raw(server.address, &request).await;
    let statuses: Vec<&str> = answer.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(statuses, ["500", "500", "200"], "{answer}");
    assert!(answer.ends_with("recovered"), "{answer}");
}

#[tokio::test]
async fn bodies_reach_handlers_up_to_the_limit() {
    let routes = Routes::new().post("/echo", |request| text(request.body().clone()));
    let server = start(routes, Limits { body_bytes: 10, ..Limits::default() }).await;
    let check = async |body: &str, expected: &str| {
        let length = body.len();
        let request = format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let answer = raw(server.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 ") && answer[9..].starts_with(expected), "{body}: {answer}");
        answer
    };
    assert!(check("0123456789", "200").await.ends_with("\r\n\r\n0123456789"));
    check("0123456789a", "413").await;
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = start(Routes::new(), Limits::default()).await;
    let answer = raw(server.address, "\u{1}\u{2}\u{3} garbage\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(ask(server.address, "GET", "/admin/ping").await.2, "pong");
}

// With the clock paused, time moves on as soon as everybody waits: no test below takes longer for its time-outs.

#[tokio::test(start_paused = true)]
async fn a_head_or_body_that_does_not_come_ends_the_connection() {
    let server = start(Routes::new().post("/echo", |_| text("")), Limits::default()).await;
    let began = tokio::time::Instant::now();
    raw(server.address, "GET /admin/ping HTT").await;
    let head = began.elapsed();
    assert!(head >= Limits::default().head && head < Limits::default().head * 2, "{head:?}");
    let answer = raw(server.address, "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn connections_are_bounded_and_the_surplus_waits_its_turn() {
    let server = start(Routes::new(), Limits { connections: 2, ..Limits::default() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET /admin/ping HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        held.push(stream);
    }
    let address = server.address;
    let third = tokio::spawn(async move { ask(address, "GET", "/admin/ping").await.2 });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!third.is_finished(), "there is no room for it yet");
    held.pop();
    assert_eq!(third.await.unwrap(), "pong");
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_finishes_answers() {
    let (started, mut entered) = mpsc::unbounded_channel();
    let (release, released) = oneshot::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(Some(released)));
    let routes = Routes::new().route_async("/slow", &[Method::GET], move |_| {
        let released = released.lock().unwrap().take().unwrap();
        started.send(()).unwrap();
        async move {
            released.await.unwrap();
            text("done")
        }
    });
    let server = start(routes, Limits::default()).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let address = server.address;
    let slow = tokio::spawn(async move { ask(address, "GET", "/slow").await.2 });
    entered.recv().await.unwrap();

    server.handle.stop();
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "the idle connection is closed");
    assert!(!server.task.is_finished(), "the slow answer is waited for");
    release.send(()).unwrap();
    assert_eq!(slow.await.unwrap(), "done");
    server.task.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_does_not_hold_up_the_end() {
    let (started, mut entered) = mpsc::unbounded_channel();
    let held = Arc::new(());
    let given = held.clone();
    let routes = Routes::new().route_async("/never", &[Method::GET], move |_| {
        started.send(()).unwrap();
        let given = given.clone();
        async move {
            std::future::pending::<()>().await;
            drop(given);
            text("never")
        }
    });
    let server = start(routes, Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    entered.recv().await.unwrap();
    let began = tokio::time::Instant::now();
    server.handle.stop();
    server.task.await.unwrap();
    assert!(began.elapsed() >= Limits::default().drain);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    while Arc::strong_count(&held) > 1 {
        // The handler's task is being taken down with its connection.
        tokio::task::yield_now().await;
    }
}

/// Also on connections that are open; nothing of the former routes is kept.
#[tokio::test]
async fn routes_are_replaced_while_it_serves() {
    let held = Arc::new(());
    let given = held.clone();
    let routes = Routes::new().get("/a", move |_| text(format!("a{}", Arc::strong_count(&given) - 2)));
    let server = start(routes, Limits::default()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut get = async |path: &str| {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut bytes = [0; 4096];
        let n = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..n]).into_owned()
    };
    assert!(get("/a").await.ends_with("\r\n\r\na0"));
    server.handle.replace(Routes::new().get("/b", |_| text("b")));
    assert!(get("/a").await.starts_with("HTTP/1.1 404"));
    assert!(get("/b").await.ends_with("\r\n\r\nb"));
    assert!(get("/").await.contains("/b\n"), "the index is that of the new routes");
    assert_eq!(Arc::strong_count(&held), 1);
    server.handle.stop();
    server.task.await.unwrap();
}
