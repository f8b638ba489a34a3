//! What keys of a configuration do, seen from outside: a proxy in this process, started from a document that differs from
//! the defaults in the key, with real callers and back ends. Which test shows which key stands in
//! `src/document/tests/effects.txt`.

mod addresses;
mod administration;
mod balancing;
mod config_map;
mod dns;
mod ending;
mod entrance;
mod ingress;
mod kubernetes_namers;
mod naming;
mod requests;
mod resilience;
#[cfg(target_os = "linux")]
mod sockets;
mod telemetry;

use proxy::{Options, Proxy, StartError, document};
use std::net::SocketAddr;
use tempfile::TempDir;
use testkit::{Client, Metrics, PATIENCE, Response, eventually};

/// A running proxy.
pub(crate) struct Running {
    pub(crate) proxy: Proxy,
    pub(crate) folder: TempDir,
}

/// Starts a proxy with one router labelled `r`: `top` are lines of the document, `router` lines of the router.
pub(crate) async fn start(top: &str, router: &str) -> Running {
    start_in(tempfile::tempdir().expect("a folder"), top, router).await
}

/// The same; `${DIR}` in the lines is `folder`.
pub(crate) async fn start_in(folder: TempDir, top: &str, router: &str) -> Running {
    try_start_in(folder, top, router).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The same, or why it does not start.
pub(crate) async fn try_start_in(folder: TempDir, top: &str, router: &str) -> Result<Running, StartError> {
    try_start_with(folder, top, router, Options { workers: Some(1), ..Options::default() }).await
}

/// The same, with what the document does not say.
pub(crate) async fn try_start_with(
    folder: TempDir,
    top: &str,
    router: &str,
    options: Options,
) -> Result<Running, StartError> {
    let admin = if top.contains("admin:") { "" } else { "admin: {port: 0}\n" };
    let servers = if router.contains("servers:") { "" } else { "\n  servers: [{port: 0}]" };
    let text = format!("{admin}{top}\nrouters:\n- protocol: http\n  label: r{servers}\n{router}\n");
    let text = text.replace("${DIR}", &folder.path().display().to_string());
    let document =
        document::load("linkerd.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    Ok(Running { proxy: Proxy::start(&document, &options).await?, folder })
}

/// A dtab that sends every name to `to`.
pub(crate) fn all_to(to: SocketAddr) -> String {
    format!("  dtab: /svc => /$/inet/{}/{}", to.ip(), to.port())
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.servers()[0].address
    }

    /// The answer to a request with this head's beginning: `GET /`, say, and further lines.
    pub(crate) async fn ask(&self, request: &str) -> Response {
        let mut client = Client::connect(self.address()).await;
        client.send(request).await;
        client.response_to(request.split(' ').next().unwrap_or("GET")).await
    }

    pub(crate) async fn get(&self, host: &str) -> Response {
        self.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await
    }

    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::fetch(self.proxy.admin()).await
    }

    /// Waits until a metric has this value.
    pub(crate) async fn wait(&self, name: &str, value: f64) {
        eventually(PATIENCE, name, || async { self.metrics().await.get(name) == value }).await;
    }

    pub(crate) async fn stop(self) {
        self.proxy.stop().await;
    }
}
