//! WebSocket through the key `tunnels`, with a server and a client that know nothing of the proxy.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use testkit::{Setup, World, each_width, within};

each_width!(web_sockets, many_web_sockets, not_without_the_key, drained);

/// Ends its process when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn script() -> Command {
    let mut command = Command::new("python3");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traffic/websocket.py"));
    command.stdout(Stdio::piped());
    command
}

/// A server and where it listens; `None`, with a word about it, where there is no Python.
fn server() -> Option<(Server, SocketAddr)> {
    let mut server = match script().arg("serve").spawn() {
        Ok(child) => Server(child),
        Err(e) => {
            eprintln!("SKIPPED: no WebSocket server without python3: {e}");
            return None;
        }
    };
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().expect("it is piped")).read_line(&mut line).expect("a line");
    Some((server, SocketAddr::from(([127, 0, 0, 1], line.trim().parse().expect("a port")))))
}

async fn chat(world: &World) -> String {
    let port = world.router.port().to_string();
    let talk = move || script().args(["chat", &port, "web"]).stderr(Stdio::piped()).output();
    let output = within("a conversation", tokio::task::spawn_blocking(talk)).await;
    let output = output.expect("no panic").expect("python3 runs");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

async fn web_sockets(workers: usize) {
    let Some((server, at)) = server() else { return };
    let world = Setup::new().router("  tunnels: true").replicas("web", &[at]).start(workers).await;
    assert_eq!(chat(&world).await, "fine\n");
    world.wait_metric(&world.server("status/101"), 1.0).await;
    assert!(world.metrics().await.get(&world.server("success")) > 0.5);
    drop(server);
    world.finish().await;
}

async fn many_web_sockets(workers: usize) {
    let Some((server, at)) = server() else { return };
    let world = Setup::new().router("  tunnels: true").replicas("web", &[at]).start(workers).await;
    let (a, b, c, d) = tokio::join!(chat(&world), chat(&world), chat(&world), chat(&world));
    assert_eq!([a, b, c, d], ["fine\n"; 4]);
    world.wait_metric(&world.server("connections"), 0.0).await;
    drop(server);
    world.finish().await;
}

async fn not_without_the_key(workers: usize) {
    let Some((server, at)) = server() else { return };
    let world = Setup::new().replicas("web", &[at]).start(workers).await;
    let said = chat(&world).await;
    assert!(said.contains("HTTP/1.1 426 Upgrade Required"), "{said}");
    drop(server);
    world.finish().await;
}

/// A tunnel that is quiet does not keep the proxy from ending.
async fn drained(workers: usize) {
    let Some((server, at)) = server() else { return };
    let mut world = Setup::new().router("  tunnels: true").replicas("web", &[at]).start(workers).await;
    let mut client = world.client().await;
    client
        .send("GET /room HTTP/1.1\r\nHost: web\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status(), 101);
    assert_eq!(&client.bytes(18).await[2..], b"welcome to /room");
    world.process.signal("TERM");
    assert!(client.ended().await);
    let status = world.process.wait(Duration::from_secs(9)).await;
    assert!(status.success(), "{status}");
    drop(server);
}
