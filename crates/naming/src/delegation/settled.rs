//! Delegation that waits for what is still on its way.

use std::sync::Arc;

use hashbrown::HashSet;
use names::{Dtab, Path};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::delegation::Delegation;
use crate::interpreter::Interpreter;
use crate::live::{Hook, Source, SourceId, Subscription};
use crate::namer::Reader;

struct Bell(Notify);

impl Hook for Bell {
    fn changed(&self, _: SourceId, _: Instant) {
        self.0.notify_one();
    }
}

/// Follows whatever is read, so that the next change of it rings the bell.
struct Following {
    bell: Arc<Bell>,
    seen: HashSet<SourceId>,
    subscriptions: Vec<Subscription>,
}

impl Reader for Following {
    fn note(&mut self, source: &dyn Source) {
        if self.seen.insert(source.id()) {
            self.subscriptions.push(source.subscribe(Arc::clone(&self.bell) as Arc<dyn Hook>));
        }
    }
}

impl Interpreter {
    /// As [`Interpreter::delegate`], once every namer has answered and all addresses are known. May wait for ever, so
    /// with a time-out; a walk that was stopped by a limit is not waited for.
    pub async fn delegated(&self, base: &Dtab, local: &Dtab, path: &Path) -> Delegation {
        let bell = Arc::new(Bell(Notify::new()));
        let mut before = Vec::new();
        loop {
            let mut following =
                Following { bell: Arc::clone(&bell), seen: HashSet::new(), subscriptions: Vec::new() };
            let tree = self.delegate(base, local, path, &mut following);
            if !tree.is_pending() || tree.stopped().is_some() {
                return tree;
            }
            // What was followed before stays so until what is followed now is, or its watch would close in between.
            before.clear();
            before.append(&mut following.subscriptions);
            bell.0.notified().await;
        }
    }
}
