//! `io.l5d.fs`: replica sets as files in a directory (routing.md §2.3).
//!
//! Files are looked at by polling, four times a second, because that is the one way that works alike for local disks,
//! container mounts and network file systems. Only names that somebody uses are looked at, all of them by one task per
//! namer, whose file system calls run on the blocking pool.

mod lines;
mod state;
mod tracker;

use std::ffi::OsStr;
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
use tokio::time::Instant;

use lines::Line;
use tracker::Tracker;

/// How often the files in use are looked at.
pub const POLL_INTERVAL: Duration = Duration::from_millis(250);

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
    interval: Duration,
    linger: Duration,
    /// By path below the root.
    items: Mutex<HashMap<Path, Arc<Item>>>,
    /// Names asked for that the task has not looked at yet.
    fresh: Mutex<Vec<Path>>,
    bell: Notify,
}

impl Shared {
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
                path.extend(name.elems().map(OsStr::from_bytes));
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
        FsNamer::with_times(prefix, root, resolver, handle, POLL_INTERVAL, LINGER)
    }

    /// The same with another interval between polls and another time until unused names are forgotten; for tests.
    #[must_use]
    pub fn with_times(
        prefix: &Path,
        root: PathBuf,
        resolver: Arc<dyn Resolver>,
        handle: &Handle,
        interval: Duration,
        linger: Duration,
    ) -> FsNamer {
        let shared = Arc::new(Shared {
            root,
            interval,
            linger,
            items: Mutex::default(),
            fresh: Mutex::default(),
            bell: Notify::new(),
        });
        let task = handle.spawn(follow(Arc::clone(&shared))).abort_handle();
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

/// The task: looks at new names at once and at all of them every interval; sleeps while there is none.
async fn follow(shared: Arc<Shared>) {
    let mut tracker = Tracker::new(Arc::clone(&shared));
    let mut due = None;
    loop {
        let rung = shared.bell.notified();
        match due {
            None => rung.await,
            // Which of the two it was is seen from the clock below.
            Some(due) => drop(tokio::time::timeout_at(due, rung).await),
        }
        let now = Instant::now();
        let all = due.is_none_or(|due| due <= now);
        let polled = tokio::task::spawn_blocking(move || {
            let wait = tracker.poll(now, all);
            (tracker, wait)
        });
        match polled.await {
            Ok((back, wait)) => {
                tracker = back;
                let next = wait.map(|wait| now + wait);
                due = if all { next } else { due.into_iter().chain(next).min() };
            }
            Err(error) if error.is_panic() => {
                tracing::error!(root = %shared.root.display(), "looking at files failed, starting over: {error}");
                tracker = Tracker::new(Arc::clone(&shared));
                due = Some(now + shared.interval);
            }
            // The runtime is going down.
            Err(_) => return,
        }
    }
}

impl std::fmt::Debug for FsNamer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FsNamer").field("root", &self.shared.root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
