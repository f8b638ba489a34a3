//! The same message again and again: said a few times, then counted.

use super::record::Record;
use std::collections::HashMap;
use std::time::Duration;

/// How often the same thing is said within [`WINDOW`] before it is only counted.
pub(super) const MOST: u64 = 10;
/// For how long it is counted, from the first time on.
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Messages that are kept in mind; further ones are all said.
const MEMORY: usize = 1_000;

/// What has been said lately.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<u64, Seen>);

#[derive(Debug)]
struct Seen {
    first: Duration,
    times: u64,
    last: Option<Record>,
}

/// What becomes of a message.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Say,
    /// First say how many were kept back before.
    SayAfter(Record),
    Keep,
}

impl Repeats {
    /// `now`: time since the log began.
    pub(super) fn judge(&mut self, record: &Record, now: Duration) -> Verdict {
        let cause = record.cause();
        let Some(seen) = self.0.get_mut(&cause) else {
            if self.0.len() >= MEMORY {
                self.0.retain(|_, seen| seen.last.is_some() || !seen.over(now));
            }
            if self.0.len() < MEMORY {
                self.0.insert(cause, Seen { first: now, times: 1, last: None });
            }
            return Verdict::Say;
        };
        if seen.over(now) {
            let before = std::mem::replace(seen, Seen { first: now, times: 1, last: None });
            return before.counted().map_or(Verdict::Say, Verdict::SayAfter);
        }
        seen.times += 1;
        if seen.times <= MOST {
            return Verdict::Say;
        }
        seen.last = Some(record.clone());
        Verdict::Keep
    }

    /// Ends the counts whose time is over, and returns what is to be said of them.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Record> {
        self.0.extract_if(|_, seen| seen.over(now)).filter_map(|(_, seen)| seen.counted()).collect()
    }
}

impl Seen {
    fn over(&self, now: Duration) -> bool {
        now.saturating_sub(self.first) >= WINDOW
    }

    fn counted(self) -> Option<Record> {
        let more = self.times - MOST.min(self.times);
        Some(self.last?.counted(more))
    }
}
