//! `io.l5d.fs`: replica sets as files in a directory (routing.md §2.3).
//!
//! Files are looked at when the kernel says that they may have changed, and every ten seconds besides. Where it does not
//! hear of all that happens (network file systems, see [`crate::changes`]), all of them are looked at four times a second.
//! Only names that somebody uses are, by one task per namer, whose file system calls run on the blocking pool.

mod lines;
mod state;
mod tracked;
mod tracker;

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use names::{NameTree, Path};
use naming::{
    Addr, BoundName, LINGER, Live, Named, Namer, Publisher, Reader, Resolver, State, configured_prefix, inet,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::changes::{BREATH, Changes, Ear, NET};
use lines::Line;
use tracker::Tracker;

/// How often the files in use are looked at of which the kernel does not tell all.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Between two looks at files of which nothing is told; also the measure of how long what is seen must stay.
    pub(crate) interval: Duration,
    /// Between two looks at files of which all is told.
    pub(crate) net: Duration,
    /// Until a name that nobody uses is forgotten.
    pub(crate) linger: Duration,
}

/// What is found under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Absent,
    File,
    Directory,
}

/// What a file says; `None` when there is no file.
type Lines = Option<Arc<[Line]>>;

/// One name in use. Existence and content are apart, so that a replica that comes or goes binds no name again.
struct Item {
    path: PathBuf,
    kind: Publisher<Kind>,
    lines: Publisher<Lines>,
}

impl Item {
    /// Since how long nobody has asked for it.
    fn idle_for(&self) -> Option<Duration> {
        Some(self.kind.idle_for()?.min(self.lines.idle_for()?))
    }

    /// Gives `text` to those who have no answer yet; others keep theirs, in doubt.
    fn fail_unanswered(&self, text: &Arc<str>) {
        if self.kind.get().is_pending() {
            self.kind.set(State::Failed(Arc::clone(text)));
        } else {
            self.kind.doubt();
        }
        if self.lines.is_observed() && self.lines.get().is_pending() {
            self.lines.set(State::Failed(Arc::clone(text)));
        }
    }
}

/// What the namer and its task share.
struct Shared {
    root: PathBuf,
    times: Times,
    /// By path below the root.
    items: Mutex<HashMap<Path, Arc<Item>>>,
    /// Names asked for that the task has not looked at yet.
    fresh: Mutex<Vec<Path>>,
    bell: Notify,
}

impl Shared {
    fn new(root: PathBuf, times: Times) -> Shared {
        Shared { root, times, items: Mutex::default(), fresh: Mutex::default(), bell: Notify::new() }
    }

    /// Observes part of a name. The observation begins under the table's lock, so the name cannot be closed meanwhile.
    fn open<T: Clone + PartialEq + Send + 'static>(
        &self,
        name: &Path,
        part: impl Fn(&Item) -> &Publisher<T>,
    ) -> Live<T> {
        let live = {
            let mut items = self.items.lock();
            let item = items.entry_ref(name).or_insert_with(|| {
                let mut path = self.root.clone();
                path.push(tracker::relative(name));
                Arc::new(Item { path, kind: Publisher::default(), lines: Publisher::default() })
            });
            part(item).live()
        };
        if live.get().is_pending() {
            self.fresh.lock().push(name.clone());
            self.bell.notify_one();
        }
        live
    }
}

/// The namer. Its task ends when it is dropped.
pub struct FsNamer {
    prefix: Path,
    shared: Arc<Shared>,
    resolver: Arc<dyn Resolver>,
    task: AbortHandle,
}

impl FsNamer {
    /// Files below `root`, under `/#` and `prefix`; host names in them are found through `resolver`. The directory need
    /// not exist yet. The task runs on `handle`, the control runtime.
    #[must_use]
    pub fn new(prefix: &Path, root: PathBuf, resolver: Arc<dyn Resolver>, handle: &Handle) -> FsNamer {
        let times = Times { interval: POLL_INTERVAL, net: NET, linger: LINGER };
        FsNamer::with_times(prefix, root, resolver, handle, times, Changes::new)
    }

    /// The same with other times, and perhaps without the kernel's word; for tests.
    pub(crate) fn with_times(
        prefix: &Path,
        root: PathBuf,
        resolver: Arc<dyn Resolver>,
        handle: &Handle,
        times: Times,
        changes: fn() -> Changes<Path>,
    ) -> FsNamer {
        let shared = Arc::new(Shared::new(root, times));
        let task = handle.spawn(follow(Arc::clone(&shared), changes)).abort_handle();
        FsNamer { prefix: configured_prefix(prefix), shared, resolver, task }
    }

    /// How many names below the root are looked at.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.shared.items.lock().len()
    }

    /// The names in the directory, for people: files and directories at its top, in order. Reads the directory, so not
    /// for threads that must not block.
    #[must_use]
    pub fn list(&self) -> Vec<Path> {
        let entries = std::fs::read_dir(&self.shared.root).into_iter().flatten();
        let mut names: Vec<Path> = entries
            .filter_map(Result::ok)
            .map(|entry| self.prefix.child(entry.file_name().as_bytes()))
            .collect();
        names.sort_unstable_by_key(Path::to_string);
        names
    }

    /// The names in use: what is known of each, as JSON (observability.md §6.3, `/namer_state`).
    #[must_use]
    pub fn state_json(&self) -> String {
        state::json(self.shared.items.lock().iter())
    }

    fn resolve(&self, lines: &[Line], reader: &mut dyn Reader) -> Addr {
        let mut known = Vec::with_capacity(lines.len());
        let (mut pending, mut failed) = (false, None);
        for line in lines {
            match inet::resolve(&line.host, &*self.resolver, reader) {
                State::Ok(ips) => known.extend(ips.iter().map(|&ip| line.address(ip))),
                State::Pending => pending = true,
                State::Failed(text) => failed = failed.or(Some(text)),
            }
        }
        // Some replicas are better than none; the others join when their hosts are found.
        match failed {
            _ if lines.is_empty() || !known.is_empty() => Addr::bound(known),
            _ if pending => Addr::Pending,
            Some(text) => Addr::Failed(text),
            None => Addr::Neg,
        }
    }
}

impl Namer for FsNamer {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let mut used = 0;
        for elem in path.elems() {
            if !is_file_name(elem) {
                break;
            }
            used += 1;
            let live = self.shared.open(&path.take(used), |item| &item.kind);
            match reader.read(&live) {
                State::Pending => return State::Pending,
                State::Failed(text) => return State::Failed(text),
                State::Ok(Kind::Absent) => break,
                State::Ok(Kind::Directory) => {}
                State::Ok(Kind::File) => {
                    let id = self.prefix.concat(&path.take(used));
                    let residual = path.skip(used);
                    return State::Ok(NameTree::Leaf(Named::Bound(BoundName { id, residual })));
                }
            }
        }
        State::Ok(NameTree::Neg)
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let Some(name) = id.strip_prefix(&self.prefix) else { return Addr::Neg };
        if name.is_empty() || !name.elems().all(is_file_name) {
            return Addr::Neg;
        }
        let live = self.shared.open(&name, |item| &item.lines);
        match reader.read(&live) {
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
            State::Ok(None) => Addr::Neg,
            State::Ok(Some(lines)) => self.resolve(&lines, reader),
        }
    }
}

impl Drop for FsNamer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whether an element can name something inside its directory, and nothing outside.
fn is_file_name(elem: &[u8]) -> bool {
    elem != b"." && elem != b".." && elem.len() <= 255 && !elem.iter().any(|&b| b == b'/' || b == 0)
}

/// The task: looks at new names at once, at others when they are heard of or due; sleeps while there is none.
async fn follow(shared: Arc<Shared>, changes: fn() -> Changes<Path>) {
    let mut tracker = Tracker::new(Arc::clone(&shared), changes());
    let mut ear = tracker.changes().ear();
    let (mut due, mut looked) = (None, Instant::now());
    loop {
        match due {
            None => shared.bell.notified().await,
            // Which of them it was is seen from the clock, and from what there is to hear.
            Some(due) => tokio::select! {
                () = shared.bell.notified() => {}
                () = heard(&mut ear, looked + BREATH) => {}
                () = sleep_until(due) => {}
            },
        }
        let now = Instant::now();
        let polled = tokio::task::spawn_blocking(move || {
            let wait = tracker.poll(now);
            (tracker, wait)
        });
        match polled.await {
            Ok((back, wait)) => {
                tracker = back;
                due = wait.map(|wait| now + wait);
                if !tracker.changes().listens() {
                    ear = Ear::none();
                }
            }
            Err(error) if error.is_panic() => {
                tracing::error!(root = %shared.root.display(), "looking at files failed, starting over: {error}");
                tracker = Tracker::new(Arc::clone(&shared), changes());
                ear = tracker.changes().ear();
                due = Some(now + shared.times.interval);
            }
            // The runtime is going down.
            Err(_) => return,
        }
        looked = Instant::now();
    }
}

async fn heard(ear: &mut Ear, after: Instant) {
    sleep_until(after).await;
    ear.word().await;
}

impl std::fmt::Debug for FsNamer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FsNamer").field("root", &self.shared.root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
