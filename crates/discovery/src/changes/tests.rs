//! What is heard of real files, and what is asked of the kernel for it.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

fn files(names: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in names {
        fs::write(dir.path().join(name), "").unwrap();
    }
    dir
}

/// How many watches the kernel keeps.
fn watches(changes: &Changes<u8>) -> usize {
    let fd = changes.kernel.as_ref().unwrap().descriptor().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    info.lines().filter(|line| line.starts_with("inotify ")).count()
}

fn heard(changes: &mut Changes<u8>) -> Vec<(u8, Word)> {
    let mut heard: Vec<_> = changes.hear().of.into_iter().collect();
    heard.sort_unstable_by_key(|(key, _)| *key);
    heard
}

#[test]
fn words() {
    let dir = files(&["a", "b", "tmp"]);
    let at = |name: &str| dir.path().join(name);
    let mut changes = Changes::new();
    for (key, name) in [(1, "a"), (2, "b"), (3, "none")] {
        changes.follow(&key, &at(name));
    }
    assert!(changes.is_sound());
    assert_eq!(heard(&mut changes), []);
    fs::write(at("tmp"), "x").unwrap();
    assert_eq!(heard(&mut changes), [], "nobody follows it");
    fs::write(at("a"), "x").unwrap();
    fs::rename(at("tmp"), at("b")).unwrap();
    assert_eq!(heard(&mut changes), [(1, Word::Closed), (2, Word::Whole)]);
    let open = fs::File::create(at("none")).unwrap();
    assert_eq!(heard(&mut changes), [(3, Word::Open)]);
    drop(open);
    assert_eq!(heard(&mut changes), [(3, Word::Closed)]);
    fs::remove_file(at("a")).unwrap();
    assert_eq!(heard(&mut changes), [(1, Word::Closed)]);
}

/// One watch for all files of a folder, and none that nobody needs.
#[test]
fn watches_are_few_and_given_back() {
    let dir = files(&["a", "b", "c"]);
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("other/d"), "").unwrap();
    let mut changes = Changes::new();
    changes.follow(&1, &dir.path().join("a"));
    let one = watches(&changes);
    changes.follow(&2, &dir.path().join("b"));
    changes.follow(&3, &dir.path().join("c"));
    assert_eq!(watches(&changes), one);
    changes.follow(&4, &dir.path().join("other/d"));
    assert_eq!(watches(&changes), one + 1);
    for _ in 0..3 {
        changes.follow(&4, &dir.path().join("other/d"));
    }
    assert_eq!(watches(&changes), one + 1);
    changes.follow(&4, &dir.path().join("a"));
    assert_eq!(watches(&changes), one, "it follows something else");
    (1..=4).for_each(|key| changes.forget(&key));
    assert_eq!((watches(&changes), changes.folders.len(), changes.paths.len()), (0, 0, 0));
}

/// A folder that went and came again is another one, and so is all that was in it.
#[test]
fn another_folder_of_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("x/y/z");
    fs::create_dir_all(&deep).unwrap();
    let mut changes = Changes::new();
    assert_eq!(changes.follow(&1, &deep.join("a")), None, "it is not there");
    let all = watches(&changes);
    fs::rename(dir.path().join("x"), dir.path().join("old")).unwrap();
    assert_eq!(heard(&mut changes), [(1, Word::Closed)]);
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("a"), "").unwrap();
    fs::write(dir.path().join("old/y/z/a"), "").unwrap();
    assert_eq!(heard(&mut changes), [(1, Word::Open)], "it has to be followed anew");
    let end = deep.join("a").canonicalize().unwrap();
    assert_eq!(changes.follow(&1, &deep.join("a")), Some(end));
    assert_eq!((heard(&mut changes), watches(&changes)), (vec![], all));
    fs::write(dir.path().join("old/y/z/a"), "x").unwrap();
    assert_eq!(heard(&mut changes), [], "that is no longer its folder");
    fs::write(deep.join("a"), "x").unwrap();
    assert_eq!(heard(&mut changes), [(1, Word::Closed)]);
}

/// Ways with links that lead up, in circles, and to nothing.
#[test]
fn ways() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("x/y")).unwrap();
    fs::write(at("file"), "").unwrap();
    for (to, link) in
        [("..", "x/y/up"), ("circle", "circle"), ("nothing", "dead"), ("../x/./y/up/../file", "x/long")]
    {
        symlink(to, at(link)).unwrap();
    }
    let mut changes = Changes::new();
    let real = dir.path().canonicalize().unwrap();
    let mut check = |path: &str, expected: Option<&str>| {
        let end = changes.follow(&1, &at(path));
        assert_eq!(end, expected.map(|end| real.join(end)), "{path}");
        assert!(changes.is_sound(), "{path}");
    };
    check("x/y/up", Some("x"));
    check("x/y/up/y/up/y", Some("x/y"));
    check("x/long", Some("file"));
    check("x/../file", Some("file"));
    check("file/more", None);
    check("circle", None);
    check("circle/more", None);
    check("dead", None);
    check("none/more", None);
}

/// More happens than the kernel keeps: everybody is to look.
#[test]
fn too_much_to_keep() {
    let dir = files(&["a", "b"]);
    let mut changes = Changes::new();
    changes.follow(&1, &dir.path().join("a"));
    let most: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let open = |name: &str| fs::OpenOptions::new().write(true).open(dir.path().join(name)).unwrap();
    // Two files by turns, because the kernel keeps one of several words that are the same.
    for _ in 0..=most / 2 {
        drop((open("a"), open("b")));
    }
    let heard = changes.hear();
    assert!(heard.lost && heard.of.contains_key(&1));
    assert!(!changes.hear().lost);
}

/// Of what another program or machine keeps, the kernel does not hear all; nor of anything where it does not listen.
#[test]
fn what_is_not_sound() {
    let dir = files(&["a"]);
    let mut changes = Changes::new();
    changes.follow(&1, &dir.path().join("a"));
    changes.follow(&2, Path::new("/proc/self/status"));
    assert!(changes.listens() && !changes.is_sound());
    assert_eq!(changes.doubts().of.keys().collect::<Vec<_>>(), [&2]);
    changes.follow(&2, &dir.path().join("b"));
    assert!(changes.is_sound());
    assert!(changes.doubts().of.is_empty());
    let mut deaf = Changes::deaf();
    deaf.follow(&1, &dir.path().join("a"));
    assert!(!deaf.listens() && !deaf.is_sound());
}

/// What is found to be another folder when somebody asks, although nothing was told.
#[test]
fn folders_are_asked_for_now_and_then() {
    let dir = files(&["a"]);
    let mut changes = Changes::new();
    changes.follow(&1, &dir.path().join("a"));
    let before = watches(&changes);
    assert!(changes.doubts().of.is_empty());
    // As after a mount: the path is that of another folder than the one that was watched.
    let real: Arc<Path> = Arc::from(dir.path().canonicalize().unwrap());
    fs::create_dir(real.join("other")).unwrap();
    let other = changes.kernel.as_ref().unwrap().watch(&real.join("other"), true).unwrap();
    let folder = changes.folders.get_mut(&real).unwrap();
    let old = std::mem::replace(&mut folder.watch, other);
    let paths = changes.paths.remove(&old).unwrap();
    changes.paths.insert(other, paths);
    changes.kernel.as_ref().unwrap().unwatch(old);
    assert_eq!(changes.doubts().of.into_iter().collect::<Vec<_>>(), [(1, Word::Whole)]);
    changes.follow(&1, &dir.path().join("a"));
    assert_eq!(watches(&changes), before);
    changes.hear();
    fs::write(dir.path().join("a"), "x").unwrap();
    assert_eq!(heard(&mut changes), [(1, Word::Closed)]);
}
