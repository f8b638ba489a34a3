//! One counter per distinct status code, without knowing the codes beforehand and without a lock.
//!
//! A list of chunks of eight slots. The single writer finds a code's slot by looking through them (the codes seen first
//! come first, so usually one compare) and takes a free slot, or adds a chunk, the first time it meets a code.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

const SLOTS: usize = 8;

/// Counts per status code, one writer.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct StatusCells {
    /// 0: free. Set once, after the slot's first count.
    codes: [AtomicU16; SLOTS],
    counts: [AtomicU64; SLOTS],
    more: OnceLock<Box<StatusCells>>,
}

impl StatusCells {
    /// Counts `code` (not 0). Only one thread may call this.
    pub(super) fn inc(&self, code: u16) {
        let mut cells = self;
        loop {
            for (slot, count) in cells.codes.iter().zip(&cells.counts) {
                let seen = slot.load(Relaxed);
                if seen == code || seen == 0 {
                    count.store(count.load(Relaxed) + 1, Relaxed);
                    if seen == 0 {
                        slot.store(code, Release);
                    }
                    return;
                }
            }
            cells = cells.more.get_or_init(Box::default);
        }
    }

    /// Calls `each` with every code seen and its count.
    pub(super) fn visit(&self, each: &mut impl FnMut(u16, u64)) {
        for (slot, count) in self.codes.iter().zip(&self.counts) {
            match slot.load(Acquire) {
                0 => return,
                code => each(code, count.load(Relaxed)),
            }
        }
        if let Some(more) = self.more.get() {
            more.visit(each);
        }
    }
}
