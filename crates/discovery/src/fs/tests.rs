//! The namer with its task, a real directory and a real binder: what traffic gets to see.

mod rows;
mod told;

use std::fs;
use std::net::IpAddr;

use names::Dtab;
use naming::{
    Binder, BinderSettings, Binding, Bound, BoundTree, Namers, NoHosts, Replicas, ReplicasFactory, State,
};
use tempfile::TempDir;

use super::*;

const INTERVAL: Duration = Duration::from_millis(10);

/// The router's side: remembers the last it was told.
#[derive(Debug, Default)]
struct Client(Mutex<Addr>);

impl Replicas for Client {
    fn update(&self, addr: &Addr) {
        *self.0.lock() = addr.clone();
    }
}

struct Clients;

impl ReplicasFactory for Clients {
    type Replicas = Client;

    fn create(&self, _: &Path) -> Arc<Client> {
        Arc::default()
    }
}

fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

fn dtab(text: &str) -> Dtab {
    Dtab::parse(text.as_bytes()).unwrap()
}

fn show_addr(addr: &Addr) -> String {
    match addr {
        Addr::Bound(set) => {
            let shown: Vec<_> = set
                .addresses
                .iter()
                .map(|a| match a.weight {
                    1.0 => a.socket.to_string(),
                    weight => format!("{}*{weight}", a.socket),
                })
                .collect();
            format!("[{}]", shown.join(" "))
        }
        Addr::Failed(text) => format!("Failed({text})"),
        other => format!("{other:?}"),
    }
}

fn show_tree(tree: &BoundTree<Client>) -> String {
    match tree {
        NameTree::Leaf(leaf) => {
            let addr = show_addr(&leaf.replicas.0.lock());
            let residual =
                if leaf.residual.is_empty() { String::new() } else { format!(" | {}", leaf.residual) };
            format!("L({}{residual}){addr}", leaf.id)
        }
        NameTree::Union(all) => {
            let shown: Vec<_> = all.iter().map(|w| format!("{}*{}", w.weight, show_tree(&w.tree))).collect();
            format!("U({})", shown.join(", "))
        }
        other => format!("{:?}", other.map(|_| ())),
    }
}

fn show(binding: &Binding<Client>) -> String {
    match binding.current().as_deref() {
        None => "-".into(),
        Some(Bound::Failed(text)) => format!("Err({text})"),
        Some(Bound::Tree(tree)) => show_tree(tree),
    }
}

struct Fixture {
    dir: TempDir,
    namer: Arc<FsNamer>,
    binder: Binder<Clients>,
}

/// Which looks by itself, every `INTERVAL`.
fn namer(prefix: &str, root: PathBuf, resolver: Arc<dyn Resolver>) -> Arc<FsNamer> {
    namer_at(prefix, root, resolver, INTERVAL, Changes::deaf)
}

fn namer_at(
    prefix: &str,
    root: PathBuf,
    resolver: Arc<dyn Resolver>,
    interval: Duration,
    changes: fn() -> Changes<Path>,
) -> Arc<FsNamer> {
    let times = Times { interval, net: Duration::from_secs(3600), linger: Duration::from_millis(50) };
    Arc::new(FsNamer::with_times(&path(prefix), root, resolver, &Handle::current(), times, changes))
}

fn fixture_with(base: &str, resolver: Arc<dyn Resolver>) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let namer = namer("/io.l5d.fs", dir.path().to_owned(), resolver);
    // The one of rows 73 and 74 of routing.md §9.
    let rewrite = naming::Rewrite::new(names::PathPattern::parse("/{service}/api"), "/srv/{service}");
    let namers = Namers::new(Arc::new(NoHosts))
        .with(&path("/io.l5d.fs"), namer.clone())
        .with(&path("/rw"), Arc::new(rewrite));
    let (binder, task) = Binder::new(Arc::new(namers), dtab(base), Clients, BinderSettings::default());
    tokio::spawn(task);
    Fixture { dir, namer, binder }
}

fn fixture(base: &str) -> Fixture {
    fixture_with(base, Arc::new(NoHosts))
}

impl Fixture {
    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn bind(&self, name: &str) -> Arc<Binding<Client>> {
        self.binder.bind(&path(name), &Dtab::empty())
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn until_shows(binding: &Binding<Client>, expected: &str) {
    let waiting = async {
        while show(binding) != expected {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    assert!(done.is_ok(), "expected {expected}, still {}", show(binding));
}

#[tokio::test]
async fn replicas_come_and_go_without_a_bind() {
    let f = fixture("/svc=>/#/io.l5d.fs");
    f.write("web", "10.0.0.1 80\n");
    let web = f.bind("/svc/web");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80]").await;
    let binds = f.binder.stats().bind_runs;
    f.write("web", "10.0.0.1 80\n10.0.0.2 80 * 0.5\n");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80 10.0.0.2:80*0.5]").await;
    f.write("other.tmp", "10.0.0.2 80\n");
    fs::rename(f.dir.path().join("other.tmp"), f.dir.path().join("web")).unwrap();
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.2:80]").await;
    f.write("web", "");
    until_shows(&web, "L(/#/io.l5d.fs/web)[]").await;
    assert_eq!(f.binder.stats().bind_runs, binds);
}

#[tokio::test]
async fn the_directory_emptied_and_refilled_and_taken_away() {
    let f = fixture("/svc=>/#/io.l5d.fs | /$/inet/127.1/9");
    let file = f.dir.path().join("web");
    f.write("web", "10.0.0.1 80\n");
    let web = f.bind("/svc/web");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80]").await;
    fs::remove_file(&file).unwrap();
    until_shows(&web, "L(/$/inet/127.1/9 | /web)[127.0.0.1:9]").await;
    f.write("web", "10.0.0.2 80\n");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.2:80]").await;
    fs::remove_dir_all(f.dir.path()).unwrap();
    tokio::time::sleep(INTERVAL * 10).await;
    assert_eq!(show(&web), "L(/#/io.l5d.fs/web)[10.0.0.2:80]");
    fs::create_dir(f.dir.path()).unwrap();
    f.write("web", "10.0.0.3 80\n");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.3:80]").await;
}

/// With the interval of production, a change reaches traffic within a second, however it was made.
#[tokio::test]
async fn a_change_reaches_traffic_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("web");
    let namer = Arc::new(FsNamer::new(
        &path("/io.l5d.fs"),
        dir.path().to_owned(),
        Arc::new(NoHosts),
        &Handle::current(),
    ));
    let namers = Namers::new(Arc::new(NoHosts)).with(&path("/io.l5d.fs"), namer);
    let base = dtab("/svc=>/#/io.l5d.fs");
    let (binder, task) = Binder::new(Arc::new(namers), base, Clients, BinderSettings::default());
    tokio::spawn(task);
    fs::write(&file, "10.0.0.1 1\n").unwrap();
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    web.ready().await;
    let mut slowest = Duration::ZERO;
    for round in 2..8 {
        let start = Instant::now();
        let text = format!("10.0.0.1 {round}\n");
        if round % 2 == 0 {
            fs::write(&file, text).unwrap();
        } else {
            fs::write(dir.path().join("tmp"), text).unwrap();
            fs::rename(dir.path().join("tmp"), &file).unwrap();
        }
        until_shows(&web, &format!("L(/#/io.l5d.fs/web)[10.0.0.1:{round}]")).await;
        slowest = slowest.max(start.elapsed());
    }
    assert!(slowest <= Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test]
async fn nothing_is_looked_at_that_nobody_uses() {
    let f = fixture("/svc=>/#/io.l5d.fs");
    f.write("web", "10.0.0.1 80\n");
    assert_eq!(f.namer.watches(), 0);
    let web = f.bind("/svc/web");
    let gone = f.bind("/svc/gone/a");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80]").await;
    until_shows(&gone, "Neg").await;
    assert_eq!(f.namer.watches(), 2);
    drop((web, gone));
    until("no watch is left", || f.namer.watches() == 0).await;
    assert_eq!(f.binder.stats().watches, 0);
    let again = f.bind("/svc/web");
    until_shows(&again, "L(/#/io.l5d.fs/web)[10.0.0.1:80]").await;
}

/// Names that would leave the directory, or that the file system cannot hold, are no names.
#[tokio::test]
async fn no_name_leads_out_of_the_directory() {
    let f = fixture("/svc=>/#/io.l5d.fs");
    fs::create_dir(f.dir.path().join("d")).unwrap();
    f.write("web", "10.0.0.1 80\n");
    let long = format!("/svc/{}", "x".repeat(300));
    let names = [
        "/svc",
        "/svc/.",
        "/svc/..",
        "/svc/d/../web",
        "/svc/./web",
        "/svc/d\\x2f..\\x2fweb",
        "/svc/w\\x00",
        &long,
    ];
    for name in names {
        let binding = f.bind(name);
        until_shows(&binding, "Neg").await;
    }
    let id = path("/#/io.l5d.fs/d/../web");
    assert_eq!(f.namer.addresses(&id, &mut naming::Untracked), Addr::Neg);
}

/// Hosts by name, each in the state the test gives it.
struct Hosts(Mutex<HashMap<&'static str, Publisher<Arc<[IpAddr]>>>>);

impl Hosts {
    fn set(&self, host: &'static str, state: State<&[u8]>) {
        let ips = state.map(|last| last.iter().map(|&n| IpAddr::from([10, 0, 0, n])).collect());
        self.0.lock().entry(host).or_default().set(ips);
    }
}

impl Resolver for Hosts {
    fn resolve(&self, host: &str, reader: &mut dyn Reader) -> State<Arc<[IpAddr]>> {
        let live = self.0.lock()[host].live();
        reader.read(&live)
    }
}

#[tokio::test]
async fn host_names_in_files_are_resolved() {
    let hosts = Arc::new(Hosts(Mutex::default()));
    hosts.set("a", State::Pending);
    hosts.set("b", State::Pending);
    let f = fixture_with("/svc=>/#/io.l5d.fs", hosts.clone());
    f.write("web", "a 80\nb 81 * 2\n");
    let web = f.bind("/svc/web");
    until("both hosts are asked for", || f.binder.stats().watches == 4).await;
    assert_eq!(show(&web), "-");
    hosts.set("a", State::Ok(&[1, 2]));
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80 10.0.0.2:80]").await;
    hosts.set("b", State::Ok(&[3]));
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80 10.0.0.2:80 10.0.0.3:81*2]").await;
    hosts.set("a", State::Ok(&[]));
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.3:81*2]").await;
    hosts.set("b", State::Ok(&[]));
    until_shows(&web, "L(/#/io.l5d.fs/web)Neg").await;
    f.write("web", "127.1 80\n");
    until_shows(&web, "L(/#/io.l5d.fs/web)[127.0.0.1:80]").await;
}

/// Under a thousand changes by rename traffic never sees anything but one of the good sets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constant_change_never_shows_anything_bad() {
    let f = fixture("/svc=>/#/io.l5d.fs");
    f.write("web", "10.0.0.1 80\n");
    let web = f.bind("/svc/web");
    until_shows(&web, "L(/#/io.l5d.fs/web)[10.0.0.1:80]").await;
    stays_good(&web, f.dir.path()).await;
}

/// Renames a thousand files to `web` in `dir` while `web` is looked at.
async fn stays_good(web: &Binding<Client>, dir: &std::path::Path) {
    let dir = dir.to_owned();
    let writer = tokio::task::spawn_blocking(move || {
        for round in 0..1000u32 {
            let lines: String = (0..=round % 7).map(|n| format!("10.0.0.{} 80\n", n + 1)).collect();
            fs::write(dir.join("tmp"), lines).unwrap();
            fs::rename(dir.join("tmp"), dir.join("web")).unwrap();
        }
    });
    while !writer.is_finished() {
        let shown = show(web);
        assert!(shown.starts_with("L(/#/io.l5d.fs/web)[10.0.0.1:80"), "{shown}");
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    writer.await.unwrap();
}
