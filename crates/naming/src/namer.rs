//! Who turns paths into bound names and bound names into addresses.

use std::net::IpAddr;
use std::sync::Arc;

use names::{NameTree, Path};

use crate::addr::Addr;
use crate::global::Global;
use crate::live::{Live, Source, State};

/// A replica set by name: where routing ends (routing.md §0).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BoundName {
    /// Names the replica set: statistics, configuration and connection pools go by it.
    pub id: Path,
    /// The part of the path the namer did not use; travels with the request.
    pub residual: Path,
}

/// A leaf of a namer's answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// Another path, bound again through the dtab.
    Path(Path),
    /// A replica set.
    Bound(BoundName),
}

/// Notes which live values an evaluation has read, so that it can be run again when one of them changes.
pub trait Reader {
    /// Notes `source`. Called before its state is read.
    fn note(&mut self, source: &dyn Source);
}

impl dyn Reader + '_ {
    /// Notes `live` and reads its newest state.
    pub fn read<T: Clone + Send + 'static>(&mut self, live: &Live<T>) -> State<T> {
        self.note(live);
        live.get()
    }
}

/// A reader for one-shot questions: notes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untracked;

impl Reader for Untracked {
    fn note(&mut self, _: &dyn Source) {}
}

/// One source of names. Both questions are answered at once from what is known now; whatever may change is read through
/// `reader`. A namer that has to start a watch answers `Pending`.
pub trait Namer: Send + Sync {
    /// What `path`, the part after the namer's prefix, stands for. `Neg` lets the next namer answer. Ids must begin with
    /// the namer's prefix.
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>>;

    /// The replicas of `id`, a whole id as given out by [`Namer::bind`] of a namer with this prefix. `Neg` lets the next
    /// namer with the same prefix answer.
    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr;
}

/// Finds the addresses of host names. Literal addresses never get here: [`crate::inet`] reads them itself.
pub trait Resolver: Send + Sync {
    /// All addresses of `host`; none when there is no such host.
    fn resolve(&self, host: &str, reader: &mut dyn Reader) -> State<Arc<[IpAddr]>>;
}

/// A resolver that knows no host.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHosts;

impl Resolver for NoHosts {
    fn resolve(&self, _: &str, _: &mut dyn Reader) -> State<Arc<[IpAddr]>> {
        State::Ok(Arc::from([]))
    }
}

struct Configured {
    prefix: Path,
    namer: Arc<dyn Namer>,
}

/// All namers of a process: the configured ones and those under `/$/`.
pub struct Namers {
    configured: Vec<Configured>,
    global: Global,
}

impl Namers {
    /// Only the namers under `/$/`, which find hosts through `resolver`.
    #[must_use]
    pub fn new(resolver: Arc<dyn Resolver>) -> Namers {
        Namers { configured: Vec::new(), global: Global::new(resolver) }
    }

    /// Adds a namer that answers under `/#` and `prefix` and is asked before those added earlier.
    #[must_use]
    pub fn with(mut self, prefix: &Path, namer: Arc<dyn Namer>) -> Namers {
        self.configured.push(Configured { prefix: configured_prefix(prefix), namer });
        self
    }

    /// The namers' answer to a path that no dtab entry matches: the configured ones from the last to the first, then
    /// those under `/$/`. The first answer other than `Neg` counts; waiting and failing are answers too.
    pub fn lookup(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        for Configured { prefix, namer } in self.configured.iter().rev() {
            if let Some(rest) = path.strip_prefix(prefix) {
                match namer.bind(&rest, reader) {
                    State::Ok(NameTree::Neg) => {}
                    answer => return answer,
                }
            }
        }
        self.global.bind(path, reader)
    }

    /// The replicas of a bound id, from the same namer that would bind it now.
    pub fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        for Configured { prefix, namer } in self.configured.iter().rev() {
            if id.starts_with(prefix) {
                match namer.addresses(id, reader) {
                    Addr::Neg => {}
                    answer => return answer,
                }
            }
        }
        self.global.addresses(id, reader)
    }
}

/// The prefix under which a namer configured with `prefix` answers and gives out ids: `/#` and `prefix`.
#[must_use]
pub fn configured_prefix(prefix: &Path) -> Path {
    Path::from_elems([b"#".as_slice()]).concat(prefix)
}

impl std::fmt::Debug for Namers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let prefixes: Vec<String> = self.configured.iter().map(|c| c.prefix.to_string()).collect();
        f.debug_struct("Namers").field("configured", &prefixes).finish_non_exhaustive()
    }
}
