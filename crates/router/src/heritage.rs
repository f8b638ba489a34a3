//! What a router leaves to the one that takes its place when the configuration changes (dataplane.md §9, docs/adr/0003).
//!
//! Generations of a router share one register of what is alive under its label. Whoever needs a client or a service asks
//! here first: one with the same settings is used on, with its balancer, its accrual, its connections and its budget; one
//! whose settings have changed is made anew beside the old one, which ends with its last request. Asked on cache misses
//! only, never by a request that finds its name.

use crate::client::Client;
use crate::concurrency::Concurrency;
use crate::service::Service;
use crate::settings::{ClientSettings, ServiceSettings};
use crate::stats::PerWorker;
use hashbrown::HashMap;
use names::Path;
use naming::slim;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

/// What the generations of one router share. Clones are the same generation.
#[derive(Clone, Default)]
pub struct Heritage {
    generation: u64,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    newest: AtomicU64,
    clients: Register<Client>,
    services: Register<Service>,
    traffic: Mutex<HashMap<String, Weak<Traffic>>>,
}

/// What is under way through a server, whichever generation let it in.
pub(crate) struct Traffic {
    pub(crate) pending: Arc<PerWorker>,
    pub(crate) connections: Arc<PerWorker>,
    rooms: Mutex<Option<Weak<Concurrency>>>,
}

impl Traffic {
    fn new(workers: usize) -> Traffic {
        let gauge = || Arc::new(PerWorker::new(workers));
        Traffic { pending: gauge(), connections: gauge(), rooms: Mutex::default() }
    }

    /// The room for `most` requests: the one there is, if it is as large. Who is in one of another size leaves that one.
    pub(crate) fn room(&self, most: u32) -> Arc<Concurrency> {
        let mut rooms = self.rooms.lock();
        let there = rooms.as_ref().and_then(Weak::upgrade).filter(|room| room.most() == most);
        let room = there.unwrap_or_else(|| Arc::new(Concurrency::new(most)));
        *rooms = Some(Arc::downgrade(&room));
        room
    }
}

impl Heritage {
    /// What the next generation is given.
    #[must_use]
    pub fn successor(&self) -> Heritage {
        let generation = self.shared.newest.fetch_add(1, Relaxed) + 1;
        Heritage { generation, shared: Arc::clone(&self.shared) }
    }

    /// Which generation this is, from 0.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// The client of `id` with these settings, and whether it was there.
    pub(crate) fn client(
        &self,
        id: &Path,
        settings: &ClientSettings,
        make: impl FnOnce() -> Arc<Client>,
    ) -> (Arc<Client>, bool) {
        self.shared.clients.get(id, self.is_newest(), |client| client.settings == *settings, make)
    }

    /// The service `path` with these settings.
    pub(crate) fn service(
        &self,
        path: &Path,
        settings: &ServiceSettings,
        make: impl FnOnce() -> Arc<Service>,
    ) -> Arc<Service> {
        self.shared.services.get(path, self.is_newest(), |service| service.settings == *settings, make).0
    }

    /// What is under way through the server of this name.
    pub(crate) fn traffic(&self, server: &str, workers: usize) -> Arc<Traffic> {
        let mut all = self.shared.traffic.lock();
        all.retain(|_, traffic| traffic.strong_count() > 0);
        if let Some(traffic) = all.get(server).and_then(Weak::upgrade) {
            return traffic;
        }
        let traffic = Arc::new(Traffic::new(workers));
        all.insert(server.to_owned(), Arc::downgrade(&traffic));
        traffic
    }

    /// Forgets what is gone. Run about once a second.
    pub(crate) fn tidy(&self) {
        self.shared.clients.tidy();
        self.shared.services.tidy();
    }

    fn is_newest(&self) -> bool {
        self.generation == self.shared.newest.load(Relaxed)
    }

    /// Services that are alive.
    #[cfg(test)]
    pub(crate) fn services(&self) -> usize {
        self.shared.services.0.lock().values().filter(|of| of.strong_count() > 0).count()
    }
}

impl std::fmt::Debug for Heritage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heritage").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// What is alive, by name.
struct Register<T>(Mutex<HashMap<Path, Weak<T>>>);

impl<T> Default for Register<T> {
    fn default() -> Register<T> {
        Register(Mutex::default())
    }
}

impl<T> Register<T> {
    /// The one that is there if it `fits`, else a new one; and whether it was there. A generation that is not the newest
    /// puts nothing in the place of what a later one uses.
    fn get(
        &self,
        name: &Path,
        newest: bool,
        fits: impl FnOnce(&T) -> bool,
        make: impl FnOnce() -> Arc<T>,
    ) -> (Arc<T>, bool) {
        let mut all = self.0.lock();
        let there = all.get(name).and_then(Weak::upgrade);
        let occupied = there.is_some();
        if let Some(there) = there.filter(|there| fits(there)) {
            return (there, true);
        }
        let made = make();
        if newest || !occupied {
            all.insert(name.clone(), Arc::downgrade(&made));
        }
        (made, false)
    }

    fn tidy(&self) {
        let mut all = self.0.lock();
        all.retain(|_, of| of.strong_count() > 0);
        slim(&mut all);
    }
}
