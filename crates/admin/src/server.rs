//! Sockets of the admin server: accepting, limits, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::lenient::Lenient;
use crate::patient::{Limit, Patient};
use crate::{Request, Response, Routes, status};

/// What one admin server spends at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections served at a time; further ones wait in the listen queue. Default 128.
    pub connections: usize,
    /// How long a request's head may take, counted from when the server is ready for it; so this also ends idle
    /// connections. Default 60 s.
    pub head: Duration,
    /// How long a request's body may take. Default 10 s.
    pub body: Duration,
    /// How long a caller may take nothing of an answer. Default: for ever.
    pub write: Option<Duration>,
    /// Largest request body, in bytes; a larger one is answered with 413. Default 1 MiB.
    pub body_bytes: usize,
    /// How long requests that are being answered may take to end once the server is told to stop. Default 5 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 128,
            head: Duration::from_secs(60),
            body: Duration::from_secs(10),
            write: None,
            body_bytes: 1 << 20,
            drain: Duration::from_secs(5),
        }
    }
}

/// How long a server that ends waits for the first request of a connection it has accepted: whoever has just come must not
/// find the door shut while another process has opened the next one.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// An extension of an answer: how long its caller may take nothing of it, where that is shorter than [`Limits::write`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteLimit(pub(crate) Duration);

/// A bound admin server, not serving yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    routes: Arc<Current>,
    limits: Limits,
    stop: watch::Sender<bool>,
}

/// Ends an admin server, or changes what it answers. Cheap to clone; dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct AdminHandle {
    stop: watch::Sender<bool>,
    /// What handlers hold ends with the server.
    routes: Weak<Current>,
}

/// The routes at present.
type Current = watch::Sender<Arc<Routes>>;

impl AdminHandle {
    /// Asks the server to accept no more, to end idle connections, and to finish what it is answering.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Answers further requests, while the server runs, also those on open connections, from other routes.
    pub fn replace(&self, routes: Routes) {
        if let Some(current) = self.routes.upgrade() {
            current.send_replace(Arc::new(routes.with_index()));
        }
    }
}

impl Admin {
    /// Takes a socket that listens and does not block. To be called on the runtime that is to serve it.
    ///
    /// # Errors
    /// What the system says when the socket cannot be used.
    pub fn on(listener: std::net::TcpListener, routes: Routes, limits: Limits) -> io::Result<Admin> {
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let routes = Arc::new(watch::Sender::new(Arc::new(routes.with_index())));
        Ok(Admin { listener, address, routes, limits, stop: watch::Sender::new(false) })
    }

    /// The address it is bound to, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The handle that ends it.
    pub fn handle(&self) -> AdminHandle {
        AdminHandle { stop: self.stop.clone(), routes: Arc::downgrade(&self.routes) }
    }

    /// Serves until [`AdminHandle::stop`], then until the last answer is out or [`Limits::drain`] is over.
    /// Dropping the future closes everything at once.
    pub async fn serve(self) {
        let mut stop = self.stop.subscribe();
        let mut connections = JoinSet::new();
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => {}
                (stream, permit) = self.accept(&permits) => {
                    connections.spawn(self.connection(stream, permit));
                }
            }
        }
        drop(self.listener);
        let drained = async { while connections.join_next().await.is_some() {} };
        if timeout(self.limits.drain, drained).await.is_err() {
            tracing::warn!("admin: requests still running after {:?} are cut off", self.limits.drain);
        }
    }

    /// The next connection, once there is room for it.
    async fn accept(&self, permits: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
        let permit = permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, permit),
                Err(error) => {
                    // Out of descriptors, most likely: others must close theirs first.
                    tracing::warn!("admin: cannot accept: {error}");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// One connection's life.
    fn connection(
        &self,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (current, limits, mut stop) = (self.routes.clone(), self.limits, self.stop.subscribe());
        async move {
            let _permit = permit;
            let (limit, endless) = (Limit::new(limits.write), Arc::new(AtomicBool::new(false)));
            let (of_writes, streams) = (limit.clone(), endless.clone());
            let asked = Arc::new(Notify::new());
            let ask = asked.clone();
            let service = service_fn(move |request| {
                ask.notify_one();
                let routes = current.borrow().clone();
                let (limit, streams) = (of_writes.clone(), streams.clone());
                async move {
                    let response = answer(&routes, request, limits).await;
                    if let Some(WriteLimit(shorter)) = response.extensions().get() {
                        limit.shorten(*shorter);
                    }
                    streams.store(response.body().is_stream(), Ordering::Relaxed);
                    Ok::<_, Infallible>(response)
                }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head)
                .serve_connection(TokioIo::new(Lenient::new(Patient::new(stream, limit))), service);
            let mut served = std::pin::pin!(served);
            let told = async {
                stopped(&mut stop).await;
                drop(timeout(FIRST_REQUEST, asked.notified()).await);
            };
            // Errors are the client's: a reset, a head that is no HTTP, one that came too slowly.
            tokio::select! {
                ended = served.as_mut() => drop(ended),
                // A stream has no end that could be waited for.
                () = told => if !endless.load(Ordering::Relaxed) {
                    served.as_mut().graceful_shutdown();
                    drop(served.await);
                }
            }
        }
    }
}

/// Ends when the server is told to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Fails only when every sender is gone; then nobody can say stop any more, and the end is near anyway.
    drop(stop.wait_for(|stop| *stop).await);
}

/// The answer to one request; a handler that panics gives 500.
async fn answer(routes: &Routes, request: hyper::Request<Incoming>, limits: Limits) -> Response {
    let request = match collect(request, limits).await {
        Ok(request) => request,
        Err(refusal) => return *refusal,
    };
    let path = request.uri().path().to_string();
    // A task of its own is what turns a panic into a value; the set ends it when the client goes away.
    let mut task = JoinSet::new();
    task.spawn(routes.answer(request));
    let mut response = match task.join_next().await {
        Some(Ok(response)) => response,
        _ => {
            tracing::error!("admin: the handler of {path} panicked");
            status(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
    };
    // What strangers had a hand in, names and dtabs, must not be taken for a page.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Reads the body, or says why not.
async fn collect(request: hyper::Request<Incoming>, limits: Limits) -> Result<Request, Box<Response>> {
    let (head, body) = request.into_parts();
    let refusal = match timeout(limits.body, Limited::new(body, limits.body_bytes).collect()).await {
        Ok(Ok(body)) => return Ok(Request::from_parts(head, body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            status(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large\n")
        }
        Ok(Err(_)) => status(StatusCode::BAD_REQUEST, "the request body is broken\n"),
        Err(_) => status(StatusCode::REQUEST_TIMEOUT, "the request body came too slowly\n"),
    };
    Err(Box::new(refusal))
}
