//! When something seen of a file may be believed: once it has stayed for long enough.
//!
//! A file that is written in place can be caught half-way. So what is seen replaces what was believed after it has been the
//! same for a while, however long that has to be in the eyes of whoever reads the file.

use std::time::Duration;

use tokio::time::Instant;

/// What to do with what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is what is believed already.
    Known,
    /// It has to stay for so long yet.
    Wait(Duration),
    /// It is believed from now on.
    New,
}

/// What is believed of a file, and what is there instead since lately.
#[derive(Debug)]
pub struct Rest<T> {
    believed: Option<T>,
    candidate: Option<Candidate<T>>,
}

#[derive(Debug)]
struct Candidate<T> {
    what: T,
    since: Instant,
    /// When the file was first seen to be another than the one believed.
    first: Instant,
}

impl<T: PartialEq> Rest<T> {
    /// `believed` is what the file is known to hold.
    pub fn new(believed: Option<T>) -> Rest<T> {
        Rest { believed, candidate: None }
    }

    /// What is believed.
    pub fn believed(&self) -> Option<&T> {
        self.believed.as_ref()
    }

    /// Whether what was last seen is what is believed.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.believed.is_some() && self.candidate.is_none()
    }

    /// Judges what was seen `now`, which must have stayed for `hold` of it. A file that never comes to rest is taken as it is
    /// after `patience`.
    pub fn see(
        &mut self,
        what: T,
        now: Instant,
        hold: impl FnOnce(&T) -> Duration,
        patience: Duration,
    ) -> Verdict {
        if self.believed.as_ref() == Some(&what) {
            self.candidate = None;
            return Verdict::Known;
        }
        let first = self.candidate.as_ref().map_or(now, |c| c.first);
        let since = self.candidate.as_ref().filter(|c| c.what == what).map_or(now, |c| c.since);
        let hold = hold(&what);
        let passed = now.saturating_duration_since(since);
        let restless = now.saturating_duration_since(first) >= patience;
        if passed < hold && !restless {
            self.candidate = Some(Candidate { what, since, first });
            return Verdict::Wait(hold - passed);
        }
        self.candidate = None;
        self.believed = Some(what);
        Verdict::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_and_at_rest_is_believed_once() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let mut rest = Rest::new(Some("a"));
        let looks = ["a", "b", "b", "b", "c1", "c12", "c123", "c123", "c123", "b", "c123", "a", "a"];
        let believed: Vec<_> = looks
            .iter()
            .zip(0..)
            .filter(|&(what, n)| {
                rest.see(what, start + ms(250) * n, |_| ms(250), Duration::MAX) == Verdict::New
            })
            .map(|(what, _)| *what)
            .collect();
        assert_eq!(believed, ["b", "c123", "a"]);
    }

    #[test]
    fn how_long_it_has_to_stay() {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let mut rest = Rest::new(None);
        let mut see = |what, at, hold| rest.see(what, start + ms(at), |_| ms(hold), ms(100));
        assert_eq!(see("a", 0, 0), Verdict::New);
        assert_eq!(see("b", 1, 50), Verdict::Wait(ms(50)));
        assert_eq!(see("b", 11, 50), Verdict::Wait(ms(40)));
        assert_eq!(see("b", 12, 5), Verdict::New, "it is known meanwhile that it is whole");
        assert_eq!(see("c", 20, 50), Verdict::Wait(ms(50)));
        assert_eq!(see("b", 30, 50), Verdict::Known);
        for at in (40..140).step_by(10) {
            assert_eq!(see(if at % 20 == 0 { "d" } else { "e" }, at, 50), Verdict::Wait(ms(50)));
        }
        assert_eq!(see("f", 140, 50), Verdict::New, "it never comes to rest");
    }
}
