//! The binder over namers made of [`Publisher`]s: what traffic sees, when, and that nothing is left behind.

mod health;
mod random;
mod scale;
mod watches;

use std::net::SocketAddr;

use names::NameTree;

use super::*;
use crate::binding::{Bound, BoundTree};
use crate::live::{LINGER, Publisher, State};
use crate::namer::{BoundName, Named, Namer, Namers, NoHosts, Reader};
use crate::{Address, configured_prefix};

/// Publishers by name, opened when first read and closed when idle, as a real namer does it.
type Watches<T> = Mutex<HashMap<Path, Publisher<T>>>;

/// `/#/t/<name>/<rest>`: exists when the test says so; `never` known otherwise.
#[derive(Default)]
struct Stage {
    exists: Watches<bool>,
    addresses: Watches<Arc<[SocketAddr]>>,
}

impl Stage {
    fn put(&self, name: &str, exists: State<bool>) {
        self.exists.lock().entry(path(name)).or_default().set(exists);
    }

    fn serve(&self, name: &str, ports: State<&[u16]>) {
        let sockets =
            ports.map(|ports| ports.iter().map(|&p| SocketAddr::from(([10, 0, 0, 1], p))).collect());
        self.addresses.lock().entry(path(name)).or_default().set(sockets);
    }

    fn up(&self, name: &str, ports: &[u16]) {
        self.put(name, State::Ok(true));
        self.serve(name, State::Ok(ports));
    }

    /// How many values somebody follows.
    fn followed(&self) -> usize {
        let exists = self.exists.lock().values().filter(|p| p.is_observed()).count();
        exists + self.addresses.lock().values().filter(|p| p.is_observed()).count()
    }
}

impl Namer for Stage {
    fn bind(&self, rest: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let live = self.exists.lock().entry(rest.take(1)).or_default().live();
        reader.read(&live).map(|exists| match exists {
            true => NameTree::Leaf(Named::Bound(BoundName {
                id: configured_prefix(&path("/t")).concat(&rest.take(1)),
                residual: rest.skip(1),
            })),
            false => NameTree::Neg,
        })
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let live = self.addresses.lock().entry(id.skip(2)).or_default().live();
        match reader.read(&live) {
            State::Ok(sockets) => Addr::bound(sockets.iter().map(|&s| Address::new(s)).collect()),
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
        }
    }
}

/// The router's side: remembers what it was told.
#[derive(Debug, Default)]
struct Client {
    told: Mutex<Vec<Addr>>,
    alive: Arc<AtomicUsize>,
}

impl Client {
    fn ports(&self) -> Vec<u16> {
        match self.told.lock().last() {
            Some(Addr::Bound(set)) => set.addresses.iter().map(|a| a.socket.port()).collect(),
            _ => Vec::new(),
        }
    }
}

impl Replicas for Client {
    fn update(&self, addr: &Addr) {
        self.told.lock().push(addr.clone());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct Clients(Arc<AtomicUsize>);

impl ReplicasFactory for Clients {
    type Replicas = Client;

    fn create(&self, _: &Path) -> Arc<Client> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Arc::new(Client { told: Mutex::default(), alive: Arc::clone(&self.0) })
    }
}

struct Fixture {
    stage: Arc<Stage>,
    binder: Binder<Clients>,
    clients: Arc<AtomicUsize>,
}

fn path(text: &str) -> Path {
    Path::parse(text.as_bytes()).unwrap()
}

fn dtab(text: &str) -> Dtab {
    Dtab::parse(text.as_bytes()).unwrap()
}

/// A binder whose task runs on the test's own runtime.
fn fixture(base: &str) -> Fixture {
    let stage = Arc::new(Stage::default());
    let namers = Namers::new(Arc::new(NoHosts)).with(&path("/t"), stage.clone());
    let clients = Clients::default();
    let (binder, task) =
        Binder::new(Arc::new(namers), dtab(base), clients.clone(), BinderSettings::default());
    tokio::spawn(task);
    Fixture { stage, binder, clients: clients.0 }
}

impl Fixture {
    fn bind(&self, name: &str) -> Arc<Binding<Client>> {
        self.binder.bind(&path(name), &Dtab::empty())
    }
}

/// Lets the binder's task do all it can without time passing.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn sleep(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    settle().await;
}

fn show_tree(tree: &BoundTree<Client>) -> String {
    match tree {
        NameTree::Leaf(leaf) => format!("{}{:?}", leaf.id, leaf.replicas.ports()),
        NameTree::Union(all) => all.iter().map(|w| show_tree(&w.tree)).collect::<Vec<_>>().join(" & "),
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

#[tokio::test(start_paused = true)]
async fn the_first_tree_waits_for_addresses() {
    let f = fixture("/svc=>/#/t");
    let web = f.bind("/svc/web");
    settle().await;
    assert_eq!(show(&web), "-");
    f.stage.put("/web", State::Ok(true));
    settle().await;
    assert_eq!(show(&web), "-");
    let ready = tokio::spawn(web.ready());
    sleep(60_000).await;
    assert!(!ready.is_finished(), "a tree without a known address helps nobody");
    f.stage.serve("/web", State::Ok(&[80]));
    ready.await.unwrap();
    assert_eq!(show(&web), "/#/t/web[80]");
}

#[tokio::test(start_paused = true)]
async fn ids_in_use_are_told_with_their_addresses() {
    let f = fixture("/svc=>/#/t");
    let held = async || {
        let mut all = f.binder.held().await.expect("the task runs");
        all.sort_by_key(|(id, _)| id.to_string());
        all.iter().map(|(id, addr)| format!("{id} {}", addr.is_pending())).collect::<Vec<_>>()
    };
    assert_eq!(held().await, [""; 0]);
    f.stage.up("/web", &[80]);
    f.stage.put("/slow", State::Ok(true));
    let (web, slow) = (f.bind("/svc/web"), f.bind("/svc/slow"));
    settle().await;
    assert_eq!(held().await, ["/#/t/slow true", "/#/t/web false"]);
    drop((web, slow));
    settle().await;
    assert_eq!(held().await, [""; 0]);
    let asked = f.binder.held();
    drop(f.binder);
    assert!(asked.await.is_none_or(|held| held.is_empty()), "whoever asks hears of the end");
}

#[tokio::test(start_paused = true)]
async fn a_first_union_goes_ahead_with_what_is_known_after_two_seconds() {
    let f = fixture("/svc=>/#/t/a & /#/t/b");
    f.stage.up("/a", &[1]);
    f.stage.put("/b", State::Ok(true));
    let web = f.bind("/svc");
    sleep(1_900).await;
    assert_eq!(show(&web), "-");
    sleep(200).await;
    assert_eq!(show(&web), "/#/t/a[1] & /#/t/b[]");
    f.stage.serve("/b", State::Ok(&[2]));
    settle().await;
    assert_eq!(show(&web), "/#/t/a[1] & /#/t/b[2]");
}

#[tokio::test(start_paused = true)]
async fn a_failure_shows_only_before_the_first_tree() {
    let f = fixture("/svc=>/#/t");
    f.stage.put("/web", State::failed("no api"));
    let web = f.bind("/svc/web");
    web.ready().await;
    assert_eq!(show(&web), "Err(no api)");
    f.stage.up("/web", &[80]);
    settle().await;
    assert_eq!(show(&web), "/#/t/web[80]");
    for state in [State::failed("down"), State::Pending, State::failed("down")] {
        f.stage.put("/web", state);
        settle().await;
        assert_eq!(show(&web), "/#/t/web[80]", "the last good tree stays");
    }
    for state in [State::failed("down"), State::Pending, State::failed("down")] {
        f.stage.serve("/web", state);
        settle().await;
        assert_eq!(show(&web), "/#/t/web[80]", "the last good addresses stay");
    }
    f.stage.put("/web", State::Ok(false));
    settle().await;
    assert_eq!(show(&web), "Neg");
    f.stage.up("/web", &[81]);
    settle().await;
    assert_eq!(show(&web), "/#/t/web[81]");
}

#[tokio::test(start_paused = true)]
async fn failed_addresses_are_an_answer_while_there_was_no_better() {
    let f = fixture("/svc=>/#/t");
    f.stage.put("/web", State::Ok(true));
    f.stage.serve("/web", State::failed("malformed address: junk"));
    let web = f.bind("/svc/web");
    web.ready().await;
    assert_eq!(show(&web), "/#/t/web[]");
}

#[tokio::test(start_paused = true)]
async fn make_before_break() {
    let f = fixture("/svc=>/#/t/old");
    f.stage.up("/old", &[1]);
    f.stage.put("/new", State::Ok(true));
    let svc = f.bind("/svc");
    svc.ready().await;
    f.binder.set_dtab(dtab("/svc=>/#/t/new"));
    sleep(1_900).await;
    assert_eq!(show(&svc), "/#/t/old[1]", "the new one's addresses are not known");
    f.stage.serve("/old", State::Ok(&[1, 2]));
    settle().await;
    assert_eq!(show(&svc), "/#/t/old[1, 2]", "the one in use goes on living");
    f.stage.serve("/new", State::Ok(&[9]));
    settle().await;
    assert_eq!(show(&svc), "/#/t/new[9]");
    assert_eq!(f.clients.load(Ordering::SeqCst), 1, "the old client is gone");
    // After two seconds it takes effect regardless.
    f.stage.put("/slow", State::Ok(true));
    f.binder.set_dtab(dtab("/svc=>/#/t/slow"));
    sleep(1_900).await;
    assert_eq!(show(&svc), "/#/t/new[9]");
    sleep(200).await;
    assert_eq!(show(&svc), "/#/t/slow[]");
}

#[tokio::test(start_paused = true)]
async fn a_change_taken_back_leaves_everything_as_it_was() {
    let f = fixture("/svc=>/#/t/old");
    f.stage.up("/old", &[1]);
    f.stage.put("/new", State::Ok(true));
    let svc = f.bind("/svc");
    svc.ready().await;
    let before = svc.current().unwrap();
    f.binder.set_dtab(dtab("/svc=>/#/t/new"));
    sleep(500).await;
    f.binder.set_dtab(dtab("/svc=>/#/t/old"));
    sleep(5_000).await;
    assert!(Arc::ptr_eq(&before, &svc.current().unwrap()));
    assert_eq!(f.binder.stats().leaves, 1);
    assert_eq!(f.clients.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn equal_ids_share_one_client() {
    let f = fixture("/svc=>/#/t");
    f.stage.up("/usa", &[1]);
    let ca = f.bind("/svc/usa/ca");
    let ny = f.bind("/svc/usa/ny");
    let same = f.bind("/svc/usa/ny");
    assert!(Arc::ptr_eq(&ny, &same));
    ca.ready().await;
    ny.ready().await;
    assert_eq!(f.clients.load(Ordering::SeqCst), 1);
    assert_eq!(f.binder.stats().address_runs, 1);
    let residual = |b: &Binding<Client>| match b.current().as_deref() {
        Some(Bound::Tree(NameTree::Leaf(leaf))) => leaf.residual.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!((residual(&ca), residual(&ny)), ("/ca".into(), "/ny".into()));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_binding_releases_everything_and_its_watches_close() {
    let f = fixture("/svc=>/#/t");
    f.stage.up("/a", &[1]);
    f.stage.up("/b", &[2]);
    let a = f.bind("/svc/a");
    let b = f.bind("/svc/b");
    a.ready().await;
    b.ready().await;
    settle().await;
    assert_eq!(f.stage.followed(), 4);
    drop(a);
    settle().await;
    assert_eq!(f.stage.followed(), 2);
    let stats = f.binder.stats();
    assert_eq!((stats.bindings, stats.leaves, stats.watches), (1, 1, 2));
    assert_eq!(f.clients.load(Ordering::SeqCst), 1);
    let watch = f.stage.exists.lock().get(&path("/a")).cloned().unwrap();
    tokio::time::timeout(LINGER + Duration::from_secs(1), watch.closed(LINGER)).await.expect("closes");
    assert_eq!(show(&b), "/#/t/b[2]");
    // The name can be bound again.
    let again = f.bind("/svc/a");
    again.ready().await;
    assert_eq!(show(&again), "/#/t/a[1]");
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_after_the_last_handle_and_the_last_binding() {
    let stage = Arc::new(Stage::default());
    stage.up("/a", &[1]);
    let namers = Arc::new(Namers::new(Arc::new(NoHosts)).with(&path("/t"), stage.clone()));
    let (binder, task) =
        Binder::new(namers, dtab("/svc=>/#/t"), Clients::default(), BinderSettings::default());
    let task = tokio::spawn(task);
    let a = binder.bind(&path("/svc/a"), &Dtab::empty());
    a.ready().await;
    drop(binder);
    sleep(1000).await;
    assert!(!task.is_finished());
    stage.serve("/a", State::Ok(&[7]));
    settle().await;
    assert_eq!(show(&a), "/#/t/a[7]", "requests under way still follow their replicas");
    drop(a);
    task.await.unwrap();
    assert_eq!(stage.followed(), 0);
}

/// A worker is a thread with its own runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_works_from_other_runtimes() {
    let f = fixture("/svc=>/#/t");
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let binder = f.binder.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let binding = binder.bind(&path("/svc/web"), &Dtab::empty());
                runtime.block_on(binding.ready());
                show(&binding)
            })
        })
        .collect();
    f.stage.up("/web", &[80]);
    for worker in workers {
        let shown = tokio::task::spawn_blocking(|| worker.join().unwrap()).await.unwrap();
        assert_eq!(shown, "/#/t/web[80]");
    }
}

/// Questions are answered by what is known, with the base dtab of now, and leave nothing behind.
#[tokio::test(start_paused = true)]
async fn delegations_are_told() {
    let f = fixture("/svc=>/#/t/a");
    f.stage.up("/a", &[1]);
    let ask = async |local: &str| {
        let tree =
            f.binder.delegated(&path("/svc/x"), &dtab(local)).await.expect("the default interpreter tells");
        let Some(State::Ok(NameTree::Leaf(leaf))) = Some(tree.bound()) else { return "?".to_owned() };
        let way = tree.way_to(&leaf.id, &leaf.residual);
        way.iter().map(|node| node.path.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ask("").await, "/svc/x /#/t/a/x");
    assert_eq!(ask("/svc=>/#/t/never").await, "?");
    f.stage.up("/b", &[1]);
    f.binder.set_dtab(dtab("/svc=>/srv;/srv=>/#/t/b"));
    assert_eq!(ask("").await, "/svc/x /srv/x /#/t/b/x");
    let asked = f.binder.delegated(&path("/svc/x"), &Dtab::empty());
    drop(asked);
    sleep(LINGER.as_millis() as u64 + 1_000).await;
    assert_eq!((f.binder.stats().bindings, f.stage.followed()), (0, 0));
}
