//! One router takes the place of another: its names are bound before requests come, and what was counted goes on being
//! counted.

use super::Router;
use crate::entry::Entry;
use naming::Bound;
use std::sync::Arc;

/// The names one router takes over from another, on their way.
#[must_use = "what was counted is lost without `finish`"]
pub struct Succession {
    before: Arc<Router>,
    router: Arc<Router>,
    /// Each name as it was and as it will be.
    names: Vec<(Arc<Entry>, Arc<Entry>)>,
}

impl Router {
    /// Begins to take the place of `before`, which has the same label: binds the names in use there, those used last
    /// first, as many as there is room for.
    pub fn succeed(self: &Arc<Self>, before: &Arc<Router>) -> Succession {
        let mut begun =
            Succession { before: Arc::clone(before), router: Arc::clone(self), names: Vec::new() };
        begun.take_names();
        begun
    }

    /// Lets go of all names: another router has taken its place. What is under way holds what it needs, and ends as it
    /// would have.
    pub fn retire(&self) {
        self.caches.lock().clear();
    }
}

impl Succession {
    /// Resolves when all names that were bound are bound again, which may be never: to be waited for within limits.
    pub async fn ready(&self) {
        for (old, new) in &self.names {
            if old.binding.load().is_some() {
                new.binding.ready().await;
            }
        }
    }

    /// To be called at the moment of the change: takes over the names that came meanwhile, and makes sure that what is
    /// counted for services within clients is not given up between the last request there and the first one here.
    pub fn finish(mut self) {
        self.take_names();
        for (old, new) in &self.names {
            if let Some(Bound::Tree(tree)) = new.binding.load().as_deref() {
                tree.leaves()
                    .filter(|leaf| old.has_route_to(&leaf.id))
                    .for_each(|leaf| drop(new.route(leaf)));
            }
        }
    }

    fn take_names(&mut self) {
        let Router { settings, binder, .. } = &*self.router;
        let before = self.before.caches.lock().entries();
        for old in before {
            let new = self.router.caches.lock().inherit(&old, settings, binder);
            self.names.extend(new.map(|new| (old, new)));
        }
    }
}

impl std::fmt::Debug for Succession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Succession").field("names", &self.names.len()).finish_non_exhaustive()
    }
}
