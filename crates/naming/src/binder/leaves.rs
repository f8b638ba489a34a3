//! The replica sets that trees hold: one entry of the router for each id, told of its addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use names::Path;

use crate::addr::Addr;
use crate::binder::index::{Index, User};
use crate::binder::{Replicas, ReplicasFactory};
use crate::interpreter::Interpreter;
use crate::live::SourceId;
use crate::tables::slim;

/// One replica set.
struct Entry<R> {
    id: Path,
    replicas: Arc<R>,
    /// How many trees hold it, the ones that wait to take effect included.
    holders: usize,
    /// What it was last told.
    told: Addr,
    /// False while what it was told is only the last good set, because discovery cannot say.
    sound: Arc<AtomicBool>,
    sources: Vec<SourceId>,
    /// Bindings whose next tree waits for these addresses.
    waiting: Vec<u64>,
}

/// All replica sets in use.
pub(super) struct Leaves<R> {
    by_id: HashMap<Path, u64>,
    entries: HashMap<u64, Entry<R>>,
    next: u64,
}

impl<R: Replicas> Leaves<R> {
    pub(super) fn new() -> Leaves<R> {
        Leaves { by_id: HashMap::new(), entries: HashMap::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Holds the entry of `id` once more; true when it is new and its addresses have to be evaluated.
    pub(super) fn hold<F: ReplicasFactory<Replicas = R>>(&mut self, id: &Path, factory: &F) -> (u64, bool) {
        if let Some(&serial) = self.by_id.get(id) {
            self.entry(serial).holders += 1;
            return (serial, false);
        }
        let serial = self.next;
        self.next += 1;
        self.by_id.insert(id.clone(), serial);
        let entry = Entry {
            id: id.clone(),
            replicas: factory.create(id),
            holders: 1,
            told: Addr::Pending,
            sound: Arc::new(AtomicBool::new(true)),
            sources: Vec::new(),
            waiting: Vec::new(),
        };
        self.entries.insert(serial, entry);
        (serial, true)
    }

    /// Gives back one hold; the last one drops the entry and what it follows.
    pub(super) fn release(&mut self, serial: u64, index: &mut Index) {
        let entry = self.entry(serial);
        entry.holders -= 1;
        if entry.holders == 0
            && let Some(entry) = self.entries.remove(&serial)
        {
            self.by_id.remove(&entry.id);
            slim(&mut self.entries);
            slim(&mut self.by_id);
            index.remove(User::Leaf(serial), entry.sources.iter());
        }
    }

    /// Evaluates the addresses of an entry and tells it when they are news: then gives the bindings that waited for them.
    pub(super) fn evaluate<F: ReplicasFactory<Replicas = R>>(
        &mut self,
        serial: u64,
        factory: &F,
        interpreter: &Interpreter,
        index: &mut Index,
    ) -> Option<Vec<u64>> {
        let entry = self.entries.get_mut(&serial)?;
        let id = &entry.id;
        let (addr, sound) =
            index.track(User::Leaf(serial), &mut entry.sources, |reader| interpreter.addresses(id, reader));
        let kept = matches!(entry.told, Addr::Bound(_));
        let known = matches!(addr, Addr::Bound(_) | Addr::Neg);
        entry.sound.store(!kept || (sound && known), Ordering::Relaxed);
        let news = match &addr {
            Addr::Pending => false,
            // The last good set outlives a failure of discovery.
            Addr::Failed(_) if matches!(entry.told, Addr::Bound(_) | Addr::Neg) => false,
            _ => entry.told != addr,
        };
        if !news {
            return None;
        }
        factory.update(&entry.replicas, &addr);
        entry.told = addr;
        Some(std::mem::take(&mut entry.waiting))
    }

    /// Each id with what its entry was last told.
    pub(super) fn told(&self) -> Vec<(Path, Addr)> {
        self.entries.values().map(|entry| (entry.id.clone(), entry.told.clone())).collect()
    }

    pub(super) fn is_known(&self, serial: u64) -> bool {
        self.entries.get(&serial).is_some_and(|entry| !entry.told.is_pending())
    }

    /// Notes that `binding` waits for the addresses of an entry.
    pub(super) fn wait(&mut self, serial: u64, binding: u64) {
        let entry = self.entry(serial);
        if !entry.waiting.contains(&binding) {
            entry.waiting.push(binding);
        }
    }

    /// The router's entry of an id that is held, and whether its addresses are sound.
    pub(super) fn replicas(&self, id: &Path) -> (Arc<R>, Arc<AtomicBool>) {
        let serial = self.by_id.get(id).expect("held by the tree that names it");
        let entry = self.entries.get(serial).expect("by_id and entries change together");
        (Arc::clone(&entry.replicas), Arc::clone(&entry.sound))
    }

    fn entry(&mut self, serial: u64) -> &mut Entry<R> {
        self.entries.get_mut(&serial).expect("held by the caller")
    }
}
