//! Files that roll, move, fill disks and come back. Time is a number here.

use super::*;
use tempfile::TempDir;

const NOON: u64 = 1_767_268_800; // 2026-01-01T12:00:00Z, a Thursday
const DAY: u64 = 24 * 3600;

struct Bench {
    folder: TempDir,
    log: LogFile,
    dropped: Counter,
}

impl Bench {
    fn new(policy: RollPolicy) -> Bench {
        Bench::with(policy, None, true, |_| {})
    }

    /// A log `access.log` in a folder that `before` may have prepared.
    fn with(policy: RollPolicy, keep: Option<usize>, append: bool, before: impl Fn(&Path)) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        before(folder.path());
        let file = File { path: folder.path().join("access.log"), policy, append, keep };
        let dropped = Counter::default();
        let log = LogFile::new(file, Zone::named("UTC0"), dropped.clone());
        Bench { folder, log, dropped }
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_else(|e| format!("{e}"))
    }

    /// All files with what they hold.
    fn files(&self) -> Vec<(String, String)> {
        let name = |e: fs::DirEntry| e.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> =
            fs::read_dir(self.folder.path()).unwrap().map(|e| name(e.unwrap())).collect();
        names.sort();
        names.into_iter().map(|n| (n.clone(), self.text(&n))).collect()
    }

    fn check(&self, want: &[(&str, &str)]) {
        let want: Vec<_> = want.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        assert_eq!(self.files(), want);
    }

    /// Makes the file look as if it had last been written at `second`.
    fn date(&self, name: &str, second: u64) {
        let file = fs::File::options().append(true).open(self.folder.path().join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(second)).unwrap();
    }
}

#[test]
fn without_a_policy_there_is_one_file() {
    let mut bench = Bench::new(RollPolicy::Never);
    for day in 0..3 {
        bench.log.look(NOON + day * DAY);
        bench.log.write(b"line\n", NOON + day * DAY);
    }
    bench.check(&[("access.log", "line\nline\nline\n")]);
}

#[test]
fn what_is_there_is_kept_or_not() {
    let old = |folder: &Path| fs::write(folder.join("access.log"), "old\n").unwrap();
    let mut kept = Bench::with(RollPolicy::Never, None, true, old);
    kept.log.write(b"new\n", NOON);
    kept.check(&[("access.log", "old\nnew\n")]);
    let mut emptied = Bench::with(RollPolicy::Never, None, false, old);
    emptied.log.write(b"new\n", NOON);
    fs::remove_file(emptied.folder.path().join("access.log")).unwrap();
    old(emptied.folder.path());
    emptied.log.look(NOON + 1);
    emptied.log.write(b"newer\n", NOON + 1);
    // Only the start empties a file.
    emptied.check(&[("access.log", "old\nnewer\n")]);
}

#[test]
fn files_roll_by_the_clock() {
    let check = |policy: RollPolicy, step: u64, aside: &str| {
        let mut bench = Bench::new(policy);
        bench.log.look(NOON);
        bench.log.write(b"first\n", NOON);
        bench.log.write(b"second\n", NOON + step - 1);
        bench.log.write(b"third\n", NOON + step);
        bench.check(&[(aside, "first\nsecond\n"), ("access.log", "third\n")]);
    };
    check(RollPolicy::Hourly, 3600, "access-20260101-12.log");
    check(RollPolicy::Daily, DAY / 2, "access-20260101.log");
    // Thursday noon to the night before Sunday.
    check(RollPolicy::Weekly(1), 2 * DAY + DAY / 2, "access-20260101.log");
}

#[test]
fn a_quiet_log_rolls_too_but_not_an_empty_one() {
    let mut bench = Bench::new(RollPolicy::Daily);
    bench.log.write(b"line\n", NOON);
    bench.log.look(NOON + DAY);
    bench.check(&[("access-20260101.log", "line\n"), ("access.log", "")]);
    bench.log.look(NOON + 2 * DAY);
    bench.log.look(NOON + 3 * DAY);
    assert_eq!(bench.files().len(), 2);
}

#[test]
fn a_file_of_yesterday_is_put_aside_as_yesterdays() {
    let mut bench = Bench::with(RollPolicy::Daily, None, true, |folder| {
        fs::write(folder.join("access.log"), "old\n").unwrap();
    });
    bench.date("access.log", NOON - DAY);
    bench.log.write(b"new\n", NOON);
    bench.check(&[("access-20251231.log", "old\n"), ("access.log", "new\n")]);
}

#[test]
fn files_roll_by_their_size() {
    let mut bench = Bench::new(RollPolicy::MaxSize(10));
    bench.log.write(b"one\ntwo\nthree\nmuch longer than a file\nx\n", NOON);
    bench.log.write(b"yyyyyy\n", NOON + 1);
    bench.log.write(b"z\n", NOON + 1);
    bench.check(&[
        ("access-20260101-120000-001.log", "three\n"),
        ("access-20260101-120000-002.log", "much longer than a file\n"),
        ("access-20260101-120000.log", "one\ntwo\n"),
        ("access-20260101-120001.log", "x\nyyyyyy\n"),
        ("access.log", "z\n"),
    ]);
}

#[test]
fn a_file_that_was_there_counts_for_its_size() {
    let mut bench = Bench::with(RollPolicy::MaxSize(10), None, true, |folder| {
        fs::write(folder.join("access.log"), "12345678\n").unwrap();
    });
    bench.log.look(NOON);
    bench.log.write(b"9\n", NOON);
    bench.check(&[("access-20260101-120000.log", "12345678\n"), ("access.log", "9\n")]);
}

/// Other logs' files, and what operators put beside them, are not ours to remove.
#[test]
fn only_so_many_files_are_kept_and_only_ours_are_removed() {
    let strangers = ["access-b.log", "access-20250101.log.gz", "access-1.log", "accessory-20250101.log"];
    let mut bench = Bench::with(RollPolicy::Hourly, Some(2), true, |folder| {
        for name in strangers.iter().chain(&["access-20250101-00.log", "access-20250101-01.log"]) {
            fs::write(folder.join(name), "").unwrap();
        }
    });
    for hour in 0..3 {
        bench.log.write(b"line\n", NOON + hour * 3600);
    }
    let names: Vec<String> = bench.files().into_iter().map(|(name, _)| name).collect();
    for name in strangers.iter().chain(&["access-20260101-12.log", "access-20260101-13.log", "access.log"]) {
        assert!(names.contains(&(*name).to_owned()), "{name} is missing: {names:?}");
    }
    assert_eq!(names.len(), strangers.len() + 3, "{names:?}");
}

#[test]
fn none_may_be_kept() {
    let mut bench = Bench::with(RollPolicy::Hourly, Some(0), true, |_| {});
    bench.log.write(b"line\n", NOON);
    bench.log.write(b"next\n", NOON + 3600);
    bench.check(&[("access.log", "next\n")]);
}

#[test]
fn a_file_that_moved_is_opened_anew() {
    let mut bench = Bench::new(RollPolicy::Never);
    let path = bench.folder.path().join("access.log");
    bench.log.write(b"one\n", NOON);
    fs::rename(&path, bench.folder.path().join("aside")).unwrap();
    bench.log.look(NOON + 1);
    bench.log.write(b"two\n", NOON + 1);
    fs::remove_file(&path).unwrap();
    bench.log.look(NOON + 2);
    bench.log.write(b"three\n", NOON + 2);
    bench.check(&[("access.log", "three\n"), ("aside", "one\n")]);
    // logrotate's copytruncate: no hole where the text was.
    fs::File::create(&path).unwrap();
    bench.log.write(b"four\n", NOON + 3);
    assert_eq!(bench.text("access.log"), "four\n");
}

#[test]
fn a_missing_folder_costs_lines_until_it_is_there() {
    let mut bench = Bench::new(RollPolicy::Never);
    bench.log.file.path = bench.folder.path().join("logs/access.log");
    bench.log.look(NOON);
    bench.log.write(b"one\ntwo\n", NOON);
    bench.log.write(b"three\n", NOON + 1);
    assert_eq!(bench.dropped.get(), 3);
    fs::create_dir(bench.folder.path().join("logs")).unwrap();
    bench.log.write(b"lost: the same second\n", NOON + 1);
    bench.log.write(b"four\n", NOON + 2);
    assert_eq!((bench.text("logs/access.log").as_str(), bench.dropped.get()), ("four\n", 4));
}

/// `/dev/full` says what a full disk says.
#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let mut bench = Bench::new(RollPolicy::MaxSize(4));
    let path = bench.log.file.path.clone();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    bench.log.write(b"one\ntwo\n", NOON);
    bench.log.write(b"three\n", NOON + 1);
    assert_eq!(bench.dropped.get(), 3);
    let entries = fs::read_dir(bench.folder.path()).unwrap().count();
    assert_eq!(entries, 1, "what is no ordinary file is never put aside");
    fs::remove_file(&path).unwrap();
    bench.log.look(NOON + 2);
    bench.log.write(b"four\n", NOON + 2);
    assert_eq!((bench.text("access.log").as_str(), bench.dropped.get()), ("four\n", 3));
}

#[test]
fn a_torn_line_does_not_spoil_the_next() {
    let mut bench = Bench::new(RollPolicy::Never);
    bench.log.write(b"one\n", NOON);
    bench.log.torn = true;
    bench.log.write(b"two\nthree\n", NOON);
    bench.check(&[("access.log", "one\n\ntwo\nthree\n")]);
}

#[test]
fn names_without_extension() {
    let check = |path: &str, want: &str| {
        assert_eq!(Names::of(Path::new(path)).free("20260101"), Path::new(want));
    };
    check("/no/such/access", "/no/such/access-20260101");
    check("/no/such/.hidden", "/no/such/.hidden-20260101");
    check("/no/such/a.b.log", "/no/such/a.b-20260101.log");
    check("no-such.log", "./no-such-20260101.log");
}
