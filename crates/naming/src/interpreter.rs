//! Who binds the names of a router: the namers, a dtab of its own that may change, and transformers (routing.md §6).

use std::sync::Arc;

use names::{Dtab, Path};

use crate::addr::Addr;
use crate::delegation::{self, Delegation};
use crate::live::{Live, State};
use crate::namer::{Namers, Reader};
use crate::transform::{self, Transformer};
use crate::walk::{Walked, bind_through};

/// An interpreter. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Interpreter {
    namers: Arc<Namers>,
    own: Option<Live<Dtab>>,
    transformers: Arc<[Transformer]>,
}

impl From<Arc<Namers>> for Interpreter {
    /// The interpreter `default`: only the namers.
    fn from(namers: Arc<Namers>) -> Interpreter {
        Interpreter { namers, own: None, transformers: Arc::default() }
    }
}

impl Interpreter {
    /// Puts a dtab that may change before that of the router. While it is pending or failed, so are all names.
    #[must_use]
    pub fn with_dtab(self, own: Live<Dtab>) -> Interpreter {
        Interpreter { own: Some(own), ..self }
    }

    /// Sends what is bound through `transformers`, the first one first.
    #[must_use]
    pub fn with_transformers(self, transformers: Vec<Transformer>) -> Interpreter {
        Interpreter { transformers: transformers.into(), ..self }
    }

    /// The namers.
    #[must_use]
    pub fn namers(&self) -> &Arc<Namers> {
        &self.namers
    }

    /// The dtab of its own as it is now, empty when it has none.
    pub fn own_dtab(&self, reader: &mut dyn Reader) -> State<Dtab> {
        match &self.own {
            None => State::Ok(Dtab::empty()),
            Some(own) => reader.read(own),
        }
    }

    /// Binds `path` through its own dtab, `base` and `local`, of which later ones win. Notes what the result depends on.
    pub fn bind(&self, base: &Dtab, local: &Dtab, path: &Path, reader: &mut dyn Reader) -> Walked {
        let own = match self.own_dtab(reader) {
            State::Ok(own) => own,
            State::Pending => return State::Pending,
            State::Failed(text) => return State::Failed(text),
        };
        match bind_through([&own, base, local], path, &self.namers, reader) {
            State::Ok(tree) if !self.transformers.is_empty() => {
                transform::tree(&self.transformers, tree, &*self.namers, reader)
            }
            walked => walked,
        }
    }

    /// The replicas of a bound id.
    pub fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        transform::addresses(&self.transformers, id, &*self.namers, reader, &|id, reader| {
            self.namers.addresses(id, reader)
        })
    }

    /// Whether [`Interpreter::delegate`] can show all that [`Interpreter::bind`] does: not through transformers that
    /// put something else in the place of what was found (routing.md §5).
    #[must_use]
    pub fn delegates(&self) -> bool {
        self.transformers.iter().all(Transformer::delegates)
    }

    /// How `path` is bound, with everything that was tried on the way (routing.md §8).
    pub fn delegate(&self, base: &Dtab, local: &Dtab, path: &Path, reader: &mut dyn Reader) -> Delegation {
        match self.own_dtab(reader) {
            State::Ok(own) => {
                delegation::delegate([&own, base, local], path, self, &self.transformers, reader)
            }
            State::Pending => Delegation::pending(path.clone()),
            State::Failed(text) => Delegation::failed(path.clone(), text),
        }
    }
}
