//! The clock of the traffic world: one origin for the process, read once for each event.

use balance::Nanos;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Tells monotonic time since its origin, and the wall time that belongs to it. Follows tokio's clock, so tests can pause it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// Wall time at the origin, since the Unix epoch.
    wall: Duration,
}

impl Clock {
    /// A clock that begins now.
    #[must_use]
    pub fn start() -> Clock {
        #[expect(clippy::disallowed_methods, reason = "the one place where wall time is read")]
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { origin: Instant::now(), wall }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.origin.elapsed().into()
    }

    /// The runtime's instant of `at`.
    #[must_use]
    pub fn instant(&self, at: Nanos) -> Instant {
        self.origin + Duration::from(at)
    }

    /// Nanoseconds since the Unix epoch at the clock's origin: add monotonic time to it for wall time.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        u64::try_from(self.wall.as_nanos()).unwrap_or(u64::MAX)
    }
}
