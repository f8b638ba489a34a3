//! `socketOptions` of servers, clients and the admin server, as the system shows them (dataplane.md §3.3).

use std::process::Command;
use testkit::{Backend, Client, Play, Setup, World, each_width, free_port};

each_width!(of_a_server, of_a_client, of_the_admin_server, read_timeouts);

/// What `ss` says of the sockets a filter selects; empty when there is no `ss`.
fn ss(filter: &str) -> String {
    let args = ["-H", "-n", "-t", "-o"].into_iter().chain(filter.split(' '));
    let output = Command::new("ss").args(args).output();
    output.map_or_else(|_| String::new(), |out| String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The length of a listening socket's queue.
fn backlog(port: u16) -> String {
    let line = ss(&format!("-l sport = :{port}"));
    line.split_whitespace().nth(2).unwrap_or_default().to_owned()
}

fn has_ss() -> bool {
    let has = Command::new("ss").arg("-V").output().is_ok();
    if !has {
        eprintln!("SKIPPED: there is no ss (Debian: apt-get install iproute2)");
    }
    has
}

async fn of_a_server(workers: usize) {
    if !has_ss() {
        return;
    }
    let web = Backend::text("web").await;
    let setup = Setup::new().server("socketOptions: {keepAlive: true, backlog: 7}");
    let world = setup.replicas("web", &[web.address]).start(workers).await;
    let mut caller = world.client().await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    let port = world.router.port();
    assert_eq!(backlog(port), "7");
    let accepted = ss(&format!("state established sport = :{port}"));
    assert!(accepted.contains("timer:(keepalive"), "{accepted}");
    drop((caller, web));
    world.finish().await;

    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut caller = world.client().await;
    assert_eq!(caller.get("/", "web").await.status(), 200);
    let port = world.router.port();
    assert!(backlog(port).parse::<u32>().is_ok_and(|n| n > 7), "{}", backlog(port));
    assert!(!ss(&format!("state established sport = :{port}")).contains("keepalive"));
    drop((caller, web));
    world.finish().await;
}

async fn of_a_client(workers: usize) {
    if !has_ss() {
        return;
    }
    for keep_alive in [true, false] {
        let web = Backend::text("web").await;
        let client = format!("  client: {{socketOptions: {{keepAlive: {keep_alive}}}}}");
        let world = Setup::new().router(&client).replicas("web", &[web.address]).start(workers).await;
        assert_eq!(world.get("web").await.status(), 200);
        let dialled = ss(&format!("state established dport = :{}", web.address.port()));
        assert!(!dialled.is_empty() && dialled.contains("timer:(keepalive") == keep_alive, "{dialled}");
        drop(web);
        world.finish().await;
    }
}

/// Its queue, its patience; and two proxies serve one port because both say so.
async fn of_the_admin_server(workers: usize) {
    let port = free_port();
    let start = async |options: &str| -> World {
        let document = format!(
            "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}, socketOptions: {{{options}}}}}\nusage: {{enabled: false}}\n\
             routers:\n- {{protocol: http, label: out, servers: [{{ip: 127.0.0.1, port: ${{ROUTER}}}}, {{ip: 127.0.0.1, \
             port: {port}, socketOptions: {{reusePort: true}}}}]}}\n"
        );
        Setup::new().document(&document).start(workers).await
    };
    let first = start("readTimeoutMs: 300, backlog: 9, keepAlive: true").await;
    let second = start("backlog: 5").await;
    if has_ss() {
        assert_eq!([backlog(first.admin.port()), backlog(second.admin.port())], ["9", "5"]);
    }
    let mut silent = Client::connect(first.admin).await;
    let begun = tokio::time::Instant::now();
    silent.until_close().await;
    assert!((250..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    drop(silent);
    first.finish().await;
    second.finish().await;
}

async fn read_timeouts(workers: usize) {
    let web = Backend::start([Play::never_answer()]).await;
    let setup = Setup::new().router("  client: {socketOptions: {readTimeoutMs: 400}}");
    let setup = setup.server("socketOptions: {readTimeoutMs: 300}").replicas("web", &[web.address]);
    let world = setup.start(workers).await;
    let answer = world.get("web").await;
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("no answer within readTimeoutMs"), "{}", answer.text());
    assert!(world.client().await.ended().await);
    world.wait_metric(&world.server("read_timeout"), 1.0).await;
    assert_eq!(world.metrics().await.sum("rt/out/client/", "/read_timeout"), 1.0);
    drop(web);
    world.finish().await;
}
