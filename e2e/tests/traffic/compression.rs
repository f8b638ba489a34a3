//! Answers are compressed for callers that ask for it (dataplane.md §4.4).

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::io::Read;
use std::time::Duration;
use testkit::{Act, Backend, Client, Gate, Play, Response, Setup, World, each_width};

each_width!(
    as_recorded,
    levels,
    streamed,
    without_delay,
    errors_too,
    broken_off,
    to_old_callers,
    many_at_once
);

const NONE: &str = "none";

fn reply(lines: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn ask(client: &mut Client, method: &str, accept: &str) -> Response {
    let accept = if accept == NONE { String::new() } else { format!("Accept-Encoding: {accept}\r\n") };
    client.send(format!("{method} / HTTP/1.1\r\nHost: web\r\n{accept}\r\n")).await;
    client.response_to(method).await
}

fn decoded(response: &Response) -> String {
    let (mut text, data) = (String::new(), response.body.data.as_slice());
    match response.head.get("content-encoding") {
        Some("gzip") => MultiGzDecoder::new(data).read_to_string(&mut text).map(drop),
        Some("deflate") => ZlibDecoder::new(data).read_to_string(&mut text).map(drop),
        _ => return response.text(),
    }
    .expect("a whole stream");
    text
}

/// The answers of [O], row by row: what the caller accepts, what the back end says, the coding the caller gets.
async fn as_recorded(workers: usize) {
    let text = "Content-Type: text/plain\r\n";
    let json = "content-type: Application/JSON; charset=utf-8\r\n";
    let rows = [
        ("gzip", text, Some("gzip")),
        ("deflate", text, Some("deflate")),
        ("gzip, deflate", text, Some("gzip")),
        ("deflate, gzip", text, Some("gzip")),
        ("*", text, Some("gzip")),
        ("gzip;q=0", text, None),
        ("gzip;q=0.2, deflate;q=0.7", text, Some("deflate")),
        ("br", text, None),
        ("identity", text, None),
        (NONE, text, None),
        ("gzip", json, Some("gzip")),
        ("gzip", "Content-Type: image/svg+xml\r\n", Some("gzip")),
        ("gzip", "Content-Type: application/octet-stream\r\n", None),
        ("gzip", "", None),
        ("gzip", "Content-Type: text/plain\r\nContent-Encoding: br\r\n", Some("br")),
        ("gzip", "Content-Type: text/plain\r\nCache-Control: no-transform\r\n", None),
    ];
    let web = Backend::text("-").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for body in ["0123456789", &"much longer ".repeat(350)] {
        for (accept, lines, want) in rows {
            web.play([Play::reply(reply(&format!("{lines}ETag: \"e\"\r\n"), body))]);
            let response = ask(&mut client, "GET", accept).await;
            let row = format!("{accept} for {lines:?}");
            assert_eq!(response.head.get("content-encoding"), want, "{row}");
            assert_eq!(decoded(&response), body, "{row}");
            assert_eq!(response.head.get("etag"), Some("\"e\""));
            assert_eq!(response.head.get("vary"), None);
            let length = response.body.raw.len().to_string();
            assert_eq!(response.head.get("content-length"), Some(length.as_str()), "{row}");
            let forwarded = (accept != NONE).then_some(accept);
            assert_eq!(web.last().head.get("accept-encoding"), forwarded, "it is forwarded as it came");
        }
    }
    // Nothing to compress.
    for (method, head, length) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n", Some("10")),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n", Some("0")),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Type: text/plain\r\n\r\n", None),
        (
            "GET",
            "HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
            Some("2"),
        ),
    ] {
        web.play([Play::reply(head)]);
        let response = ask(&mut client, method, "gzip").await;
        assert_eq!(response.head.get("content-encoding"), None, "{head:?}");
        assert_eq!(response.head.get("content-length"), length, "{head:?}");
    }
    assert_eq!(web.connections(), 1);
    drop((client, web));
    world.finish().await;
}

/// `compressionLevel`: -1 is the default, 0 is off, 1 to 9 are for all types.
async fn levels(workers: usize) {
    let body = "0123456789abcdef ".repeat(300);
    let mut sizes = Vec::new();
    for (level, text, octets) in
        [("-1", true, false), ("0", false, false), ("1", true, true), ("9", true, true)]
    {
        let web = Backend::text("-").await;
        let router = format!("  compressionLevel: {level}");
        let world = Setup::new().router(&router).replicas("web", &[web.address]).start(workers).await;
        let mut client = world.client().await;
        for (kind, want) in [("text/css", text), ("application/octet-stream", octets)] {
            web.play([Play::reply(reply(&format!("Content-Type: {kind}\r\n"), &body))]);
            let response = ask(&mut client, "GET", "gzip").await;
            assert_eq!(response.head.get("content-encoding").is_some(), want, "level {level} for {kind}");
            assert_eq!(decoded(&response), body);
            sizes.push(response.body.len);
        }
        drop((client, web));
        world.finish().await;
    }
    // Level, text, octets, in turn: the best level is smaller than the fastest.
    assert!(sizes[6] < sizes[4], "{sizes:?}");
}

/// Chunks with trailers, long bodies and bodies until the end of the connection: chunked, and whole.
async fn streamed(workers: usize) {
    let body: String = (0..40_000).map(|i| format!("line {i}\n")).collect();
    let mut chunked =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(777) {
        chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\nX-T: v\r\n\r\n");
    let until_close = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{body}");
    let plays = [
        Play::reply(chunked),
        Play::reply(reply("Content-Type: text/plain\r\n", &body)),
        Play::reply_then_close(until_close),
    ];
    let web = Backend::start(plays).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for trailers in [1, 0, 0] {
        let response = ask(&mut client, "GET", "gzip").await;
        assert_eq!(response.head.get("transfer-encoding"), Some("chunked"));
        assert_eq!(response.head.get("content-length"), None);
        assert!(decoded(&response) == body, "{} bytes", response.body.len);
        assert!(response.body.len < body.len() as u64 / 3, "{} bytes", response.body.len);
        assert_eq!(response.body.trailers.len(), trailers);
    }
    drop((client, web));
    world.finish().await;
}

/// An event arrives although the next one is still to come.
async fn without_delay(workers: usize) {
    let gates = [Gate::closed(), Gate::closed()];
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let acts = [
        Act::Request,
        Play::write(format!("{head}a\r\ndata: one\n\r\n")),
        Act::Wait(gates[0].clone()),
        Play::write("a\r\ndata: two\n\r\n"),
        Act::Wait(gates[1].clone()),
        Play::write("0\r\n\r\n"),
    ];
    let web = Backend::start([Play::acts(acts)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\nAccept-Encoding: deflate\r\n\r\n").await;
    assert_eq!(client.head().await.get("content-encoding"), Some("deflate"));
    let mut stream = Vec::new();
    for (gate, want) in gates.iter().zip(["data: one\n", "data: one\ndata: two\n"]) {
        let seen = async {
            while inflated(&stream) != want {
                stream.extend(chunk(&mut client).await);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), seen).await.expect("an event that was sent arrives");
        gate.open();
    }
    loop {
        let more = chunk(&mut client).await;
        if more.is_empty() {
            break;
        }
        stream.extend(more);
    }
    let mut whole = String::new();
    ZlibDecoder::new(stream.as_slice()).read_to_string(&mut whole).expect("a whole stream");
    assert_eq!(whole, "data: one\ndata: two\n");
    drop((client, web));
    world.finish().await;
}

/// What can be read of a stream so far.
fn inflated(stream: &[u8]) -> String {
    let (mut text, mut block, mut reader) = (Vec::new(), [0; 256], ZlibDecoder::new(stream));
    while let Ok(n) = reader.read(&mut block)
        && n > 0
    {
        text.extend_from_slice(&block[..n]);
    }
    String::from_utf8(text).expect("text")
}

/// The content of the next chunk; nothing of the last one.
async fn chunk(client: &mut Client) -> Vec<u8> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(client.bytes(1).await);
    }
    let size = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
    let size = usize::from_str_radix(&size, 16).expect("a size");
    let mut content = client.bytes(size + 2).await;
    content.truncate(size);
    content
}

async fn errors_too(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let ask = |accept: &str, method: &str| {
        format!("{method} / HTTP/1.1\r\nHost: nobody\r\nAccept-Encoding: {accept}\r\n\r\n")
    };
    let plain = world.ask("GET", ask("br", "GET")).await;
    let packed = world.ask("GET", ask("gzip", "GET")).await;
    assert_eq!((plain.status(), packed.status()), (502, 502));
    assert_eq!(
        (plain.head.get("content-encoding"), packed.head.get("content-encoding")),
        (None, Some("gzip"))
    );
    assert!(plain.text().starts_with("Unable to route request!"), "{}", plain.text());
    assert_eq!(decoded(&packed), plain.text());
    assert_eq!(packed.head.get("l5d-err"), plain.head.get("l5d-err"));
    let head = world.ask("HEAD", ask("gzip", "HEAD")).await;
    assert_eq!(head.head.get("content-encoding"), None);
    drop(web);
    world.finish().await;
}

/// A compressed answer that is cut never looks whole.
async fn broken_off(workers: usize) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    let web = Backend::start([
        Play::reset_after_reply(format!("{head}5\r\nhello\r\n")),
        Play::reply_then_close(format!("{head}5\r\nhello\r\nzz\r\n")),
    ])
    .await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    for _ in 0..2 {
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: web\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let answer = client.try_response("GET").await;
        assert!(answer.is_err() || answer.as_ref().is_ok_and(|r| r.status() == 502), "{answer:?}");
    }
    drop(web);
    world.finish().await;
}

/// HTTP/1.0 has no chunks: what is here as a whole is compressed, what is still to come is not.
async fn to_old_callers(workers: usize) {
    let text = "Content-Type: text/plain\r\n";
    let web = Backend::start([
        Play::reply(reply(text, "at once")),
        Play::reply(format!(
            "HTTP/1.1 200 OK\r\n{text}Transfer-Encoding: chunked\r\n\r\n5\r\nlater\r\n0\r\n\r\n"
        )),
    ])
    .await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    for (want, coding) in [("at once", Some("gzip")), ("later", None)] {
        let request = "GET / HTTP/1.0\r\nHost: web\r\nAccept-Encoding: gzip\r\n\r\n";
        let response = world.ask("GET", request).await;
        assert_eq!((decoded(&response).as_str(), response.head.get("content-encoding")), (want, coding));
    }
    drop(web);
    world.finish().await;
}

/// More streams than there may be compressors: the rest go out as they are, and memory stays bounded.
async fn many_at_once(workers: usize) {
    const CALLERS: usize = 300;
    let gate = Gate::closed();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let acts = [
        Act::Request,
        Play::write(format!("{head}5\r\nhello\r\n")),
        Act::Wait(gate.clone()),
        Play::write("0\r\n\r\n"),
    ];
    let web = Backend::start([Play::acts(acts)]).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let (mut callers, mut packed) = (Vec::new(), 0);
    for _ in 0..CALLERS {
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: web\r\nAccept-Encoding: gzip\r\n\r\n").await;
        let head = client.head().await;
        packed += usize::from(head.get("content-encoding").is_some());
        callers.push((client, head));
    }
    assert!((1..=32 * workers).contains(&packed), "{packed} of {CALLERS} are compressed");
    gate.open();
    for (mut client, head) in callers {
        let body = client.body(head.response_framing("GET")).await.expect("a whole answer");
        assert_eq!(decoded(&Response { head, body }), "hello");
    }
    assert_is_fine(&world).await;
    drop(web);
    world.finish().await;
}

/// Compressors that are free again serve the next ones.
async fn assert_is_fine(world: &World) {
    let request = "GET / HTTP/1.1\r\nHost: web\r\nAccept-Encoding: gzip\r\n\r\n";
    let response = world.ask("GET", request).await;
    assert_eq!((response.head.get("content-encoding"), decoded(&response)), (Some("gzip"), "hello".into()));
}
