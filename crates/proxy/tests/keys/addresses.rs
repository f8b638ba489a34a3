//! Keys that say where something listens, what it is called, and how it ends.

use super::*;
use std::time::Duration;
use testkit::{Backend, Play, free_port};
use tokio::time::Instant;

/// `admin.ip`, `admin.port`, `servers.ip`, `servers.port`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn listening() {
    let [admin, server] = [free_port(), free_port()];
    let running = start(
        &format!("admin: {{ip: 127.0.0.2, port: {admin}}}"),
        &format!("  servers: [{{ip: 127.0.0.3, port: {server}}}]"),
    )
    .await;
    assert_eq!(running.proxy.admin(), format!("127.0.0.2:{admin}").parse().unwrap());
    assert_eq!(running.address(), format!("127.0.0.3:{server}").parse().unwrap());
    assert_eq!(running.get("web").await.status(), 502);
    running.wait(&format!("rt/r/server/127.0.0.3/{server}/requests"), 1.0).await;
    running.stop().await;
}

/// `label`, `originator`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn names_in_metrics() {
    let plain = start("", "").await;
    let metrics = plain.metrics().await;
    assert!(metrics.iter().any(|(name, _)| name.starts_with("rt/r/server/")));
    assert!(!metrics.has("rt/r/originator"));
    plain.stop().await;
    let running = start("", "  originator: true").await;
    assert_eq!(running.metrics().await.get("rt/r/originator"), 1.0);
    running.stop().await;
}

/// `io.l5d.prometheus`: `path`, `prefix`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn prometheus() {
    let asked = async |telemetry: &str, path: &str| {
        let running = start(telemetry, "").await;
        let answer = Client::connect(running.proxy.admin()).await.get(path, "admin").await;
        running.stop().await;
        (answer.status(), answer.text())
    };
    let (status, text) = asked("telemetry: [{kind: io.l5d.prometheus}]", "/admin/metrics/prometheus").await;
    assert!(status == 200 && text.contains("\nrt:server:requests{rt=\"r\""), "{text}");
    let other = "telemetry: [{kind: io.l5d.prometheus, path: /metrics, prefix: l5d_}]";
    let (status, text) = asked(other, "/metrics").await;
    assert!(status == 200 && text.contains("\nl5d_rt:server:requests{rt=\"r\""), "{text}");
    assert_eq!(asked(other, "/admin/metrics/prometheus").await.0, 404);
    assert_eq!(asked("", "/admin/metrics/prometheus").await.0, 404, "only where it is asked for");
}

/// `admin.shutdownGraceMs`: what is still running then is cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shutdown_grace() {
    let web = Backend::start([Play::never_answer()]).await;
    let running = start("admin: {port: 0, shutdownGraceMs: 300}", &all_to(web.address)).await;
    let mut client = Client::connect(running.address()).await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    web.wait_requests(1).await;
    let start = Instant::now();
    let drained = running.proxy.stop().await;
    assert_eq!(drained.cut, 1);
    let took = start.elapsed();
    // By default it would wait for ten seconds.
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(8), "{took:?}");
}
