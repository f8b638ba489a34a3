//! Access logs (dataplane.md §4.5): what is in the files, when, and that no file is ever worth a request.

use std::fs;
use std::path::PathBuf;
use testkit::{Backend, Client, PATIENCE, Play, Setup, World, each_width, eventually, free_port};

each_width!(
    each_router_has_its_own_file,
    no_line_is_lost_at_the_end,
    retried_attempts_have_lines,
    files_moved_away,
    files_that_grow,
    a_file_begun_anew,
    a_full_disk,
);

/// A file of the proxy's working folder.
fn path(world: &World, name: &str) -> PathBuf {
    world.disco().parent().expect("the replicas have a folder of their own").join(name)
}

fn lines(world: &World, name: &str) -> Vec<String> {
    let text = fs::read_to_string(path(world, name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn wait_lines(world: &World, name: &str, n: usize) {
    eventually(PATIENCE, &format!("{n} lines in {name}"), || async { lines(world, name).len() >= n }).await;
    assert_eq!(lines(world, name).len(), n, "{:?}", lines(world, name));
}

/// Names of the files whose names begin so.
fn files(world: &World, begin: &str) -> Vec<String> {
    let folder = path(world, "");
    let entries = fs::read_dir(folder).expect("the test's folder can be read");
    let mut names: Vec<String> =
        entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.starts_with(begin));
    names.sort();
    names
}

/// Row 28 of dataplane.md §13: each file has only its own router's lines.
async fn each_router_has_its_own_file(workers: usize) {
    let web = Backend::text("ok").await;
    let second = free_port();
    let router = |label: &str, port: &str| {
        format!(
            "- protocol: http\n  label: {label}\n  dtab: /svc => /#/io.l5d.fs;\n  httpAccessLog: {label}.log\n  servers: [{{port: {port}}}]\n"
        )
    };
    let document = format!(
        "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}\nnamers:\n- kind: io.l5d.fs\n  rootDir: ${{DIR}}/disco\nrouters:\n{}{}",
        router("out", "${ROUTER}"),
        router("other", &second.to_string())
    );
    let world = Setup::new().document(&document).replicas("web", &[web.address]).start(workers).await;
    let mut other = Client::connect((std::net::Ipv4Addr::LOCALHOST, second).into()).await;
    let mut client = world.client().await;
    for i in 0..10 {
        assert_eq!(client.get(&format!("/out/{i}"), "web").await.status(), 200);
        assert_eq!(other.get(&format!("/other/{i}"), "web").await.status(), 200);
    }
    // No line: nobody answered.
    assert_eq!(client.get("/out/nobody", "nobody").await.status(), 502);
    for name in ["out", "other"] {
        wait_lines(&world, &format!("{name}.log"), 10).await;
        for (i, line) in lines(&world, &format!("{name}.log")).iter().enumerate() {
            let (before, behind) = line.split_once('[').expect("a time");
            assert_eq!(before, "web 127.0.0.1 - - ");
            let (time, behind) = behind.split_once("] ").expect("the end of the time");
            assert_eq!((time.len() > 20, &time[2..3], &time[5..6], &time[10..11]), (true, "/", "/", ":"));
            assert_eq!(behind, format!("\"GET /{name}/{i} HTTP/1.1\" 200 2 \"-\" \"-\""));
        }
    }
    drop((client, other, web));
    world.finish().await;
}

async fn no_line_is_lost_at_the_end(workers: usize) {
    let web = Backend::text("ok").await;
    let setup = Setup::new().router("  httpAccessLog: access.log").replicas("web", &[web.address]);
    let mut world = setup.start(workers).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(world.client().await);
    }
    // More than a buffer holds, so that some travel early and the last ones with the stop.
    let filling = "x".repeat(2_000);
    for i in 0..400 {
        assert_eq!(clients[i % 8].get(&format!("/{i}/{filling}"), "web").await.status(), 200);
    }
    drop(clients);
    world.process.signal("TERM");
    assert!(world.process.wait(PATIENCE).await.success());
    let mut seen: Vec<usize> = lines(&world, "access.log")
        .iter()
        .map(|line| line.split('/').nth(3).and_then(|i| i.parse().ok()).unwrap_or_else(|| panic!("{line}")))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..400).collect::<Vec<_>>());
}

/// One line for each attempt that was answered; none for a connection that was not.
async fn retried_attempts_have_lines(workers: usize) {
    let failing = "HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nbad";
    let web = Backend::start([Play::reply(failing), Play::text("ok")]).await;
    let router = "  httpAccessLog: access.log\n  service:\n    responseClassifier: {kind: io.l5d.http.retryableRead5XX}";
    let world = Setup::new().router(router).replicas("web", &[web.address]).start(workers).await;
    assert_eq!(world.get("web").await.status(), 200);
    wait_lines(&world, "access.log", 2).await;
    let all = lines(&world, "access.log");
    assert!(all[0].ends_with("\" 500 3 \"-\" \"-\"") && all[1].ends_with("\" 200 2 \"-\" \"-\""), "{all:?}");
    drop(web);
    world.finish().await;
}

async fn files_moved_away(workers: usize) {
    let web = Backend::text("ok").await;
    let router = "  httpAccessLog: access.log\n  httpAccessLogRollPolicy: sighup";
    let mut world = Setup::new().router(router).replicas("web", &[web.address]).start(workers).await;
    world.get("web").await;
    wait_lines(&world, "access.log", 1).await;
    fs::rename(path(&world, "access.log"), path(&world, "access.log.1")).expect("a file can be renamed");
    world.process.signal("HUP");
    world.process.wait_line("the signal was heard", |l| l.contains("SIGHUP")).await;
    world.get("web").await;
    world.get("web").await;
    wait_lines(&world, "access.log", 2).await;
    assert_eq!(lines(&world, "access.log.1").len(), 1);
    drop(web);
    world.finish().await;
}

async fn files_that_grow(workers: usize) {
    let web = Backend::text("ok").await;
    let router =
        "  httpAccessLog: access.log\n  httpAccessLogRollPolicy: 1.kilobyte\n  httpAccessLogRotateCount: 2";
    let world = Setup::new().router(router).replicas("web", &[web.address]).start(workers).await;
    let mut client = world.client().await;
    for i in 0..100 {
        assert_eq!(client.get(&format!("/{i:03}"), "web").await.status(), 200);
    }
    let last = || async { lines(&world, "access.log").last().is_some_and(|l| l.contains("/099 ")) };
    eventually(PATIENCE, "the last line", last).await;
    let names = files(&world, "access");
    assert_eq!((names.len(), names.last().map(String::as_str)), (3, Some("access.log")), "{names:?}");
    for name in &names {
        let len = fs::metadata(path(&world, name)).expect("a file").len();
        assert!(len <= 1024, "{name}: {len} bytes");
    }
    drop((client, web));
    world.finish().await;
}

async fn a_file_begun_anew(workers: usize) {
    let web = Backend::text("ok").await;
    let router = "  httpAccessLog: disco/log\n  httpAccessLogAppend: false";
    // The file is there before the proxy is: written as a file of replicas.
    let setup = Setup::new().router(router).replicas("log", &[web.address]);
    let world = setup.replicas("web", &[web.address]).start(workers).await;
    world.get("web").await;
    wait_lines(&world, "disco/log", 1).await;
    assert!(lines(&world, "disco/log")[0].starts_with("web 127.0.0.1 - - ["));
    drop(web);
    world.finish().await;
}

/// `/dev/full` says what a full disk says: the operator is told once, lines are counted, traffic goes on.
async fn a_full_disk(workers: usize) {
    let web = Backend::text("ok").await;
    let setup = Setup::new().router("  httpAccessLog: /dev/full").replicas("web", &[web.address]);
    let world = setup.start(workers).await;
    let mut client = world.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/", "web").await.status(), 200);
    }
    world.wait_metric("rt/out/access_log/dropped", 20.0).await;
    for _ in 0..20 {
        assert_eq!(client.get("/", "web").await.status(), 200);
    }
    world.wait_metric("rt/out/access_log/dropped", 40.0).await;
    let said = world.process.log();
    assert_eq!(said.matches("access log /dev/full cannot be written").count(), 1, "{said}");
    drop((client, web));
    world.finish().await;
}
