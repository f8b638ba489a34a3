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

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::hash::Hash;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use kernel::Kernel;

/// How often files are looked at of which all is told: what is mounted over a folder is told to nobody.
pub(crate) const NET: Duration = Duration::from_secs(10);
/// For so long nobody listens after having heard something, so that a flood of changes is not a flood of looks.
pub(crate) const BREATH: Duration = Duration::from_millis(5);

/// More links on a way are a loop, as for the kernel.
const MOST_LINKS: usize = 40;

/// How what is there now came to be there, which says how soon it may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// It took its place as a whole: a rename, a link that was turned, another folder.
    Whole,
    /// Whoever wrote it has closed it.
    Closed,
    /// Somebody is writing.
    Open,
}

impl Word {
    /// How long what is there has to stay as it is, of what is believed after `interval` when nothing was heard. Who has
    /// closed a file may open it again for the next line.
    pub(crate) fn rest(self, interval: Duration) -> Duration {
        match self {
            Word::Whole => Duration::ZERO,
            Word::Closed => interval / 50,
            Word::Open => interval / 5,
        }
    }
}

/// A number by which the kernel names a watch.
type Watch = i32;

/// What stands at a path, links not followed.
enum Entry {
    Folder,
    Link,
    /// Nothing, or what is not to be looked into.
    None,
    /// A file.
    File {
        /// It may be written to under another name, of which its folder hears nothing: it is mounted there by itself, or
        /// has several names.
        elsewhere: bool,
    },
}

/// One thing the kernel has to say.
enum Event {
    /// So much has happened that some of it was not kept.
    Overflow,
    /// The watch is no more: what it was for has gone.
    Gone(Watch),
    /// Something happened to what has this name in the folder; to a file that is watched itself the name is empty.
    Entry(Watch, OsString, What),
}

/// What happened to a name.
#[derive(Clone, Copy)]
enum What {
    /// It means something else now, or nothing.
    Turned(Word),
    /// Its content was changed.
    Written(Word),
    /// Its rights or links have changed.
    Touched,
}

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
            }
        }
        if folder.names.is_empty() {
            self.close(path);
        }
    }

    /// Goes the way of `path`, watching each step before it is taken.
    fn walk(&mut self, walk: &mut Walk, key: &K, from: &Path, path: &Path) -> Option<PathBuf> {
        let mut at = from.to_path_buf();
        let mut rest: VecDeque<OsString> = parts(path).collect();
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == "/" {
                at = PathBuf::from("/");
                continue;
            }
            if part == ".." {
                at.pop();
                continue;
            }
            self.wait_at(walk, key, &at, &part, rest.is_empty());
            let next = at.join(&part);
            match kernel::entry(&next) {
                Ok(Entry::Folder) => at = next,
                Ok(Entry::Link) if links < MOST_LINKS => {
                    links += 1;
                    let to = std::fs::read_link(&next).ok()?;
                    parts(&to).rev().for_each(|part| rest.push_front(part));
                }
                Ok(Entry::File { elsewhere }) => {
                    if elsewhere && rest.is_empty() {
                        self.wait_at(walk, key, &next, OsStr::new(""), true);
                    }
                    return rest.is_empty().then_some(next);
                }
                Ok(Entry::Link | Entry::None) => return None,
                Err(_) => {
                    walk.sound = false;
                    return None;
                }
            }
        }
        Some(at)
    }

    /// Lets `key` wait for what happens to `name` in the folder `path`.
    fn wait_at(&mut self, walk: &mut Walk, key: &K, path: &Path, name: &OsStr, content: bool) {
        match self.watched(path, content) {
            Ok(folder) => {
                walk.sound &= folder.sound;
                let keys = folder.names.entry(name.to_owned()).or_default();
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
                if let Some((path, _)) = self.folders.get_key_value(path) {
                    walk.places.push((Arc::clone(path), name.to_owned()));
                }
            }
            Err(error) => {
                walk.sound = false;
                if kernel::is_exhausted(&error) {
                    unheard("fs.inotify.max_user_watches", &error);
                    *self = Changes::deaf();
                }
            }
        }
    }

    /// The folder, which is watched from now on if it was not.
    fn watched(&mut self, path: &Path, content: bool) -> io::Result<&mut Folder<K>> {
        let known = self.folders.get(path).is_some_and(|folder| folder.content || !content);
        if !known {
            let kernel = self.kernel.as_ref().ok_or(io::ErrorKind::Unsupported)?;
            let watch = kernel.watch(path, content)?;
            match self.folders.get_mut(path) {
                Some(folder) if folder.watch == watch => folder.content = true,
                // Another folder than the one known by this path: the folder above says so, too; that is on its way.
                _ => {
                    let names = self.close(path).map_or_else(HashMap::new, |folder| folder.names);
                    let path: Arc<Path> = Arc::from(path);
                    self.paths.entry(watch).or_default().push(Arc::clone(&path));
                    let sound = kernel::hears_all_of(&path);
                    self.folders.insert(path, Folder { watch, content, sound, names });
                }
            }
        }
        Ok(self.folders.get_mut(path).expect("it was there or has just been put there"))
    }
}

/// What is found on a way.
struct Walk {
    places: Vec<Place>,
    sound: bool,
}

/// The parts of a path; `/` and `..` stand for themselves.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned())
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
