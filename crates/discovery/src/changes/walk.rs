//! The way of a path, step by step: each folder and link on it is watched before it is gone by.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::hash::Hash;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;

use super::{Changes, Entry, Folder, Place, kernel, unheard};

/// More links on a way are a loop, as for the kernel.
const MOST_LINKS: usize = 40;

/// What is found on a way.
pub(super) struct Walk {
    pub(super) places: Vec<Place>,
    pub(super) sound: bool,
}

/// The parts of a path; `/` and `..` stand for themselves.
fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter(|part| *part != Component::CurDir).map(|part| part.as_os_str().to_owned())
}

impl<K: Eq + Hash + Clone> Changes<K> {
    /// Goes the way of `path`, watching each step before it is taken.
    pub(super) fn walk(&mut self, walk: &mut Walk, key: &K, from: &Path, path: &Path) -> Option<PathBuf> {
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
