//! Looks at files and decides what to believe of what it sees.
//!
//! A file replaced by a rename is complete, so it counts at once. A file written in place can be caught half-way, empty,
//! cut off in a number, or missing for a moment, so what is seen must stay for a while before it replaces something good.
//! Everything here blocks and is called from the blocking pool; time is handed in.

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use names::Path;
use naming::State;
use tokio::time::Instant;

use super::lines::{self, Line};
use super::{Item, Kind, Shared};

/// Larger files are refused (routing.md §2.3).
const MAX_SIZE: u64 = 500 * 1024;
/// For this long after a change the content is compared and not the stamp alone: a second change within the granularity
/// of the file system's clock (up to 2 s) leaves the stamp as it is.
const SETTLE: Duration = Duration::from_millis(2500);

/// Tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Another file took the name, as a rename does it.
    fn is_other_file(&self, other: &Stamp) -> bool {
        (self.device, self.inode) != (other.device, other.inode)
    }
}

/// What was read: enough to know it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print(u64, u64);

/// Something seen that has to stay for a while before it counts.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    print: Print,
    since: Instant,
    /// When the file was last as published.
    first: Instant,
}

/// What is remembered of one name between two looks.
struct Tracked {
    item: Arc<Item>,
    stamp: Option<Stamp>,
    settled: Instant,
    published: Option<(Print, Stamp)>,
    candidate: Option<Candidate>,
    /// Since when the name has been gone although its kind says otherwise.
    gone: Option<Instant>,
}

/// All names of one namer.
pub(super) struct Tracker {
    shared: Arc<Shared>,
    tracked: HashMap<Path, Tracked>,
    root_is_gone: bool,
}

impl Tracker {
    /// Takes over all names already in use.
    pub(super) fn new(shared: Arc<Shared>) -> Tracker {
        let names: Vec<Path> = shared.items.lock().keys().cloned().collect();
        shared.fresh.lock().extend(names);
        Tracker { shared, tracked: HashMap::new(), root_is_gone: false }
    }

    /// Looks at new names, or at all; tells how long nothing more is to be done. `None`: no name is in use.
    pub(super) fn poll(&mut self, now: Instant, all: bool) -> Option<Duration> {
        let fresh = self.adopt(now);
        if all {
            self.forget_idle();
        }
        if self.tracked.is_empty() {
            return None;
        }
        let times = Times { now, interval: self.shared.interval };
        if !self.root_is_there() {
            self.fail_unanswered();
            return Some(times.interval);
        }
        let mut wait = times.interval;
        if all {
            for tracked in self.tracked.values_mut() {
                wait = wait.min(tracked.look(&times));
            }
        } else {
            for name in fresh {
                if let Some(tracked) = self.tracked.get_mut(&name) {
                    wait = wait.min(tracked.look(&times));
                }
            }
        }
        // Many names on a slow file system must not keep a core busy.
        let cost = Instant::now().saturating_duration_since(now);
        Some(wait.max((cost * 20).min(times.interval * 2)))
    }

    /// Starts to follow the names asked for since the last look.
    fn adopt(&mut self, now: Instant) -> Vec<Path> {
        let fresh = std::mem::take(&mut *self.shared.fresh.lock());
        let items = self.shared.items.lock();
        for name in &fresh {
            if let Some(item) = items.get(name)
                && !self.tracked.contains_key(name)
            {
                self.tracked.insert(name.clone(), Tracked::new(Arc::clone(item), now));
            }
        }
        fresh
    }

    /// Drops what nobody has asked for during the linger, and at once what does not exist and nobody asks for.
    fn forget_idle(&mut self) {
        let Shared { items, linger, .. } = &*self.shared;
        self.tracked.retain(|name, tracked| {
            let item = &tracked.item;
            let linger = match item.kind.get() {
                State::Ok(Kind::Absent) => Duration::ZERO,
                _ => *linger,
            };
            let idle = |idle: Option<Duration>| idle.is_some_and(|idle| idle >= linger);
            if !idle(item.idle_for()) && !idle(item.lines.idle_for()) {
                return true;
            }
            // Readers come under this lock, so what is idle here stays idle.
            let mut items = items.lock();
            if idle(item.idle_for()) {
                items.remove(name);
                return false;
            }
            if idle(item.lines.idle_for()) {
                tracked.forget_content();
            }
            true
        });
    }

    /// Without the directory nothing can be said of its files: what was known stays.
    fn root_is_there(&mut self) -> bool {
        let root = &self.shared.root;
        let there = fs::metadata(root).and_then(|meta| match meta.is_dir() {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
        });
        match &there {
            Err(error) if !self.root_is_gone => {
                tracing::warn!(root = %root.display(), "{error}; what was known of its files stays in use");
            }
            Ok(()) if self.root_is_gone => tracing::info!(root = %root.display(), "the directory is back"),
            _ => {}
        }
        self.root_is_gone = there.is_err();
        !self.root_is_gone
    }

    fn fail_unanswered(&self) {
        let text: Arc<str> = format!("{} is not a directory", self.shared.root.display()).into();
        for Tracked { item, .. } in self.tracked.values() {
            item.fail_unanswered(&text);
        }
    }
}

/// The clock of one poll.
struct Times {
    now: Instant,
    interval: Duration,
}

impl Times {
    /// How long something unexpected must stay to be believed.
    fn confirm(&self) -> Duration {
        self.interval / 5
    }
}

impl Tracked {
    fn new(item: Arc<Item>, now: Instant) -> Tracked {
        Tracked { item, stamp: None, settled: now, published: None, candidate: None, gone: None }
    }

    fn forget_content(&mut self) {
        self.item.lines.set(State::Pending);
        self.published = None;
        self.candidate = None;
    }

    /// Looks once; tells when to look again at the latest.
    fn look(&mut self, times: &Times) -> Duration {
        match fs::metadata(&self.item.path) {
            Ok(meta) if meta.is_file() => {
                self.gone = None;
                self.item.kind.set(State::Ok(Kind::File));
                self.look_inside(&meta, times)
            }
            Ok(meta) => {
                self.gone = None;
                let kind = if meta.is_dir() { Kind::Directory } else { Kind::Absent };
                self.item.kind.set(State::Ok(kind));
                self.set_no_file();
                times.interval
            }
            Err(error) if is_absent(&error) => self.look_for_the_gone(times),
            Err(error) => {
                self.fail(&error);
                times.interval
            }
        }
    }

    /// A name that is gone must stay gone for a moment, because some programs delete before they write.
    fn look_for_the_gone(&mut self, times: &Times) -> Duration {
        match self.item.kind.get() {
            State::Ok(Kind::Absent) => {
                // By now whoever routes by existence has heard of it.
                self.set_no_file();
                return times.interval;
            }
            State::Ok(_) => {}
            _ => {
                self.item.kind.set(State::Ok(Kind::Absent));
                self.set_no_file();
                return times.interval;
            }
        }
        let since = *self.gone.get_or_insert(times.now);
        let passed = times.now.saturating_duration_since(since);
        if passed < times.confirm() {
            return times.confirm() - passed;
        }
        self.gone = None;
        self.item.kind.set(State::Ok(Kind::Absent));
        if self.item.lines.get().is_pending() {
            self.set_no_file();
        }
        times.interval
    }

    fn set_no_file(&mut self) {
        self.stamp = None;
        self.published = None;
        self.candidate = None;
        if self.reads_content() {
            self.item.lines.set(State::Ok(None));
        }
    }

    /// Something is in the way of looking: what was known stays.
    fn fail(&mut self, error: &io::Error) {
        self.item.fail_unanswered(&format!("{}: {error}", self.item.path.display()).into());
    }

    /// Whether somebody wants the content or has wanted it lately.
    fn reads_content(&self) -> bool {
        self.item.lines.is_observed() || !self.item.lines.get().is_pending()
    }

    fn look_inside(&mut self, meta: &Metadata, times: &Times) -> Duration {
        let stamp = Stamp::of(meta);
        if !self.reads_content() {
            return times.interval;
        }
        if self.stamp != Some(stamp) {
            self.settled = times.now + SETTLE;
        }
        let same = self.stamp == Some(stamp) && times.now >= self.settled;
        if same && self.candidate.is_none() && self.published.is_some() {
            return times.interval;
        }
        match read(&self.item) {
            Ok(content) => {
                self.stamp = Some(stamp);
                self.judge(&content, stamp, times)
            }
            Err(error) => {
                self.fail(&error);
                times.interval
            }
        }
    }

    /// Publishes what was read, now or once it has stayed long enough.
    fn judge(&mut self, content: &Content, stamp: Stamp, times: &Times) -> Duration {
        let print = content.print;
        if self.published.is_some_and(|(published, _)| published == print) {
            self.published = Some((print, stamp));
            self.candidate = None;
            return times.interval;
        }
        let before = self.candidate;
        let since = before.filter(|c| c.print == print).map_or(times.now, |c| c.since);
        let first = before.map_or(times.now, |c| c.first);
        let hold = self.hold(content, &stamp, times);
        let passed = times.now.saturating_duration_since(since);
        // A file that never comes to rest is taken as it is at some point.
        let restless = times.now.saturating_duration_since(first) >= times.interval * 4;
        if passed < hold && !restless {
            self.candidate = Some(Candidate { print, since, first });
            return (hold - passed).min(times.confirm());
        }
        self.candidate = None;
        self.published = Some((print, stamp));
        self.item.lines.set(match &content.lines {
            Ok(lines) => State::Ok(Some(Arc::clone(lines))),
            Err(text) => State::Failed(Arc::clone(text)),
        });
        times.interval
    }

    /// How long `content` must stay to be believed.
    fn hold(&self, content: &Content, stamp: &Stamp, times: &Times) -> Duration {
        let doubtful = content.lines.as_ref().is_ok_and(|lines| lines.is_empty()) || content.lines.is_err();
        match (&self.published, doubtful) {
            (None, false) => Duration::ZERO,
            (None, true) => times.confirm(),
            (Some(_), true) => times.interval,
            (Some((_, old)), false) if old.is_other_file(stamp) => Duration::ZERO,
            (Some(_), false) => times.confirm(),
        }
    }
}

/// What a file held when it was read.
struct Content {
    print: Print,
    lines: Result<Arc<[Line]>, Arc<str>>,
}

fn read(item: &Item) -> io::Result<Content> {
    let (bytes, size) = read_bytes(&item.path)?;
    let print = Print(foldhash::fast::FixedState::default().hash_one(&bytes), size);
    let lines = if size > MAX_SIZE {
        Err(format!("file {} is {size}.bytes", item.path.display()).into())
    } else {
        lines::parse(&bytes).map(Arc::from)
    };
    Ok(Content { print, lines })
}

/// The bytes of a file, or only its size when it is too large.
fn read_bytes(path: &std::path::Path) -> io::Result<(Vec<u8>, u64)> {
    // A pipe that took the file's name meanwhile must not make this wait for a writer.
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let size = file.metadata()?.len();
    if size > MAX_SIZE {
        return Ok((Vec::new(), size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    Ok((bytes, size))
}

/// Whether an error says that there is no such file, rather than that it cannot be looked at.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::NotFound | K::NotADirectory | K::InvalidFilename)
        || error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(test)]
mod tests;
