//! A proxy with a configuration, a folder of replicas and back ends: what most end-to-end tests start from.

use crate::client::{Client, Response};
use crate::metrics::Metrics;
use crate::ports::free_port;
use crate::process::{Process, wayleave_binary};
use crate::procfs;
use crate::wait::{PATIENCE, eventually};
use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Label of the router every [`World`] has.
pub const LABEL: &str = "out";

/// How a [`World`] is to be.
#[derive(Clone, Debug)]
pub struct Setup {
    dtab: String,
    router: String,
    server: String,
    document: Option<String>,
    disco: Vec<(String, Vec<SocketAddr>)>,
    watched: bool,
    environment: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            dtab: "/svc => /#/io.l5d.fs;".into(),
            router: String::new(),
            server: String::new(),
            document: None,
            disco: Vec::new(),
            watched: false,
            environment: Vec::new(),
        }
    }
}

impl Setup {
    /// One HTTP router whose names are files of the replica folder.
    #[must_use]
    pub fn new() -> Setup {
        Setup::default()
    }

    /// Another dtab.
    #[must_use]
    pub fn dtab(mut self, dtab: &str) -> Setup {
        dtab.clone_into(&mut self.dtab);
        self
    }

    /// More keys of the router, as YAML with two blanks of indentation.
    #[must_use]
    pub fn router(mut self, yaml: &str) -> Setup {
        let _ = writeln!(self.router, "{yaml}");
        self
    }

    /// More keys of its server, as YAML of any number of lines, each as it would stand at the left margin.
    #[must_use]
    pub fn server(mut self, yaml: &str) -> Setup {
        for line in yaml.lines() {
            let _ = writeln!(self.server, "    {line}");
        }
        self
    }

    /// A whole document instead; `${ROUTER}`, `${ADMIN}` and `${DIR}` in it are filled in.
    #[must_use]
    pub fn document(mut self, yaml: &str) -> Setup {
        self.document = Some(yaml.into());
        self
    }

    /// The proxy follows its configuration file.
    #[must_use]
    pub fn watched(mut self) -> Setup {
        self.watched = true;
        self
    }

    /// A variable of the proxy's environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Setup {
        self.environment.push(format!("{name}={value}"));
        self
    }

    /// Replicas of a name.
    #[must_use]
    pub fn replicas(mut self, name: &str, at: &[SocketAddr]) -> Setup {
        self.disco.push((name.into(), at.to_vec()));
        self
    }

    fn text(&self) -> String {
        if let Some(document) = &self.document {
            return document.clone();
        }
        let dtab = self.dtab.lines().fold(String::new(), |all, l| all + "    " + l.trim() + "\n");
        format!(
            "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}\nusage: {{enabled: false}}\ntelemetry:\n- kind: io.l5d.prometheus\n\
             namers:\n- kind: io.l5d.fs\n  rootDir: ${{DIR}}/disco\nrouters:\n- protocol: http\n  label: {LABEL}\n\
             \x20 dtab: |\n{dtab}{}\n  servers:\n  - ip: 127.0.0.1\n    port: ${{ROUTER}}\n{}",
            self.router, self.server
        )
    }

    /// Starts the proxy and waits until it is ready.
    ///
    /// # Panics
    /// With the proxy's output, when it does not become ready.
    pub async fn start(self, workers: usize) -> World {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let [router, admin] = [free_port(), free_port()].map(|p| SocketAddr::from((Ipv4Addr::LOCALHOST, p)));
        fs::create_dir(folder.path().join("disco")).expect("the test's folder can be written");
        for (name, at) in &self.disco {
            write_replicas(folder.path(), name, at);
        }
        let text = self.text().replace("${ROUTER}", &router.port().to_string());
        let text = text.replace("${ADMIN}", &admin.port().to_string());
        let text = text.replace("${DIR}", &folder.path().display().to_string());
        let config = folder.path().join("linkerd.yaml");
        fs::write(&config, text).expect("the test's folder can be written");
        // `env` becomes the proxy: it is the same process.
        let mut args = self.environment;
        args.push(wayleave_binary().display().to_string());
        args.extend(
            ["proxy", "--workers", &workers.to_string(), &config.display().to_string()].map(str::to_owned),
        );
        if self.watched {
            args.push("--watch".to_owned());
        }
        let process = Process::start("proxy", Path::new("env"), args, folder.path());
        let mut world = World { router, admin, process, folder, descriptors: 0 };
        world.wait_ready().await;
        world.descriptors = settled(world.process.pid()).await;
        world
    }
}

/// Descriptors once their number has not changed for a while: a proxy that answers may still be starting workers.
async fn settled(pid: u32) -> usize {
    let (mut last, mut same) = (0, 0);
    while same < 10 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let now = procfs::descriptors(pid);
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

fn write_replicas(folder: &Path, name: &str, at: &[SocketAddr]) {
    let lines = at.iter().fold(String::new(), |all, a| all + &format!("{} {}\n", a.ip(), a.port()));
    let file = folder.join("disco").join(name);
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, lines).expect("the test's folder can be written");
    fs::rename(&new, &file).expect("a file can be renamed within a folder");
}

/// A running proxy, its replica folder and its addresses.
#[derive(Debug)]
pub struct World {
    /// Where the router listens.
    pub router: SocketAddr,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    /// The proxy.
    pub process: Process,
    folder: TempDir,
    descriptors: usize,
}

impl World {
    async fn wait_ready(&mut self) {
        let admin = self.admin;
        let process = &mut self.process;
        eventually(PATIENCE, "the proxy is ready", || {
            let ended = process.ended();
            assert!(ended.is_none(), "the proxy ended with {ended:?}:\n{}", process.log());
            ping(admin)
        })
        .await;
    }

    /// The folder of replicas.
    #[must_use]
    pub fn disco(&self) -> PathBuf {
        self.folder.path().join("disco")
    }

    /// Writes the replicas of a name, by rename as a careful operator does.
    pub fn set_replicas(&self, name: &str, at: &[SocketAddr]) {
        write_replicas(self.folder.path(), name, at);
    }

    /// A new connection to the router.
    pub async fn client(&self) -> Client {
        Client::connect(self.router).await
    }

    /// One GET on a connection of its own.
    pub async fn get(&self, host: &str) -> Response {
        self.client().await.get("/", host).await
    }

    /// Sends `bytes` on a new connection and reads one answer to `method`.
    pub async fn ask(&self, method: &str, bytes: impl AsRef<[u8]>) -> Response {
        let mut client = self.client().await;
        client.send(bytes).await;
        client.response_to(method).await
    }

    /// The metrics now.
    pub async fn metrics(&self) -> Metrics {
        Metrics::fetch(self.admin).await
    }

    /// The name of a metric of the server's scope.
    #[must_use]
    pub fn server(&self, metric: &str) -> String {
        format!("rt/{LABEL}/server/127.0.0.1/{}/{metric}", self.router.port())
    }

    /// Waits until a metric has a value.
    pub async fn wait_metric(&self, name: &str, value: f64) {
        let what = format!("{name} = {value}");
        eventually(PATIENCE, &what, || async { (self.metrics().await.get(name) - value).abs() < 0.01 }).await;
    }

    /// Ends the test: everything in flight must come to an end, every request be counted once, and the proxy stop
    /// cleanly when told to. Back ends and clients of the test must have been dropped.
    ///
    /// # Panics
    /// When one of these does not hold.
    pub async fn finish(mut self) {
        let mut last = Metrics::default();
        for _ in 0..400 {
            last = self.metrics().await;
            if last.in_flight().is_empty() && last.unbalanced().is_empty() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert!(last.in_flight().is_empty(), "still in flight: {:#?}", last.in_flight());
        assert!(last.unbalanced().is_empty(), "not counted once: {:#?}", last.unbalanced());
        let pid = self.process.pid();
        let base = self.descriptors;
        let closed = || async { procfs::descriptors(pid) <= base + 1 };
        eventually(PATIENCE, &format!("descriptors back at about {base}"), closed).await;
        self.process.signal("TERM");
        let status = self.process.wait(PATIENCE).await;
        assert!(status.success(), "{status}:\n{}", self.process.log());
    }
}

async fn ping(admin: SocketAddr) -> bool {
    let Ok(mut client) = Client::try_connect(admin).await else { return false };
    let asked = client.try_send("GET /admin/ping HTTP/1.1\r\nHost: admin\r\n\r\n").await;
    asked.is_ok()
        && client.try_response("GET").await.is_ok_and(|r| r.status() == 200 && r.text().trim() == "pong")
}
