//! One look at a time, with the clock in the test's hand: what is believed, and when.

use std::path::PathBuf;

use naming::{Live, Publisher};
use tempfile::TempDir;

use super::super::tracked::{SETTLE, Stamp};
use super::*;

const INTERVAL: Duration = Duration::from_millis(100);
const CONFIRM: Duration = Duration::from_millis(20);
const LINGER: Duration = Duration::from_secs(30);

fn times(linger: Duration) -> crate::fs::Times {
    crate::fs::Times { interval: INTERVAL, net: Duration::from_secs(3600), linger }
}

struct Fixture {
    dir: TempDir,
    tracker: Tracker,
    now: Instant,
    kind: Live<Kind>,
    lines: Live<super::super::Lines>,
}

/// A namer's table with the one name `web`, observed.
fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let shared = Arc::new(Shared::new(dir.path().join("root"), times(LINGER)));
    fs::create_dir(&shared.root).unwrap();
    let name = Path::parse(b"/web").unwrap();
    let kind = shared.open(&name, |item| &item.kind);
    let lines = shared.open(&name, |item| &item.lines);
    Fixture { dir, tracker: Tracker::new(shared, Changes::deaf()), now: Instant::now(), kind, lines }
}

impl Fixture {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("root").join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.file("web"), text).unwrap();
    }

    /// Replaces the file as careful programs do.
    fn rename(&self, text: &str) {
        fs::write(self.file("web.tmp"), text).unwrap();
        fs::rename(self.file("web.tmp"), self.file("web")).unwrap();
    }

    /// Looks once after `wait`.
    fn look(&mut self, wait: Duration) -> String {
        self.now += wait;
        // How long the last look took on this machine is not to matter.
        self.tracker.swept = None;
        self.tracker.poll(self.now);
        self.show()
    }

    fn show(&self) -> String {
        let lines = match self.lines.get() {
            State::Pending => "-".to_owned(),
            State::Failed(text) => text.to_string(),
            State::Ok(None) => "none".into(),
            State::Ok(Some(lines)) => lines.iter().map(|l| l.port.to_string()).collect::<Vec<_>>().join(" "),
        };
        match self.kind.get() {
            State::Ok(kind) => format!("{kind:?}:{lines}"),
            State::Pending => "-".into(),
            State::Failed(text) => text.to_string(),
        }
    }

    /// Past the time in which the content is compared although the stamp is the same.
    fn settle(&mut self) -> String {
        self.look(SETTLE);
        self.look(SETTLE)
    }
}

#[test]
fn a_good_file_counts_at_once() {
    let mut f = fixture();
    f.write("h 1\n");
    assert_eq!(f.look(Duration::ZERO), "File:1");
    assert_eq!(f.settle(), "File:1");
}

#[test]
fn a_file_replaced_by_a_rename_counts_at_once() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    f.rename("h 2\n");
    assert_eq!(f.look(INTERVAL), "File:2");
    f.settle();
    f.rename("h 3\n");
    assert_eq!(f.look(INTERVAL), "File:3");
}

#[test]
fn a_swapped_symlink_counts_at_once() {
    let mut f = fixture();
    for (name, text) in [("v1", "h 1"), ("v2", "h 2")] {
        fs::create_dir(f.file(name)).unwrap();
        fs::write(f.file(name).join("web"), text).unwrap();
    }
    let point_to = |f: &Fixture, name: &str| {
        std::os::unix::fs::symlink(name, f.file("data.tmp")).unwrap();
        fs::rename(f.file("data.tmp"), f.file("data")).unwrap();
    };
    point_to(&f, "v1");
    std::os::unix::fs::symlink("data/web", f.file("web")).unwrap();
    assert_eq!(f.look(Duration::ZERO), "File:1");
    f.settle();
    point_to(&f, "v2");
    assert_eq!(f.look(INTERVAL), "File:2");
}

#[test]
fn a_file_written_in_place_counts_when_it_has_come_to_rest() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    f.settle();
    f.write("h 2\nh 80");
    assert_eq!(f.look(INTERVAL), "File:1");
    f.write("h 2\nh 8080\n");
    assert_eq!(f.look(CONFIRM), "File:1", "the number was cut off");
    assert_eq!(f.look(CONFIRM), "File:2 8080");
}

/// Half a line, or nothing yet, must not take a good set away.
#[test]
fn a_half_written_file_takes_nothing_away() {
    for half in ["h 2\nh", "", "# nobody\n"] {
        let mut f = fixture();
        f.write("h 1\n");
        f.look(Duration::ZERO);
        f.settle();
        f.write(half);
        assert_eq!(f.look(INTERVAL), "File:1", "{half:?}");
        assert_eq!(f.look(CONFIRM), "File:1", "{half:?}");
        f.write("h 2\nh 3\n");
        f.look(CONFIRM);
        assert_eq!(f.look(CONFIRM), "File:2 3", "{half:?}");
    }
}

#[test]
fn what_stays_bad_or_empty_is_said() {
    for (text, expected) in [("junk", "File:malformed address: junk"), ("", "File:")] {
        let mut f = fixture();
        f.write("h 1\n");
        f.look(Duration::ZERO);
        f.settle();
        f.write(text);
        assert_eq!(f.look(INTERVAL), "File:1");
        assert_eq!(f.look(INTERVAL), expected);
        f.write("h 2\n");
        f.look(INTERVAL);
        assert_eq!(f.look(CONFIRM), "File:2");
    }
}

#[test]
fn a_first_bad_or_empty_file_waits_a_moment() {
    for (text, expected) in [("junk", "File:malformed address: junk"), ("", "File:")] {
        let mut f = fixture();
        f.write(text);
        assert_eq!(f.look(Duration::ZERO), "File:-");
        assert_eq!(f.look(CONFIRM), expected);
    }
}

/// A file that changes at every look cannot hide for ever.
#[test]
fn a_restless_file_is_taken_as_it_is() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    let seen: Vec<String> = (0..60)
        .map(|i| {
            f.write(&format!("h {}\n", 100 + i));
            f.look(CONFIRM / 2)
        })
        .collect();
    assert!(seen.iter().any(|shown| shown != "File:1"), "{seen:?}");
}

/// The second of two writes within one tick of the file system's clock leaves the stamp as it is.
#[test]
fn a_change_within_the_same_tick_is_seen() {
    let mut f = fixture();
    f.write("h 1\n");
    assert_eq!(f.look(Duration::ZERO), "File:1");
    f.write("h 2\n");
    // Kernels with finer clocks give another stamp; this is what the others do.
    let stamp = Stamp::of(&fs::metadata(f.file("web")).unwrap());
    f.tracker.tracked.values_mut().for_each(|tracked| tracked.stamp = Some(stamp));
    assert_eq!(f.look(INTERVAL), "File:1");
    assert_eq!(f.look(CONFIRM), "File:2");
}

/// Once a file has been left alone for long enough its stamp is believed, and it is read no more.
#[test]
fn a_file_at_rest_is_not_read() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    f.settle();
    f.write("h 2\n");
    let stamp = Stamp::of(&fs::metadata(f.file("web")).unwrap());
    f.tracker.tracked.values_mut().for_each(|tracked| tracked.stamp = Some(stamp));
    f.look(INTERVAL);
    assert_eq!(f.look(INTERVAL), "File:1");
}

#[test]
fn a_name_that_is_gone_for_a_moment_is_not_gone() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    fs::remove_file(f.file("web")).unwrap();
    assert_eq!(f.look(INTERVAL), "File:1");
    f.write("h 2\n");
    f.look(CONFIRM);
    assert_eq!(f.look(CONFIRM), "File:2");
    fs::remove_file(f.file("web")).unwrap();
    f.look(INTERVAL);
    assert_eq!(f.look(CONFIRM), "Absent:2", "whoever routes by existence hears of it first");
    assert_eq!(f.look(INTERVAL), "Absent:none");
    f.write("h 3\n");
    assert_eq!(f.look(INTERVAL), "File:3");
}

#[test]
fn without_the_directory_everything_stays() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    let root = f.dir.path().join("root");
    fs::rename(&root, f.dir.path().join("away")).unwrap();
    for _ in 0..5 {
        assert_eq!(f.look(INTERVAL), "File:1");
    }
    fs::create_dir(&root).unwrap();
    f.look(INTERVAL);
    assert_eq!(f.look(CONFIRM), "Absent:1", "an empty directory is an answer");
}

#[test]
fn a_directory_that_never_was_is_a_failure() {
    let mut f = fixture();
    fs::remove_dir(f.dir.path().join("root")).unwrap();
    assert!(f.look(Duration::ZERO).ends_with("root is not a directory"));
    fs::create_dir(f.dir.path().join("root")).unwrap();
    f.write("h 1\n");
    assert_eq!(f.look(INTERVAL), "File:1");
}

#[test]
fn kinds() {
    let mut f = fixture();
    assert_eq!(f.look(Duration::ZERO), "Absent:none");
    fs::create_dir(f.file("web")).unwrap();
    assert_eq!(f.look(INTERVAL), "Directory:none");
    fs::remove_dir(f.file("web")).unwrap();
    std::os::unix::fs::symlink("web", f.file("web")).unwrap();
    f.look(INTERVAL);
    assert_eq!(f.look(INTERVAL), "Absent:none", "a link to itself");
    fs::remove_file(f.file("web")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(f.file("web")).unwrap();
    assert_eq!(f.look(INTERVAL), "Absent:none", "a socket");
    drop(socket);
}

#[test]
fn large_files_are_refused() {
    let mut f = fixture();
    let line = "127.0.0.1 1 # padding to make the line longer\n";
    f.write(&line.repeat(512_000 / line.len()));
    assert!(f.look(Duration::ZERO).starts_with("File:1 1"));
    f.settle();
    f.rename(&" ".repeat(512_001));
    f.look(INTERVAL);
    let path = f.file("web");
    assert_eq!(f.look(INTERVAL), format!("File:file {} is 512001.bytes", path.display()));
}

#[test]
fn names_nobody_uses_are_forgotten() {
    let mut f = fixture();
    f.write("h 1\n");
    f.look(Duration::ZERO);
    assert_eq!(f.tracker.shared.items.lock().len(), 1);
    // The linger is measured by the clock of the values, so a table with none is used here.
    let shared = Arc::new(Shared::new(f.dir.path().join("root"), times(Duration::ZERO)));
    let mut tracker = Tracker::new(Arc::clone(&shared), Changes::deaf());
    let name = Path::parse(b"/web").unwrap();
    let kind = shared.open(&name, |item| &item.kind);
    let lines = shared.open(&name, |item| &item.lines);
    let mut poll = || {
        f.now += INTERVAL * 8;
        tracker.poll(f.now)
    };
    assert!(poll().is_some());
    assert!(lines.get().ok().is_some());
    drop(lines);
    assert!(poll().is_some(), "its existence is still asked for");
    assert!(shared.open(&name, |item| &item.lines).get().is_pending(), "old content is not given out");
    drop(kind);
    assert_eq!(poll(), None);
    assert_eq!((shared.items.lock().len(), tracker.tracked.len()), (0, 0));
    // A publisher that is asked for again begins anew.
    let again: Publisher<Kind> = Publisher::default();
    assert!(again.get().is_pending());
}

#[test]
fn names_that_callers_make_up_are_forgotten_soon() {
    let Fixture { dir: _dir, mut tracker, mut now, kind: _kind, lines: _lines } = fixture();
    tracker.poll(now);
    let mut forgotten_after = |names: usize, wait: Duration| {
        for n in 0..names {
            let name = Path::parse(format!("/made-up-{n}").as_bytes()).unwrap();
            tracker.shared.open(&name, |item| &item.kind);
        }
        tracker.poll(now);
        assert_eq!(tracker.tracked.len(), 1 + names);
        now += wait;
        tracker.poll(now);
        tracker.tracked.len() == 1
    };
    assert!(forgotten_after(MADE_UP + 10, INTERVAL));
    assert!(!forgotten_after(MADE_UP, INTERVAL), "of so few not each has to be asked that often");
    assert!(forgotten_after(MADE_UP, INTERVAL * 7));
}
