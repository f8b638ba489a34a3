//! One file that is followed: looked at when the kernel says that it may have changed, and now and then.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::changes::{BREATH, Changes, Ear, Heard, NET, Word};

/// The file.
pub struct FileWatch {
    file: Arc<Path>,
    interval: Duration,
    net: Duration,
    /// Away while it is used on another thread.
    changes: Option<Changes<()>>,
    ear: Ear,
    sound: bool,
    word: Option<Word>,
    seen: Option<Instant>,
    doubts: Instant,
}

impl FileWatch {
    /// Follows `file`; where the kernel does not tell of all that happens to it, by looking at it every `interval`. For a
    /// task of a runtime.
    #[must_use]
    pub fn new(file: PathBuf, interval: Duration) -> FileWatch {
        FileWatch::with(file, interval, NET, Changes::new())
    }

    pub(crate) fn with(file: PathBuf, interval: Duration, net: Duration, changes: Changes<()>) -> FileWatch {
        FileWatch {
            file: Arc::from(file),
            interval,
            net,
            ear: changes.ear(),
            changes: Some(changes),
            sound: false,
            word: None,
            seen: None,
            doubts: Instant::now(),
        }
    }

    /// How what was last seen came to be there, where the kernel has told of it since the word was taken.
    pub(crate) fn word(&self) -> Option<Word> {
        self.word
    }

    /// The next look: the first one at once, then when there is word of a change, after `within` at the latest. `None`: the
    /// runtime is going down.
    pub async fn look<T: Send + 'static>(
        &mut self,
        within: Option<Duration>,
        read: impl Fn(&Path) -> T + Clone + Send + 'static,
    ) -> Option<T> {
        let period = if self.sound { self.net } else { self.interval };
        let due = self.seen.map(|seen| seen + within.map_or(period, |within| within.min(period)));
        loop {
            let asked = match due {
                None => true,
                Some(due) => timeout_at(due, self.heard()).await.is_err(),
            };
            if let Some(seen) = self.look_once(asked, read.clone()).await? {
                return Some(seen);
            }
        }
    }

    /// There is something to hear; not more often than is good for anybody.
    async fn heard(&mut self) {
        match self.seen {
            Some(seen) => sleep_until(seen + BREATH).await,
            None => pending().await,
        }
        self.ear.word().await;
    }

    /// Reads the file, unless what was heard is of others and nobody has `asked`.
    async fn look_once<T: Send + 'static>(
        &mut self,
        asked: bool,
        read: impl FnOnce(&Path) -> T + Send + 'static,
    ) -> Option<Option<T>> {
        let now = Instant::now();
        let (first, doubts) = (self.seen.is_none(), self.doubts <= now);
        let file = Arc::clone(&self.file);
        let mut changes = self.changes.take()?;
        let looked = tokio::task::spawn_blocking(move || {
            let mut word = last_word(&changes.hear());
            if doubts {
                word = word.or_else(|| last_word(&changes.doubts()));
            }
            if first || word.is_some() {
                changes.follow(&(), &file);
            }
            let seen = (asked || word.is_some()).then(|| read(&file));
            (changes, word, seen)
        });
        let (changes, word, seen) = looked.await.ok()?;
        if !changes.listens() {
            self.ear = Ear::none();
        }
        self.sound = changes.is_sound();
        self.changes = Some(changes);
        self.word = word.or(self.word);
        self.seen = Some(Instant::now());
        if doubts {
            self.doubts = now + self.net;
        }
        Some(seen)
    }
}

fn last_word(heard: &Heard<()>) -> Option<Word> {
    heard.of.get(&()).copied().or(heard.lost.then_some(Word::Open))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn next(watch: &mut FileWatch, within: Option<Duration>) -> Option<String> {
        let look = watch.look(within, |path| fs::read_to_string(path).ok());
        tokio::time::timeout(Duration::from_secs(10), look).await.expect("word of it").expect("a runtime")
    }

    /// Looks until the file says `expected`; how often is the kernel's affair.
    async fn until(watch: &mut FileWatch, expected: Option<&str>) {
        while next(watch, None).await.as_deref() != expected {}
    }

    #[tokio::test]
    async fn a_file_is_looked_at_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut watch = FileWatch::with(file.clone(), HOUR, HOUR, Changes::new());
        assert_eq!(next(&mut watch, None).await, None, "the first look is at once");
        fs::write(&file, "a").unwrap();
        until(&mut watch, Some("a")).await;
        fs::write(dir.path().join("other"), "b").unwrap();
        fs::rename(dir.path().join("other"), &file).unwrap();
        until(&mut watch, Some("b")).await;
        assert_eq!(watch.word(), Some(Word::Whole));
        fs::remove_file(&file).unwrap();
        until(&mut watch, None).await;
    }

    #[tokio::test]
    async fn what_happens_to_others_is_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "a").unwrap();
        let mut watch = FileWatch::with(file.clone(), HOUR, HOUR, Changes::new());
        until(&mut watch, Some("a")).await;
        fs::write(dir.path().join("other"), "b").unwrap();
        let look = watch.look(None, |path| fs::read_to_string(path).ok());
        tokio::time::timeout(BREATH * 10, look).await.expect_err("nothing has happened to it");
    }

    #[tokio::test]
    async fn without_word_it_is_looked_at_every_interval() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut watch = FileWatch::with(file.clone(), Duration::from_millis(5), HOUR, Changes::deaf());
        assert_eq!(next(&mut watch, None).await, None);
        assert_eq!(next(&mut watch, None).await, None);
        fs::write(&file, "a").unwrap();
        until(&mut watch, Some("a")).await;
        assert_eq!(next(&mut watch, Some(Duration::from_millis(1))).await.as_deref(), Some("a"));
    }
}
