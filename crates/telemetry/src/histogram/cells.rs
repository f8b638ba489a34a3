//! What a histogram's single writer touches: cumulative counts per bucket, allocated in chunks on first use.
//!
//! The counts only grow (bucket counts wrap); a reader takes differences. Every field is written by a plain load and
//! store. The order of stores lets a reader tell a torn picture from a whole one without any lock: bucket, then sum,
//! then count, so a reader that loads count, then sum, then all buckets, and finds that the buckets add up to the
//! count, has seen exactly the samples of that count, in buckets and sum alike.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use super::buckets::{BUCKET_COUNT, MAX_VALUE, bucket_of};

/// Buckets per chunk.
pub(crate) const CHUNK: usize = 32;
/// Chunks that cover all buckets.
pub(crate) const CHUNKS: usize = BUCKET_COUNT.div_ceil(CHUNK);
/// Chunks per group: latencies of a few milliseconds need one group and one chunk of it.
const GROUP: usize = 8;
const GROUPS: usize = CHUNKS.div_ceil(GROUP);

/// How often a reader tries for a whole picture before it takes a torn one (whose sum may be a sample ahead or behind
/// until the next reading; the counts are exact in any case).
const READ_ATTEMPTS: usize = 64;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Chunk([AtomicU32; CHUNK]);

/// Read by every record, written once per chunk.
#[derive(Debug, Default)]
struct Group([OnceLock<Box<Chunk>>; GROUP]);

/// Cumulative counts of one histogram, one writer.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Cells {
    count: AtomicU64,
    sum: AtomicU64,
    /// The chunk nearly all samples fall into: no pointer leads there.
    first: Chunk,
    groups: [OnceLock<Box<Group>>; GROUPS],
}

impl Cells {
    /// Counts `value`. Only one thread may call this.
    #[inline]
    pub(crate) fn record(&self, value: u64) {
        let value = value.min(MAX_VALUE);
        let bucket = bucket_of(value as u32);
        let cell = &self.chunk(bucket / CHUNK).0[bucket % CHUNK];
        cell.store(cell.load(Relaxed).wrapping_add(1), Relaxed);
        self.sum.store(self.sum.load(Relaxed).wrapping_add(value), Release);
        self.count.store(self.count.load(Relaxed).wrapping_add(1), Release);
    }

    #[inline]
    fn chunk(&self, index: usize) -> &Chunk {
        if index == 0 {
            return &self.first;
        }
        let group = self.groups[index / GROUP].get_or_init(Box::default);
        group.0[index % GROUP].get_or_init(Box::default)
    }

    /// The chunks that are allocated, with their indices.
    fn chunks(&self) -> impl Iterator<Item = (usize, &Chunk)> {
        let groups = self.groups.iter().enumerate().filter_map(|(i, group)| Some((i, group.get()?)));
        let further = groups.flat_map(|(i, group)| {
            let chunks = group.0.iter().enumerate();
            chunks.filter_map(move |(j, chunk)| Some((i * GROUP + j, &**chunk.get()?)))
        });
        std::iter::once((0, &self.first)).chain(further)
    }

    /// Adds what has been counted so far to `reading`.
    pub(crate) fn read(&self, reading: &mut Reading) {
        for _ in 0..READ_ATTEMPTS {
            let count = self.count.load(Acquire);
            let sum = self.sum.load(Acquire);
            if self.copy(reading) == count as u32 {
                reading.accept(sum);
                return;
            }
            std::hint::spin_loop();
        }
        let sum = self.sum.load(Acquire);
        self.copy(reading);
        reading.accept(sum);
    }

    /// Copies the allocated chunks to the reading's scratch and answers the sum of their counts.
    fn copy(&self, reading: &mut Reading) -> u32 {
        let mut total = 0u32;
        reading.copied = 0;
        for (i, chunk) in self.chunks() {
            reading.copied |= 1 << i;
            for (cell, copy) in chunk.0.iter().zip(&mut reading.scratch[i]) {
                *copy = cell.load(Relaxed);
                total = total.wrapping_add(*copy);
            }
        }
        total
    }
}

/// The cumulative counts of one histogram over all its shards, reused from histogram to histogram.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) sum: u64,
    /// One bit per chunk that any shard has allocated.
    pub(crate) touched: u64,
    pub(crate) counts: [[u32; CHUNK]; CHUNKS],
    /// One shard's counts, and which chunks of it were there to be copied.
    scratch: [[u32; CHUNK]; CHUNKS],
    copied: u64,
}

const _: () = assert!(CHUNKS <= u64::BITS as usize);

impl Reading {
    /// An empty reading, boxed because it takes some 15 kB.
    pub(crate) fn new() -> Box<Reading> {
        let none = [[0; CHUNK]; CHUNKS];
        Box::new(Reading { sum: 0, touched: 0, counts: none, scratch: none, copied: 0 })
    }

    /// Adds the copied shard to the totals.
    fn accept(&mut self, sum: u64) {
        self.sum = self.sum.wrapping_add(sum);
        self.touched |= self.copied;
        for i in chunks(self.copied) {
            for (total, n) in self.counts[i].iter_mut().zip(self.scratch[i]) {
                *total = total.wrapping_add(n);
            }
        }
    }

    /// Forgets everything, for the next histogram.
    pub(crate) fn clear(&mut self) {
        self.sum = 0;
        for i in self.touched_chunks() {
            self.counts[i] = [0; CHUNK];
        }
        self.touched = 0;
    }

    /// Indices of the chunks that hold anything.
    pub(crate) fn touched_chunks(&self) -> impl Iterator<Item = usize> + use<> {
        chunks(self.touched)
    }
}

fn chunks(mask: u64) -> impl Iterator<Item = usize> {
    (0..CHUNKS).filter(move |i| mask & (1 << i) != 0)
}
