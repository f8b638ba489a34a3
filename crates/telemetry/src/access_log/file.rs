//! One log file: opened, written, put aside, opened anew, and given up on for a while when the disk says no.

use super::roll::RollPolicy;
use super::zone::Zone;
use crate::Counter;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A log file as the configuration wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is. Anything that can be written to will do; only ordinary files are ever put aside.
    pub path: PathBuf,
    /// When it is put aside. Default: never.
    pub policy: RollPolicy,
    /// Whether what is there is kept when the proxy starts. Default: true.
    pub append: bool,
    /// How many files that were put aside are kept; `None` keeps all, which is the default.
    pub keep: Option<usize>,
}

/// A file of the writer.
pub(super) struct LogFile {
    file: File,
    zone: Zone,
    dropped: Counter,
    open: Option<Open>,
    /// The file was opened before: it is never truncated again.
    begun: bool,
    trouble: Option<Trouble>,
    /// The last write ended within a line.
    torn: bool,
}

/// Lines are being lost.
struct Trouble {
    lost: u64,
    /// The second of the last attempt to open the file.
    tried: u64,
}

struct Open {
    out: fs::File,
    /// Device and number; `None` for anything but an ordinary file.
    id: Option<(u64, u64)>,
    len: u64,
    /// When the first of its lines was written, about.
    since: u64,
    due: Option<u64>,
}

impl LogFile {
    pub(super) fn new(file: File, zone: Zone, dropped: Counter) -> LogFile {
        LogFile { file, zone, dropped, open: None, begun: false, trouble: None, torn: false }
    }

    /// Looks after the file: opens it if it is not open, finds out that somebody has moved it, puts it aside when its time
    /// is over. To be called about once a second. `now` is in seconds since the Unix epoch, here and below.
    pub(super) fn look(&mut self, now: u64) {
        if self.moved() {
            self.open = None;
        }
        self.opened(now);
        self.roll_when_due(now);
    }

    /// As if the file had been moved: it may have been copied and emptied instead, which makes no difference.
    pub(super) fn reopen(&mut self, now: u64) {
        if self.file.policy == RollPolicy::Sighup {
            self.open = None;
            self.opened(now);
        }
    }

    /// Writes whole lines. Those that cannot be written are counted and forgotten.
    pub(super) fn write(&mut self, lines: &[u8], now: u64) {
        if self.opened(now) {
            self.roll_when_due(now);
        }
        let mut rest = lines;
        while !rest.is_empty() {
            let mut n = self.fitting(rest);
            if n == 0 {
                self.roll(now, now);
                n = self.fitting(rest).max(first_line(rest));
            }
            if !self.opened(now) {
                return self.lose(rest, now);
            }
            let (piece, behind) = rest.split_at(n);
            rest = behind;
            if !self.put(piece, now) {
                return self.lose(rest, now);
            }
        }
    }

    /// How many bytes of `lines` go into the file before it is full.
    fn fitting(&self, lines: &[u8]) -> usize {
        let (RollPolicy::MaxSize(most), Some(Open { id: Some(_), len, .. })) = (self.file.policy, &self.open)
        else {
            return lines.len();
        };
        let room = usize::try_from(most.saturating_sub(*len)).unwrap_or(usize::MAX);
        if room >= lines.len() {
            return lines.len();
        }
        let fits = lines[..room].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        // A line longer than any file may be has one for itself.
        if *len == 0 { fits.max(first_line(lines)) } else { fits }
    }

    /// Writes to the open file; false when not all of `lines` could be written.
    fn put(&mut self, lines: &[u8], now: u64) -> bool {
        let Some(open) = &mut self.open else {
            self.lose(lines, now);
            return false;
        };
        let heal = if self.torn { open.out.write_all(b"\n") } else { Ok(()) };
        let (mut written, mut result) = (0, heal);
        while result.is_ok() && written < lines.len() {
            match open.out.write(&lines[written..]) {
                Ok(0) => result = Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    (written, self.torn) = (written + n, false);
                    open.len += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => result = Err(e),
            }
        }
        let Err(error) = result else {
            self.recovered();
            return true;
        };
        self.torn |= written > 0 && lines[written - 1] != b'\n';
        // The file system may have become read-only, or the file may be gone with its disk: begin from the path again.
        self.open = None;
        self.fail("written", &error, now);
        self.lose(&lines[written..], now);
        false
    }

    /// Opens the file unless it is open; when that failed, not again within the same second.
    fn opened(&mut self, now: u64) -> bool {
        if self.open.is_some() {
            return true;
        }
        if self.trouble.as_ref().is_some_and(|trouble| trouble.tried == now) {
            return false;
        }
        match open(&self.file.path, self.begun || self.file.append, now) {
            Ok(mut open) => {
                open.due = self.file.policy.due(open.since, &self.zone);
                self.open = Some(open);
                self.begun = true;
                true
            }
            Err(error) => {
                self.fail("opened", &error, now);
                false
            }
        }
    }

    /// Whether the path leads to another file by now, or to none.
    fn moved(&self) -> bool {
        let Some(Open { id: Some(id), .. }) = &self.open else { return false };
        fs::metadata(&self.file.path).map_or(true, |meta| *id != (meta.dev(), meta.ino()))
    }

    fn roll_when_due(&mut self, now: u64) {
        let Some(open) = &mut self.open else { return };
        let Some(due) = open.due.filter(|due| *due <= now && open.id.is_some()) else { return };
        if open.len == 0 {
            // Nothing to put aside.
            (open.since, open.due) = (now, self.file.policy.due(now, &self.zone));
            return;
        }
        let since = open.since.min(due.saturating_sub(1));
        self.roll(since, now);
    }

    /// Puts the file aside and begins another one.
    fn roll(&mut self, named: u64, now: u64) {
        let names = Names::of(&self.file.path);
        let target = names.free(&self.file.policy.suffix(named, &self.zone));
        match fs::rename(&self.file.path, &target) {
            Ok(()) => {}
            // Somebody else has put it aside just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let path = self.file.path.display();
                tracing::error!("access log {path} cannot be put aside: {error}; it grows on");
                if let Some(open) = &mut self.open {
                    // Not again for each line.
                    (open.len, open.due) = (0, self.file.policy.due(now, &self.zone));
                }
                return;
            }
        }
        self.open = None;
        self.torn = false;
        self.opened(now);
        if let Some(keep) = self.file.keep {
            names.prune(keep);
        }
    }

    /// Says what is wrong, once until it is right again.
    fn fail(&mut self, what: &str, error: &io::Error, now: u64) {
        if let Some(trouble) = &mut self.trouble {
            trouble.tried = now;
            return;
        }
        let path = self.file.path.display();
        tracing::error!(
            "access log {path} cannot be {what}: {error}; traffic goes on, lines are lost and counted until it can"
        );
        self.trouble = Some(Trouble { lost: 0, tried: now });
    }

    fn recovered(&mut self) {
        if let Some(Trouble { lost, .. }) = self.trouble.take() {
            tracing::info!(
                "access log {} is written again; {lost} lines were lost",
                self.file.path.display()
            );
        }
    }

    fn lose(&mut self, lines: &[u8], now: u64) {
        let lost = lines.iter().filter(|b| **b == b'\n').count() as u64;
        self.dropped.add(lost);
        self.trouble.get_or_insert(Trouble { lost: 0, tried: now }).lost += lost;
    }
}

fn first_line(lines: &[u8]) -> usize {
    lines.iter().position(|b| *b == b'\n').map_or(lines.len(), |at| at + 1)
}

fn open(path: &Path, append: bool, now: u64) -> io::Result<Open> {
    // Always in append mode: whoever empties the file under us (logrotate's copytruncate) finds no hole in it.
    let out = fs::OpenOptions::new().append(true).create(true).open(path)?;
    let meta = out.metadata()?;
    let ordinary = meta.is_file();
    if ordinary && !append {
        out.set_len(0)?;
    }
    let len = if append { meta.len() } else { 0 };
    // A file left from before is put aside when its own time is over, not a day after this start.
    let changed =
        meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|at| at.as_secs());
    let since = changed.filter(|_| len > 0).unwrap_or(now).min(now);
    Ok(Open { out, id: ordinary.then(|| (meta.dev(), meta.ino())), len, since, due: None })
}

/// The names of the files a log was put aside as: `access-20260101.log` beside `access.log`.
struct Names {
    folder: PathBuf,
    stem: String,
    extension: String,
}

impl Names {
    fn of(path: &Path) -> Names {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let (stem, extension) = match name.rfind('.') {
            Some(dot) if dot > 0 => name.split_at(dot),
            _ => (name.as_str(), ""),
        };
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Names { folder: folder.to_owned(), stem: stem.to_owned(), extension: extension.to_owned() }
    }

    /// A name nobody has: a file that was put aside is never overwritten.
    fn free(&self, suffix: &str) -> PathBuf {
        let name = |more: &str| self.folder.join(format!("{}-{suffix}{more}{}", self.stem, self.extension));
        let taken = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        let numbered = (1..).map(|n| name(&format!("-{n:03}")));
        std::iter::once(name("")).chain(numbered).find(|path| !taken(path)).unwrap_or_else(|| name(""))
    }

    /// Removes the oldest files but `keep`. Only names this log gives: digits and hyphens between stem and extension, so
    /// that no other log's file is ever taken for one of ours.
    fn prune(&self, keep: usize) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let middle = |name: &str| {
            let middle = name.strip_prefix(&self.stem)?.strip_suffix(&self.extension)?.strip_prefix('-')?;
            let digits = middle.bytes().take_while(u8::is_ascii_digit).count();
            let ours = digits >= 8 && middle.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            ours.then(|| middle.to_owned())
        };
        let mut aside: Vec<(String, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((middle(entry.file_name().to_str()?)?, entry.path())))
            .collect();
        aside.sort();
        aside.truncate(aside.len().saturating_sub(keep));
        for (_, path) in aside {
            // It stays if it cannot be removed, and is tried again the next time.
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests;
