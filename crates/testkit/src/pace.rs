//! Requests at a steady rate, whatever becomes of those before: callers that do not wait for one another.

use crate::client::Client;
use crate::load::Report;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How to ask.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Requests each second.
    pub per_second: u32,
    /// For how long.
    pub length: Duration,
    /// After which time a caller goes away without its answer.
    pub patience: Duration,
}

/// Connections nobody uses at the moment.
type Idle = Arc<Mutex<Vec<Client>>>;

impl Pace {
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
        let request: Arc<str> = format!("GET /pace HTTP/1.1\r\nHost: {host}\r\n\r\n").into();
        let (idle, mut tasks, mut report) = (Idle::default(), JoinSet::new(), Report::default());
        let mut ticks = interval(Duration::from_secs(1) / self.per_second.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..self.requests() {
            ticks.tick().await;
            tasks.spawn(one(proxy, request.clone(), idle.clone(), self.patience));
            while let Some(ended) = tasks.try_join_next() {
                note(&mut report, ended.expect("a request's task did not panic"));
            }
        }
        while let Some(ended) = tasks.join_next().await {
            note(&mut report, ended.expect("a request's task did not panic"));
        }
        report
    }
}

/// A status and its body, or why there is none.
type Ended = Result<(u16, String), String>;

async fn one(proxy: SocketAddr, request: Arc<str>, idle: Idle, patience: Duration) -> Ended {
    let asked = async {
        let used = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut client = match used {
            Some(client) => client,
            None => Client::try_connect(proxy).await?,
        };
        client.try_send(&*request).await?;
        let answer = client.try_response("GET").await?;
        idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        std::io::Result::Ok((answer.status(), answer.text()))
    };
    match timeout(patience, asked).await {
        Ok(answer) => answer.map_err(|e| e.to_string()),
        Err(_) => Err(format!("no answer within {patience:?}")),
    }
}

fn note(report: &mut Report, ended: Ended) {
    match ended {
        Ok((status, body)) => {
            *report.statuses.entry(status).or_default() += 1;
            if status == 200 {
                *report.bodies.entry(body).or_default() += 1;
            }
        }
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
        let pace = Pace { per_second: 100, length, patience };
        let report = pace.run(backend.address, "x").await;
        assert_eq!((pace.requests(), report.total(), report.ok()), (20, 20, 19), "{report:?}");
        assert_eq!(report.broken.into_iter().collect::<Vec<_>>(), [("no answer within 500ms".to_owned(), 1)]);
        assert_eq!(report.bodies["a"], 19);
    }
}
