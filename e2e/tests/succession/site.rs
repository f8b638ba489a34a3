//! A configuration, a back end and a place for the processes of one proxy that come one after the other; and the callers
//! that must not notice.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use tempfile::TempDir;
use testkit::{Backend, Client, Load, PATIENCE, Process, Report, eventually, free_port, wayleave_binary};
use tokio::task::JoinSet;

pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) router: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) web: Backend,
    pub(crate) workers: usize,
}

impl Site {
    pub(crate) async fn new(workers: usize) -> Site {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let [router, admin] = [free_port(), free_port()].map(|p| SocketAddr::from((Ipv4Addr::LOCALHOST, p)));
        let site = Site { folder, router, admin, web: Backend::text("web").await, workers };
        site.configure("");
        site
    }

    /// Writes the configuration, with more keys of the admin server (`, key: value`).
    pub(crate) fn configure(&self, admin: &str) {
        let text = format!(
            "admin: {{ip: 127.0.0.1, port: {}{admin}}}\nrouters:\n- protocol: http\n  label: out\n\
             \x20 dtab: /svc => /$/inet/{}/{}\n  servers:\n  - port: {}\n",
            self.admin.port(),
            self.web.address.ip(),
            self.web.address.port(),
            self.router.port()
        );
        fs::write(self.path("linkerd.yaml"), text).expect("the test's folder can be written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command line of a process, after these arguments of its own.
    pub(crate) fn command(&self, more: &[&str], config: &str) -> Vec<String> {
        let meeting = self.path("takeover.sock").display().to_string();
        let workers = self.workers.to_string();
        let binary = wayleave_binary().display().to_string();
        let first = [binary.as_str(), "proxy", "--workers", &workers, "--takeover-socket", &meeting];
        first.iter().chain(more).chain(&[config]).map(|word| (*word).to_owned()).collect()
    }

    /// A process; its output goes to `NAME.log`.
    pub(crate) fn start(&self, name: &str, more: &[&str], config: &str) -> Process {
        let command = self.command(more, config);
        Process::start(name, wayleave_binary(), &command[1..], self.folder.path())
    }

    /// A process to which a listening socket is given, as systemd does.
    pub(crate) fn start_on(&self, name: &str, socket: &std::net::TcpListener) -> Process {
        let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=out exec \"$@\"";
        let command = self.command(&[], "linkerd.yaml");
        let words = ["-c", script, "sh"].map(str::to_owned).into_iter().chain(command);
        let input = Stdio::from(std::os::fd::OwnedFd::from(socket.try_clone().expect("a descriptor")));
        Process::start_on(name, "/bin/sh".as_ref(), words, self.folder.path(), input)
    }

    /// A process with these variables in its environment.
    pub(crate) fn start_in(&self, name: &str, variables: &[&str], more: &[&str]) -> Process {
        let command = self.command(more, "linkerd.yaml");
        let words = variables.iter().map(|word| (*word).to_owned()).chain(command);
        Process::start(name, "/usr/bin/env".as_ref(), words, self.folder.path())
    }

    /// What the admin server says at a path.
    pub(crate) async fn ask(&self, path: &str) -> Option<(u16, String)> {
        let mut client = Client::try_connect(self.admin).await.ok()?;
        client.try_send(format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n")).await.ok()?;
        let answer = client.try_response("GET").await.ok()?;
        Some((answer.status(), answer.text()))
    }

    /// Waits until the proxy says that it is ready.
    pub(crate) async fn ready(&self) {
        eventually(PATIENCE, "ready", || async {
            self.ask("/admin/ready").await.is_some_and(|(status, _)| status == 200)
        })
        .await;
    }
}

/// Callers that keep their connections, and callers that open one for each request.
pub(crate) struct Callers {
    keeping: Load,
    fresh: Fresh,
}

impl Callers {
    pub(crate) fn start(to: SocketAddr) -> Callers {
        Callers { keeping: Load::start(to, "web", 4), fresh: Fresh::start(to, 3) }
    }

    /// Waits until so many more requests of each kind have been answered.
    pub(crate) async fn pass(&self, n: u64) {
        self.keeping.pass(n).await;
        self.fresh.pass(n).await;
    }

    /// Ends them; every request must have been answered with 200.
    pub(crate) async fn assert_flawless(self, least: u64) {
        let (keeping, fresh) = (self.keeping.stop().await, self.fresh.stop().await);
        keeping.assert_flawless(least);
        fresh.assert_flawless(least);
    }
}

/// Requests that each have a connection of their own.
pub(crate) struct Fresh {
    tasks: JoinSet<()>,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    report: std::sync::Arc<std::sync::Mutex<Report>>,
}

impl Fresh {
    pub(crate) fn start(to: SocketAddr, callers: usize) -> Fresh {
        let mut fresh = Fresh { tasks: JoinSet::new(), stop: Default::default(), report: Default::default() };
        for _ in 0..callers {
            let (stop, report) = (fresh.stop.clone(), fresh.report.clone());
            fresh.tasks.spawn(async move {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let answer = once(to).await;
                    let mut report = report.lock().expect("no caller panicked");
                    match answer {
                        Ok(status) => *report.statuses.entry(status).or_default() += 1,
                        Err(error) => *report.broken.entry(format!("fresh: {error}")).or_default() += 1,
                    }
                }
            });
        }
        fresh
    }

    /// Waits until so many more have been answered.
    pub(crate) async fn pass(&self, n: u64) {
        let until = self.report().total() + n;
        eventually(PATIENCE, "fresh connections", || async { self.report().total() >= until }).await;
    }

    fn report(&self) -> Report {
        self.report.lock().expect("no caller panicked").clone()
    }

    pub(crate) async fn stop(mut self) -> Report {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no caller panicked");
        }
        self.report()
    }
}

async fn once(to: SocketAddr) -> std::io::Result<u16> {
    let mut client = Client::try_connect(to).await?;
    client.try_send("GET /fresh HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await?;
    Ok(client.try_response("GET").await?.status())
}
