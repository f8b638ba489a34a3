//! The names a namer is asked for: each is followed by one task as long as somebody uses it.
//!
//! Existence and what is found are published apart, so that a replica that comes or goes binds no name again ("stable
//! existence", routing.md §2.1). Names of nothing cost the API little: only some of them are watched, the others asked for
//! now and then (user-demand.md §2.1, D6).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hashbrown::HashMap;
use names::Path;
use naming::{Hook, Live, Publisher, Source, State, json_text, slim};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::bell::Bell;
use crate::cluster::Cluster;
use crate::watch::IDLE;

/// How often a name of nothing that is not watched is asked for: once in so long, and all of them together no more often
/// than once in the second time.
const REST: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(100));

/// How a kind of namer looks its names up.
pub(super) trait Look: Send + Sync + 'static {
    /// What stands for a name that exists.
    type Found: Clone + PartialEq + Send + Sync + 'static;
    /// The live values that it is seen from.
    type Sources: Send + Sync + 'static;

    /// Begins to watch what `name`, in lower case and without the namer's prefix, is seen from.
    fn open(&self, cluster: &Cluster, name: &Path) -> Self::Sources;
    /// The same as values whatever their types.
    fn sources<'a>(&self, of: &'a Self::Sources) -> Vec<&'a dyn Source>;
    /// The paths they are watched by, for people.
    fn watched(&self, name: &Path) -> Vec<String>;
    /// What stands for `name` now; `None` for a name of nothing.
    fn look(&self, name: &Path, sources: &Self::Sources) -> State<Option<Self::Found>>;
    /// For people, as the inside of a JSON object.
    fn json(&self, found: &Self::Found) -> String;
}

struct Item<F> {
    exists: Publisher<bool>,
    found: Publisher<Option<F>>,
}

impl<F> Clone for Item<F> {
    fn clone(&self) -> Self {
        Item { exists: self.exists.clone(), found: self.found.clone() }
    }
}

impl<F: Clone + PartialEq + Send + 'static> Item<F> {
    fn new() -> Item<F> {
        Item { exists: Publisher::default(), found: Publisher::default() }
    }

    /// What is found is known before the name exists, and until it does not any more.
    fn set(&self, state: State<Option<F>>, heard: Instant) {
        match state {
            State::Pending => {}
            State::Ok(Some(found)) => {
                self.found.set_heard(State::Ok(Some(found)), heard);
                self.exists.set_heard(State::Ok(true), heard);
            }
            State::Ok(None) => {
                self.exists.set_heard(State::Ok(false), heard);
                self.found.set_heard(State::Ok(None), heard);
            }
            State::Failed(text) if self.exists.get().ok().is_none() => {
                self.exists.set_heard(State::Failed(Arc::clone(&text)), heard);
                self.found.set_heard(State::Failed(text), heard);
            }
            State::Failed(_) => self.doubt(),
        }
    }

    fn doubt(&self) {
        self.exists.doubt();
        self.found.doubt();
    }

    fn is_idle(&self, linger: Duration) -> bool {
        let idle = |since: Option<Duration>| since.is_some_and(|idle| idle >= linger);
        idle(self.exists.idle_for()) && idle(self.found.idle_for())
    }
}

/// The names in use of one namer.
pub(super) struct Names<L: Look> {
    look: L,
    cluster: Cluster,
    items: Mutex<HashMap<Path, Item<L::Found>>>,
    resting: AtomicUsize,
}

impl<L: Look> Names<L> {
    pub(super) fn new(look: L, cluster: Cluster) -> Arc<Names<L>> {
        Arc::new(Names { look, cluster, items: Mutex::default(), resting: AtomicUsize::new(0) })
    }

    /// Whether something stands for `name`.
    pub(super) fn exists(self: &Arc<Self>, name: &Path) -> Live<bool> {
        self.part(name, |item| item.exists.live())
    }

    /// What stands for `name`.
    pub(super) fn found(self: &Arc<Self>, name: &Path) -> Live<Option<L::Found>> {
        self.part(name, |item| item.found.live())
    }

    fn part<T>(self: &Arc<Self>, name: &Path, part: impl Fn(&Item<L::Found>) -> T) -> T {
        let mut items = self.items.lock();
        if let Some(item) = items.get(name) {
            return part(item);
        }
        let item = Item::new();
        let part = part(&item);
        items.insert(name.clone(), item.clone());
        let shared = self.cluster.shared();
        shared.handle.spawn(Arc::clone(self).run(name.clone(), item));
        part
    }

    /// How many names are in use.
    pub(super) fn len(&self) -> usize {
        self.items.lock().len()
    }

    /// The names that something stands for.
    pub(super) fn existing(&self) -> Vec<Path> {
        let items = self.items.lock();
        items
            .iter()
            .filter(|(_, item)| item.exists.get() == State::Ok(true))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Keeps one name up to date until nobody has wanted it for a while.
    async fn run(self: Arc<Self>, name: Path, item: Item<L::Found>) {
        tokio::select! {
            () = self.unused(&name, &item) => {}
            () = self.keep(&name, &item) => {}
        }
    }

    async fn unused(&self, name: &Path, item: &Item<L::Found>) {
        let linger = self.cluster.shared().settings.linger;
        loop {
            item.exists.closed(linger).await;
            item.found.closed(linger).await;
            let mut items = self.items.lock();
            if item.is_idle(linger) {
                items.remove(name);
                slim(&mut items);
                return;
            }
        }
    }

    async fn keep(&self, name: &Path, item: &Item<L::Found>) {
        let shared = self.cluster.shared();
        let full = |why: String| item.set(State::failed(why), Instant::now());
        loop {
            let permit = shared.place_of_name(&name.to_string(), full).await;
            self.follow(name, item).await;
            // Its watches end a moment later; until then they count.
            tokio::time::sleep(2 * IDLE).await;
            drop(permit);
            self.rest().await;
        }
    }

    /// Publishes what stands for a name whenever that changes; ends when it has to rest. A name for which something has
    /// stood never has to: nobody can think of such names, and a Service that is scaled up again is wanted at once.
    async fn follow(&self, name: &Path, item: &Item<L::Found>) {
        let shared = self.cluster.shared();
        let sources = self.look.open(&self.cluster, name);
        let bell = Arc::new(Bell::default());
        let all = self.look.sources(&sources);
        let _hooks: Vec<_> =
            all.iter().map(|source| source.subscribe(Arc::clone(&bell) as Arc<dyn Hook>)).collect();
        let (mut place, mut existed) = (None, false);
        loop {
            // Taken before anything is read: what changes from here on rings once more.
            let heard = bell.take().unwrap_or_else(Instant::now);
            let state = self.look.look(name, &sources);
            existed |= matches!(state, State::Ok(Some(_)));
            let absent = matches!(state, State::Ok(None)) && !existed;
            item.set(state, heard);
            if all.iter().any(|source| !source.is_sound()) {
                item.doubt();
            }
            place = place.filter(|_| absent).or_else(|| absent.then(|| shared.absent.enter()));
            let lost = async {
                match &place {
                    Some(place) => place.lost().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = bell.rung() => {}
                () = lost => return,
            }
        }
    }

    /// The longer the more names rest, so that the API is asked no more often.
    async fn rest(&self) {
        let resting = Counted::new(&self.resting);
        let all = u32::try_from(self.resting.load(Relaxed)).unwrap_or(u32::MAX);
        let long = REST.0.max(REST.1.saturating_mul(all));
        tokio::time::sleep(long.mul_f64(0.5 + fastrand::f64())).await;
        drop(resting);
    }

    /// What is known of each name, as JSON (observability.md §6.3, `/namer_state`).
    pub(super) fn json(&self) -> String {
        let items: Vec<(Path, Item<L::Found>)> =
            self.items.lock().iter().map(|(name, item)| (name.clone(), item.clone())).collect();
        let mut shown: Vec<String> = items.iter().map(|(name, item)| self.item_json(name, item)).collect();
        shown.sort_unstable();
        format!("{{{}}}", shown.join(","))
    }

    fn item_json(&self, name: &Path, item: &Item<L::Found>) -> String {
        let state = match item.found.get() {
            State::Pending => String::new(),
            State::Failed(text) => format!("\"error\":{}", json_text(&text)),
            State::Ok(None) => "\"value\":null".to_owned(),
            State::Ok(Some(found)) => format!("\"value\":{}", self.look.json(&found)),
        };
        let watched = self.look.watched(name);
        let watches: Vec<String> = watched.iter().map(|path| self.cluster.watch_json(path)).collect();
        let name = name.to_string();
        let name = json_text(name.trim_start_matches('/'));
        format!("{name}:{{\"state\":{{{state}}},\"watch\":[{}]}}", watches.join(","))
    }
}

/// Counts one while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Counted<'a> {
        count.fetch_add(1, Relaxed);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
