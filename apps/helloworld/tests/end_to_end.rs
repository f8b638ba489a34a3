//! Services talking over real sockets on port 0: chains, proxies, context, connections, the end.

#![allow(clippy::unwrap_used, reason = "tests")]

use helloworld::{ProxySettings, Settings, serve};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Running {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn start(settings: Settings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(settings, listener, async {
        let _ = stopped.await;
    }));
    Running { addr, stop: Some(stop), task }
}

impl Running {
    async fn get(&self) -> (u16, String) {
        exchange(self.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await
    }
}

/// Sends a request that closes its connection; status and body of the answer.
async fn exchange(addr: SocketAddr, request: &str) -> (u16, String) {
    let text = raw(addr, request).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

async fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// A server that gives the same answer to each request head and remembers all, with the number of their connection.
struct Script {
    addr: SocketAddr,
    heads: Arc<Mutex<Vec<(usize, String)>>>,
}

async fn script(answer: impl Fn(SocketAddr, usize) -> String + Send + Sync + 'static) -> Script {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let (seen, answer) = (heads.clone(), Arc::new(answer));
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (seen, answer) = (seen.clone(), answer.clone());
            tokio::spawn(async move { play(stream, number, &seen, |i| answer(addr, i)).await });
        }
    });
    Script { addr, heads }
}

async fn play(
    mut stream: TcpStream,
    number: usize,
    seen: &Mutex<Vec<(usize, String)>>,
    answer: impl Fn(usize) -> String,
) {
    let mut buffer = Vec::new();
    while stream.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {
        while let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            let count = {
                let mut seen = seen.lock().unwrap();
                seen.push((number, String::from_utf8(head).unwrap()));
                seen.len()
            };
            let text = answer(count);
            if stream.write_all(text.as_bytes()).await.is_err() || text.contains("Connection: close") {
                return;
            }
        }
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

impl Script {
    fn head(&self, i: usize) -> String {
        self.heads.lock().unwrap()[i].1.clone()
    }
}

fn says(text: &str) -> Settings {
    Settings { text: text.to_owned(), ..Settings::default() }
}

fn asks(text: &str, target: &str) -> Settings {
    Settings { target: Some(target.to_owned()), ..says(text) }
}

fn through(proxy: SocketAddr, settings: Settings) -> Settings {
    Settings { proxy: ProxySettings { http_proxy: Some(proxy.to_string()), no_proxy: None }, ..settings }
}

#[tokio::test]
async fn chains_of_the_table() {
    /// From the far end: text, POD_IP, JSON.
    async fn check(services: &[(&str, &str, bool)], expected: &str) {
        let mut chain: Vec<Running> = Vec::new();
        for (text, ip, json) in services {
            let target = chain.last().map(|service| service.addr.to_string());
            let pod_ip = Some((*ip).to_owned()).filter(|ip| !ip.is_empty());
            chain.push(start(Settings { target, pod_ip, json: *json, ..says(text) }).await);
        }
        assert_eq!(chain.last().unwrap().get().await, (200, expected.to_owned()));
    }
    check(&[("world", "", false)], "world!").await;
    check(&[("world", "10.196.1.243", false)], "world (10.196.1.243)!").await;
    check(&[("world", "", false), ("Hello", "", false)], "Hello world!!").await;
    check(
        &[("world", "10.196.1.243", false), ("Hello", "10.196.1.242", false)],
        "Hello (10.196.1.242) world (10.196.1.243)!!",
    )
    .await;
    check(
        &[("world", "W", false), ("Hello", "H", false), ("api", "A", true)],
        r#"{"api_result":"api (A) Hello (H) world (W)!!"}"#,
    )
    .await;
    check(&[("earth", "10.0.1.5", false)], "earth (10.0.1.5)!").await;
    check(
        &[("hal, open the pod bay doors", "b", false), ("Hello", "a", false)],
        "Hello (a) hal, open the pod bay doors (b)!!",
    )
    .await;
}

#[tokio::test]
async fn heads_of_answers() {
    let service = start(Settings { json: true, ..says("x") }).await;
    let text = raw(service.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .to_ascii_lowercase();
    assert!(
        text.contains("content-type: text/plain; charset=utf-8\r\n") && !text.contains("nosniff"),
        "{text}"
    );
    let failing = start(Settings { failure_rate: 1.0, ..says("x") }).await;
    let text = raw(failing.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 500 ") && text.ends_with("\r\n\r\n\n"), "{text}");
    assert!(text.contains("content-type: text/plain; charset=utf-8\r\n"), "{text}");
    assert!(text.contains("x-content-type-options: nosniff\r\n"), "{text}");
}

#[tokio::test]
async fn target_that_fails() {
    async fn check(answer: &str, expected: &str) {
        let answer = answer.to_owned();
        let target = script(move |_, _| answer.clone()).await;
        let hello = start(asks("Hello", &target.addr.to_string())).await;
        assert_eq!(hello.get().await, (503, expected.to_owned()));
    }
    check("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "invalid response 500\n").await;
    check("HTTP/1.1 201 X\r\nContent-Length: 2\r\n\r\nok", "invalid response 201\n").await;
    check("HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n", "invalid response 302\n").await;
    check("HTTP/1.1 304 X\r\nLocation: /\r\n\r\n", "invalid response 304\n").await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (status, body) = start(asks("Hello", &closed.to_string())).await.get().await;
    assert!(status == 503 && body.contains("dial tcp 127.0.0.1") && body.ends_with('\n'), "{body}");
    let (status, body) = start(asks("Hello", "a b")).await.get().await;
    assert!(status == 503 && body.starts_with("Get \"http://a b\": "), "{body}");
}

#[tokio::test]
async fn proxied_calls_are_absolute_and_forward_only_context() {
    let proxy = script(|_, _| ok("world!")).await;
    let hello = start(through(proxy.addr, asks("Hello", "world"))).await;
    let request = "POST /path?query HTTP/1.1\r\nHost: hello\r\nConnection: close\r\nl5d-dtab: /a=>/b\r\nl5d-sample: 1\r\n\
         L5D-Ctx-Trace: first\r\nl5d-ctx-trace: second\r\nl5d-ctxdtab: near\r\nl5d-reqid: r\r\nX-B3-TraceId: b3\r\n\
         Content-Length: 4\r\n\r\nbody";
    assert_eq!(exchange(hello.addr, request).await, (200, "Hello world!!".to_owned()));
    let head = proxy.head(0);
    let mut lines: Vec<_> = head.trim_end().split("\r\n").map(str::to_ascii_lowercase).collect();
    assert_eq!(lines.remove(0), "get http://world/ http/1.1");
    lines.retain(|line| !line.starts_with("user-agent:"));
    lines.sort();
    assert_eq!(lines, ["host: world", "l5d-ctx-trace: first", "l5d-ctxdtab: near"]);
}

#[tokio::test]
async fn direct_calls_are_origin_form() {
    let target = script(|_, _| ok("world!")).await;
    // A loopback target is never proxied.
    let hello = start(through("127.0.0.1:1".parse().unwrap(), asks("Hello", &target.addr.to_string()))).await;
    assert_eq!(hello.get().await, (200, "Hello world!!".to_owned()));
    let head = target.head(0);
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains(&format!("\r\nhost: {}\r\n", target.addr)), "{head}");
}

#[tokio::test]
async fn connections_to_the_target_are_kept() {
    let target = script(|_, _| ok("world!")).await;
    let hello = start(asks("Hello", &target.addr.to_string())).await;
    for _ in 0..5 {
        assert_eq!(hello.get().await.0, 200);
    }
    let numbers: Vec<_> = target.heads.lock().unwrap().iter().map(|head| head.0).collect();
    assert_eq!(numbers, [0; 5]);
}

#[tokio::test]
async fn a_connection_the_target_closed_is_replaced() {
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nworld!";
    let target = script(move |_, _| answer.to_owned()).await;
    let hello = start(asks("Hello", &target.addr.to_string())).await;
    for _ in 0..5 {
        assert_eq!(hello.get().await, (200, "Hello world!!".to_owned()));
    }
    let numbers: Vec<_> = target.heads.lock().unwrap().iter().map(|head| head.0).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn redirects_are_followed_ten_times() {
    /// A target that redirects so often before it answers.
    async fn check(redirects: usize, expected: (u16, &str)) {
        let target = script(move |addr, count| match count {
            n if n <= redirects => {
                format!("HTTP/1.1 302 X\r\nLocation: http://{addr}/{n}\r\nContent-Length: 0\r\n\r\n")
            }
            _ => ok("world!"),
        })
        .await;
        let hello = start(asks("Hello", &target.addr.to_string())).await;
        let expected_body = expected.1.replace("ADDR", &target.addr.to_string());
        assert_eq!(hello.get().await, (expected.0, expected_body), "{redirects}");
        let last = target.heads.lock().unwrap().last().unwrap().1.clone();
        assert!(last.starts_with(&format!("GET /{} ", redirects.min(10))), "{last}");
    }
    check(1, (200, "Hello world!!")).await;
    check(10, (200, "Hello world!!")).await;
    check(11, (503, "Get \"http://ADDR\": stopped after 10 redirects\n")).await;
}

#[tokio::test]
async fn requests_share_a_connection_and_bodies_are_read() {
    let service = start(says("world")).await;
    let body = "x".repeat(100_000);
    let request = format!(
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let text = raw(service.addr, &request).await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert_eq!(text.matches("\r\n\r\nworld!").count(), 2, "{text}");
}

/// The kernel's loopback delivers at once, so the paused clock moves on only when both sides really wait.
#[tokio::test(start_paused = true)]
async fn eleven_seconds_for_a_head_and_for_a_reply() {
    async fn check(latency: i64, request: &str, expected_start: &str, seconds: u64) {
        let service = start(Settings { latency, ..says("world") }).await;
        let begin = tokio::time::Instant::now();
        let text = raw(service.addr, request).await;
        assert!(
            text.starts_with(expected_start) && text.is_empty() == expected_start.is_empty(),
            "{latency}: {text}"
        );
        assert_eq!(begin.elapsed().as_secs(), seconds, "{latency} {request}");
    }
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    check(10_000_000_000, request, "HTTP/1.1 200 OK\r\n", 10).await;
    check(12_000_000_000, request, "", 11).await;
    check(0, "", "", 11).await;
    check(0, "GET / HTTP/1.1\r\nHost:", "", 11).await;
    check(0, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\n", 11).await;
}

#[tokio::test]
async fn control_changes_one_service_only() {
    let (one, other) = (start(says("world")).await, start(says("world")).await);
    let set = "POST /setFailureRate?failureRate=1.0 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(exchange(one.addr, set).await, (200, "ok".to_owned()));
    assert_eq!(one.get().await, (500, "\n".to_owned()));
    assert_eq!(other.get().await.0, 200);
}

#[tokio::test]
async fn shutdown_finishes_what_runs() {
    let (asked, mut asking) = tokio::sync::mpsc::channel::<()>(1);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Mutex::new(released);
    // The target holds its answer back until told, on a thread of its own runtime worker.
    let target = script(move |_, _| {
        asked.try_send(()).unwrap();
        tokio::task::block_in_place(|| released.lock().unwrap().recv().unwrap());
        ok("world!")
    });
    // block_in_place needs more than one thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let target = runtime.spawn(target).await.unwrap();
    let mut hello = start(asks("Hello", &target.addr.to_string())).await;
    let mut idle = TcpStream::connect(hello.addr).await.unwrap();
    let addr = hello.addr;
    let running = tokio::spawn(async move { exchange(addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await });
    asking.recv().await.unwrap();
    hello.stop.take().unwrap().send(()).unwrap();
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0, "an idle connection is closed");
    assert!(TcpStream::connect(hello.addr).await.is_err(), "no new connections");
    assert!(!hello.task.is_finished() && !running.is_finished());
    release.send(()).unwrap();
    assert_eq!(running.await.unwrap(), (200, "Hello world!!".to_owned()));
    hello.task.await.unwrap().unwrap();
    runtime.shutdown_background();
}

#[tokio::test]
async fn dropping_the_future_cuts_connections() {
    let service = start(says("world")).await;
    let mut stream = TcpStream::connect(service.addr).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
    service.task.abort();
    assert!(!matches!(stream.read(&mut [0; 1024]).await, Ok(1..)));
    assert!(service.task.await.unwrap_err().is_cancelled());
    assert!(TcpStream::connect(service.addr).await.is_err());
}

#[tokio::test]
async fn grpc_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings { protocol: helloworld::Protocol::Grpc, ..Settings::default() };
    let fault = serve(settings, listener, std::future::pending()).await.unwrap_err();
    assert_eq!(fault.to_string(), "-protocol=grpc is not built yet; -protocol=http is");
}
