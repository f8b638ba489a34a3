//! `io.l5d.k8s` and `io.l5d.k8s.ns`: the ports of Services as names, their replicas as addresses (routing.md §2.6).

mod external;
mod names;
mod replicas;

use std::sync::Arc;

use ::names::{NameTree, Path};
use naming::{
    Addr, AddrSet, BoundName, Live, Named, Namer, Reader, Source, State, configured_prefix, json_text,
};

use crate::cluster::{Cluster, one};
use crate::kind::Selector;
use crate::kinds::{EndpointSlice, Endpoints, Service};
pub use external::ExternalNamer;
use names::{Look, Names};
use replicas::{Facts, Wanted, Written, replicas};

/// The namer: `/<namespace>/<port>/<service>`, and the value of a label where one is configured.
pub struct KubernetesNamer {
    prefix: Path,
    elements: usize,
    names: Arc<Names<Replicas>>,
}

impl KubernetesNamer {
    /// Services of `cluster` under `/#` and `prefix`. With a `namespace`, names do not say it (`io.l5d.k8s.ns`). With a
    /// `label`, they end with the value of that label.
    #[must_use]
    pub fn new(
        prefix: &Path,
        cluster: Cluster,
        namespace: Option<&str>,
        label: Option<&str>,
    ) -> KubernetesNamer {
        let elements = 2 + usize::from(namespace.is_none()) + usize::from(label.is_some());
        let look = Replicas { namespace: namespace.map(Into::into), label: label.map(Into::into) };
        KubernetesNamer { prefix: configured_prefix(prefix), elements, names: Names::new(look, cluster) }
    }

    /// How many names are in use.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.names.len()
    }

    /// The ids of the names in use that something stands for.
    #[must_use]
    pub fn list(&self) -> Vec<Path> {
        self.names.existing().iter().map(|name| self.prefix.concat(name)).collect()
    }

    /// The names in use: what is known of each and how its watches are doing, as JSON.
    #[must_use]
    pub fn state_json(&self) -> String {
        self.names.json()
    }
}

impl Namer for KubernetesNamer {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let Some(name) = folded(path, self.elements) else { return State::Ok(NameTree::Neg) };
        reader.read(&self.names.exists(&name)).map(|exists| {
            if !exists {
                return NameTree::Neg;
            }
            let bound = BoundName { id: self.prefix.concat(&name), residual: path.skip(self.elements) };
            NameTree::Leaf(Named::Bound(bound))
        })
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let name = id.strip_prefix(&self.prefix).filter(|name| name.len() == self.elements);
        let Some(name) = name.and_then(|name| folded(&name, self.elements)) else { return Addr::Neg };
        match reader.read(&self.names.found(&name)) {
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
            State::Ok(None) => Addr::Neg,
            State::Ok(Some(found)) => Addr::Bound(found),
        }
    }
}

/// The longest name of a namespace, a Service or a port, and value of a label.
const LONGEST: usize = 63;

/// The first elements of a path in lower case; `None` when there are fewer, or one of them can be no part of a name in
/// Kubernetes, where names and values of labels alike begin and end with a letter or a digit. Nobody has to be asked for
/// what cannot be, and the API refuses to look for some of it.
fn folded(path: &Path, elements: usize) -> Option<Path> {
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let fits = |elem: &[u8]| {
        elem.len() <= LONGEST
            && outer(elem.first())
            && outer(elem.last())
            && elem.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let name = path.take(elements);
    let all = name.len() == elements && name.elems().all(fits);
    all.then(|| Path::from_elems(name.elems().map(<[u8]>::to_ascii_lowercase)))
}

/// How a name is looked up.
struct Replicas {
    namespace: Option<Box<str>>,
    label: Option<Box<str>>,
}

/// The parts of a name.
struct Parts<'a> {
    namespace: &'a str,
    port: &'a str,
    service: &'a str,
    label: Option<(&'a str, &'a str)>,
}

impl Replicas {
    fn parts<'a>(&'a self, name: &'a Path) -> Parts<'a> {
        parts(name, self.namespace.as_deref(), self.label.as_deref())
    }
}

/// The parts of a folded name: `[namespace,] port, service [, value of the label]`.
fn parts<'a>(name: &'a Path, namespace: Option<&'a str>, label: Option<&'a str>) -> Parts<'a> {
    let text = |at| name.get(at).and_then(|elem| std::str::from_utf8(elem).ok()).unwrap_or_default();
    let from = usize::from(namespace.is_none());
    Parts {
        namespace: namespace.unwrap_or_else(|| text(0)),
        port: text(from),
        service: text(from + 1),
        label: label.map(|label| (label, text(from + 2))),
    }
}

/// What a name is seen from. The Service only where its ports or labels matter.
struct Seen {
    endpoints: Live<Option<Arc<Endpoints>>>,
    slices: Live<Arc<[Arc<EndpointSlice>]>>,
    service: Option<Live<Option<Arc<Service>>>>,
}

fn of_service(service: &str) -> Selector {
    Selector::labels(format!("kubernetes.io/service-name={service}"))
}

impl Look for Replicas {
    type Found = Arc<AddrSet>;
    type Sources = Seen;

    fn open(&self, cluster: &Cluster, name: &Path) -> Seen {
        let Parts { namespace, port, service, label } = self.parts(name);
        let needed = Wanted::needs_service(port, label.is_some());
        Seen {
            endpoints: cluster.object(namespace, service),
            slices: cluster.list(Some(namespace), &of_service(service)),
            service: needed.then(|| cluster.object(namespace, service)),
        }
    }

    fn sources<'a>(&self, seen: &'a Seen) -> Vec<&'a dyn Source> {
        let mut all: Vec<&dyn Source> = vec![&seen.endpoints, &seen.slices];
        all.extend(seen.service.as_ref().map(|service| service as &dyn Source));
        all
    }

    fn watched(&self, name: &Path) -> Vec<String> {
        let Parts { namespace, port, service, label } = self.parts(name);
        let mut all = vec![
            Cluster::path_of(&one::<Endpoints>(namespace, service)),
            Cluster::path_of(&Cluster::some::<EndpointSlice>(Some(namespace), &of_service(service))),
        ];
        if Wanted::needs_service(port, label.is_some()) {
            all.push(Cluster::path_of(&one::<Service>(namespace, service)));
        }
        all
    }

    fn look(&self, name: &Path, seen: &Seen) -> State<Option<Arc<AddrSet>>> {
        let (endpoints, slices) = (seen.endpoints.get(), seen.slices.get());
        // An old role may let us read the one, a new cluster may have only the other.
        if let (State::Failed(text), State::Failed(_)) = (&endpoints, &slices) {
            return State::Failed(Arc::clone(text));
        }
        let service = match seen.service.as_ref().map(Live::get) {
            None => None,
            Some(State::Pending) => return State::Pending,
            Some(State::Failed(text)) => return State::Failed(text),
            Some(State::Ok(service)) => service,
        };
        if endpoints.is_pending() || slices.is_pending() {
            return State::Pending;
        }
        let slices = slices.ok();
        let facts = Facts {
            endpoints: match &endpoints {
                State::Ok(found) => Written::Known(found.as_deref()),
                State::Pending | State::Failed(_) => Written::Unread,
            },
            slices: slices.as_deref().unwrap_or_default(),
            service: service.as_deref(),
        };
        let Parts { port, label, .. } = self.parts(name);
        State::Ok(replicas(facts, Wanted { port, label }).map(Arc::new))
    }

    fn json(&self, found: &Arc<AddrSet>) -> String {
        let all: Vec<String> = found.addresses.iter().map(|one| json_text(&one.socket.to_string())).collect();
        format!("[{}]", all.join(","))
    }
}

impl std::fmt::Debug for KubernetesNamer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubernetesNamer").field("names", &self.watches()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
