//! The rules of `io.l5d.ingress`: Ingress objects become a table whenever one of them changes (routing.md §4).
//!
//! All of it happens in control: requests read the newest table. When the API cannot be asked, the last one stays.

mod status;

use crate::document as doc;
use kubernetes::{Cluster, Ingress, IngressClass, Selector};
use naming::{Live, State};
use router::{IngressBackend, IngressObject, IngressRule, IngressRules, PathType, Table};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use telemetry::{Lease, Metrics};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// How long the classes are waited for before objects of other classes are left out.
const PATIENCE: Duration = Duration::from_secs(2);
/// Changes that come closer together make one table.
const GATHER: Duration = Duration::from_millis(20);

type Classes = Arc<[Arc<IngressClass>]>;

/// The rules of one configuration of the identifier. What follows the objects ends with it.
#[derive(Debug)]
pub(crate) struct IngressSource {
    pub(crate) settings: doc::IngressIdentifier,
    pub(crate) rules: Arc<IngressRules>,
    cluster: Cluster,
    follower: AbortHandle,
    /// Who writes the status of the objects, once they are served.
    keeper: OnceLock<AbortHandle>,
    scope: Lease,
}

impl IngressSource {
    /// Follows the objects in `cluster`; counts in `metrics` under `ingress/<class>`.
    pub(crate) fn new(
        settings: &doc::IngressIdentifier,
        cluster: &Cluster,
        metrics: &Metrics,
        control: &Handle,
    ) -> IngressSource {
        let rules = Arc::new(IngressRules::default());
        let scope = metrics.scope(&["ingress"]).lease(&label(settings));
        show(&scope, &rules);
        let follower = Follower {
            settings: settings.clone(),
            cluster: cluster.clone(),
            rules: rules.clone(),
            classes: None,
            said: None,
        };
        let follower = control.spawn(follower.run()).abort_handle();
        let (settings, cluster) = (settings.clone(), cluster.clone());
        IngressSource { settings, rules, cluster, follower, keeper: OnceLock::new(), scope }
    }

    /// The rules are served from now on, and not only asked about: says so in the status of the objects, if that is wanted.
    /// Must be called on the control runtime.
    pub(super) fn serve(&self) {
        let Some(address) = &self.settings.status_address else { return };
        self.keeper.get_or_init(|| {
            let writes = self.scope.counter("status_writes");
            let keeper = status::Keeper::new(&self.settings, address, &self.cluster, writes);
            tokio::spawn(keeper.run()).abort_handle()
        });
    }
}

impl Drop for IngressSource {
    fn drop(&mut self) {
        self.follower.abort();
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

/// What the numbers of these rules are found under: the class, and the namespace where it is only one.
fn label(settings: &doc::IngressIdentifier) -> String {
    let class = &settings.ingress_class_annotation;
    settings.namespace.as_ref().map_or_else(|| class.clone(), |namespace| format!("{class}.{namespace}"))
}

fn show(scope: &telemetry::Scope, rules: &Arc<IngressRules>) {
    let gauge = |name: &str, of: fn(&Table) -> usize| {
        let rules = Arc::downgrade(rules);
        let count = move || rules.upgrade().and_then(|rules| rules.load().as_deref().map(of)).unwrap_or(0);
        scope.gauge(name, move || count() as f64);
    };
    gauge("objects", |table| table.size().0);
    gauge("rules", |table| table.size().1);
    gauge("faulty_rules", |table| table.faults().len());
}

/// All Ingress objects that may be of interest.
fn objects(settings: &doc::IngressIdentifier, cluster: &Cluster) -> Live<Arc<[Arc<Ingress>]>> {
    cluster.list(settings.namespace.as_deref(), &Selector::all())
}

struct Follower {
    settings: doc::IngressIdentifier,
    cluster: Cluster,
    rules: Arc<IngressRules>,
    /// The classes, while there is an object of one that is not known by its name alone.
    classes: Option<Live<Classes>>,
    /// What was said of the classes that cannot be read.
    said: Option<Arc<str>>,
}

impl Follower {
    async fn run(mut self) {
        let mut live = objects(&self.settings, &self.cluster);
        let mut before: Option<(Vec<IngressObject>, Arc<Table>)> = None;
        loop {
            let State::Ok(all) = live.get() else {
                live.changed().await;
                continue;
            };
            let classes = self.known_classes(&all).await;
            let class = &self.settings.ingress_class_annotation;
            let ours: Vec<IngressObject> =
                all.iter().filter(|ingress| ingress.is_for(class, &classes)).map(|of| object(of)).collect();
            if before.as_ref().is_none_or(|(known, _)| *known != ours) {
                let default_backends = !self.settings.ignore_default_backends;
                let last = before.as_ref().map(|(_, table)| &**table);
                let table = Arc::new(Table::new(&ours, default_backends, last));
                tell(&table, last);
                self.rules.set(table.clone());
                before = Some((ours, table));
            }
            self.changed(&mut live).await;
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Waits until objects or classes have changed.
    async fn changed(&mut self, live: &mut Live<Arc<[Arc<Ingress>]>>) {
        match &mut self.classes {
            None => drop(live.changed().await),
            Some(classes) => tokio::select! {
                _ = live.changed() => {}
                _ = classes.changed() => {}
            },
        }
    }

    /// The classes, as far as objects make them of interest and they can be read.
    async fn known_classes(&mut self, all: &[Arc<Ingress>]) -> Classes {
        let ours = self.settings.ingress_class_annotation.as_str();
        if !all.iter().any(|ingress| ingress.class().is_some_and(|class| class != ours)) {
            self.classes = None;
            return Arc::default();
        }
        let classes = self.classes.get_or_insert_with(|| self.cluster.list(None, &Selector::all()));
        if classes.get().is_pending() {
            // What comes later is seen as a change.
            let _ = tokio::time::timeout(PATIENCE, classes.clone().changed()).await;
        }
        match classes.get() {
            State::Ok(classes) => classes,
            State::Pending => Arc::default(),
            State::Failed(why) => {
                if self.said.as_ref() != Some(&why) {
                    tracing::warn!(
                        "IngressClass objects cannot be read ({why}): only Ingress objects of class `{ours}` and those \
                         without a class count"
                    );
                    self.said = Some(why);
                }
                Arc::default()
            }
        }
    }
}

/// Says what is wrong with rules that were not there before.
fn tell(table: &Table, before: Option<&Table>) {
    let known = before.map_or(&[][..], Table::faults);
    for fault in table.faults().iter().filter(|fault| !known.contains(fault)) {
        tracing::warn!("{fault}");
    }
    let (objects, rules) = table.size();
    tracing::debug!("{rules} ingress rules of {objects} objects take effect");
}

/// The namespace of objects that do not say theirs.
const NAMESPACE: &str = "default";

/// An object as the router wants it. Backends that are no Service are left out.
fn object(of: &Ingress) -> IngressObject {
    let backend = |of: &kubernetes::Backend| {
        let (service, port) = of.target()?;
        Some(IngressBackend { service, port })
    };
    let mut rules = Vec::new();
    for rule in &of.spec.rules {
        for path in rule.http.iter().flat_map(|http| &http.paths) {
            let Some(backend) = backend(&path.backend) else { continue };
            rules.push(IngressRule {
                host: rule.host.as_deref().map(str::to_owned),
                path: path.path.to_string(),
                path_type: path_type(&path.path_type),
                backend,
            });
        }
    }
    let namespace = Some(&*of.metadata.namespace).filter(|namespace| !namespace.is_empty());
    IngressObject {
        namespace: namespace.unwrap_or(NAMESPACE).to_owned(),
        name: of.metadata.name.to_string(),
        rules,
        default: of.spec.default_backend.as_ref().and_then(backend),
    }
}

fn path_type(text: &str) -> PathType {
    match text {
        "Exact" => PathType::Exact,
        "Prefix" => PathType::Prefix,
        _ => PathType::Pattern,
    }
}
