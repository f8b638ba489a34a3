//! Requests at a steady rate, whatever becomes of those before: callers that do not wait for one another.

use crate::client::Client;
use crate::load::Report;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Most connections that are kept for later: few enough that at any rate worth the name none is idle for long.
const KEPT: usize = 100;

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests each second.
    pub per_second: u32,
    /// For how long.
    pub length: Duration,
    /// After which time a caller goes away without its answer.
    pub patience: Duration,
    /// Each so manieth request opens a connection for itself alone; 0: none does.
    pub fresh: u64,
}

/// Connections nobody uses at the moment, the one that waits longest first.
type Idle = Arc<Mutex<VecDeque<Client>>>;

impl Pace {
    /// What issue 6 asks of reloads, takeovers and restarts: 3,000 each second, one in twenty on a new connection.
    #[must_use]
    pub fn full_rate(length: Duration) -> Pace {
        Pace { per_second: 3_000, length, patience: Duration::from_secs(5), fresh: 20 }
    }

    /// All requests there will be.
    #[must_use]
    pub fn requests(&self) -> u64 {
        u64::try_from(u128::from(self.per_second) * self.length.as_millis() / 1_000).unwrap_or(u64::MAX)
    }

    /// Sends GETs for `host` to `proxy`, and reports when the last one has its answer or has gone away.
    ///
    /// # Panics
    /// When one of its tasks did.
    pub async fn run(self, proxy: SocketAddr, host: &str) -> Report {
        let begun = Instant::now();
        let text = |more: &str| format!("GET /pace HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").into();
        let (kept, fresh): (Arc<str>, Arc<str>) = (text(""), text("Connection: close\r\n"));
        let (idle, mut tasks, mut report) = (Idle::default(), JoinSet::new(), Report::default());
        let mut ticks = interval(Duration::from_secs(1) / self.per_second.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for i in 1..=self.requests() {
            ticks.tick().await;
            let alone = self.fresh > 0 && i % self.fresh == 0;
            let request = if alone { &fresh } else { &kept };
            let idle = (!alone).then(|| idle.clone());
            tasks.spawn(one(proxy, request.clone(), idle, self.patience));
            while let Some(ended) = tasks.try_join_next() {
                note(&mut report, ended.expect("a request's task did not panic"));
            }
        }
        while let Some(ended) = tasks.join_next().await {
            note(&mut report, ended.expect("a request's task did not panic"));
        }
        report.took = begun.elapsed();
        report
    }
}

/// A status and its body, or why there is none; and after what time.
type Ended = (Result<(u16, String), String>, Duration);

/// One request: on a connection that waits, where `idle` has any, else on a new one.
async fn one(proxy: SocketAddr, request: Arc<str>, idle: Option<Idle>, patience: Duration) -> Ended {
    let begun = Instant::now();
    let asked = async {
        let mut client = match idle.as_ref().and_then(waiting) {
            Some(client) => client,
            None => Client::try_connect(proxy).await?,
        };
        client.try_send(&*request).await?;
        let answer = client.try_response("GET").await?;
        if let Some(idle) = &idle
            && answer.head.get("connection") != Some("close")
        {
            keep(idle, client);
        }
        std::io::Result::Ok((answer.status(), answer.text()))
    };
    let answer = match timeout(patience, asked).await {
        Ok(answer) => answer.map_err(|e| e.to_string()),
        Err(_) => Err(format!("no answer within {patience:?}")),
    };
    (answer, begun.elapsed())
}

/// A connection that is still open as far as anybody can know.
fn waiting(idle: &Idle) -> Option<Client> {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    std::iter::from_fn(|| idle.pop_front()).find_map(|mut client| client.is_open().then_some(client))
}

fn keep(idle: &Idle, client: Client) {
    let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < KEPT {
        idle.push_back(client);
    }
}

fn note(report: &mut Report, (ended, after): Ended) {
    report.longest = report.longest.max(after);
    match ended {
        Ok((status, body)) => report.answered(status, body),
        Err(why) => *report.broken.entry(why).or_default() += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Act, Backend, Play};

    #[tokio::test]
    async fn asks_as_often_as_told_and_goes_away_in_time() {
        let backend =
            Backend::start([Play::text("a"), Play::acts([Act::Request, Act::Hang]), Play::text("a")]);
        let backend = backend.await;
        let (length, patience) = (Duration::from_millis(200), Duration::from_millis(500));
        let pace = Pace { per_second: 100, length, patience, fresh: 0 };
        let report = pace.run(backend.address, "x").await;
        assert_eq!((pace.requests(), report.total(), report.ok()), (20, 20, 19), "{report:?}");
        assert!(report.took >= patience && report.longest >= patience, "{report:?}");
        assert_eq!(report.bodies["a"], 19);
        assert_eq!(report.broken.into_iter().collect::<Vec<_>>(), [("no answer within 500ms".to_owned(), 1)]);
    }

    /// Half of the requests ask for a connection alone; to the others each answer says that the connection ends.
    #[tokio::test]
    async fn some_have_a_connection_of_their_own() {
        let last = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let backend = Backend::start([Play::reply(last)]).await;
        let length = Duration::from_millis(200);
        let pace = Pace { per_second: 100, length, patience: crate::PATIENCE, fresh: 2 };
        pace.run(backend.address, "x").await.assert_flawless(20);
        assert_eq!((backend.connections(), backend.requests()), (20, 20));
        let alone = backend.seen().iter().filter(|seen| seen.head.get("connection") == Some("close")).count();
        assert_eq!(alone, 10);
    }
}
