//! Which Services a dtab names, as far as that can be told without a request.

use super::needs::{KubernetesNamer, Needs, ServiceNeed, Weight};
use names::{Dtab, Path};
use std::collections::BTreeSet;

/// So many rewritings in a row are a loop; the binder gives up at the same number.
const MAX_DEPTH: usize = 100;

/// So many names are looked at for one entry; who writes more has other troubles.
const MAX_NAMES: usize = 1_000;

/// The Services and namespaces the entries of `dtab` lead to by `namers`; `router` is the label of whom it belongs to.
pub(super) fn named(dtab: &Dtab, namers: &[KubernetesNamer], router: &str) -> Needs {
    let mut needs = Needs::default();
    for entry in dtab.entries() {
        let by = format!("dtab of {router}, {} => {}", entry.prefix, entry.dst);
        let mut walk = Walk { dtab, namers, seen: BTreeSet::new(), needs: &mut needs, by: &by };
        let leaves: Vec<&Path> = entry.dst.leaves().collect();
        let weight = if leaves.len() > 1 { Weight::May } else { Weight::Must };
        leaves.into_iter().for_each(|leaf| walk.follow(leaf, weight, 0));
    }
    needs
}

struct Walk<'a> {
    dtab: &'a Dtab,
    namers: &'a [KubernetesNamer],
    seen: BTreeSet<Vec<u8>>,
    needs: &'a mut Needs,
    by: &'a str,
}

impl Walk<'_> {
    fn follow(&mut self, path: &Path, weight: Weight, depth: usize) {
        if depth > MAX_DEPTH || self.seen.len() > MAX_NAMES || !self.seen.insert(path.as_bytes().to_vec()) {
            return;
        }
        if path.first() == Some(b"#") {
            let rest = path.skip(1);
            let asked = self.namers.iter().rev().find_map(|n| Some((n, rest.strip_prefix(&n.prefix)?)));
            if let Some((namer, rest)) = asked {
                self.ask(namer, &rest, weight);
            }
            return;
        }
        let tree = self.dtab.lookup(path);
        let leaves: Vec<&Path> = tree.leaves().collect();
        let weight = if leaves.len() > 1 { Weight::May } else { weight };
        leaves.into_iter().for_each(|leaf| self.follow(leaf, weight, depth + 1));
    }

    /// What a namer would look for, given the beginning of its name.
    fn ask(&mut self, namer: &KubernetesNamer, rest: &Path, weight: Weight) {
        let mut elems = rest.elems().map(|elem| String::from_utf8_lossy(elem).to_lowercase());
        let namespace = namer.namespace.clone().or_else(|| elems.next());
        self.needs.namespaces.insert(namespace.clone());
        let (Some(namespace), Some(port), Some(name)) = (namespace, elems.next(), elems.next()) else {
            return;
        };
        let (by, endpoints) = (self.by.to_owned(), namer.endpoints);
        self.needs.services.insert(ServiceNeed { namespace, name, port, by, weight, endpoints });
    }
}
