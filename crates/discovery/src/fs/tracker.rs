//! Looks at files and decides what to believe of what it sees.
//!
//! A file replaced by a rename is complete, so it counts at once. A file written in place can be caught half-way, empty,
//! cut off in a number, or missing for a moment, so what is seen must stay for a while before it replaces something good.
//! Everything here blocks and is called from the blocking pool; time is handed in.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use names::Path;
use naming::State;
use tokio::time::Instant;

use super::lines::{self, Line};
use super::{Item, Kind, Shared};
use crate::changes::{Changes, Word};
use crate::rest::{Rest, Verdict};

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

/// What is remembered of one name between two looks.
struct Tracked {
    item: Arc<Item>,
    /// Something was heard of it, or it is new: it is to be followed again and read whatever its stamp says.
    heard: bool,
    /// How what is there came to be there, as far as it was heard.
    word: Option<Word>,
    stamp: Option<Stamp>,
    settled: Instant,
    content: Rest<Print>,
    /// Of the file that is believed.
    published: Option<Stamp>,
    /// Since when the name has been gone although its kind says otherwise.
    gone: Option<Instant>,
}

/// All names of one namer.
pub(super) struct Tracker {
    shared: Arc<Shared>,
    tracked: HashMap<Path, Tracked>,
    /// Where the kernel tells of changes; the directory itself has the empty name.
    changes: Changes<Path>,
    /// The directory without links, when it is there and followed.
    root: Option<PathBuf>,
    root_is_gone: bool,
    /// Names that are to be looked at once more, and when.
    again: HashMap<Path, Instant>,
    /// When all names were looked at, and how long it shall not be done again because of what it cost.
    swept: Option<(Instant, Duration)>,
    /// When what nobody uses is forgotten.
    tidy: Option<Instant>,
    /// When it is asked for what the kernel tells to nobody.
    doubts: Option<Instant>,
}

impl Tracker {
    /// Takes over all names already in use.
    pub(super) fn new(shared: Arc<Shared>, changes: Changes<Path>) -> Tracker {
        let names: Vec<Path> = shared.items.lock().keys().cloned().collect();
        shared.fresh.lock().extend(names);
        Tracker {
            shared,
            tracked: HashMap::new(),
            changes,
            root: None,
            root_is_gone: false,
            again: HashMap::new(),
            swept: None,
            tidy: None,
            doubts: None,
        }
    }

    /// What the kernel tells of changes with.
    pub(super) fn changes(&self) -> &Changes<Path> {
        &self.changes
    }

    /// Looks at what is new, has changed or is due; tells how long nothing more is to be done unless something is heard.
    /// `None`: no name is in use.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Duration> {
        let mut names = self.adopt(now);
        if is_due(self.tidy, now) {
            self.forget_idle();
            self.tidy = Some(now + self.shared.times.interval * 8);
        }
        if self.tracked.is_empty() {
            self.rest();
            return None;
        }
        let heard = self.hear(now);
        let times = Times { now, interval: self.shared.times.interval };
        if !self.root_is_there() {
            self.fail_unanswered();
            self.swept = None;
            return Some(times.interval);
        }
        if is_due(self.sweep(), now) || heard.is_none() {
            self.look_at_all(&times);
        } else {
            names.extend(heard.into_iter().flatten());
            names.extend(self.again.iter().filter(|(_, due)| **due <= now).map(|(name, _)| name.clone()));
            names.iter().for_each(|name| self.look_at(name, &times));
        }
        let due = self.again.values().copied().chain(self.sweep()).chain(self.tidy).min();
        due.map(|due| due.saturating_duration_since(now))
    }

    /// Marks what is to be looked at anew, and follows the directory. Returns those names; `None`: all of them.
    fn hear(&mut self, now: Instant) -> Option<Vec<Path>> {
        if !self.changes.listens() {
            return Some(Vec::new());
        }
        let mut heard = self.changes.hear();
        if is_due(self.doubts, now) {
            heard.of.extend(self.changes.doubts().of);
            self.doubts = Some(now + self.shared.times.net);
        }
        let root = Path::empty();
        // Of what was lost it is not known whether somebody is still writing.
        let word = heard.of.remove(&root).or(heard.lost.then_some(Word::Open));
        let all = word.is_some() || self.root.is_none() && !self.changes.is_in_doubt(&root);
        if all {
            self.root = self.changes.follow(&root, &self.shared.root);
            self.tracked.values_mut().for_each(|tracked| tracked.hear(word));
        }
        for (name, word) in &heard.of {
            if let Some(tracked) = self.tracked.get_mut(name) {
                tracked.hear(Some(*word));
            }
        }
        (!all).then(|| heard.of.into_keys().collect())
    }

    fn look_at_all(&mut self, times: &Times) {
        let names: Vec<Path> = self.tracked.keys().cloned().collect();
        names.iter().for_each(|name| self.look_at(name, times));
        // Many names on a slow file system must not keep a core busy.
        let cost = Instant::now().saturating_duration_since(times.now);
        self.swept = Some((times.now, (cost * 20).min(times.interval * 2)));
    }

    /// When all names are to be looked at, whatever is heard.
    fn sweep(&self) -> Option<Instant> {
        let times = &self.shared.times;
        let period = if self.changes.is_sound() { times.net } else { times.interval };
        self.swept.map(|(at, least)| at + period.max(least))
    }

    fn look_at(&mut self, name: &Path, times: &Times) {
        let Some(tracked) = self.tracked.get_mut(name) else { return };
        if tracked.heard
            && let Some(root) = &self.root
        {
            self.changes.follow_from(name, root, &relative(name));
        }
        match tracked.look(times) {
            Some(wait) => self.again.insert(name.clone(), times.now + wait),
            None => self.again.remove(name),
        };
    }

    /// Nobody uses anything.
    fn rest(&mut self) {
        self.changes.forget(&Path::empty());
        self.root = None;
        self.swept = None;
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
        let Tracker { shared, tracked, changes, again, .. } = self;
        tracked.retain(|name, tracked| {
            let item = &tracked.item;
            let linger = match item.kind.get() {
                State::Ok(Kind::Absent) => Duration::ZERO,
                _ => shared.times.linger,
            };
            let idle = |idle: Option<Duration>| idle.is_some_and(|idle| idle >= linger);
            if !idle(item.idle_for()) && !idle(item.lines.idle_for()) {
                return true;
            }
            // Readers come under this lock, so what is idle here stays idle.
            let mut items = shared.items.lock();
            if idle(item.idle_for()) {
                items.remove(name);
                changes.forget(name);
                again.remove(name);
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
        let content = Rest::new(None);
        let (stamp, published, gone) = (None, None, None);
        Tracked { item, heard: true, word: None, stamp, settled: now, content, published, gone }
    }

    fn hear(&mut self, word: Option<Word>) {
        self.heard = true;
        self.word = word.or(self.word);
    }

    fn forget_content(&mut self) {
        self.item.lines.set(State::Pending);
        self.content = Rest::new(None);
    }

    /// Looks once; tells when to look again although nothing is heard.
    fn look(&mut self, times: &Times) -> Option<Duration> {
        let heard = std::mem::take(&mut self.heard);
        match fs::metadata(&self.item.path) {
            Ok(meta) if meta.is_file() => {
                self.gone = None;
                self.item.kind.set(State::Ok(Kind::File));
                self.look_inside(&meta, heard, times)
            }
            Ok(meta) => {
                self.gone = None;
                let kind = if meta.is_dir() { Kind::Directory } else { Kind::Absent };
                self.item.kind.set(State::Ok(kind));
                self.set_no_file();
                None
            }
            Err(error) if is_absent(&error) => self.look_for_the_gone(times),
            Err(error) => self.fail(&error, times),
        }
    }

    /// A name that is gone must stay gone for a moment, because some programs delete before they write.
    fn look_for_the_gone(&mut self, times: &Times) -> Option<Duration> {
        match self.item.kind.get() {
            State::Ok(Kind::Absent) => {
                // By now whoever routes by existence has heard of it.
                self.set_no_file();
                return None;
            }
            State::Ok(_) => {}
            _ => {
                self.item.kind.set(State::Ok(Kind::Absent));
                self.set_no_file();
                return None;
            }
        }
        let since = *self.gone.get_or_insert(times.now);
        let passed = times.now.saturating_duration_since(since);
        if passed < times.confirm() {
            return Some(times.confirm() - passed);
        }
        self.gone = None;
        self.item.kind.set(State::Ok(Kind::Absent));
        if self.item.lines.get().is_pending() {
            self.set_no_file();
        }
        Some(times.interval)
    }

    fn set_no_file(&mut self) {
        self.stamp = None;
        self.content = Rest::new(None);
        if self.reads_content() {
            self.item.lines.set(State::Ok(None));
        }
    }

    /// Something is in the way of looking: what was known stays. What has to change may be where nothing is heard of it.
    fn fail(&mut self, error: &io::Error, times: &Times) -> Option<Duration> {
        self.item.fail_unanswered(&format!("{}: {error}", self.item.path.display()).into());
        Some(times.interval)
    }

    /// Whether somebody wants the content or has wanted it lately.
    fn reads_content(&self) -> bool {
        self.item.lines.is_observed() || !self.item.lines.get().is_pending()
    }

    fn look_inside(&mut self, meta: &Metadata, heard: bool, times: &Times) -> Option<Duration> {
        let stamp = Stamp::of(meta);
        if !self.reads_content() {
            return None;
        }
        if self.stamp != Some(stamp) {
            self.settled = times.now + SETTLE;
        }
        let same = self.stamp == Some(stamp) && times.now >= self.settled && !heard;
        if same && self.content.is_at_rest() {
            return None;
        }
        match read(&self.item) {
            Ok(content) => {
                self.stamp = Some(stamp);
                self.judge(&content, stamp, times)
            }
            Err(error) => self.fail(&error, times),
        }
    }

    /// Publishes what was read, now or once it has stayed long enough.
    fn judge(&mut self, content: &Content, stamp: Stamp, times: &Times) -> Option<Duration> {
        let hold = self.hold(content, &stamp, times);
        match self.content.see(content.print, times.now, |_| hold, times.interval * 4) {
            Verdict::Wait(wait) => return Some(wait.min(times.confirm())),
            Verdict::Known => self.published = Some(stamp),
            Verdict::New => {
                self.published = Some(stamp);
                self.item.lines.set(match &content.lines {
                    Ok(lines) => State::Ok(Some(Arc::clone(lines))),
                    Err(text) => State::Failed(Arc::clone(text)),
                });
            }
        }
        None
    }

    /// How long `content` must stay to be believed.
    fn hold(&self, content: &Content, stamp: &Stamp, times: &Times) -> Duration {
        let doubtful = content.lines.as_ref().is_ok_and(|lines| lines.is_empty()) || content.lines.is_err();
        let published = self.content.believed().and(self.published);
        if doubtful {
            return if published.is_some() { times.interval } else { times.confirm() };
        }
        let other = published.is_none_or(|old| old.is_other_file(stamp));
        match self.word {
            // A file that is still the same one was not replaced as a whole, whatever else was.
            Some(Word::Whole) | None if !other => times.confirm(),
            word => word.map_or(Duration::ZERO, |word| word.rest(times.interval)),
        }
    }
}

/// The way from the directory to what has a name in it.
pub(super) fn relative(name: &Path) -> PathBuf {
    name.elems().map(OsStr::from_bytes).collect()
}

fn is_due(due: Option<Instant>, now: Instant) -> bool {
    due.is_none_or(|due| due <= now)
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
