//! Against dnsmasq, when the machine has it (Debian: `dnsmasq-base`).

use std::process::{Child, Command, Stdio};

use names::NameTree as Tree;
use naming::{Addr, Namer};

use super::*;
use crate::DnsSrvNamer;

/// A server on a loopback port. Ends with this value; started again, it has the same port.
struct Server {
    port: u16,
    child: Option<Child>,
    dir: tempfile::TempDir,
}

impl Server {
    /// A server for the domain `test`; `None`, loudly, when there is none on this machine.
    fn start(options: &[&str]) -> Option<Server> {
        if Command::new("dnsmasq").arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("SKIPPED: dnsmasq is not installed, nothing was checked");
            return None;
        }
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let mut server = Server { port, child: None, dir: tempfile::tempdir().unwrap() };
        server.run(options);
        Some(server)
    }

    /// Starts it (again) with other records.
    fn run(&mut self, options: &[&str]) {
        self.stop();
        let hosts = self.dir.path().join("hosts");
        let addresses: String = (1..=200).map(|i| format!("10.1.0.{i} many.test\n")).collect();
        std::fs::write(&hosts, addresses).unwrap();
        let child = Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--no-resolv",
                "--no-hosts",
                "--local=/test/",
            ])
            .args(["--listen-address=127.0.0.1", "--bind-interfaces", "--user=", "--group=", "--pid-file="])
            .arg(format!("--port={}", self.port))
            .arg(format!("--addn-hosts={}", hosts.display()))
            .args(options)
            .stderr(Stdio::null())
            .spawn();
        self.child = Some(child.unwrap());
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn settings(&self) -> DnsSettings {
        DnsSettings {
            servers: vec![DnsHost { host: "127.0.0.1".into(), port: self.port }],
            min_ttl: Duration::from_millis(50),
            max_ttl: Duration::from_secs(60),
            retry: Duration::from_millis(50),
            timeout: Duration::from_millis(300),
        }
    }

    fn dns(&self) -> Dns {
        Dns::new(Handle::current(), self.settings())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn until<T: PartialEq + std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> T, expected: T) {
    let reached = async {
        while ask() != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
    assert!(reached.is_ok(), "{what}: expected {expected:?}, still {:?}", ask());
}

fn ips(dns: &Dns, host: &str) -> State<Vec<String>> {
    dns.resolve(host, &mut Untracked).map(|ips| ips.iter().map(ToString::to_string).collect())
}

fn found(ips: &[&str]) -> State<Vec<String>> {
    State::Ok(ips.iter().map(ToString::to_string).collect())
}

/// Notes whether all that was read is sound.
struct Held {
    sound: bool,
}

impl Default for Held {
    fn default() -> Self {
        Held { sound: true }
    }
}

impl Reader for Held {
    fn note(&mut self, source: &dyn naming::Source) {
        self.sound &= source.is_sound();
    }
}

#[tokio::test]
async fn changes_outages_and_missing_names() {
    let Some(mut server) = Server::start(&["--host-record=web.test,10.0.0.1,1"]) else { return };
    let dns = server.dns();
    let ask = || ips(&dns, "web.test");
    until("first", ask, found(&["10.0.0.1"])).await;
    // A changed address is there when the record's second is over.
    server.run(&["--host-record=web.test,10.0.0.2,fd00::1,1"]);
    until("changed", ask, found(&["10.0.0.2", "fd00::1"])).await;
    // While nobody answers the last answer stays, also past its time; and is known to be in doubt.
    server.stop();
    let is_sound = || {
        let mut held = Held::default();
        let _ = dns.resolve("web.test", &mut held);
        held.sound
    };
    assert!(is_sound());
    until("doubt", is_sound, false).await;
    tokio::time::sleep(Duration::from_millis(2000)).await;
    assert_eq!(ask(), found(&["10.0.0.2", "fd00::1"]));
    // And back, with something else.
    server.run(&["--host-record=web.test,10.0.0.4,1"]);
    until("back", ask, found(&["10.0.0.4"])).await;
    assert!(is_sound());
    // NXDOMAIN is an answer: the name is gone; and comes back.
    server.run(&[]);
    until("gone", ask, found(&[])).await;
    server.run(&["--host-record=web.test,10.0.0.5,1"]);
    until("there again", ask, found(&["10.0.0.5"])).await;
}

/// A longer time is kept, also when the records change under it.
#[tokio::test]
async fn records_are_used_for_their_time() {
    let Some(mut server) = Server::start(&["--host-record=web.test,10.0.0.1,3600"]) else { return };
    let dns = server.dns();
    until("first", || ips(&dns, "web.test"), found(&["10.0.0.1"])).await;
    server.run(&["--host-record=web.test,10.0.0.2,1"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(ips(&dns, "web.test"), found(&["10.0.0.1"]));
}

#[tokio::test]
async fn aliases_and_long_answers() {
    let chain = ["--host-record=web.test,10.0.0.1,1", "--cname=b.test,web.test", "--cname=a.test,b.test,1"];
    let Some(server) = Server::start(&chain) else { return };
    let dns = server.dns();
    until("two aliases", || ips(&dns, "a.test"), found(&["10.0.0.1"])).await;
    // 200 addresses do not fit a datagram; the rest is asked for over TCP.
    let mut many: Vec<String> = (1..=200).map(|i| format!("10.1.0.{i}")).collect();
    many.sort_by_key(|ip| ip.parse::<IpAddr>().unwrap());
    until("long", || ips(&dns, "many.test"), State::Ok(many)).await;
}

#[tokio::test]
async fn services() {
    let records = [
        "--host-record=a.test,10.0.0.1,1",
        "--host-record=b.test,10.0.0.2,1",
        "--srv-host=_http._tcp.web.test,a.test,8080,0,1",
        "--srv-host=_http._tcp.web.test,b.test,8081,1,2",
        "--srv-host=_http._tcp.web.test,missing.test,8082,1,2",
        "--local-ttl=1",
    ];
    let Some(mut server) = Server::start(&records) else { return };
    let prefix = Path::parse(b"/io.l5d.dnssrv").unwrap();
    let metrics = telemetry::Metrics::new(1);
    let scope = metrics.scope(&["namer", "#/io.l5d.dnssrv"]);
    let (refresh, settings) = (Duration::from_millis(100), server.settings());
    let namer = DnsSrvNamer::new(&prefix, settings, refresh, Handle::current(), &scope);
    let path = |text: &str| Path::parse(text.as_bytes()).unwrap();
    let name = path("/_http._tcp.web.test/rest");
    let ask = || {
        let State::Ok(tree) = namer.bind(&name, &mut Untracked) else { return "pending".to_owned() };
        let Tree::Leaf(naming::Named::Bound(bound)) = tree else { return format!("{tree:?}") };
        let sockets = match namer.addresses(&bound.id, &mut Untracked) {
            Addr::Bound(set) => {
                set.addresses.iter().map(|a| a.socket.to_string()).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        };
        format!("{} {} {sockets}", bound.id, bound.residual)
    };
    let both = "/#/io.l5d.dnssrv/_http._tcp.web.test /rest 10.0.0.1:8080 10.0.0.2:8081".to_owned();
    until("both", ask, both.clone()).await;
    assert_eq!(namer.bind(&Path::empty(), &mut Untracked), State::Ok(Tree::Neg));
    // Without an answer the name is gone, and comes back with the server.
    server.stop();
    until("gone", ask, "Neg".to_owned()).await;
    server.run(&records);
    until("back", ask, both).await;
    assert_eq!(namer.watches(), 1);
    let count = |name: &str| scope.counter(name).get();
    let stopped = ["lookup_successes_total", "lookup_failures_total", "unknown_srv_hosts_results_total"];
    assert!(stopped.iter().all(|name| count(name) > 0), "{}", telemetry::render_prometheus(&metrics, ""));
    let before = count("lookup_zero_results_total");
    let _ = namer.bind(&path("/_none._tcp.web.test"), &mut Untracked);
    until("counted", || count("lookup_zero_results_total") > before, true).await;
    metrics.snapshot_histograms();
    assert!(scope.histogram("request_duration_ms").summary().is_some_and(|s| s.count > 2));
}

/// A thousand names follow their server, asked no oftener than their time to live says: a second for each answer, for both
/// kinds of addresses, and no storm when the server comes back.
#[tokio::test]
async fn a_thousand_names() {
    const NAMES: usize = 1_000;
    let log = tempfile::NamedTempFile::new().unwrap();
    let log_option = format!("--log-facility={}", log.path().display());
    let options = |address: &str| {
        let address = format!("--address=/many.test/{address}");
        [address, "--local-ttl=3".to_owned(), "--log-queries".to_owned(), log_option.clone()]
    };
    let run = |server: &mut Server, address: &str| {
        let options = options(address);
        server.run(&options.each_ref().map(String::as_str));
    };
    let Some(mut server) = Server::start(&[]) else { return };
    run(&mut server, "10.2.0.1");
    let settings = DnsSettings { timeout: Duration::from_secs(2), ..server.settings() };
    let dns = Dns::new(Handle::current(), settings);
    let names: Vec<String> = (0..NAMES).map(|i| format!("n{i}.many.test")).collect();
    let at = |address: &str| {
        let expected = found(&[address]);
        names.iter().filter(|name| ips(&dns, name) == expected).count()
    };
    until("all are found", || at("10.2.0.1"), NAMES).await;
    run(&mut server, "10.2.0.2");
    until("all have followed", || at("10.2.0.2"), NAMES).await;
    let questions = || std::fs::read_to_string(log.path()).unwrap().matches(": query[").count();
    let (before, start) = (questions(), tokio::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (asked, passed) = (questions() - before, start.elapsed().as_secs_f64());
    // Looked up again after 2.7 to 3 s.
    let most = 2.0 * NAMES as f64 * (passed / 2.7 + 1.0);
    assert!(asked >= NAMES && (asked as f64) < most, "{asked} questions in {passed} s, at most {most}");
    assert_eq!(at("10.2.0.2"), NAMES, "none was lost on the way");
}

/// The server itself may be given by a name.
#[tokio::test]
async fn servers_by_name() {
    let Some(server) = Server::start(&["--host-record=web.test,10.0.0.1,1"]) else { return };
    let by_name = |host: &str| {
        let servers = vec![DnsHost { host: host.to_owned(), port: server.port }];
        Dns::new(Handle::current(), DnsSettings { servers, ..server.settings() })
    };
    let dns = by_name("localhost");
    until("by name", || ips(&dns, "web.test"), found(&["10.0.0.1"])).await;
    let unknown = by_name("no-such-server.invalid");
    let failure = || match ips(&unknown, "web.test") {
        State::Failed(text) => text.starts_with("the DNS server no-such-server.invalid is not found: "),
        _ => false,
    };
    until("it says which server", failure, true).await;
}
