//! The sample services: replicas that can be killed and started again, and the files that say where they are.

use helloworld::{ProxySettings, Settings};
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How often, and with which pauses, an address that is still taken is tried before another one is used.
const REBIND_TRIES: u32 = 10;
const REBIND_PAUSE: Duration = Duration::from_millis(20);

/// All replicas. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Fleet {
    sets: Vec<Set>,
    disco: PathBuf,
}

/// The replicas of one service.
#[derive(Debug)]
struct Set {
    name: &'static str,
    replicas: Vec<Replica>,
}

#[derive(Debug)]
struct Replica {
    settings: Settings,
    address: SocketAddr,
    /// `None` when it was killed.
    running: Option<Running>,
}

/// A service's task; dropping it is what killing a process is to its sockets.
#[derive(Debug)]
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One service's state, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alive {
    pub(crate) set: &'static str,
    pub(crate) alive: usize,
    /// The replicas that were killed.
    pub(crate) dead: Vec<String>,
}

impl Alive {
    /// How many replicas there should be.
    pub(crate) fn of(&self) -> usize {
        self.alive + self.dead.len()
    }
}

/// Why a command was not followed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such service or replica.
    Unknown,
    /// It is dead already.
    Dead,
    /// A socket or a file could not be made.
    System(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(fault: io::Error) -> Refusal {
        Refusal::System(fault)
    }
}

impl Fleet {
    /// Starts hello (2 replicas, calling `world` through the proxy at `proxy`), world-v1 and world-v2 (3 each), and
    /// writes their addresses into `disco`.
    ///
    /// # Errors
    /// A socket or a file cannot be made.
    pub(crate) async fn start(disco: &Path, proxy: SocketAddr) -> io::Result<Fleet> {
        let plan = [("hello", "Hello", 2), ("world-v1", "world", 3), ("world-v2", "earth", 3)];
        let mut fleet = Fleet { sets: Vec::new(), disco: disco.to_owned() };
        for (name, text, count) in plan {
            let mut set = Set { name, replicas: Vec::new() };
            for i in 1..=count {
                let mut settings = settings(text, format!("{name}-{i}"));
                if name == "hello" {
                    settings.target = Some("world".to_owned());
                    settings.proxy =
                        ProxySettings { http_proxy: Some(proxy.to_string()), ..ProxySettings::default() };
                }
                set.replicas.push(Replica::start(settings).await?);
            }
            fleet.write(&set)?;
            fleet.sets.push(set);
        }
        Ok(fleet)
    }

    /// Which replicas live.
    pub(crate) fn alive(&self) -> Vec<Alive> {
        self.sets.iter().map(Set::alive).collect()
    }

    /// Kills a replica by its name, or the last living one of a service: listener and connections are gone at once, the
    /// discovery file is left as it is. Returns what was done.
    pub(crate) async fn kill(&mut self, name: &str) -> Result<String, Refusal> {
        let (set, at) = self.find(name)?;
        let living = |r: &Replica| r.running.is_some();
        let at = match at {
            Some(at) => Some(at).filter(|at| living(&set.replicas[*at])),
            None => set.replicas.iter().rposition(living),
        };
        let at = at.ok_or(Refusal::Dead)?;
        let (replica, set_name) = (&mut set.replicas[at], set.name);
        if let Some(mut running) = replica.running.take() {
            running.0.abort();
            // Its end is reported as cancelled, which it was.
            let _ = (&mut running.0).await;
        }
        let (name, address) = (replica.name().to_owned(), replica.address);
        let Alive { alive, .. } = set.alive();
        let of = set.replicas.len();
        Ok(format!("killed {name} ({address}): {alive} of {of} left; disco/{set_name} still names it"))
    }

    /// Starts the dead replicas of a service, and makes its discovery file name all of them again. Returns what was done.
    pub(crate) async fn revive(&mut self, name: &str) -> Result<String, Refusal> {
        let (set, at) = self.find(name)?;
        let mut started = Vec::new();
        for (i, replica) in set.replicas.iter_mut().enumerate() {
            if replica.running.is_none() && at.is_none_or(|at| at == i) {
                replica.restart().await?;
                started.push(replica.name().to_owned());
            }
        }
        let (set_name, alive, of) = (set.name, set.alive().alive, set.replicas.len());
        let at = self.sets.iter().position(|s| s.name == set_name).ok_or(Refusal::Unknown)?;
        self.write(&self.sets[at])?;
        let started = if started.is_empty() { "nothing".to_owned() } else { started.join(", ") };
        Ok(format!("started {started}: {alive} of {of} run; disco/{set_name} names all of them"))
    }

    /// A service, and a replica of it when the name is a replica's.
    fn find(&mut self, name: &str) -> Result<(&mut Set, Option<usize>), Refusal> {
        for set in &mut self.sets {
            if set.name == name {
                return Ok((set, None));
            }
            if let Some(at) = set.replicas.iter().position(|r| r.name() == name) {
                return Ok((set, Some(at)));
            }
        }
        Err(Refusal::Unknown)
    }

    /// Replaces a discovery file in one step, so that no reader sees half of it.
    fn write(&self, set: &Set) -> io::Result<()> {
        let lines = set.replicas.iter().fold(String::new(), |mut lines, r| {
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{} {}", r.address.ip(), r.address.port());
            lines
        });
        let beside = self.disco.with_extension("new");
        std::fs::write(&beside, lines)?;
        std::fs::rename(beside, self.disco.join(set.name))
    }
}

impl Set {
    fn alive(&self) -> Alive {
        let dead = self.replicas.iter().filter(|r| r.running.is_none());
        let dead: Vec<_> = dead.map(|r| r.name().to_owned()).collect();
        Alive { set: self.name, alive: self.replicas.len() - dead.len(), dead }
    }
}

impl Replica {
    async fn start(settings: Settings) -> io::Result<Replica> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Replica { running: Some(run(&settings, listener)), settings, address })
    }

    /// Starts it where it was before, or elsewhere when somebody else has that port by now.
    async fn restart(&mut self) -> io::Result<()> {
        let mut bound = TcpListener::bind(self.address).await;
        for _ in 0..REBIND_TRIES {
            if bound.is_ok() {
                break;
            }
            tokio::time::sleep(REBIND_PAUSE).await;
            bound = TcpListener::bind(self.address).await;
        }
        let listener = match bound {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        };
        self.address = listener.local_addr()?;
        self.running = Some(run(&self.settings, listener));
        Ok(())
    }

    /// What it shows in place of a pod's address.
    fn name(&self) -> &str {
        self.settings.pod_ip.as_deref().unwrap_or_default()
    }
}

fn settings(text: &str, name: String) -> Settings {
    Settings { text: text.to_owned(), pod_ip: Some(name), ..Settings::default() }
}

fn run(settings: &Settings, listener: TcpListener) -> Running {
    let settings = settings.clone();
    Running(tokio::spawn(async move {
        // It serves HTTP, so there is no reason for it to fail, and it never ends by itself.
        let _ = helloworld::serve(settings, listener, std::future::pending()).await;
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    async fn fleet() -> (tempfile::TempDir, Fleet) {
        let folder = tempfile::tempdir().unwrap();
        let disco = folder.path().join("disco");
        fs::create_dir(&disco).unwrap();
        let fleet = Fleet::start(&disco, "127.0.0.1:1".parse().unwrap()).await.unwrap();
        (folder, fleet)
    }

    fn addresses(fleet: &Fleet, set: &str) -> Vec<SocketAddr> {
        let text = fs::read_to_string(fleet.disco.join(set)).unwrap();
        text.lines().map(|l| l.replace(' ', ":").parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn killed_means_closed_and_still_in_the_file() {
        let (_folder, mut fleet) = fleet().await;
        let before = addresses(&fleet, "world-v1");
        assert_eq!(before.len(), 3);
        let mut open = TcpStream::connect(before[2]).await.unwrap();
        let said = fleet.kill("world-v1").await.unwrap();
        assert!(said.starts_with("killed world-v1-3 ") && said.contains("2 of 3 left"), "{said}");
        // The connection ends, by an end or a reset, and no new one is taken.
        assert!(matches!(open.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        assert!(TcpStream::connect(before[2]).await.is_err());
        assert_eq!(addresses(&fleet, "world-v1"), before);
        assert_eq!(fleet.alive()[1], Alive { set: "world-v1", alive: 2, dead: vec!["world-v1-3".into()] });

        fs::write(fleet.disco.join("world-v1"), "127.0.0.1 1").unwrap();
        let said = fleet.revive("world-v1").await.unwrap();
        assert!(said.starts_with("started world-v1-3: 3 of 3 run"), "{said}");
        let after = addresses(&fleet, "world-v1");
        assert_eq!(after[..2], before[..2]);
        TcpStream::connect(after[2]).await.unwrap();
    }

    #[tokio::test]
    async fn commands_that_make_no_sense_are_refused() {
        let (_folder, mut fleet) = fleet().await;
        assert!(matches!(fleet.kill("moon").await, Err(Refusal::Unknown)));
        assert!(matches!(fleet.revive("moon").await, Err(Refusal::Unknown)));
        fleet.kill("hello-1").await.unwrap();
        assert!(matches!(fleet.kill("hello-1").await, Err(Refusal::Dead)));
        fleet.kill("hello").await.unwrap();
        assert!(matches!(fleet.kill("hello").await, Err(Refusal::Dead)));
        let said = fleet.revive("hello-2").await.unwrap();
        assert!(said.starts_with("started hello-2: 1 of 2 run"), "{said}");
    }
}
