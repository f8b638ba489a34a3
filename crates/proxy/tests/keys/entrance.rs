//! Keys that decide what back ends are told of a request, and what may become of a connection.

use super::*;
use testkit::{Act, Backend, Play};

/// `addForwardedHeader`: how each labeler calls the proxy's end, for two requests of one connection and one of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn labelers() {
    let labels = async |labeler: &str| {
        let web = Backend::text("web").await;
        let server = format!("  servers: [{{port: 0, addForwardedHeader: {{by: {labeler}}}}}]");
        let running = start("", &format!("{}\n{server}", all_to(web.address))).await;
        let [mut one, mut other] =
            [Client::connect(running.address()).await, Client::connect(running.address()).await];
        let mut labels = Vec::new();
        for n in 0..3 {
            let caller = if n < 2 { &mut one } else { &mut other };
            assert_eq!(caller.get("/", "web").await.status(), 200);
            let head = web.last().head;
            let said = head.get("forwarded").unwrap_or_default();
            let by = said.strip_prefix("by=").and_then(|said| said.split_once(";for=_"));
            labels.push(by.unwrap_or_else(|| panic!("{said}")).0.to_owned());
        }
        let address = running.address().to_string();
        drop((one, other));
        running.stop().await;
        (labels, address)
    };
    for (labeler, want) in [
        ("{kind: ip}", "127.0.0.1"),
        ("{kind: 'ip:port'}", "\"ADDRESS\""),
        ("{kind: router}", "_r"),
        ("{kind: static, label: edge}", "_edge"),
        ("{kind: static, label: _edge}", "_edge"),
    ] {
        let (labels, address) = labels(labeler).await;
        let want = want.replace("ADDRESS", &address);
        assert_eq!(labels, [want.as_str(); 3], "{labeler}");
    }
    for (labeler, lasts) in [("{kind: requestRandom}", false), ("{kind: connectionRandom}", true)] {
        let (labels, _) = labels(labeler).await;
        assert!(labels.iter().all(|label| label.len() == 7 && label.starts_with('_')), "{labels:?}");
        assert_eq!(labels[0] == labels[1], lasts, "{labeler}: {labels:?}");
        assert_ne!(labels[1], labels[2], "{labeler}");
    }
}

/// `tracePropagator`: by default as `io.l5d.default`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn trace_propagators() {
    let rows = [
        ("", ["l5d-ctx-trace", "x-b3-traceid"]),
        ("  tracePropagator: {kind: io.l5d.default}", ["l5d-ctx-trace", "x-b3-traceid"]),
        ("  tracePropagator: {kind: io.l5d.zipkin}", ["x-b3-traceid", "l5d-ctx-trace"]),
    ];
    for (key, [present, absent]) in rows {
        let web = Backend::text("web").await;
        let running = start("", &format!("{}\n{key}", all_to(web.address))).await;
        assert_eq!(running.get("web").await.status(), 200);
        let head = web.last().head;
        assert!(head.get(present).is_some() && head.get(absent).is_none(), "{key}: {head:?}");
        running.stop().await;
    }
}

/// `tunnels`: an upgrade that is granted is passed on, and refused without the key.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tunnels() {
    let grant = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let ask = "GET / HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for (key, status) in [("", 502), ("  tunnels: true", 101)] {
        let acts = [Act::Request, Play::write(grant), Act::Bytes(4), Play::write("pong"), Act::Close];
        let web = Backend::start([Play::acts(acts)]).await;
        let running = start("", &format!("{}\n{key}", all_to(web.address))).await;
        let mut caller = Client::connect(running.address()).await;
        caller.send(ask).await;
        assert_eq!(caller.head().await.status(), status, "{key}");
        if status == 101 {
            caller.send("ping").await;
            assert_eq!(caller.until_close().await, b"pong");
        }
        drop(caller);
        running.stop().await;
    }
}
