//! The binder's task: takes the mail, evaluates what is out of date, publishes trees.

use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hashbrown::HashMap;
use names::{Dtab, NameTree, Path};
use tokio::time::Instant;

use crate::binder::index::{Index, User};
use crate::binder::leaves::Leaves;
use crate::binder::{BinderSettings, Inbox, Question, ReplicasFactory, Shared};
use crate::binding::{Binding, Bound, Leaf};
use crate::interpreter::Interpreter;
use crate::live::{Hook, SourceId, State};
use crate::namer::{BoundName, Untracked};
use crate::tables::slim;

/// After this many evaluations the task lets others run even when the clock stands still, as it does in tests.
const TURN: usize = 256;
/// How often heat is halved.
const COOLING: Duration = Duration::from_secs(60);

/// A tree and the replica sets it holds.
struct Held {
    tree: NameTree<BoundName>,
    leaves: Vec<u64>,
}

/// A tree that waits for the addresses of its leaves.
struct Next {
    held: Held,
    deadline: Instant,
    /// When the first word came of what it takes in.
    heard: Option<Instant>,
}

struct Entry<R> {
    binding: Weak<Binding<R>>,
    path: Path,
    local: Dtab,
    sources: Vec<SourceId>,
    current: Option<Held>,
    next: Option<Next>,
    queued: bool,
    /// When the first word came that no walk has taken in.
    heard: Option<Instant>,
}

pub(super) struct Engine<F: ReplicasFactory> {
    interpreter: Interpreter,
    base: Dtab,
    factory: F,
    settings: BinderSettings,
    shared: Arc<Shared<F::Replicas>>,
    bindings: HashMap<u64, Entry<F::Replicas>>,
    leaves: Leaves<F::Replicas>,
    index: Index,
    /// Bindings to walk again, the hottest first.
    queue: BinaryHeap<(u64, u64)>,
    /// Replica sets to evaluate again; before any binding, because they are quick and traffic is waiting for them.
    /// Each with the moment at which word of the change came.
    stale: VecDeque<(u64, Instant)>,
    /// Questions, for when all names are true.
    asked: VecDeque<Question>,
    /// When waiting trees take effect regardless. The wait is the same for all, so the first is the earliest.
    deadlines: VecDeque<(Instant, u64)>,
    cooling: Instant,
    closed: bool,
}

impl<F: ReplicasFactory> Engine<F> {
    pub(super) fn new(
        interpreter: Interpreter,
        base: Dtab,
        factory: F,
        settings: BinderSettings,
        shared: Arc<Shared<F::Replicas>>,
    ) -> Engine<F> {
        let inbox: Arc<Inbox<F::Replicas>> = Arc::clone(&shared.inbox);
        Engine {
            interpreter,
            base,
            factory,
            settings,
            bindings: HashMap::new(),
            leaves: Leaves::new(),
            index: Index::new(inbox as Arc<dyn Hook>),
            queue: BinaryHeap::new(),
            stale: VecDeque::new(),
            asked: VecDeque::new(),
            deadlines: VecDeque::new(),
            cooling: Instant::now() + COOLING,
            closed: false,
            shared,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.take_mail();
            self.expire();
            let more = self.work();
            self.count();
            if more {
                tokio::task::yield_now().await;
            } else if self.closed && self.bindings.is_empty() {
                return;
            } else {
                self.idle().await;
            }
        }
    }

    /// Waits for mail or for the next moment at which something is due.
    async fn idle(&self) {
        let rung = self.shared.inbox.bell.notified();
        let cooling = (!self.bindings.is_empty()).then_some(self.cooling);
        let due = self.deadlines.front().map(|(at, _)| *at).into_iter().chain(cooling).min();
        match due {
            None => rung.await,
            Some(due) => {
                // Which of the two it was is seen from the mail and the clock.
                let _ = tokio::time::timeout_at(due, rung).await;
            }
        }
    }

    fn take_mail(&mut self) {
        let mail = self.shared.inbox.take();
        self.closed |= mail.closed;
        for binding in mail.opened {
            self.open(&binding);
        }
        for (serial, path, local) in mail.dropped {
            self.forget(serial, path, local);
        }
        for (source, heard) in mail.changed {
            self.invalidate(source, heard);
        }
        self.asked.extend(mail.asked);
        for answer in mail.census {
            // Who asked may have gone meanwhile.
            let _ = answer.send(self.leaves.told());
        }
        if let Some((dtab, heard)) = mail.dtab
            && dtab != self.base
        {
            self.base = dtab;
            self.queue_all(heard);
        }
    }

    fn open(&mut self, weak: &Weak<Binding<F::Replicas>>) {
        let Some(binding) = weak.upgrade() else { return };
        let entry = Entry {
            binding: Weak::clone(weak),
            path: binding.path().clone(),
            local: binding.local().clone(),
            sources: Vec::new(),
            current: None,
            next: None,
            queued: true,
            heard: None,
        };
        self.bindings.insert(binding.serial, entry);
        // Requests are waiting for it.
        self.queue.push((u64::MAX, binding.serial));
    }

    fn forget(&mut self, serial: u64, path: Path, local: Dtab) {
        {
            let mut table = self.shared.table.lock();
            let key = (path, local);
            if table.get(&key).is_some_and(|binding| binding.strong_count() == 0) {
                table.remove(&key);
                slim(&mut table);
            }
        }
        let Some(entry) = self.bindings.remove(&serial) else { return };
        slim(&mut self.bindings);
        self.index.remove(User::Binding(serial), entry.sources.iter());
        self.release(entry.next.map(|next| next.held));
        self.release(entry.current);
    }

    fn invalidate(&mut self, source: SourceId, heard: Instant) {
        for user in self.index.users(source) {
            match user {
                User::Leaf(serial) => self.stale.push_back((serial, heard)),
                User::Binding(serial) => {
                    let Some(entry) = self.bindings.get_mut(&serial) else { continue };
                    entry.heard.get_or_insert(heard);
                    if !std::mem::replace(&mut entry.queued, true) {
                        self.queue.push((heat(entry), serial));
                    }
                }
            }
        }
    }

    fn queue_all(&mut self, heard: Instant) {
        let mut order = std::mem::take(&mut self.queue).into_vec();
        order.clear();
        for (&serial, entry) in &mut self.bindings {
            entry.queued = true;
            entry.heard.get_or_insert(heard);
            order.push((heat(entry), serial));
        }
        self.queue = order.into();
    }

    /// What is due by the clock: trees that have waited long enough, and heat to be halved.
    fn expire(&mut self) {
        let now = Instant::now();
        while let Some(&(at, serial)) = self.deadlines.front()
            && at <= now
        {
            self.deadlines.pop_front();
            self.advance(serial);
        }
        if self.cooling <= now {
            self.cooling = now + COOLING;
            self.bindings.values().filter_map(|entry| entry.binding.upgrade()).for_each(|b| b.cool());
        }
    }

    /// Evaluates for one slice of time; true when something is left to do.
    fn work(&mut self) -> bool {
        let start = Instant::now();
        for _ in 0..TURN {
            if let Some((serial, heard)) = self.stale.pop_front() {
                if self.evaluate(serial) {
                    self.factory.took(heard.elapsed());
                }
            } else if let Some((_, serial)) = self.queue.pop() {
                self.walk(serial);
            } else if let Some(question) = self.asked.pop_front() {
                self.answer(question);
            } else {
                return false;
            }
            if start.elapsed() >= self.settings.slice {
                break;
            }
        }
        !(self.stale.is_empty() && self.queue.is_empty() && self.asked.is_empty())
    }

    fn answer(&self, question: Question) {
        let Question { path, local, answer } = question;
        if self.interpreter.delegates() && !answer.is_closed() {
            // Who asked may have gone meanwhile.
            let _ = answer.send(self.interpreter.delegate(&self.base, &local, &path, &mut Untracked));
        }
    }

    /// Whether there was news for the router's entry.
    fn evaluate(&mut self, leaf: u64) -> bool {
        self.shared.counters.address_runs.fetch_add(1, Ordering::Relaxed);
        let waited = self.leaves.evaluate(leaf, &self.factory, &self.interpreter, &mut self.index);
        let news = waited.is_some();
        for binding in waited.into_iter().flatten() {
            self.advance(binding);
        }
        news
    }

    fn walk(&mut self, serial: u64) {
        let Some(entry) = self.bindings.get_mut(&serial) else { return };
        entry.queued = false;
        self.shared.counters.bind_runs.fetch_add(1, Ordering::Relaxed);
        let (base, interpreter, local, path) = (&self.base, &self.interpreter, &entry.local, &entry.path);
        let (walked, sound) = self.index.track(User::Binding(serial), &mut entry.sources, |reader| {
            interpreter.bind(base, local, path, reader)
        });
        if let Some(binding) = entry.binding.upgrade() {
            binding.set_sound(entry.current.is_none() || (sound && matches!(walked, State::Ok(_))));
        }
        match walked {
            // What is not known yet is yet to take effect.
            State::Pending => {}
            State::Ok(tree) => self.offer(serial, tree),
            State::Failed(text) => {
                entry.heard = None;
                // Once there is a tree, or one on its way, failures change nothing for traffic.
                if entry.current.is_none()
                    && entry.next.is_none()
                    && let Some(binding) = entry.binding.upgrade()
                {
                    binding.store(Bound::Failed(text));
                }
            }
        }
    }

    /// A newly walked tree: the one in use, the one on its way, or the next.
    fn offer(&mut self, serial: u64, tree: NameTree<BoundName>) {
        let Some(entry) = self.bindings.get_mut(&serial) else { return };
        let heard = entry.heard.take();
        if entry.current.as_ref().is_some_and(|held| held.tree == tree) {
            let superseded = entry.next.take();
            self.release(superseded.map(|next| next.held));
            return;
        }
        if entry.next.as_ref().is_some_and(|next| next.held.tree == tree) {
            return;
        }
        let held = self.hold(tree);
        let deadline = Instant::now() + self.settings.make_before_break;
        let Some(entry) = self.bindings.get_mut(&serial) else { return };
        let before = entry.next.as_ref().and_then(|next| next.heard);
        let superseded = entry.next.replace(Next { held, deadline, heard: before.or(heard) });
        self.release(superseded.map(|next| next.held));
        if !self.advance(serial) {
            self.deadlines.push_back((deadline, serial));
        }
    }

    fn hold(&mut self, tree: NameTree<BoundName>) -> Held {
        let mut leaves = Vec::new();
        for name in tree.leaves() {
            let (leaf, new) = self.leaves.hold(&name.id, &self.factory);
            leaves.push(leaf);
            if new {
                self.evaluate(leaf);
            }
        }
        Held { tree, leaves }
    }

    fn release(&mut self, held: Option<Held>) {
        for leaf in held.into_iter().flat_map(|held| held.leaves) {
            self.leaves.release(leaf, &mut self.index);
        }
    }

    /// Lets the next tree take effect if it may; false when it has to wait.
    fn advance(&mut self, serial: u64) -> bool {
        let Some(entry) = self.bindings.get_mut(&serial) else { return true };
        let Some(next) = &entry.next else { return true };
        let leaves = &mut self.leaves;
        let pending: Vec<u64> =
            next.held.leaves.iter().copied().filter(|&leaf| !leaves.is_known(leaf)).collect();
        let overdue = Instant::now() >= next.deadline;
        // A first tree of which no address is known helps nobody: requests rather wait for it.
        let useful = entry.current.is_some() || pending.len() < next.held.leaves.len();
        let ready = pending.is_empty() || (overdue && useful);
        if !ready {
            for leaf in pending {
                leaves.wait(leaf, serial);
            }
            return false;
        }
        let Some(next) = entry.next.take() else { return true };
        if let Some(binding) = entry.binding.upgrade() {
            let tree = next.held.tree.map(|name| {
                let (replicas, sound) = leaves.replicas(&name.id);
                Arc::new(Leaf { id: name.id.clone(), residual: name.residual.clone(), replicas, sound })
            });
            binding.store(Bound::Tree(tree));
            // How long a first tree takes is another question: somebody waits for it.
            if let Some(heard) = next.heard.filter(|_| entry.current.is_some()) {
                self.factory.took(heard.elapsed());
            }
        }
        let replaced = entry.current.replace(next.held);
        self.release(replaced);
        true
    }

    fn count(&self) {
        let counters = &self.shared.counters;
        counters.bindings.store(self.bindings.len(), Ordering::Relaxed);
        counters.leaves.store(self.leaves.len(), Ordering::Relaxed);
        counters.watches.store(self.index.len(), Ordering::Relaxed);
    }
}

fn heat<R>(entry: &Entry<R>) -> u64 {
    entry.binding.upgrade().map_or(0, |binding| binding.heat())
}
