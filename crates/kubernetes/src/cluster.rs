//! One API as a process sees it: the table of its watches, shared by all who want the same, and what bounds them.

mod absent;
mod stats;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use naming::{LINGER, Live, slim};
use parking_lot::Mutex;
use telemetry::Scope;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::access::Access;
use crate::api::Api;
use crate::kind::{Kind, Selector, escaped};
use crate::watch::{Report, Watch};
use absent::Absent;
use stats::{Sample, Stats};

/// How watches go about their work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a name of a namer outlives its last reader; 30 s. A watch, which is read by names, ends at once.
    pub linger: Duration,
    /// After how long without an event or a bookmark, which the API sends every minute, a stream counts as dead; 90 s. A
    /// connection whose peer is gone is noticed by the kernel within 10 s.
    pub stale: Duration,
    /// Every how long, give or take a fifth, everything is asked for again; 5 min.
    pub relist: Duration,
    /// How many names namers may follow at a time; each needs up to three watches, which are connections; 3,000.
    pub names: usize,
    /// How many of them may be names of nothing, whichever namer is asked for them; further ones are asked for now and then
    /// only; 500.
    pub absent: usize,
    /// How many watches there may be, whoever wants them: as many as names need, and 1,000 for what a configuration names
    /// (dtabs, ingress rules, DaemonSets); 10,000. Further ones fail, and begin when others have ended.
    pub watches: usize,
    /// How many lists may be asked for at a time; 64.
    pub lists: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            linger: LINGER,
            stale: Duration::from_secs(90),
            relist: Duration::from_secs(300),
            names: 3_000,
            absent: 500,
            watches: 10_000,
            lists: 64,
        }
    }
}

/// A Kubernetes API and what is watched there. Clones are handles to the same.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

/// What a cluster and its watches share.
pub(crate) struct Shared {
    pub(crate) api: Api,
    pub(crate) settings: Settings,
    pub(crate) stats: Stats,
    pub(crate) handle: Handle,
    /// By path and query of the collection.
    slots: Mutex<HashMap<String, Slot>>,
    names: Arc<Semaphore>,
    watches: Arc<Semaphore>,
    lists: Semaphore,
    /// Names of nothing that are followed.
    pub(crate) absent: Absent,
    sample: Sample,
}

/// A watch that runs: its `Publisher<T>`, and how it is doing.
struct Slot {
    publisher: Box<dyn Any + Send + Sync>,
    report: Arc<Report>,
}

impl Cluster {
    /// The API reached by `access`, whose watches run on `handle`, the control runtime, and count in `scope`. Nothing is
    /// contacted before something is wanted.
    #[must_use]
    pub fn new(access: Access, handle: &Handle, scope: &Scope) -> Cluster {
        Cluster::with_settings(access, handle, scope, Settings::default())
    }

    /// The same with other times and bounds.
    #[must_use]
    pub fn with_settings(access: Access, handle: &Handle, scope: &Scope, settings: Settings) -> Cluster {
        let shared = Arc::new(Shared {
            api: Api::new(access),
            stats: Stats::new(scope),
            handle: handle.clone(),
            slots: Mutex::default(),
            names: Arc::new(Semaphore::new(settings.names)),
            watches: Arc::new(Semaphore::new(settings.watches)),
            lists: Semaphore::new(settings.lists),
            absent: Absent::new(settings.absent),
            sample: Sample::default(),
            settings,
        });
        stats::show(&shared, scope);
        Cluster { shared }
    }

    /// The API itself, for single questions.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.shared.api
    }

    /// One object, by its name: `None` while there is no such object. Pending until the API has said; through its outages
    /// the last known one, in doubt.
    #[must_use]
    pub fn object<K: Kind>(&self, namespace: &str, name: &str) -> Live<Option<Arc<K>>> {
        self.open(one::<K>(namespace, name), |items: &[Arc<K>]| items.first().cloned())
    }

    /// All objects of a namespace, or of all, that `selector` agrees to: in the order of the first list, those added or
    /// changed since last.
    #[must_use]
    pub fn list<K: Kind>(&self, namespace: Option<&str>, selector: &Selector) -> Live<Arc<[Arc<K>]>> {
        self.open(Cluster::some::<K>(namespace, selector), |items: &[Arc<K>]| items.into())
    }

    /// How many watches there are.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.shared.slots.lock().len()
    }

    /// Collection and selector of several objects.
    pub(crate) fn some<K: Kind>(namespace: Option<&str>, selector: &Selector) -> (String, String) {
        (K::collection(namespace), selector.query())
    }

    /// What a watch of these goes by.
    pub(crate) fn path_of((collection, selector): &(String, String)) -> String {
        crate::watch::path(collection, &[selector])
    }

    /// What the namers share: the bounds on names, and where they count.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How a watch is doing, as JSON; `null` when it has ended.
    pub(crate) fn watch_json(&self, path: &str) -> String {
        self.shared.slots.lock().get(path).map_or_else(|| "null".to_owned(), |slot| slot.report.json())
    }

    /// All watches as JSON, by the paths of what they watch: `{"/api/v1/...":{"streaming":true,...}}`.
    #[must_use]
    pub fn state_json(&self) -> String {
        let slots = self.shared.slots.lock();
        let mut all: Vec<String> = slots
            .iter()
            .map(|(path, slot)| format!("{}:{}", naming::json_text(path), slot.report.json()))
            .collect();
        all.sort_unstable();
        format!("{{{}}}", all.join(","))
    }

    fn open<K: Kind, T: Clone + PartialEq + Send + Sync + 'static>(
        &self,
        of: (String, String),
        shape: fn(&[Arc<K>]) -> T,
    ) -> Live<T> {
        let watch = Watch::new(Arc::clone(&self.shared), of, shape);
        let mut slots = self.shared.slots.lock();
        if let Some(slot) = slots.get(watch.report().path()) {
            let publisher = slot.publisher.downcast_ref::<naming::Publisher<T>>();
            return publisher.expect("a collection is read as one kind in one shape").live();
        }
        let live = watch.publisher().live();
        let slot =
            Slot { publisher: Box::new(watch.publisher().clone()), report: Arc::clone(watch.report()) };
        slots.insert(watch.report().path().to_owned(), slot);
        self.shared.handle.spawn(watch.run());
        live
    }
}

/// Collection and selector of one object.
pub(crate) fn one<K: Kind>(namespace: &str, name: &str) -> (String, String) {
    (K::collection(Some(namespace)), format!("fieldSelector=metadata.name%3D{}", escaped(name)))
}

impl Shared {
    /// Takes the watch of `path` out of the table, if that is still wanted once the table is locked.
    pub(crate) fn close(&self, path: &str, unused: impl FnOnce() -> bool) -> bool {
        let mut slots = self.slots.lock();
        let close = unused();
        if close {
            slots.remove(path);
            slim(&mut slots);
        }
        close
    }

    /// The right to follow a name. While there is none, `told` hears why.
    pub(crate) async fn place_of_name(&self, name: &str, told: impl FnOnce(String)) -> OwnedSemaphorePermit {
        let why = || {
            let (access, limit) = (self.api.access(), self.settings.names);
            format!("{name} is not looked up in {access}: {limit} names are followed already, as many as may")
        };
        self.enter(&self.names, name, why, told).await
    }

    /// A place among the watches. While there is none, `told` hears why.
    pub(crate) async fn place_of_watch(&self, path: &str, told: impl FnOnce(String)) -> OwnedSemaphorePermit {
        let why = || {
            let (access, limit) = (self.api.access(), self.settings.watches);
            format!("{path} is not watched in {access}: there are {limit} watches already, as many as may")
        };
        self.enter(&self.watches, path, why, told).await
    }

    /// One of so many places. Counts `what`, and tells why, when it has to wait for one.
    async fn enter(
        &self,
        places: &Arc<Semaphore>,
        what: &str,
        why: impl FnOnce() -> String,
        told: impl FnOnce(String),
    ) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return place;
        }
        let text = why();
        self.stats.refused.inc();
        self.log_sample(what, &text);
        told(text);
        Arc::clone(places).acquire_owned().await.expect("never closed")
    }

    /// A turn to ask for a list.
    pub(crate) async fn turn(&self) -> SemaphorePermit<'_> {
        self.lists.acquire().await.expect("never closed")
    }

    /// A line in the log for some of what goes wrong, not for all.
    pub(crate) fn log_sample(&self, path: &str, text: &str) {
        if let Some(unsaid) = self.sample.take() {
            tracing::warn!(api = %self.api.access(), path, unsaid, "Kubernetes: {text}");
        }
    }

    fn reports(&self) -> Vec<Arc<Report>> {
        self.slots.lock().values().map(|slot| Arc::clone(&slot.report)).collect()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = self.shared.api.access();
        f.debug_struct("Cluster")
            .field("access", access)
            .field("watches", &self.watches())
            .finish_non_exhaustive()
    }
}
