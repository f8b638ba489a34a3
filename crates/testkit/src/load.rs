//! Steady traffic in the background, every answer checked.

use crate::client::{Client, Response};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// What became of the requests of a [`Load`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Answers by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Answers by body, of those with status 200.
    pub bodies: BTreeMap<String, u64>,
    /// What was said in answers with any other status.
    pub refusals: BTreeMap<String, u64>,
    /// Requests that got no whole answer, by how the connection ended.
    pub broken: BTreeMap<String, u64>,
    /// From the first request to the last answer, where somebody has measured that ([`crate::Pace`]).
    pub took: Duration,
    /// The longest that one caller waited for its answer; as before.
    pub longest: Duration,
}

impl Report {
    /// Requests answered with 200.
    #[must_use]
    pub fn ok(&self) -> u64 {
        self.statuses.get(&200).copied().unwrap_or(0)
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.broken.values().sum::<u64>()
    }

    /// Notes an answer.
    pub(crate) fn answered(&mut self, status: u16, text: String) {
        *self.statuses.entry(status).or_default() += 1;
        let texts = if status == 200 { &mut self.bodies } else { &mut self.refusals };
        *texts.entry(text).or_default() += 1;
    }

    /// Answered with 200 each second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.ok() as f64 / self.took.as_secs_f64()
    }

    /// Asserts that so many each second were asked for and answered, but for a twentieth, and tells.
    pub fn assert_rate(&self, wanted: f64) {
        let (rate, longest) = (self.rate(), self.longest);
        eprintln!("{} requests, {rate:.0} each second, the longest took {longest:?}", self.ok());
        assert!(rate >= 0.95 * wanted, "{rate:.0} each second instead of {wanted:.0}: is this machine busy?");
    }

    /// Asserts that every request was answered with 200, and that there were at least `least`.
    pub fn assert_flawless(&self, least: u64) {
        assert_eq!(self.ok(), self.total(), "{self:?}");
        assert!(self.ok() >= least, "only {} requests, {least} wanted", self.ok());
    }
}

/// Keep-alive connections that send one GET after the other until stopped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    report: Arc<Mutex<Report>>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts so many connections to `proxy`, each sending requests for `host`.
    #[must_use]
    pub fn start(proxy: SocketAddr, host: &str, connections: usize) -> Load {
        Load::paced(proxy, host, connections, Duration::ZERO)
    }

    /// The same with a pause after each answer: a load that goes on for long and leaves the processors to others.
    #[must_use]
    pub fn paced(proxy: SocketAddr, host: &str, connections: usize, pause: Duration) -> Load {
        let mut load = Load {
            stop: Arc::default(),
            sent: Arc::default(),
            report: Arc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..connections {
            let request = format!("GET /load HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let (stop, sent, report) = (load.stop.clone(), load.sent.clone(), load.report.clone());
            load.tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    connection(proxy, &request, pause, &stop, &sent, &report).await;
                }
            });
        }
        load
    }

    /// Waits until `n` more requests than now have been answered.
    pub async fn pass(&self, n: u64) {
        let until = self.sent.load(Ordering::Relaxed) + n;
        let all = || async { self.sent.load(Ordering::Relaxed) >= until };
        crate::wait::eventually(Duration::from_secs(60), "requests of the load", all).await;
    }

    /// What has happened so far.
    #[must_use]
    pub fn so_far(&self) -> Report {
        self.report.lock().expect("no task of the load panicked").clone()
    }

    /// Ends the load after the requests in flight, and reports.
    ///
    /// # Panics
    /// When one of its connections did.
    pub async fn stop(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(end) = self.tasks.join_next().await {
            end.expect("the load's task did not panic");
        }
        self.so_far()
    }
}

/// One connection's life; returns when it ended or the load is stopped.
async fn connection(
    to: SocketAddr,
    request: &str,
    pause: Duration,
    stop: &AtomicBool,
    sent: &AtomicU64,
    report: &Mutex<Report>,
) {
    let mut client = match Client::try_connect(to).await {
        Ok(client) => client,
        Err(e) => {
            *report.lock().expect("no task panicked").broken.entry(format!("connect: {e}")).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            return;
        }
    };
    while !stop.load(Ordering::Relaxed) {
        let answer = match client.try_send(request).await {
            Ok(()) => client.try_response("GET").await,
            Err(e) => Err(e),
        };
        sent.fetch_add(1, Ordering::Relaxed);
        if !note(&mut report.lock().expect("no task panicked"), answer) {
            return;
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Whether the connection goes on after an answer.
fn note(report: &mut Report, answer: std::io::Result<Response>) -> bool {
    match answer {
        Ok(r) => {
            report.answered(r.status(), r.text());
            r.head.get("connection") != Some("close")
        }
        Err(e) => {
            *report.broken.entry(e.to_string()).or_default() += 1;
            false
        }
    }
}
