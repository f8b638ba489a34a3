//! What travels with a request through the whole proxy: dtabs, samples, deadlines, residuals (dataplane.md §7, §13 rows 13
//! to 15 and 43 to 46).

use testkit::{Backend, Head, Play, Setup, World, each_width};

each_width!(rows_13_to_15_and_43_dtabs, row_44_samples, row_45_deadlines, row_46_residuals);

async fn world(workers: usize, web: &Backend, router: &str) -> World {
    Setup::new().replicas("web", &[web.address]).router(router).start(workers).await
}

async fn seen(world: &World, web: &Backend, lines: &str) -> Head {
    let response = world.ask("GET", format!("GET / HTTP/1.1\r\nHost: web\r\n{lines}\r\n")).await;
    assert_eq!(response.status(), 200, "{lines}");
    web.last().head
}

async fn rows_13_to_15_and_43_dtabs(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let world = world(workers, &web, "").await;
    for (line, ctx, local) in [
        ("l5d-dtab: /a=>/b", Some("/a=>/b"), None),
        ("l5d-ctx-dtab: /a=>/b", Some("/a=>/b"), None),
        ("dtab-local: /a=>/b", None, Some("/a=>/b")),
    ] {
        let head = seen(&world, &web, &format!("{line}\r\n")).await;
        let got = (head.get("l5d-ctx-dtab"), head.get("l5d-dtab"), head.get("dtab-local"));
        assert_eq!(got, (ctx, None, local), "{line}");
    }
    let bad = world.ask("GET", "GET / HTTP/1.1\r\nHost: web\r\nl5d-dtab: i am not a dtab\r\n\r\n").await;
    assert_eq!(bad.status(), 400);
    assert_eq!(bad.text(), "'/' expected but 'i' found at '[i] am not a dtab'");
    drop(web);
    world.finish().await;
}

async fn row_44_samples(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let world = world(workers, &web, "").await;
    // The flags are the last of 32 bytes in base64: none, known, known and sampled.
    for (rate, end) in [("yes", "AAA="), ("-3", "AAI="), ("1.5", "AAY=")] {
        let head = seen(&world, &web, &format!("l5d-sample: {rate}\r\n")).await;
        let trace = head.get("l5d-ctx-trace").unwrap_or_default();
        assert!(trace.len() == 44 && trace.ends_with(end), "{rate}: {trace}");
        assert_eq!(head.get("l5d-sample"), None);
    }
    drop(web);
    world.finish().await;
}

async fn row_45_deadlines(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let world = world(workers, &web, "  service: {totalTimeoutMs: 60000}").await;
    let lines = "l5d-ctx-deadline: 1000 5000\r\nl5d-ctx-deadline: 2000 4000\r\n";
    let head = seen(&world, &web, lines).await;
    let all: Vec<_> = head.all("l5d-ctx-deadline").collect();
    assert_eq!(all.len(), 1);
    let (timestamp, deadline) = all[0].split_once(' ').expect("two numbers");
    let timestamp: u64 = timestamp.parse().expect("a number");
    assert!(timestamp > 1_600_000_000_000_000_000, "the latest time stamp is ours: {timestamp}");
    assert_eq!(deadline, "4000", "the earliest deadline is a caller's, though it has passed");
    drop(web);
    world.finish().await;
}

async fn row_46_residuals(workers: usize) {
    let web = Backend::start([Play::text("ok")]).await;
    let setup = Setup::new().dtab("/svc => /#/io.l5d.fs/web;\n/svc/web => /#/io.l5d.fs/web;");
    let world = setup.replicas("web", &[web.address]).start(workers).await;
    for (host, residual) in [("web", None), ("other", Some("/other"))] {
        assert_eq!(world.get(host).await.status(), 200);
        let head = web.last().head;
        assert_eq!(head.get("l5d-dst-client"), Some("/#/io.l5d.fs/web"));
        assert_eq!(head.get("l5d-dst-residual"), residual, "{host}");
    }
    drop(web);
    world.finish().await;
}
