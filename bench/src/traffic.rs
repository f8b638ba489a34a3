//! A back end and a caller over plain blocking sockets that allocate nothing once they run, so that whatever a counting
//! allocator sees is the proxy's.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Bytes of an answer's body.
const BODY: usize = 1_024;
/// More than any message of this module.
const ROOM: usize = 16 << 10;

/// A GET as a browser sends it, about 540 bytes; as `mesh.lua` of the peer benchmark.
#[must_use]
pub fn get(host: &str) -> Vec<u8> {
    let head = head("GET /api/v1/items/17?page=3 HTTP/1.1", host);
    format!("{head}\r\n").into_bytes()
}

/// A GET whose answer comes in chunks.
#[must_use]
pub fn get_chunks(host: &str) -> Vec<u8> {
    let head = head("GET /chunks HTTP/1.1", host);
    format!("{head}\r\n").into_bytes()
}

/// As [`get_chunks`], from a caller that likes the answer compressed.
#[must_use]
pub fn get_gzip(host: &str) -> Vec<u8> {
    let plain = String::from_utf8(get_chunks(host)).expect("text");
    plain.replace("Accept-Encoding: identity", "Accept-Encoding: gzip").into_bytes()
}

/// A PUT with a hundred bytes of known length: a body that the proxy holds for another attempt.
#[must_use]
pub fn put(host: &str) -> Vec<u8> {
    let head = head("PUT /api/v1/orders/17 HTTP/1.1", host);
    let body = format!("{}{PUT_END}", "z".repeat(100 - PUT_END.len()));
    format!("{head}Content-Length: 100\r\n\r\n{body}").into_bytes()
}

/// How the body of [`put`] ends.
const PUT_END: &str = "end of body";

/// A POST with a chunked body of 4 KB.
#[must_use]
pub fn post(host: &str) -> Vec<u8> {
    let head = head("POST /api/v1/orders HTTP/1.1", host);
    let chunk = format!("800\r\n{}\r\n", "y".repeat(2_048));
    let more = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    format!("{head}{more}\r\n{chunk}{chunk}0\r\n\r\n").into_bytes()
}

fn head(line: &str, host: &str) -> String {
    let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
    let cookie = "9e3779b9".repeat(23);
    format!(
        "{line}\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: application/json, text/plain;q=0.9, */*;q=0.8\r\n\
         Accept-Encoding: identity\r\nX-Request-Id: 00009e37-0000-4000-8000-000000000017\r\n\
         Cookie: session={cookie}; tz=UTC\r\n"
    )
}

/// Starts a back end that answers every request with 200 and a kilobyte; it lasts as long as the process.
///
/// # Errors
/// What the system says when there is no port left.
pub fn back_end() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\n";
    let body = "x".repeat(BODY);
    let whole = format!("{head}Content-Length: {BODY}\r\n\r\n{body}");
    let chunks = format!("{head}Transfer-Encoding: chunked\r\n\r\n{BODY:x}\r\n{body}\r\n0\r\n\r\n");
    let mut buffer = vec![0; ROOM];
    let mut filled = 0;
    loop {
        let n = stream.read(&mut buffer[filled..])?;
        if n == 0 {
            return Ok(());
        }
        filled += n;
        let request = &buffer[..filled];
        if is_whole(request) {
            let answer = if request.starts_with(b"GET /chunks ") { &chunks } else { &whole };
            stream.write_all(answer.as_bytes())?;
            filled = 0;
        }
    }
}

/// Whether these bytes, which begin with a request of this module, are all of it.
fn is_whole(request: &[u8]) -> bool {
    match request.first() {
        Some(b'G') => request.ends_with(b"\r\n\r\n"),
        _ if request.starts_with(b"PUT") => request.ends_with(PUT_END.as_bytes()),
        _ => request.ends_with(LAST_CHUNK),
    }
}

/// How a chunked body ends.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A caller with one keep-alive connection.
#[derive(Debug)]
pub struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects.
    ///
    /// # Errors
    /// What the system says when nobody listens.
    pub fn connect(to: SocketAddr) -> io::Result<Caller> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        Ok(Caller { stream, buffer: vec![0; ROOM] })
    }

    /// Sends one request and reads the whole answer of a [`back_end`].
    ///
    /// # Errors
    /// When the connection ends, or the answer is another one.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        loop {
            let n = self.stream.read(&mut self.buffer[filled..])?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += n;
            let answer = &self.buffer[..filled];
            let Some(head) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            if filled == head + 4 + BODY || answer.ends_with(LAST_CHUNK) {
                let fine = answer.starts_with(b"HTTP/1.1 200 ");
                return if fine { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) };
            }
        }
    }
}

/// The Linkerd configuration of the peer benchmark's mode `mesh1`: replica sets as files in `disco`, EWMA, accrual,
/// retries of reads, a deadline. Ports are chosen by the system.
#[must_use]
pub fn mesh_document(disco: &std::path::Path) -> String {
    document(disco, MESH_ROUTER, "")
}

/// As [`mesh_document`], with everything on that a request passes on its way in: several identifiers, fields that are
/// added and taken away, other trace fields. Names are made of method, host and path.
#[must_use]
pub fn entrance_document(disco: &std::path::Path) -> String {
    let router = "  identifier:\n  - {kind: io.l5d.header}\n  - {kind: io.l5d.header, header: X-Absent}\n  \
                  - {kind: io.l5d.header.token, header: X-Absent}\n  - {kind: io.l5d.methodAndHost, httpUriInDst: true}\n  \
                  tracePropagator: {kind: io.l5d.zipkin}\n  dstPrefix: /in";
    let server = "    clearContext: true\n    timestampHeader: x-request-start\n    maxCallDepth: 3\n    \
                  addForwardedHeader: {by: {kind: 'ip:port'}, for: {kind: requestRandom}}\n";
    document(disco, router, server)
}

/// As [`mesh_document`], with names by the rules of Ingress objects of the namespace `ns`, which a Kubernetes API at this port of
/// 127.0.0.1 tells; their port is `http`.
#[must_use]
pub fn ingress_document(disco: &std::path::Path, api: u16) -> String {
    let identifier =
        format!("  identifier: {{kind: io.l5d.ingress, host: 127.0.0.1, port: {api}}}\n  dstPrefix: /in");
    document(disco, &identifier, "")
}

fn document(disco: &std::path::Path, router: &str, server: &str) -> String {
    format!(
        "admin: {{ip: 127.0.0.1, port: 0}}\nusage: {{enabled: false}}\ntelemetry:\n- kind: io.l5d.prometheus\n\
         namers:\n- kind: io.l5d.fs\n  rootDir: {}\nrouters:\n- protocol: http\n  dtab: |\n    /svc => /#/io.l5d.fs;\n\
         \x20   /in/1.1/* => /#/io.l5d.fs;\n    /in/ns/http => /#/io.l5d.fs;\n{router}\n  servers:\n  - ip: 127.0.0.1\n    port: 0\n{server}",
        disco.display()
    )
}

/// The keys of that configuration's router that are not about addresses.
pub const MESH_ROUTER: &str = "  identifier: {kind: io.l5d.header.token, header: Host}
  service:
    responseClassifier: {kind: io.l5d.http.retryableRead5XX}
    totalTimeoutMs: 10000
  client:
    loadBalancer: {kind: ewma}
    failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 5}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_of_the_benchmark_s_size() {
        let size = get("svc-000").len();
        assert!((500..580).contains(&size), "{size}");
    }

    #[test]
    fn a_request_is_whole_at_its_last_byte() {
        let check = |request: Vec<u8>| {
            let whole: Vec<_> = (0..=request.len()).filter(|&n| is_whole(&request[..n])).collect();
            assert_eq!(whole, [request.len()], "{}", String::from_utf8_lossy(&request));
        };
        check(get("a"));
        check(get_chunks("a"));
        check(put("a"));
        check(post("a"));
    }

    #[test]
    fn caller_and_back_end_speak() {
        let mut caller = Caller::connect(back_end().unwrap()).unwrap();
        for request in [get("a"), post("a"), get_chunks("a"), put("a"), get("a")] {
            caller.ask(&request).unwrap();
        }
    }
}
