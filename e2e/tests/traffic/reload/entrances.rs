//! Sockets come and go while requests run: of servers, of routers, of the admin server.

use super::{Changing, get};
use std::net::SocketAddr;
use testkit::{Act, Backend, Client, Gate, PATIENCE, Play, Setup, each_width, eventually};

each_width!(
    servers_come_move_and_go,
    routers_come_and_go,
    a_port_that_is_taken_changes_nothing,
    the_admin_server_moves,
);

/// Servers of a router: one more, one that goes to another router with its connections, one less.
async fn servers_come_move_and_go(workers: usize) {
    let (a, b) = (Backend::text("a").await, Backend::text("b").await);
    let setup = Setup::new().replicas("web", &[a.address]).replicas("b", &[b.address]);
    let changing = Changing::start(setup, workers).await;
    let router = changing.world.router;
    let second = SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
    let mut first = changing.world.client().await;
    assert_eq!(get(&mut first, "web").await, "a");
    let one = changing.text();
    let own = format!("    port: {}\n", router.port());
    let two = one.replace(&own, &format!("{own}  - port: {}\n", second.port()));
    changing.write(&two);
    assert!(changing.reload().await.starts_with(&format!("added routers[out].servers[{second}]")));
    let mut moved = Client::connect(second).await;
    assert_eq!(get(&mut moved, "web").await, "a");
    // The new server goes to a router of its own.
    let apart = format!(
        "{one}- protocol: http\n  label: in\n  dtab: /svc => /#/io.l5d.fs/b\n  servers: [{{port: {}}}]\n",
        second.port()
    );
    changing.write(&apart);
    changing.reload().await;
    assert_eq!(get(&mut moved, "web").await, "b", "the connection went along");
    assert_eq!(get(&mut first, "web").await, "a");
    let metrics = changing.world.metrics().await;
    let connections = |label| format!("rt/{label}/server/127.0.0.1/{}/connections", second.port());
    assert_eq!(metrics.get(&connections("in")), 1.0);
    assert_eq!(metrics.get(&connections("out")), 0.0);
    // And goes for good: its idle connections are closed, the others know nothing of it.
    changing.write(&one);
    assert!(changing.reload().await.starts_with("removed routers[in]"));
    assert!(moved.ended().await);
    eventually(PATIENCE, "the port closes", || async { Client::try_connect(second).await.is_err() }).await;
    assert_eq!(get(&mut first, "web").await, "a");
    eventually(PATIENCE, "its metrics go", || async {
        !changing.world.metrics().await.iter().any(|(name, _)| name.starts_with("rt/in/"))
    })
    .await;
    drop((first, moved, a, b));
    changing.world.finish().await;
}

/// A router that goes finishes what it has begun, and says that its connections end.
async fn routers_come_and_go(workers: usize) {
    let gate = Gate::closed();
    let acts = [Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("done"))];
    let web = Backend::start([Play::acts(acts)]).await;
    let changing = Changing::start(Setup::new().replicas("web", &[web.address]), workers).await;
    let port = testkit::free_port();
    let one = changing.text();
    let with = format!(
        "{one}- protocol: http\n  label: in\n  dtab: /svc => /#/io.l5d.fs\n  servers: [{{port: {port}}}]\n"
    );
    changing.write(&with);
    changing.reload().await;
    let mut client = Client::connect(SocketAddr::from(([127, 0, 0, 1], port))).await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    web.wait_requests(1).await;
    changing.write(&one);
    changing.reload().await;
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    eventually(PATIENCE, "the port closes", || async { Client::try_connect(at).await.is_err() }).await;
    gate.open();
    let answer = client.response().await;
    assert_eq!((answer.text().as_str(), answer.head.get("connection")), ("done", Some("close")));
    assert!(client.ended().await);
    drop(web);
    changing.world.finish().await;
}

async fn a_port_that_is_taken_changes_nothing(workers: usize) {
    let web = Backend::text("web").await;
    let changing = Changing::start(Setup::new().replicas("web", &[web.address]), workers).await;
    let good = changing.text();
    let own = format!("    port: {}\n", changing.world.router.port());
    let taken = format!("{own}  - port: {}\n", web.address.port());
    changing.write(&good.replace(&own, &taken).replace("/svc => /#/io.l5d.fs;", "/svc => /nowhere;"));
    let answer = changing.ask("POST").await;
    assert_eq!(answer.status(), 400);
    let said = format!("cannot listen on {} for router `out`", web.address);
    assert!(answer.text().starts_with(&said), "{}", answer.text());
    assert_eq!(get(&mut changing.world.client().await, "web").await, "web");
    // One that this process itself has: the message says so.
    changing.write(&good.replace("  - ip: 127.0.0.1\n", "  - ip: 0.0.0.0\n"));
    let answer = changing.ask("POST").await.text();
    assert!(answer.contains("this process itself listens on 127.0.0.1"), "{answer}");
    assert_eq!(get(&mut changing.world.client().await, "web").await, "web");
    drop(web);
    changing.world.finish().await;
}

async fn the_admin_server_moves(workers: usize) {
    let mut changing = Changing::start(Setup::new(), workers).await;
    let before = changing.world.admin;
    let after = SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
    changing.edit(&format!("port: {}}}", before.port()), &format!("port: {}}}", after.port()));
    let told = changing.reload().await;
    assert!(
        told.starts_with(&format!("changed admin.port: {} -> {}", before.port(), after.port())),
        "{told}"
    );
    changing.world.admin = after;
    eventually(PATIENCE, "the old port closes", || async { Client::try_connect(before).await.is_err() })
        .await;
    assert_eq!(changing.world.metrics().await.get("config/reloads/success"), 1.0);
    let mut admin = Client::connect(after).await;
    let metrics = "/admin/metrics/prometheus";
    assert_eq!(admin.get(metrics, "admin").await.status(), 200);
    changing.edit("- kind: io.l5d.prometheus\n", "- kind: io.l5d.prometheus\n  path: /metrics\n");
    changing.reload().await;
    assert_eq!(admin.get(metrics, "admin").await.status(), 404, "also on connections that are open");
    assert_eq!(admin.get("/metrics", "admin").await.status(), 200);
    drop(admin);
    changing.world.finish().await;
}
