//! Which of the files that somebody follows may have changed, as the kernel says it: nothing is looked at that has not
//! changed, and what has changed is looked at after milliseconds.
//!
//! What a path means depends on every folder and link on the way to it. Each folder in which a part of the way is looked up
//! is watched for that part, and the last one for what is written to the file as well; a thousand files of one folder need
//! one watch. So folders that come later, renames, links that are turned (ConfigMaps) and files that are deleted and made
//! again all come as a word of the same kind. Whoever hears it looks at the file and follows it again.
//!
//! The kernel hears only of what goes through it. Of what is not *sound* it may not hear all: a folder on a file system that
//! is kept elsewhere (NFS, FUSE), one that may not be read, everything once the kernel has no watch left to give. Such files
//! have to be looked at, and sound ones now and then, too, because what is mounted over a folder is told to nobody.

#[cfg(not(target_os = "linux"))]
#[path = "changes/elsewhere.rs"]
mod kernel;
#[cfg(target_os = "linux")]
mod kernel;
mod walk;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only a kernel that tells says all of it"))]
mod word;

use std::ffi::{OsStr, OsString};
use std::hash::Hash;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use naming::slim;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use kernel::Kernel;
use walk::Walk;
pub(crate) use word::Word;
use word::{Entry, Event, Watch, What};

/// How often files are looked at of which all is told: what is mounted over a folder is told to nobody.
pub(crate) const NET: Duration = Duration::from_secs(10);
/// For so long nobody listens after having heard something, so that a flood of changes is not a flood of looks.
pub(crate) const BREATH: Duration = Duration::from_millis(5);

/// A folder that is watched (or a file, then the one name is empty), and who waits for which of its names.
struct Folder<K> {
    watch: Watch,
    content: bool,
    sound: bool,
    names: HashMap<OsString, Vec<K>>,
}

/// Where somebody waits: a folder, and a name in it.
type Place = (Arc<Path>, OsString);

/// What was heard since it was last asked for.
pub(crate) struct Heard<K> {
    /// Who is to look again.
    pub(crate) of: HashMap<K, Word>,
    /// Some of it was lost: everybody is to look.
    pub(crate) lost: bool,
}

impl<K: Eq + Hash + Clone> Heard<K> {
    fn all(&mut self, keys: &[K], word: Word) {
        self.of.extend(keys.iter().map(|key| (key.clone(), word)));
    }
}

/// Files followed, each under a key. All of it may block, as the file system does.
pub(crate) struct Changes<K> {
    kernel: Option<Kernel>,
    folders: HashMap<Arc<Path>, Folder<K>>,
    /// Folders by watch: several when they are the same by another way (mounts).
    paths: HashMap<Watch, Vec<Arc<Path>>>,
    followed: HashMap<K, Vec<Place>>,
    unsound: HashSet<K>,
}

impl<K: Eq + Hash + Clone> Changes<K> {
    /// Asks the kernel for its word. Where it has none to give, that is said in the log and nothing is sound.
    pub(crate) fn new() -> Changes<K> {
        let kernel = Kernel::open().map_err(|error| unheard("fs.inotify.max_user_instances", &error)).ok();
        Changes { kernel, ..Changes::deaf() }
    }

    /// Hears nothing.
    pub(crate) fn deaf() -> Changes<K> {
        Changes {
            kernel: None,
            folders: HashMap::new(),
            paths: HashMap::new(),
            followed: HashMap::new(),
            unsound: HashSet::new(),
        }
    }

    /// Waits for the kernel's word. For a task of a runtime.
    pub(crate) fn ear(&self) -> Ear {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that may change; this one cannot"
        )]
        let open = |kernel: &Kernel| AsyncFd::with_interest(kernel.descriptor(), Interest::READABLE).ok();
        Ear(self.kernel.as_ref().and_then(open))
    }

    /// Whether anything is heard at all.
    pub(crate) fn listens(&self) -> bool {
        self.kernel.is_some()
    }

    /// Whether it is known that not all that happens to what `key` follows is heard.
    pub(crate) fn is_in_doubt(&self, key: &K) -> bool {
        self.unsound.contains(key)
    }

    /// Whether all that happens to what is followed is heard.
    pub(crate) fn is_sound(&self) -> bool {
        self.kernel.is_some() && self.unsound.is_empty()
    }

    /// Follows `path` instead of what `key` followed before. To be called before the file is looked at, so that nothing can
    /// happen unheard in between. What is returned is where the way ends, without links, when all of it is there.
    pub(crate) fn follow(&mut self, key: &K, path: &Path) -> Option<PathBuf> {
        // Fails when there is no current folder any more; then the path leads nowhere.
        let path = std::path::absolute(path).ok()?;
        self.follow_from(key, Path::new("/"), &path)
    }

    /// The same from the folder `from` on, the way to which is followed already and has no links.
    pub(crate) fn follow_from(&mut self, key: &K, from: &Path, path: &Path) -> Option<PathBuf> {
        let before = self.followed.remove(key).unwrap_or_default();
        self.unsound.remove(key);
        self.kernel.as_ref()?;
        let mut walk = Walk { places: Vec::with_capacity(before.len()), sound: true };
        let end = self.walk(&mut walk, key, from, path);
        // It may just have said that it can do no more.
        self.kernel.as_ref()?;
        if !walk.sound {
            self.unsound.insert(key.clone());
        }
        for place in before.iter().filter(|place| !walk.places.contains(place)) {
            self.leave(key, place);
        }
        self.followed.insert(key.clone(), walk.places);
        end
    }

    /// Follows it no more.
    pub(crate) fn forget(&mut self, key: &K) {
        self.unsound.remove(key);
        for place in self.followed.remove(key).unwrap_or_default() {
            self.leave(key, &place);
        }
        slim(&mut self.followed);
    }

    /// Who is to look again. Of several words the last one counts.
    pub(crate) fn hear(&mut self) -> Heard<K> {
        let mut heard = Heard { of: HashMap::new(), lost: false };
        let mut events = Vec::new();
        if let Some(kernel) = &self.kernel {
            kernel.events(|event| events.push(event));
        }
        for event in events {
            match event {
                Event::Overflow => heard.lost = true,
                Event::Gone(watch) => {
                    for path in self.paths.get(&watch).cloned().unwrap_or_default() {
                        self.abandon(&path, &mut heard);
                    }
                }
                Event::Entry(watch, name, what) => {
                    for path in self.paths.get(&watch).cloned().unwrap_or_default() {
                        self.entry(&path, &name, what, &mut heard);
                    }
                }
            }
        }
        heard
    }

    /// What nobody is told of: folders that are others than when they were found (something was mounted), and whatever is
    /// not sound. To be asked now and then.
    pub(crate) fn doubts(&mut self) -> Heard<K> {
        let mut heard = Heard { of: HashMap::new(), lost: false };
        if let Some(kernel) = &self.kernel {
            let is_other = |path: &Path, folder: &Folder<K>| match kernel.watch(path, folder.content) {
                Ok(watch) if watch == folder.watch => false,
                Ok(watch) => {
                    if !self.paths.contains_key(&watch) {
                        kernel.unwatch(watch);
                    }
                    true
                }
                Err(_) => true,
            };
            let others: Vec<Arc<Path>> = self
                .folders
                .iter()
                .filter(|(path, folder)| is_other(path, folder))
                .map(|(path, _)| Arc::clone(path))
                .collect();
            for path in others {
                self.abandon(&path, &mut heard);
            }
            heard.of.extend(self.unsound.iter().map(|key| (key.clone(), Word::Whole)));
        }
        heard
    }

    fn entry(&mut self, folder: &Arc<Path>, name: &OsStr, what: What, heard: &mut Heard<K>) {
        let Some(keys) = self.folders.get(folder).and_then(|folder| folder.names.get(name)) else { return };
        let keys = keys.clone();
        match what {
            What::Turned(word) => {
                self.abandon(&folder.join(name), heard);
                heard.all(&keys, word);
            }
            What::Written(word) => heard.all(&keys, word),
            What::Touched => {
                for key in keys {
                    heard.of.entry(key).or_insert(Word::Closed);
                }
            }
        }
    }

    /// What was found at `path` and below is no longer what it was.
    fn abandon(&mut self, path: &Path, heard: &mut Heard<K>) {
        if !self.folders.contains_key(path) {
            return;
        }
        let below: Vec<Arc<Path>> = self.folders.keys().filter(|p| p.starts_with(path)).cloned().collect();
        for path in below {
            if let Some(folder) = self.close(&path) {
                folder.names.values().for_each(|keys| heard.all(keys, Word::Whole));
            }
        }
    }

    fn close(&mut self, path: &Path) -> Option<Folder<K>> {
        let folder = self.folders.remove(path)?;
        let paths = self.paths.get_mut(&folder.watch)?;
        paths.retain(|p| **p != *path);
        if paths.is_empty() {
            self.paths.remove(&folder.watch);
            self.kernel.iter().for_each(|kernel| kernel.unwatch(folder.watch));
        }
        Some(folder)
    }

    fn leave(&mut self, key: &K, (path, name): &Place) {
        let Some(folder) = self.folders.get_mut(path) else { return };
        if let Some(keys) = folder.names.get_mut(name) {
            keys.retain(|k| k != key);
            if keys.is_empty() {
                folder.names.remove(name);
                slim(&mut folder.names);
            }
        }
        if folder.names.is_empty() {
            self.close(path);
        }
    }
}

/// Said once by each who follows files: from then on he does without.
fn unheard(limit: &str, error: &io::Error) {
    if error.kind() != io::ErrorKind::Unsupported {
        tracing::warn!(
            "the kernel does not tell of changes of files: {error}, so its limit {limit} is reached; \
             from now on they are looked at four times a second"
        );
    }
}

/// Waits for the kernel's word.
pub(crate) struct Ear(Option<AsyncFd<Arc<OwnedFd>>>);

impl Ear {
    /// Hears nothing, and holds nothing open.
    pub(crate) fn none() -> Ear {
        Ear(None)
    }

    /// Returns when there may be something to hear; never where nothing is told.
    pub(crate) async fn word(&mut self) {
        match &self.0 {
            Some(fd) => match fd.readable().await {
                // Cleared before it is heard, so that what is said meanwhile counts as new.
                Ok(mut ready) => ready.clear_ready(),
                // The runtime is going down.
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
