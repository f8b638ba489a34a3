//! Whether an exchange gets anywhere: the time since its last byte moved, in either direction.

use balance::Nanos;

/// When something last moved. Looked at only by those who have nothing to do but wait.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    moved: u64,
    at: Nanos,
}

impl Progress {
    /// When waiting is over, unless something moves until then. `moved`: bytes that have moved so far, on whatever side.
    pub(crate) fn until(&mut self, moved: u64, now: Nanos, patience: Nanos) -> Nanos {
        if self.at == Nanos(0) || self.moved != moved {
            *self = Progress { moved, at: now };
        }
        self.at + patience
    }

    /// Waiting has not begun yet, as of `now`.
    pub(crate) fn restart(&mut self, moved: u64, now: Nanos) {
        *self = Progress { moved, at: now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_anew_with_each_byte() {
        let mut progress = Progress::default();
        let mut check = |moved: u64, now: u64, want: u64| {
            assert_eq!(
                progress.until(moved, Nanos::from_secs(now), Nanos::from_secs(10)),
                Nanos::from_secs(want)
            );
        };
        check(0, 5, 15);
        check(0, 9, 15);
        check(1, 12, 22);
        check(1, 20, 22);
        check(3, 21, 31);
    }
}
