//! A server entry as one worker serves it, and the seat in which another takes its place when the configuration changes
//! (docs/adr/0003).
//!
//! A connection keeps what it was served with for the length of a request and looks at its seat before the next one: one
//! comparison of pointers, no lock, on the worker's own thread.

use crate::context::{Context, Draining};
use crate::worker::HttpSettings;
use router::{Server, WorkerRouter};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// A server entry as one worker sees it.
pub(crate) struct ServerContext {
    pub(crate) worker: Rc<Context>,
    pub(crate) router: RefCell<WorkerRouter>,
    /// Counts connections.
    pub(crate) server: Arc<Server>,
    pub(crate) settings: HttpSettings,
    /// How far the end of this server alone has come.
    leaving: Cell<Draining>,
}

impl ServerContext {
    pub(crate) fn new(worker: Rc<Context>, router: WorkerRouter, settings: HttpSettings) -> ServerContext {
        let server = router.server().clone();
        let leaving = Cell::new(Draining::No);
        ServerContext { worker, router: RefCell::new(router), server, settings, leaving }
    }

    /// How far the end has come, be it the server's or the worker's.
    pub(crate) fn draining(&self) -> Draining {
        self.leaving.get().max(self.worker.connections.draining())
    }
}

/// Where a server entry is served from at present.
pub(crate) struct Seat {
    current: RefCell<Rc<ServerContext>>,
}

impl Seat {
    pub(crate) fn new(server: ServerContext) -> Seat {
        Seat { current: RefCell::new(Rc::new(server)) }
    }

    /// Who serves it at present.
    pub(crate) fn current(&self) -> Rc<ServerContext> {
        self.current.borrow().clone()
    }

    /// Who serves it at present, if that is not `before` any more.
    #[inline]
    pub(crate) fn news(&self, before: &Rc<ServerContext>) -> Option<Rc<ServerContext>> {
        let current = self.current.borrow();
        (!Rc::ptr_eq(&current, before)).then(|| current.clone())
    }

    /// From the next request on it is served by `next`; requests under way end as they began.
    pub(crate) fn replace(&self, next: ServerContext) {
        let before = self.current.replace(Rc::new(next));
        before.router.borrow_mut().retire();
    }

    /// The server is to end; its connections must be woken to see it.
    pub(crate) fn leave(&self, how_far: Draining) {
        let current = self.current.borrow();
        current.leaving.set(how_far.max(current.leaving.get()));
    }
}
