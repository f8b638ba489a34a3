//! What is being served, as the admin server tells it: one place that a change of the configuration has to tell.

use crate::document::Document;
use crate::sources::Sources;
use router::Router;
use std::sync::{Arc, PoisonError, RwLock};

/// A configuration and what was made of it.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) document: Arc<Document>,
    pub(crate) sources: Arc<Sources>,
    /// In the order of the document; none yet while the process starts.
    pub(crate) routers: Vec<Arc<Router>>,
}

/// What is served now. Clones are the same place.
#[derive(Clone)]
pub(crate) struct Current(Arc<RwLock<Arc<Served>>>);

impl Current {
    pub(crate) fn new(document: Arc<Document>, sources: Arc<Sources>) -> Current {
        Current(Arc::new(RwLock::new(Arc::new(Served { document, sources, routers: Vec::new() }))))
    }

    pub(crate) fn get(&self) -> Arc<Served> {
        // What is in there is replaced whole: a panic elsewhere leaves it as it was.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on the admin server tells of this.
    pub(crate) fn set(&self, served: Served) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
    }
}
