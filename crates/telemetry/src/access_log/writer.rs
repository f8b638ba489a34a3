//! The thread that writes the files, so that a slow disk is nobody else's concern.

use super::AccessLog;
use super::file::{File, LogFile};
use super::zone::Zone;
use crate::Counter;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Batches that may wait for the writer.
const QUEUE: usize = 256;
/// How often files are looked after when nothing is written.
const LOOK: Duration = Duration::from_secs(1);
/// How long a writer that is dropped may take for its last lines.
const FAREWELL: Duration = Duration::from_secs(1);

/// The wall clock: nanoseconds since the Unix epoch.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clocks that access logs go by.
#[derive(Clone)]
pub struct Clocks {
    /// What [`super::Lines::add`] is told: as the system's was when the process started, and steady since.
    pub steady: WallClock,
    /// The system's, which may be set at any time. Read about once a second, in the writer's thread.
    pub system: WallClock,
}

impl Clocks {
    /// How far the system's clock is ahead of the steady one, nanoseconds.
    fn drift(&self) -> i64 {
        (self.system)().wrapping_sub((self.steady)()).cast_signed()
    }

    fn second(&self) -> u64 {
        (self.system)() / 1_000_000_000
    }
}

impl std::fmt::Debug for Clocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clocks").field("drift", &self.drift()).finish_non_exhaustive()
    }
}

/// Lines on their way to a file, and the way back for their buffer.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) file: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) back: SyncSender<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum Message {
    Batch(Batch),
    Reopen,
    Stop,
}

/// Writes the access logs of a proxy. Dropping it ends it like [`Writer::stop`], within a second.
#[derive(Debug)]
pub struct Writer {
    to: SyncSender<Message>,
    stopping: Arc<AtomicBool>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a writer for `files`: each with the counter of the lines it loses. The logs come back in the same order. A
    /// file that cannot be opened now is tried again each second; what it misses is counted as lost, and the log says so.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(files: Vec<(File, Counter)>, clocks: Clocks) -> io::Result<(Writer, Vec<AccessLog>)> {
        let zone = Zone::local();
        let (to, queue) = sync_channel(QUEUE);
        let drift = Arc::new(AtomicI64::new(clocks.drift()));
        let log = |(i, (_, dropped)): (usize, &(File, Counter))| {
            AccessLog::new(i, to.clone(), zone.clone(), dropped.clone(), Arc::clone(&drift))
        };
        let logs = files.iter().enumerate().map(log).collect();
        let files =
            files.into_iter().map(|(file, dropped)| LogFile::new(file, zone.clone(), dropped)).collect();
        let stopping = Arc::new(AtomicBool::new(false));
        let (done, ended) = sync_channel(1);
        let work = Work { files, queue, clocks, drift, stopping: stopping.clone() };
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            work.run();
            drop(done);
        })?;
        Ok((Writer { to, stopping, ended, thread: Some(thread) }, logs))
    }

    /// What tells this writer that files were moved.
    #[must_use]
    pub fn reopener(&self) -> Reopener {
        Reopener(self.to.clone())
    }

    /// Lets go of it: it goes on writing what comes and ends with the last of its logs.
    pub fn detach(mut self) {
        drop(self.thread.take());
    }

    /// Writes what was handed over so far and ends. False when that takes longer than `wait` (a pipe nobody reads): the
    /// rest is lost.
    pub fn stop(&mut self, wait: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        self.stopping.store(true, Ordering::Release);
        let _ = self.to.try_send(Message::Stop);
        // The channel never carries anything: it closes when the thread is done.
        let done = self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected);
        if done {
            let _ = thread.join();
        }
        done
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop(FAREWELL);
    }
}

/// Tells a writer that files were moved. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reopener(SyncSender<Message>);

impl Reopener {
    /// Opens the paths of all files with the policy `sighup` anew.
    pub fn reopen(&self) {
        // A writer that has no room for this is busy writing, and finds out by itself within a second that a file moved.
        let _ = self.0.try_send(Message::Reopen);
    }
}

/// What the thread works with.
struct Work {
    files: Vec<LogFile>,
    queue: Receiver<Message>,
    clocks: Clocks,
    drift: Arc<AtomicI64>,
    stopping: Arc<AtomicBool>,
}

impl Work {
    fn run(mut self) {
        let mut looked = self.clocks.second();
        self.files.iter_mut().for_each(|file| file.look(looked));
        loop {
            match self.queue.recv_timeout(LOOK) {
                Ok(Message::Batch(batch)) => self.write(batch),
                Ok(Message::Reopen) => {
                    let now = self.clocks.second();
                    self.files.iter_mut().for_each(|file| file.reopen(now));
                }
                // The queue was full when the end was asked for, or nobody can write any more.
                Err(RecvTimeoutError::Timeout) if self.stopping.load(Ordering::Acquire) => return,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = self.clocks.second();
            if now != looked {
                looked = now;
                self.drift.store(self.clocks.drift(), Ordering::Relaxed);
                self.files.iter_mut().for_each(|file| file.look(now));
            }
        }
    }

    fn write(&mut self, batch: Batch) {
        let Batch { file, mut bytes, back } = batch;
        let now = self.clocks.second();
        self.files[file].write(&bytes, now);
        bytes.clear();
        // Fails when the worker is gone.
        let _ = back.try_send(bytes);
    }
}
