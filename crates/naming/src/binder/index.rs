//! Which names and replica sets depend on which live values.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::live::{Hook, Source, SourceId, Subscription};
use crate::namer::Reader;
use crate::tables::slim;

/// What is evaluated again when a live value changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum User {
    /// A binding by its serial.
    Binding(u64),
    /// A replica set by its serial.
    Leaf(u64),
}

struct Followed {
    /// Ends with the entry, and the watch behind the value may close.
    _subscription: Subscription,
    users: HashSet<User>,
}

/// From live values to their users. A value is followed exactly while it has users.
pub(super) struct Index {
    hook: Arc<dyn Hook>,
    followed: HashMap<SourceId, Followed>,
}

impl Index {
    pub(super) fn new(hook: Arc<dyn Hook>) -> Index {
        Index { hook, followed: HashMap::new() }
    }

    /// How many values are followed.
    pub(super) fn len(&self) -> usize {
        self.followed.len()
    }

    /// Evaluates something and makes `user` depend on what it read instead of on `sources`, which is brought up to date.
    /// Also tells whether all that was read is sound ([`Source::is_sound`]).
    pub(super) fn track<T>(
        &mut self,
        user: User,
        sources: &mut Vec<SourceId>,
        evaluate: impl FnOnce(&mut dyn Reader) -> T,
    ) -> (T, bool) {
        let mut noting = Noting { index: self, noted: Vec::with_capacity(sources.len()), sound: true };
        let result = evaluate(&mut noting);
        let Noting { mut noted, sound, .. } = noting;
        noted.sort_unstable();
        noted.dedup();
        if noted != *sources {
            for id in &noted {
                if sources.binary_search(id).is_err()
                    && let Some(followed) = self.followed.get_mut(id)
                {
                    followed.users.insert(user);
                }
            }
            let old = std::mem::replace(sources, noted);
            self.remove(user, old.iter().filter(|id| sources.binary_search(id).is_err()));
        }
        (result, sound)
    }

    /// `user` no longer depends on these values.
    pub(super) fn remove<'a>(&mut self, user: User, sources: impl Iterator<Item = &'a SourceId>) {
        for id in sources {
            if let Some(followed) = self.followed.get_mut(id) {
                followed.users.remove(&user);
                if followed.users.is_empty() {
                    self.followed.remove(id);
                }
            }
        }
        slim(&mut self.followed);
    }

    /// Who depends on a value.
    pub(super) fn users(&self, source: SourceId) -> impl Iterator<Item = User> {
        self.followed.get(&source).into_iter().flat_map(|followed| followed.users.iter().copied())
    }
}

/// Follows a value before it is read, so that no change between reading and following can be missed.
struct Noting<'a> {
    index: &'a mut Index,
    noted: Vec<SourceId>,
    sound: bool,
}

impl Reader for Noting<'_> {
    fn note(&mut self, source: &dyn Source) {
        let id = source.id();
        let Index { hook, followed } = &mut *self.index;
        followed.entry(id).or_insert_with(|| Followed {
            _subscription: source.subscribe(Arc::clone(hook)),
            users: HashSet::new(),
        });
        self.noted.push(id);
        self.sound &= source.is_sound();
    }
}
