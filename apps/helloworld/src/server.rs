//! Listening, connections and an orderly end.

use crate::answer::{Reply, Service};
use crate::settings::Settings;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Gets each line a service has to say (`starting …`, `set latency to …`), without line end.
pub type Announce = Arc<dyn Fn(&str) + Send + Sync>;

/// How long a request's head may take to arrive, how long a connection may idle, and how long a reply may take.
const TIMEOUT: Duration = Duration::from_secs(11);

/// What of an unwanted request body is read so that its connection can be kept.
const MAX_DRAINED: usize = 256 << 10;

/// Pause after a failed accept (out of descriptors, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens at `host:port`; an empty host means all addresses of both families.
///
/// # Errors
/// Whatever the system says, with the address.
pub async fn bind(addr: &str) -> io::Result<TcpListener> {
    let bound = match addr.strip_prefix(':') {
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Err(fault) if fault.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind(format!("0.0.0.0:{port}")).await
            }
            bound => bound,
        },
        None => TcpListener::bind(addr).await,
    };
    bound.map_err(|fault| io::Error::new(fault.kind(), format!("listen tcp {addr}: {fault}")))
}

/// Serves until `shutdown` ends, then takes no more connections and finishes the requests that run. Quiet.
///
/// Dropping the future ends all connections at once.
///
/// # Errors
/// `-protocol=grpc` is not built yet.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_announcing(settings, listener, shutdown, Arc::new(|_| {})).await
}

/// As [`serve`], and says what the original prints.
///
/// # Errors
/// `-protocol=grpc` is not built yet.
pub async fn serve_announcing(
    settings: Settings,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    announce: Announce,
) -> io::Result<()> {
    settings.check_built().map_err(|fault| io::Error::new(io::ErrorKind::Unsupported, fault.text()))?;
    let addr = settings.addr.clone();
    announce(&format!("starting HTTP server on {addr}"));
    let service = Arc::new(Service::new(settings, announce.clone()));
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(service.clone(), stream, closed.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    announce(&format!("shutting down HTTP server on {addr}"));
    closing.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn connection(service: Arc<Service>, stream: TcpStream, mut closed: watch::Receiver<bool>) {
    // A failure here shows as a failure of the connection.
    let _ = stream.set_nodelay(true);
    let handler = service_fn(move |request| handle(service.clone(), request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(TIMEOUT).half_close(true);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), handler));
    tokio::select! {
        // Errors are the caller's: it broke off, or its request was no HTTP.
        _ = connection.as_mut() => return,
        _ = closed.wait_for(|closed| *closed) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A reply that takes too long ends the connection without one, as Go's write time-out does.
async fn handle(service: Arc<Service>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let work = async {
        let reply = service.answer(&head).await;
        drain(body).await;
        reply
    };
    let reply = tokio::time::timeout(TIMEOUT, work).await?;
    Ok(response(reply))
}

/// Reads a body nobody wants, within limits.
async fn drain(mut body: Incoming) {
    let mut left = MAX_DRAINED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    const HEADERS: [(HeaderName, &str); 2] =
        [(CONTENT_TYPE, "text/plain; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    let mut response = Response::new(Full::new(reply.body.into()));
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("replies use codes of the protocol");
    for (name, value) in HEADERS.into_iter().take(if reply.nosniff { 2 } else { 1 }) {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
