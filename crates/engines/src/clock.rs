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
        Clock { origin: Instant::now(), wall: system() }
    }

    /// The wall time of the system now, nanoseconds since the Unix epoch. Unlike [`Clock::now`] added to [`Clock::epoch`] it
    /// follows when somebody sets the system's clock. For control; the request path asks the system nothing.
    #[must_use]
    pub fn wall() -> u64 {
        nanos(system())
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
        nanos(self.wall)
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where wall time is read")]
fn system() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn nanos(wall: Duration) -> u64 {
    u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)
}
