//! Keys of `io.l5d.dnssrv`, with dnsmasq as the server (Debian: `dnsmasq-base`).

use super::*;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use testkit::free_port;

struct Server {
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// A server with one SRV record of `_http._tcp.web.test`; `None`, loudly, when there is none on this machine.
    fn start() -> Option<Server> {
        if Command::new("dnsmasq").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("SKIPPED: dnsmasq is not installed, nothing was checked");
            return None;
        }
        let mut server = Server { port: free_port(), child: None };
        server.serve(1);
        Some(server)
    }

    /// The record leads to `port` from now on.
    fn serve(&mut self, port: u16) {
        self.stop();
        let child = Command::new("dnsmasq")
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--user=", "--group=", "--pid-file="])
            .args(["--local=/test/", "--host-record=a.test,10.0.0.1"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--srv-host=_http._tcp.web.test,a.test,{port}"))
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.expect("dnsmasq starts"));
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

const NAME: &str = "/svc/_http._tcp.web.test";

async fn bound_to(running: &Running, expected: &str) {
    eventually(PATIENCE, expected, || async { running.bound(NAME).await == expected }).await;
}

/// `dnsHosts` with an address and with a host name, `prefix`, `refreshIntervalSeconds`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dns_srv() {
    let Some(mut server) = Server::start() else { return };
    let run = async |host: &str, more: &str, prefix: &str| {
        let port = server.port;
        let namer = format!(
            "namers: [{{kind: io.l5d.dnssrv, experimental: true, dnsHosts: ['{host}:{port}']{more}}}]"
        );
        start(&namer, &format!("  dtab: /svc => /#{prefix}")).await
    };
    let seldom = run("127.0.0.1", ", refreshIntervalSeconds: 3600", "/io.l5d.dnssrv").await;
    let often = run("localhost", ", refreshIntervalSeconds: 1, prefix: /srv", "/srv").await;
    bound_to(&seldom, "/#/io.l5d.dnssrv/_http._tcp.web.test 10.0.0.1:1").await;
    bound_to(&often, "/#/srv/_http._tcp.web.test 10.0.0.1:1").await;
    server.serve(2);
    bound_to(&often, "/#/srv/_http._tcp.web.test 10.0.0.1:2").await;
    // By default it would have been looked up again by now.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(seldom.bound(NAME).await, "/#/io.l5d.dnssrv/_http._tcp.web.test 10.0.0.1:1");
    seldom.stop().await;
    often.stop().await;
}

/// `experimental`: refused without it.
#[test]
fn dns_srv_is_experimental() {
    let load = |more: &str| {
        let text = format!(
            "namers: [{{kind: io.l5d.dnssrv{more}}}]\nrouters: [{{protocol: http, servers: [{{port: 4140}}]}}]\n"
        );
        document::load("linkerd.yaml", text.as_bytes()).map_err(|faults| faults.to_string())
    };
    let refused = load("").expect_err("experimental");
    assert!(refused.contains("The /#/io.l5d.dnssrv namer is experimental"), "{refused}");
    assert!(load(", experimental: true").is_ok());
}
