//! What a worker has to do, for the metrics: `workers/<number>/busy_ms` and `workers/<number>/stall_ms`.
//!
//! The request path pays nothing for it: the runtime knows how long it was busy, and a beat that comes late tells how long
//! something kept the worker from looking at its sockets. That is a sample, four times a second: a stall that comes again
//! and again is seen, a single one of a few milliseconds may be missed. Each beat also leaves its time behind, so that
//! others see when there are none ([`crate::Health`]).

use crate::clock::Clock;
use crate::health::LastBeat;
use std::time::Duration;
use telemetry::{Counter, Histogram, Scope};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// The figures of one worker; belongs to its thread.
pub(crate) struct Pulse {
    busy: Counter,
    stall: Histogram,
    counted: Duration,
    last: LastBeat,
}

impl Pulse {
    /// `last` is where others see that the worker lives.
    pub(crate) fn new(scope: &Scope, last: LastBeat) -> Pulse {
        let (busy, stall) = (scope.counter("busy_ms"), scope.histogram("stall_ms"));
        Pulse { busy, stall, counted: Duration::ZERO, last }
    }

    /// Counts what happened since the last call. `due`: when this call was meant to be.
    pub(crate) fn beat(&mut self, due: Instant, clock: Clock) {
        self.last.note(clock.now());
        self.stall.record(millis(due.elapsed()));
        // The runtime of a worker has this one thread.
        let busy = Handle::current().metrics().worker_total_busy_duration(0);
        let new = millis(busy.saturating_sub(self.counted));
        self.counted += Duration::from_millis(new);
        self.busy.add(new);
    }
}

/// The worker ends on purpose, or its thread is lost, which ends the process.
impl Drop for Pulse {
    fn drop(&mut self) {
        self.last.end();
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use telemetry::{JsonQuery, Metrics, render_json};

    fn spin(time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn work_and_stalls_are_seen() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (metrics, clock) = (Metrics::new(1), Clock::start());
        let mut pulse = Pulse::new(&metrics.scope(&["workers", "0"]), LastBeat::new(clock.now()));
        runtime.block_on(async {
            let due = Instant::now() + Duration::from_millis(10);
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(async { spin(Duration::from_millis(200)) }).await.unwrap();
            // The runtime adds up when it has nothing to do.
            tokio::time::sleep(Duration::from_millis(1)).await;
            pulse.beat(due, clock);
            pulse.beat(Instant::now(), clock);
        });
        metrics.snapshot_histograms();
        let text = render_json(&metrics, &JsonQuery::default()).unwrap();
        let value = |name: &str| {
            let at = text.find(name).unwrap_or_else(|| panic!("{text}")) + name.len() + 2;
            text[at..].split([',', '}']).next().unwrap().parse::<f64>().unwrap()
        };
        assert!((200.0..2_000.0).contains(&value("workers/0/busy_ms")), "{text}");
        assert!((190.0..2_000.0).contains(&value("workers/0/stall_ms.max")), "{text}");
        assert_eq!(value("workers/0/stall_ms.count"), 2.0);
    }
}
