//! One name that is followed, and what is believed of what is seen there.
//!
//! A file replaced by a rename is complete, so it counts at once. A file written in place can be caught half-way, empty,
//! cut off in a number, or missing for a moment, so what is seen must stay for a while before it replaces something good.
//! Everything here blocks and is called from the blocking pool; time is handed in.

use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use naming::State;
use tokio::time::Instant;

use super::lines::{self, Line};
use super::{Item, Kind};
use crate::changes::Word;
use crate::rest::{Rest, Verdict};

/// Larger files are refused (routing.md §2.3).
const MAX_SIZE: u64 = 500 * 1024;
/// For this long after a change the content is compared and not the stamp alone: a second change within the granularity
/// of the file system's clock (up to 2 s) leaves the stamp as it is.
pub(super) const SETTLE: Duration = Duration::from_millis(2500);

/// Tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Stamp {
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
pub(super) struct Tracked {
    pub(super) item: Arc<Item>,
    /// Something was heard of it, or it is new: it is to be followed again and read whatever its stamp says.
    pub(super) heard: bool,
    /// How what is there came to be there, as far as it was heard.
    word: Option<Word>,
    pub(super) stamp: Option<Stamp>,
    settled: Instant,
    content: Rest<Print>,
    /// Of the file that is believed.
    published: Option<Stamp>,
    /// Since when the name has been gone although its kind says otherwise.
    gone: Option<Instant>,
}

/// The clock of one poll.
pub(super) struct Clock {
    pub(super) now: Instant,
    pub(super) interval: Duration,
}

impl Clock {
    /// How long something unexpected must stay to be believed.
    fn confirm(&self) -> Duration {
        self.interval / 5
    }
}

impl Tracked {
    pub(super) fn new(item: Arc<Item>, now: Instant) -> Tracked {
        let content = Rest::new(None);
        let (stamp, published, gone) = (None, None, None);
        Tracked { item, heard: true, word: None, stamp, settled: now, content, published, gone }
    }

    /// There is word of it.
    pub(super) fn hear(&mut self, word: Option<Word>) {
        self.heard = true;
        self.word = word.or(self.word);
    }

    /// Nobody asks for what it holds.
    pub(super) fn forget_content(&mut self) {
        self.item.lines.set(State::Pending);
        self.content = Rest::new(None);
    }

    /// Looks once; tells when to look again although nothing is heard.
    pub(super) fn look(&mut self, clock: &Clock) -> Option<Duration> {
        let heard = std::mem::take(&mut self.heard);
        match fs::metadata(&self.item.path) {
            Ok(meta) if meta.is_file() => {
                self.gone = None;
                self.item.kind.set(State::Ok(Kind::File));
                self.look_inside(&meta, heard, clock)
            }
            Ok(meta) => {
                self.gone = None;
                let kind = if meta.is_dir() { Kind::Directory } else { Kind::Absent };
                self.item.kind.set(State::Ok(kind));
                self.set_no_file();
                None
            }
            Err(error) if is_absent(&error) => self.look_for_the_gone(clock),
            Err(error) => self.fail(&error, clock),
        }
    }

    /// A name that is gone must stay gone for a moment, because some programs delete before they write.
    fn look_for_the_gone(&mut self, clock: &Clock) -> Option<Duration> {
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
        let since = *self.gone.get_or_insert(clock.now);
        let passed = clock.now.saturating_duration_since(since);
        if passed < clock.confirm() {
            return Some(clock.confirm() - passed);
        }
        self.gone = None;
        self.item.kind.set(State::Ok(Kind::Absent));
        if self.item.lines.get().is_pending() {
            self.set_no_file();
        }
        Some(clock.interval)
    }

    fn set_no_file(&mut self) {
        self.stamp = None;
        self.content = Rest::new(None);
        if self.reads_content() {
            self.item.lines.set(State::Ok(None));
        }
    }

    /// Something is in the way of looking: what was known stays. What has to change may be where nothing is heard of it.
    fn fail(&mut self, error: &io::Error, clock: &Clock) -> Option<Duration> {
        self.item.fail_unanswered(&format!("{}: {error}", self.item.path.display()).into());
        Some(clock.interval)
    }

    /// Whether somebody wants the content or has wanted it lately.
    fn reads_content(&self) -> bool {
        self.item.lines.is_observed() || !self.item.lines.get().is_pending()
    }

    fn look_inside(&mut self, meta: &Metadata, heard: bool, clock: &Clock) -> Option<Duration> {
        let stamp = Stamp::of(meta);
        if !self.reads_content() {
            return None;
        }
        if self.stamp != Some(stamp) {
            self.settled = clock.now + SETTLE;
        }
        let same = self.stamp == Some(stamp) && clock.now >= self.settled && !heard;
        if same && self.content.is_at_rest() {
            return None;
        }
        match read(&self.item) {
            Ok(content) => {
                self.stamp = Some(stamp);
                self.judge(&content, stamp, clock)
            }
            Err(error) => self.fail(&error, clock),
        }
    }

    /// Publishes what was read, now or once it has stayed long enough.
    fn judge(&mut self, content: &Content, stamp: Stamp, clock: &Clock) -> Option<Duration> {
        let hold = self.hold(content, &stamp, clock);
        match self.content.see(content.print, clock.now, |_| hold, clock.interval * 4) {
            Verdict::Wait(wait) => return Some(wait.min(clock.confirm())),
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
    fn hold(&self, content: &Content, stamp: &Stamp, clock: &Clock) -> Duration {
        let doubtful = content.lines.as_ref().is_ok_and(|lines| lines.is_empty()) || content.lines.is_err();
        let published = self.content.believed().and(self.published);
        if doubtful {
            return if published.is_some() { clock.interval } else { clock.confirm() };
        }
        let other = published.is_none_or(|old| old.is_other_file(stamp));
        match self.word {
            // A file that is still the same one was not replaced as a whole, whatever else was.
            Some(Word::Whole) | None if !other => clock.confirm(),
            word => word.map_or(Duration::ZERO, |word| word.rest(clock.interval)),
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
fn read_bytes(path: &Path) -> io::Result<(Vec<u8>, u64)> {
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
