//! The rules of Kubernetes Ingress objects, as the request path reads them (routing.md §4).
//!
//! Control makes a [`Table`] of all objects whenever one changes and puts it into [`IngressRules`], from where requests read
//! it without a lock. A table never changes, and what costs time (patterns, the order of rules) is settled when it is made.

mod pattern;
mod table;
#[cfg(test)]
mod tests;

use arc_swap::{ArcSwapOption, Guard};
use naming::{Publisher, State};
use std::fmt;
use std::sync::Arc;

pub use table::{Found, Table};

/// What a rule's path means (`pathType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathType {
    /// The whole path, byte for byte.
    Exact,
    /// The first elements of the path, as Kubernetes has it: `/a` is no prefix of `/ab`, a slash at its end says nothing.
    Prefix,
    /// `ImplementationSpecific`, or not said: a regular expression for the whole path, as in Linkerd; all paths when empty.
    Pattern,
}

/// Where requests go: a port, by name or number, of a Service in the object's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressBackend {
    /// The Service.
    pub service: String,
    /// Its port, as written.
    pub port: String,
}

/// One path of one rule of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressRule {
    /// The host: all when absent or empty; `*.` stands for exactly one label.
    pub host: Option<String>,
    /// The path; all when empty.
    pub path: String,
    /// What the path means.
    pub path_type: PathType,
    /// Where to.
    pub backend: IngressBackend,
}

/// An Ingress object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressObject {
    /// Its namespace, that of its Services, too.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its rules, flattened in the order of the document.
    pub rules: Vec<IngressRule>,
    /// Where requests go that no rule of any object is for.
    pub default: Option<IngressBackend>,
}

/// The rules in force: none are known until the API has answered.
#[derive(Default)]
pub struct IngressRules {
    table: ArcSwapOption<Table>,
    known: Publisher<()>,
}

impl IngressRules {
    /// From here on requests go by `table`.
    pub fn set(&self, table: Arc<Table>) {
        self.table.store(Some(table));
        self.known.set(State::Ok(()));
    }

    /// The rules, if they are known. Takes no lock.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Guard<Option<Arc<Table>>> {
        self.table.load()
    }

    /// Resolves when the rules are known.
    pub fn known(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut known = self.known.live();
        async move {
            if known.get().is_pending() {
                known.changed().await;
            }
        }
    }
}

impl fmt::Debug for IngressRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngressRules").field("table", &self.table.load()).finish_non_exhaustive()
    }
}
