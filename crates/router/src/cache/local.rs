//! A worker's own cache.

use crate::entry::Entry;
use balance::Nanos;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use naming::slim;
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// From keys, compared as bytes, to entries.
pub(crate) struct Local<K> {
    held: HashMap<K, Held, RandomState>,
    capacity: usize,
}

/// An entry in one worker's hands.
struct Held {
    entry: Arc<Entry>,
    /// Requests since the last tick.
    hits: u64,
    /// The last tick that found it used, or when it came.
    used: Nanos,
    /// A tick has found it used.
    seen: bool,
}

impl Held {
    fn new(entry: Arc<Entry>, now: Nanos) -> Held {
        entry.holders.fetch_add(1, Relaxed);
        Held { entry, hits: 1, used: now, seen: false }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.entry.holders.fetch_sub(1, Relaxed);
    }
}

impl<K: Hash + Eq + Clone + Borrow<[u8]>> Local<K> {
    pub(crate) fn new(capacity: usize) -> Local<K> {
        Local { held: HashMap::default(), capacity: capacity.max(1) }
    }

    /// The entry of a key.
    #[inline]
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Arc<Entry>> {
        let held = self.held.get_mut(key)?;
        held.hits += 1;
        Some(&held.entry)
    }

    /// Takes an entry in; the one unused for longest goes when there is no room.
    pub(crate) fn insert(&mut self, key: K, entry: Arc<Entry>, now: Nanos) {
        if self.held.len() >= self.capacity && !self.held.contains_key(key.borrow()) {
            self.evict();
        }
        self.held.insert(key, Held::new(entry, now));
    }

    #[cold]
    fn evict(&mut self) {
        let oldest = self.held.iter().min_by_key(|(_, h)| (h.used, h.hits)).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.held.remove(&key);
        }
    }

    /// Lets go of everything, and of the memory for it.
    pub(crate) fn clear(&mut self) {
        self.held = HashMap::default();
    }

    /// Tells the shared cache and the binder what was used since the last tick, and lets go of what is idle or retired.
    pub(crate) fn tick(&mut self, now: Nanos, idle_ttl: Nanos) {
        self.held.retain(|_, held| {
            let entry = &held.entry;
            if held.hits > 0 {
                entry.last_used.fetch_max(now.0, Relaxed);
                entry.binding.touch(held.hits);
                if held.hits > 1 || held.seen {
                    entry.proven.store(true, Relaxed);
                }
                (held.hits, held.used, held.seen) = (0, now, true);
            }
            !entry.retired.load(Relaxed) && now.since(held.used) <= idle_ttl
        });
        slim(&mut self.held);
    }
}
