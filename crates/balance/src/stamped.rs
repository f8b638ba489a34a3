//! A number and the moment of its last change in one word, so that all workers see both or neither.

use crate::Nanos;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far ahead of a reader's clock a moment may be: workers read their clocks at different times. More than that is a
/// moment long past, before the counter of milliseconds wrapped.
const AHEAD: u32 = 60_000;

/// A moment in milliseconds, wrapping after 49 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(crate) u32);

impl Stamp {
    #[inline]
    pub(crate) fn of(now: Nanos) -> Stamp {
        Stamp(now.millis() as u32)
    }

    /// Milliseconds from here to `now`; 0 when that is a little earlier.
    #[inline]
    pub(crate) fn elapsed(self, now: Nanos) -> u32 {
        let elapsed = Stamp::of(now).0.wrapping_sub(self.0);
        if elapsed > u32::MAX - AHEAD { 0 } else { elapsed }
    }
}

/// A shared number with the moment of its last change. All zero, as it begins, means that there is none yet.
#[derive(Debug, Default)]
pub(crate) struct Stamped(AtomicU64);

/// What a [`Stamped`] held when it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    word: u64,
    pub(crate) value: f32,
    pub(crate) stamp: Stamp,
}

impl Reading {
    #[inline]
    fn of(word: u64) -> Reading {
        Reading { word, value: f32::from_bits((word >> 32) as u32), stamp: Stamp(word as u32) }
    }

    /// Nothing was stored so far.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.word == 0
    }
}

impl Stamped {
    pub(crate) const fn new() -> Stamped {
        Stamped(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn read(&self) -> Reading {
        Reading::of(self.0.load(Relaxed))
    }

    /// Stores a number unless another thread did since `seen`; what is there then is the error.
    #[inline]
    pub(crate) fn replace(&self, seen: Reading, value: f32, stamp: Stamp) -> Result<(), Reading> {
        let next = u64::from(value.to_bits()) << 32 | u64::from(stamp.0);
        match self.0.compare_exchange_weak(seen.word, next, Relaxed, Relaxed) {
            Ok(_) => Ok(()),
            Err(word) => Err(Reading::of(word)),
        }
    }

    pub(crate) fn clear(&self) {
        self.0.store(0, Relaxed);
    }
}

/// e^(−x): what is left of an old average after `x` windows.
#[inline]
pub(crate) fn weight(x: f32) -> f32 {
    if x < 1.0 / 16.0 {
        // The usual case without a call: the next term is below what an f32 can tell.
        1.0 - x * (1.0 - x * (0.5 - x * (1.0 / 6.0 - x * (1.0 / 24.0))))
    } else {
        (-x).exp()
    }
}
