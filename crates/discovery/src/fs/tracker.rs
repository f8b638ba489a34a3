//! All names of one namer: which of them are looked at when, and which are forgotten.
//!
//! Everything here blocks and is called from the blocking pool; time is handed in.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use names::Path;
use naming::{State, slim};
use tokio::time::Instant;

use super::tracked::{Clock, Tracked};
use super::{Kind, Shared};
use crate::changes::{Changes, Word};

/// So many names that were never asked for before are nothing unusual.
const MADE_UP: usize = 200;

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
    /// When what nobody uses was forgotten, and how many names stayed.
    tidied: Option<(Instant, usize)>,
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
            tidied: None,
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
        if is_due(self.tidy(), now) {
            self.forget_idle();
            self.tidied = Some((now, self.tracked.len()));
        }
        if self.tracked.is_empty() {
            self.rest();
            return None;
        }
        let heard = self.hear(now);
        let clock = Clock { now, interval: self.shared.times.interval };
        if !self.root_is_there() {
            self.fail_unanswered();
            self.swept = None;
            return Some(clock.interval);
        }
        if is_due(self.sweep(), now) || heard.is_none() {
            self.look_at_all(&clock);
        } else {
            names.extend(heard.into_iter().flatten());
            names.extend(self.again.iter().filter(|(_, due)| **due <= now).map(|(name, _)| name.clone()));
            names.iter().for_each(|name| self.look_at(name, &clock));
        }
        let due = self.again.values().copied().chain(self.sweep()).chain(self.tidy()).min();
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

    fn look_at_all(&mut self, clock: &Clock) {
        let names: Vec<Path> = self.tracked.keys().cloned().collect();
        names.iter().for_each(|name| self.look_at(name, clock));
        // Many names on a slow file system must not keep a core busy.
        let cost = Instant::now().saturating_duration_since(clock.now);
        self.swept = Some((clock.now, (cost * 20).min(clock.interval * 2)));
    }

    /// When all names are to be looked at, whatever is heard.
    fn sweep(&self) -> Option<Instant> {
        let times = &self.shared.times;
        let period = if self.changes.is_sound() { times.net } else { times.interval };
        self.swept.map(|(at, least)| at + period.max(least))
    }

    /// When what nobody uses is to be forgotten: soon where callers make names up, for each costs memory; otherwise seldom,
    /// for each name has to be asked.
    fn tidy(&self) -> Option<Instant> {
        let interval = self.shared.times.interval;
        let grows = |stayed: usize| self.tracked.len() > 2 * stayed + MADE_UP;
        self.tidied.map(|(at, stayed)| at + if grows(stayed) { interval } else { interval * 8 })
    }

    fn look_at(&mut self, name: &Path, clock: &Clock) {
        let Some(tracked) = self.tracked.get_mut(name) else { return };
        if tracked.heard
            && let Some(root) = &self.root
        {
            self.changes.follow_from(name, root, &relative(name));
        }
        match tracked.look(clock) {
            Some(wait) => self.again.insert(name.clone(), clock.now + wait),
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
        slim(tracked);
        slim(again);
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

/// The way from the directory to what has a name in it.
pub(super) fn relative(name: &Path) -> PathBuf {
    name.elems().map(OsStr::from_bytes).collect()
}

fn is_due(due: Option<Instant>, now: Instant) -> bool {
    due.is_none_or(|due| due <= now)
}

#[cfg(test)]
mod tests;
