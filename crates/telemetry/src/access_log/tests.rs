//! What a worker's hand does without and with a writer, and the two together.

use super::*;
use std::fs;
use std::path::Path;
use std::time::Duration;

const WALL: u64 = 1_452_115_286_000_000_000;

fn entry(target: &[u8]) -> Entry<'_> {
    Entry {
        host: b"web",
        peer: [127, 0, 0, 1].into(),
        method: b"GET",
        target,
        version: "HTTP/1.1",
        status: 200,
        length: Some(2),
        referer: b"",
        agent: b"",
    }
}

fn log(room: usize) -> (AccessLog, Receiver<Message>, Counter) {
    let (to, queue) = sync_channel(room);
    let dropped = Counter::default();
    (AccessLog::new(0, to, Zone::named("UTC0"), dropped.clone(), Arc::default()), queue, dropped)
}

fn batch(queue: &Receiver<Message>) -> Option<Batch> {
    match queue.try_recv() {
        Ok(Message::Batch(batch)) => Some(batch),
        _ => None,
    }
}

#[test]
fn lines_travel_in_batches_and_their_buffers_come_back() {
    let (log, queue, dropped) = log(8);
    let mut lines = log.lines();
    lines.flush();
    assert!(batch(&queue).is_none(), "nothing was written");
    lines.add(WALL, &entry(b"/a"));
    lines.add(WALL, &entry(b"/b"));
    assert!(batch(&queue).is_none(), "two lines are no reason to wake anybody");
    lines.flush();
    let Batch { file, mut bytes, back } = batch(&queue).expect("what was flushed");
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert_eq!((file, text.lines().count()), (0, 2));
    assert!(
        text.starts_with("web 127.0.0.1 - - [06/01/2016:21:21:26 UTC] \"GET /a HTTP/1.1\" 200 2 "),
        "{text}"
    );
    let place = bytes.as_ptr();
    bytes.clear();
    back.send(bytes).unwrap();
    lines.add(WALL, &entry(b"/c"));
    lines.flush();
    lines.add(WALL, &entry(b"/d"));
    assert_eq!(lines.buffer.as_ptr(), place, "the buffer is used again");
    assert_eq!(dropped.get(), 0);
}

#[test]
fn a_buffer_that_holds_enough_is_handed_over_at_once() {
    let (log, queue, _) = log(8);
    let mut lines = log.lines();
    let target = [b'x'; 4000];
    for _ in 0..8 {
        lines.add(WALL, &entry(&target));
    }
    assert!(batch(&queue).is_none());
    lines.add(WALL, &entry(&target));
    assert!(batch(&queue).is_some_and(|b| b.bytes.len() >= ENOUGH));
}

#[test]
fn a_writer_that_does_not_keep_up_costs_lines_and_nothing_else() {
    let (log, queue, dropped) = log(1);
    let mut lines = log.lines();
    let target = [b'x'; 4000];
    const ADDED: u64 = 200;
    for _ in 0..ADDED {
        lines.add(WALL, &entry(&target));
        assert!(lines.buffer.len() <= MOST && lines.buffer.capacity() <= MOST);
    }
    let queued = batch(&queue).expect("one batch had room");
    drop(lines);
    let last = batch(&queue).expect("the last lines, when there was room again");
    let count = |batch: &Batch| batch.bytes.iter().filter(|b| **b == b'\n').count() as u64;
    assert_eq!(count(&queued) + count(&last) + dropped.get(), ADDED, "each line is written or counted");
    assert!(dropped.get() > 100);
}

#[test]
fn a_hand_that_outlives_the_writer_counts_what_it_loses() {
    let (log, queue, dropped) = log(1);
    let mut lines = log.lines();
    drop(queue);
    lines.add(WALL, &entry(b"/"));
    drop(lines);
    assert_eq!(dropped.get(), 1);
}

fn file(path: &Path) -> File {
    File { path: path.to_owned(), policy: RollPolicy::Never, append: true, keep: None }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn writer(files: Vec<(File, Counter)>) -> (Writer, Vec<AccessLog>) {
    Writer::start(files, clocks(WALL)).expect("a thread")
}

/// The steady clock stands at [`WALL`].
fn clocks(system: u64) -> Clocks {
    Clocks { steady: Arc::new(|| WALL), system: Arc::new(move || system) }
}

#[test]
fn lines_tell_the_time_of_the_system() {
    const HOUR: u64 = 3_600_000_000_000;
    let folder = tempfile::tempdir().unwrap();
    let written = |steady: u64, system: u64, name: &str| {
        let path = folder.path().join(name);
        let (mut writer, logs) =
            Writer::start(vec![(file(&path), Counter::default())], clocks(system)).expect("a thread");
        logs[0].lines().add(steady, &entry(b"/"));
        assert!(writer.stop(Duration::from_secs(30)));
        text(&path)
    };
    let [now, ahead, behind] = [(WALL, WALL, "a"), (WALL, WALL + HOUR, "b"), (WALL, WALL - HOUR, "c")]
        .map(|(s, w, f)| written(s, w, f));
    assert!(now != ahead && now != behind && !now.is_empty());
    assert_eq!(ahead, written(WALL + HOUR, WALL, "d"));
    assert_eq!(behind, written(WALL - HOUR, WALL, "e"));
}

/// Dataplane.md §13 row 28, in this room: each log has its own lines only. Several hands each, as with several workers.
#[test]
fn each_log_has_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a.log"), folder.path().join("b.log"));
    let (mut writer, logs) = writer(vec![(file(&a), Counter::default()), (file(&b), Counter::default())]);
    let mut hands: Vec<Lines> = logs.iter().flat_map(|log| [log.lines(), log.lines()]).collect();
    for round in 0..1000 {
        for (i, hand) in hands.iter_mut().enumerate() {
            hand.add(WALL, &entry(if i < 2 { b"/a" } else { b"/b" }));
            if round % 300 == 0 {
                hand.flush();
            }
        }
    }
    drop(hands);
    assert!(writer.stop(Duration::from_secs(30)));
    let (a, b) = (text(&a), text(&b));
    assert_eq!((a.lines().count(), a.matches(" /a ").count()), (2000, 2000));
    assert_eq!((b.lines().count(), b.matches(" /b ").count()), (2000, 2000));
}

#[test]
fn a_file_moved_away_is_opened_anew_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("a.log"), folder.path().join("a.log.1"));
    let sighup = File { policy: RollPolicy::Sighup, ..file(&path) };
    let (mut writer, logs) = writer(vec![(sighup, Counter::default())]);
    let mut lines = logs[0].lines();
    lines.add(WALL, &entry(b"/before"));
    lines.flush();
    while text(&path).is_empty() {
        std::thread::yield_now();
    }
    fs::rename(&path, &aside).unwrap();
    writer.reopener().reopen();
    lines.add(WALL, &entry(b"/after"));
    drop(lines);
    assert!(writer.stop(Duration::from_secs(30)));
    assert!(text(&aside).contains("/before") && !text(&aside).contains("/after"));
    assert!(text(&path).contains("/after") && !text(&path).contains("/before"));
}
