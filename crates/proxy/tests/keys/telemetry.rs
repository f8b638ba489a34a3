//! Telemeters, and what else is told of the metrics.

use super::*;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::{Backend, Play, within};
use tokio::net::UdpSocket;
use tokio::time::Instant;

async fn admin(running: &Running, path: &str) -> (u16, String) {
    let answer = Client::connect(running.proxy.admin()).await.get(path, "admin.host").await;
    (answer.status(), answer.text())
}

/// `io.l5d.prometheus`: `histograms`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn histograms() {
    for (key, there) in [("", true), (", histograms: true", true), (", histograms: false", false)] {
        let running = start(&format!("telemetry: [{{kind: io.l5d.prometheus{key}}}]"), "").await;
        assert_eq!(running.get("web").await.status(), 502);
        let line = |text: &str| {
            let start =
                "rt:service:request_latency_ms_histogram_bucket{rt=\"r\", service=\"svc/web\", le=\"+Inf\"} ";
            text.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned))
        };
        running.wait("rt/r/service/svc/web/requests", 1.0).await;
        let (_, text) = admin(&running, "/admin/metrics/prometheus").await;
        assert_eq!(line(&text).as_deref(), there.then_some("1"), "{key}: {text}");
        running.stop().await;
    }
}

/// `io.l5d.influxdb`: its endpoint, and the host in its lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn influxdb() {
    let running = start("telemetry: [{kind: io.l5d.influxdb}]", "").await;
    let (status, text) = admin(&running, "/admin/metrics/influxdb").await;
    let line = format!("\nrt:server,host=admin.host,rt=r,server=127.0.0.1/{} ", 0);
    assert!(status == 200 && text.contains(&line), "{text}");
    running.stop().await;
    let without = start("", "").await;
    assert_eq!(admin(&without, "/admin/metrics/influxdb").await.0, 404, "only where it is asked for");
    without.stop().await;
}

/// Packets until one satisfies `last`.
async fn packets(socket: &UdpSocket, last: impl Fn(&str) -> bool) -> Vec<String> {
    let mut packets = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let n = within("a datagram", socket.recv(&mut buffer)).await.expect("a datagram");
        let datagram = String::from_utf8_lossy(&buffer[..n]).into_owned();
        packets.extend(datagram.lines().map(str::to_owned));
        if packets.iter().any(|packet| last(packet)) {
            return packets;
        }
    }
}

/// `io.l5d.statsd`: where packets go and what they are called, `hostname`, `port`, `prefix`, `sampleRate`,
/// `gaugeIntervalMs` (row 5 of observability.md §9). That it does not start without `experimental` shows
/// `document::tests::telemetry`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn statsd() {
    let socket = UdpSocket::bind("127.0.0.2:0").await.expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    let to = format!("kind: io.l5d.statsd, experimental: true, hostname: 127.0.0.2, port: {port}");
    let web = Backend::text("web").await;
    for (rate, prefix, timings) in [("1.0", "pre", true), ("0.0", "other", false)] {
        let keys = format!("{to}, prefix: {prefix}, sampleRate: {rate}, gaugeIntervalMs: 1000");
        let running = start(&format!("telemetry: [{{{keys}}}]"), &all_to(web.address)).await;
        assert_eq!(running.get("web").await.status(), 200);
        let name = format!("{prefix}.rt.r.service.svc.web");
        let counted = format!("{name}.requests:1|c|@1.000000");
        let mut all = packets(&socket, |packet| packet == counted).await;
        // One more round, so that all of the first is there.
        let gauge = format!("{name}.pending:0|g");
        all.extend(packets(&socket, |packet| packet == gauge).await);
        let first = Instant::now();
        all.extend(packets(&socket, |packet| packet == gauge).await);
        assert!(first.elapsed() < Duration::from_secs(8), "gauges come more often than each ten seconds");
        let timing = all
            .iter()
            .any(|p| p.starts_with(&format!("{name}.request_latency_ms:")) && p.contains("|ms|@1.000000"));
        assert_eq!(timing, timings, "{rate}: {all:?}");
        assert_eq!(all.iter().filter(|packet| **packet == counted).count(), 1, "told once: {all:?}");
        running.stop().await;
    }
}

/// A StatsD server that is not there, or has no address, disturbs nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn statsd_without_a_server() {
    let web = Backend::text("web").await;
    for host in ["127.0.0.1", "nowhere.invalid"] {
        let to =
            format!("telemetry: [{{kind: io.l5d.statsd, experimental: true, hostname: {host}, port: 9}}]");
        let running = start(&to, &all_to(web.address)).await;
        assert_eq!(running.get("web").await.status(), 200);
        running.stop().await;
    }
}

/// `io.l5d.recentRequests`: `sampleRate` and `capacity` (row 26 of observability.md §9).
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_26_recent_requests() {
    let web = Backend::text("web").await;
    for (keys, shown) in [("sampleRate: 1.0", 10), ("sampleRate: 1, capacity: 3", 3), ("sampleRate: 0.0", 0)]
    {
        let telemetry = format!("telemetry: [{{kind: io.l5d.recentRequests, {keys}}}]");
        let running = start(&telemetry, &all_to(web.address)).await;
        for n in 0..12 {
            assert_eq!(running.get(&format!("web{n}")).await.status(), 200);
            running.wait(&format!("rt/r/service/svc/web{n}/requests"), 1.0).await;
        }
        let (status, page) = admin(&running, "/requests").await;
        let rows: Vec<&str> = page.split("<tr>").skip(2).collect();
        assert_eq!((status, rows.len()), (200, shown), "{keys}: {page}");
        for (n, row) in rows.iter().enumerate() {
            let name = format!("/svc/web{}", 11 - n);
            let link = format!("<a href=\"delegator?router=r#%2Fsvc%2Fweb{}\">{name}</a>", 11 - n);
            assert!(row.contains(&link) && row.contains(&web.address.to_string()), "newest first: {page}");
        }
        let (_, list) = admin(&running, "/requests.json").await;
        assert_eq!(list.matches("\"concreteName\"").count(), shown, "{list}");
        running.stop().await;
    }
    let without = start("", "").await;
    assert_eq!(admin(&without, "/requests").await.0, 404);
    without.stop().await;
}

/// `io.l5d.commonMetrics` does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn common_metrics() {
    let paths = async |top: &str| {
        let running = start(top, "").await;
        let (_, list) = admin(&running, "/admin/index.txt").await;
        running.stop().await;
        list.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(paths("telemetry: [{kind: io.l5d.commonMetrics}]").await, paths("").await);
}

/// `usage`: `enabled`, `orgId`. Row 28 of observability.md §9: what would be told is shown here and told nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn row_28_usage() {
    let web = Backend::text("web").await;
    for (top, org) in [("", "null"), ("usage: {enabled: true, orgId: me}", "\"me\"")] {
        let running = start(top, &all_to(web.address)).await;
        assert_eq!(running.get("web").await.status(), 200);
        running.wait("rt/r/service/svc/web/requests", 1.0).await;
        let (status, text) = admin(&running, "/admin/metrics/usage").await;
        let want = format!(
            "{{\"counters\":[{{\"name\":\"srv_requests\",\"value\":1}}],\"namers\":[],\"orgId\":{org},\"routers\":\
             [{{\"identifiers\":[\"io.l5d.header.token\"],\"interpreter\":\"default\",\"protocol\":\"http\",\
             \"transformers\":[]}}]}}"
        );
        assert_eq!((status, text), (200, want));
        running.stop().await;
    }
    let running = start("usage: {enabled: false}", "").await;
    assert_eq!(admin(&running, "/admin/metrics/usage").await.0, 404);
    running.stop().await;
}

/// `maxMetricScopes`: what is above is counted as `other`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn metric_scopes() {
    let web = Backend::start([Play::text("web")]).await;
    let running = start("", &format!("{}\n  maxMetricScopes: 3", all_to(web.address))).await;
    for host in ["a", "b", "c"] {
        assert_eq!(running.get(host).await.status(), 200);
    }
    // A service, its client, and the service within the client; the others share the client.
    running.wait("rt/r/service/other/requests", 2.0).await;
    let client = format!("rt/r/client/$/inet/127.0.0.1/{}", web.address.port());
    let metrics = running.metrics().await;
    assert_eq!(metrics.get("rt/r/service/svc/a/requests"), 1.0);
    assert!(!metrics.has("rt/r/service/svc/b/requests") && !metrics.has("rt/r/service/other/pending"));
    assert_eq!(metrics.get(&format!("{client}/requests")), 3.0);
    assert_eq!(metrics.get(&format!("{client}/service/other/requests")), 2.0);
    let scopes = ["used", "refused"].map(|name| metrics.get(&format!("rt/r/metric_scopes/{name}")));
    assert_eq!(scopes, [3.0, 4.0]);
    running.stop().await;
}
