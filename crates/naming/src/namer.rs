//! Who turns paths into bound names and bound names into addresses.

use std::net::IpAddr;
use std::sync::Arc;

use names::{Dtab, NameTree, Path};

use crate::addr::Addr;
use crate::global::Global;
use crate::live::{Live, Source, State};
use crate::transform::{self, Stand, Transformer};
use crate::walk::{Walked, bind};

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
    transformers: Vec<Transformer>,
}

impl Configured {
    /// The namer's answer; transformed only when nothing of it has to be bound again (routing.md §5).
    fn bind(&self, rest: &Path, stand: &dyn Stand, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let answer = self.namer.bind(rest, reader);
        let State::Ok(tree) = &answer else { return answer };
        if self.transformers.is_empty() {
            return answer;
        }
        let Some(bound) = all_bound(tree) else { return answer };
        transform::tree(&self.transformers, bound, stand, reader)
            .map(|tree| tree.map(|name| Named::Bound(name.clone())))
    }

    fn addresses(&self, id: &Path, stand: &dyn Stand, reader: &mut dyn Reader) -> Addr {
        transform::addresses(&self.transformers, id, stand, reader, &|id, reader| {
            if id.starts_with(&self.prefix) { self.namer.addresses(id, reader) } else { Addr::Neg }
        })
    }
}

/// The tree when every leaf of it is a bound name.
fn all_bound(tree: &NameTree<Named>) -> Option<NameTree<BoundName>> {
    let mut names = Vec::new();
    for leaf in tree.leaves() {
        match leaf {
            Named::Bound(name) => names.push(name.clone()),
            Named::Path(_) => return None,
        }
    }
    let mut names = names.into_iter();
    Some(tree.map(|_| names.next().expect("as many as there are leaves")))
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
    pub fn with(self, prefix: &Path, namer: Arc<dyn Namer>) -> Namers {
        self.with_transformed(prefix, namer, Vec::new())
    }

    /// As [`Namers::with`]; what the namer binds goes through `transformers`, the first one first.
    #[must_use]
    pub fn with_transformed(
        mut self,
        prefix: &Path,
        namer: Arc<dyn Namer>,
        transformers: Vec<Transformer>,
    ) -> Namers {
        self.configured.push(Configured { prefix: configured_prefix(prefix), namer, transformers });
        self
    }

    /// Whether a configured namer answers under some prefix of `path`, or `path` lies under `/$/`.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        path.first() == Some(b"$") || self.configured.iter().any(|c| path.starts_with(&c.prefix))
    }

    /// The namers' answer to a path that no dtab entry matches: the configured ones from the last to the first, then
    /// those under `/$/`. The first answer other than `Neg` counts; waiting and failing are answers too.
    pub fn lookup(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        for configured in self.configured.iter().rev() {
            if let Some(rest) = path.strip_prefix(&configured.prefix) {
                match configured.bind(&rest, &Plain(self), reader) {
                    State::Ok(NameTree::Neg) => {}
                    answer => return answer,
                }
            }
        }
        self.global.bind(path, reader)
    }

    /// The replicas of a bound id, from the same namer that would bind it now.
    pub fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        for configured in self.configured.iter().rev() {
            match configured.addresses(id, &Plain(self), reader) {
                Addr::Neg => {}
                answer => return answer,
            }
        }
        self.global.addresses(id, reader)
    }
}

/// What a path given to an interpreter's transformer is bound to: by all namers, with their transformers.
impl Stand for Namers {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> Walked {
        bind(&Dtab::empty(), path, self, reader)
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        self.addresses(id, reader)
    }
}

/// The same for a namer's transformer: by all namers as they are, because a transformer that replaces names by names of
/// its own namer would never come to an end.
struct Plain<'a>(&'a Namers);

impl Stand for Plain<'_> {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> Walked {
        for Configured { prefix, namer, .. } in self.0.configured.iter().rev() {
            if let Some(rest) = path.strip_prefix(prefix) {
                match namer.bind(&rest, reader) {
                    State::Ok(NameTree::Neg) => {}
                    State::Ok(tree) => return State::Ok(all_bound(&tree).unwrap_or(NameTree::Neg)),
                    State::Pending => return State::Pending,
                    State::Failed(text) => return State::Failed(text),
                }
            }
        }
        match self.0.global.bind(path, reader) {
            State::Ok(tree) => State::Ok(all_bound(&tree).unwrap_or(NameTree::Neg)),
            State::Pending => State::Pending,
            State::Failed(text) => State::Failed(text),
        }
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        for Configured { prefix, namer, .. } in self.0.configured.iter().rev() {
            if id.starts_with(prefix) {
                match namer.addresses(id, reader) {
                    Addr::Neg => {}
                    answer => return answer,
                }
            }
        }
        self.0.global.addresses(id, reader)
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
