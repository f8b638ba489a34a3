//! Access logs: one line for each answer a back end gave, in files that roll (dataplane.md §4.5).
//!
//! Traffic never touches a file. Each worker formats its lines into a buffer of its own ([`Lines`]) and hands that over,
//! once a second or when it holds enough, to one [`Writer`] thread that serves all files. The buffers travel back and
//! forth, so a steady request allocates nothing. When the writer cannot keep up, lines are dropped and counted; requests
//! never wait.

mod file;
mod line;
mod roll;
mod writer;
mod zone;

pub use file::File;
pub use line::Entry;
pub use roll::RollPolicy;
pub use writer::{Clocks, Reopener, WallClock, Writer};

use crate::Counter;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use writer::{Batch, Message};
use zone::{Stamp, Zone};

/// Bytes after which a buffer is handed over without waiting for the second to end.
const ENOUGH: usize = 32 << 10;
/// Most bytes a buffer holds.
const MOST: usize = 64 << 10;
/// Most buffers one [`Lines`] has on their way.
const BUFFERS: usize = 4;

/// The log of one router. Cheap to clone; every clone is the same log.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Log>);

#[derive(Debug)]
struct Log {
    /// Which of the writer's files.
    file: usize,
    writer: SyncSender<Message>,
    zone: Zone,
    dropped: Counter,
    /// How far the system's clock has moved away from the steady one of those who write lines, nanoseconds.
    drift: Arc<AtomicI64>,
}

impl AccessLog {
    fn new(
        file: usize,
        writer: SyncSender<Message>,
        zone: Zone,
        dropped: Counter,
        drift: Arc<AtomicI64>,
    ) -> AccessLog {
        AccessLog(Arc::new(Log { file, writer, zone, dropped, drift }))
    }

    /// A hand of the log for one worker.
    #[must_use]
    pub fn lines(&self) -> Lines {
        let (back, spare) = sync_channel(BUFFERS);
        Lines { log: self.0.clone(), buffer: Vec::new(), made: 0, back, spare, stamp: Stamp::default() }
    }
}

/// One worker's hand of a log. What it holds goes to the file when it is [flushed](Lines::flush), which is to happen about
/// once a second, and when it is dropped.
#[derive(Debug)]
pub struct Lines {
    log: Arc<Log>,
    buffer: Vec<u8>,
    /// Buffers there are.
    made: usize,
    back: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    stamp: Stamp,
}

impl Lines {
    /// Writes a line. `wall` is the time by the steady clock ([`Clocks::steady`]), nanoseconds since the Unix epoch; the
    /// line tells the system's. Neither blocks nor fails: a line there is no
    /// room for is dropped and counted (`access_log/dropped`).
    pub fn add(&mut self, wall: u64, entry: &Entry<'_>) {
        if self.buffer.len() + entry.most() > MOST || self.buffer.capacity() == 0 {
            self.flush();
            if self.buffer.len() + entry.most() > MOST || !self.room() {
                self.log.dropped.inc();
                return;
            }
        }
        let wall = wall.saturating_add_signed(self.log.drift.load(Relaxed));
        let stamp = self.stamp.at(wall, &self.log.zone);
        entry.write(stamp, &mut self.buffer);
        if self.buffer.len() >= ENOUGH {
            self.flush();
        }
    }

    /// Hands the lines so far over to the writer, if it takes them; otherwise they stay for the next time.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let Some(next) = self.empty() else { return };
        let bytes = std::mem::replace(&mut self.buffer, next);
        let batch = Batch { file: self.log.file, bytes, back: self.back.clone() };
        match self.log.writer.try_send(Message::Batch(batch)) {
            Ok(()) => {}
            Err(TrySendError::Full(refused) | TrySendError::Disconnected(refused)) => self.keep(refused),
        }
    }

    /// The first line finds no buffer yet.
    fn room(&mut self) -> bool {
        if self.buffer.capacity() == 0
            && let Some(buffer) = self.empty()
        {
            self.buffer = buffer;
        }
        self.buffer.capacity() > 0
    }

    /// A buffer to write to: one that came back, or a new one while there are few.
    fn empty(&mut self) -> Option<Vec<u8>> {
        if let Ok(buffer) = self.spare.try_recv() {
            return Some(buffer);
        }
        if self.made == BUFFERS {
            return None;
        }
        self.made += 1;
        Some(Vec::with_capacity(MOST))
    }

    /// The writer did not take it: the lines stay where they are.
    fn keep(&mut self, refused: Message) {
        if let Message::Batch(batch) = refused {
            let unused = std::mem::replace(&mut self.buffer, batch.bytes);
            // There is room: this buffer was counted when it was made.
            let _ = self.back.try_send(unused);
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // Nothing is written after this: that all buffers are on their way need not hold up the last lines.
        self.made = 0;
        self.flush();
        let lost = self.buffer.iter().filter(|b| **b == b'\n').count();
        self.log.dropped.add(lost as u64);
    }
}

#[cfg(test)]
mod tests;
