//! How many replicas of a set the load needs (`kind: aperture`, dataplane.md §6.3).

use super::Aperture;
use crate::Nanos;
use crate::stamped::{Stamp, Stamped, weight};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The width of an aperture, shared by all workers: it follows the offered load, which is the moving average of outstanding
/// requests, so that each replica within has between `low_load` and `high_load` of them.
///
/// The load is looked at when a request begins or ends, once a millisecond at most, and the width changes by one each time.
#[derive(Debug)]
#[repr(align(128))]
pub struct Band {
    settings: Aperture,
    /// Replicas there are, and those in use.
    units: AtomicU32,
    width: AtomicU32,
    outstanding: AtomicU32,
    offered: Stamped,
}

impl Band {
    /// As narrow as may be, for a set of unknown size.
    pub(super) fn new(settings: Aperture) -> Band {
        Band {
            settings,
            units: AtomicU32::new(u32::MAX),
            width: AtomicU32::new(settings.min_aperture.max(1)),
            outstanding: AtomicU32::new(0),
            offered: Stamped::new(),
        }
    }

    /// The set has so many replicas from now on.
    pub fn resize(&self, units: usize) {
        self.units.store(u32::try_from(units).unwrap_or(u32::MAX), Relaxed);
    }

    /// How many of `units` replicas are in use: at least the configured number, at least one, at most all.
    #[inline]
    #[must_use]
    pub fn width(&self, units: usize) -> usize {
        (self.width.load(Relaxed) as usize).min(units)
    }

    /// The offered load: outstanding requests, averaged.
    #[must_use]
    pub fn offered(&self) -> f64 {
        f64::from(self.offered.read().value)
    }

    /// A request is being sent to one of the replicas. Each call is followed by exactly one [`Band::end`].
    pub fn begin(&self, now: Nanos) {
        let before = self.outstanding.fetch_add(1, Relaxed);
        self.observe(before, now);
    }

    /// A request ended.
    pub fn end(&self, now: Nanos) {
        let before = self.outstanding.fetch_sub(1, Relaxed);
        debug_assert!(before > 0, "end without begin");
        self.observe(before, now);
    }

    /// So many requests were outstanding until `now`.
    fn observe(&self, outstanding: u32, now: Nanos) {
        let last = self.offered.read();
        // A word of zeroes means that nothing was observed, so nothing is observed in millisecond 0.
        let stamp = Stamp(Stamp::of(now).0.max(1));
        let elapsed = last.stamp.elapsed(now);
        // A moment long before the last one is that of somebody who has no clock (an exchange that was dropped).
        if !last.is_empty() && (elapsed == 0 || elapsed > u32::MAX / 2) {
            return;
        }
        let window = self.settings.smooth_window.millis();
        let kept = if last.is_empty() || window == 0 { 0.0 } else { weight(elapsed as f32 / window as f32) };
        let load = outstanding as f32 * (1.0 - kept) + last.value * kept;
        if self.offered.replace(last, load, stamp).is_ok() {
            self.adjust(f64::from(load));
        }
    }

    /// One step towards what the load asks for.
    fn adjust(&self, load: f64) {
        let (width, units) = (self.width.load(Relaxed), self.units.load(Relaxed).max(1));
        let least = self.settings.min_aperture.clamp(1, units);
        let each = load / f64::from(width.max(1));
        let next = if each >= self.settings.high_load {
            width.saturating_add(1)
        } else if each <= self.settings.low_load {
            width.saturating_sub(1)
        } else {
            width
        };
        let next = next.clamp(least, units);
        if next != width {
            // Another worker that takes a step at the same time takes the same one.
            self.width.store(next, Relaxed);
        }
    }
}
