//! The demo's own callers: a steady load through the outgoing router, measured where callers feel it.

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// What one caller asks for, again and again.
#[derive(Clone, Copy, Debug)]
struct Call {
    host: &'static str,
    dtab: Option<&'static str>,
    row: Row,
}

/// What latencies are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Hello,
    World,
}

/// Ten callers, each of which asks five times a second: 50 requests a second.
const CALLERS: usize = 10;
const PERIOD: Duration = Duration::from_millis(200);
/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Every tenth caller takes world-v2 for its requests alone.
fn call(caller: usize) -> Call {
    match caller {
        0 => Call { host: "world", dtab: Some("/host/world => /srv/world-v2"), row: Row::World },
        1 | 2 => Call { host: "world", dtab: None, row: Row::World },
        _ => Call { host: "hello", dtab: None, row: Row::Hello },
    }
}

/// One answered request.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    row: Row,
    latency: Duration,
}

/// What the callers have seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    samples: VecDeque<Sample>,
    answered: u64,
    failed: u64,
}

/// Shared by the callers and whoever shows what they saw.
pub(crate) type SharedSeen = Arc<Mutex<Seen>>;

/// What the callers have counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Requests that were answered with a success.
    pub(crate) answered: u64,
    /// Requests that were not.
    pub(crate) failed: u64,
}

/// The median and the 99th percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Seen {
    fn count(&mut self, sample: Sample, ok: bool) {
        if ok {
            self.answered += 1;
            self.samples.push_back(sample);
        } else {
            self.failed += 1;
        }
    }

    /// Forgets what was answered before `since`.
    pub(crate) fn forget_before(&mut self, since: Instant) {
        while self.samples.front().is_some_and(|s| s.at < since) {
            self.samples.pop_front();
        }
    }

    /// The latency of what is remembered of `row`; `None` when that is nothing.
    pub(crate) fn latency(&self, row: Row) -> Option<Latency> {
        let mut all: Vec<Duration> =
            self.samples.iter().filter(|s| s.row == row).map(|s| s.latency).collect();
        all.sort_unstable();
        // The smallest value that is not exceeded by more than the rest.
        let rank = |percent: usize| all.get((all.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Latency { p50: rank(50)?, p99: rank(99)? })
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals { answered: self.answered, failed: self.failed }
    }
}

/// Runs `f` on what was seen.
pub(crate) fn with<T>(seen: &SharedSeen, f: impl FnOnce(&mut Seen) -> T) -> T {
    // Nothing that can panic runs under this lock.
    f(&mut seen.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Calls until the set is dropped.
pub(crate) fn start(proxy: SocketAddr, seen: &SharedSeen) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let wait = PERIOD * caller as u32 / CALLERS as u32;
        callers.spawn(run(proxy, call(caller), wait, seen.clone()));
    }
    callers
}

async fn run(proxy: SocketAddr, call: Call, wait: Duration, seen: SharedSeen) {
    let mut ticks = tokio::time::interval_at(Instant::now() + wait, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    loop {
        ticks.tick().await;
        let begin = Instant::now();
        let answered = tokio::time::timeout(PATIENCE, ask(proxy, call, &mut connection)).await;
        let ok = matches!(answered, Ok(Some(200)));
        if !matches!(answered, Ok(Some(_))) {
            connection = None;
        }
        let at = Instant::now();
        with(&seen, |seen| seen.count(Sample { at, row: call.row, latency: at - begin }, ok));
    }
}

/// Sends one request and reads the whole answer; its status, or `None` when there was none.
async fn ask(
    proxy: SocketAddr,
    call: Call,
    connection: &mut Option<SendRequest<Empty<Bytes>>>,
) -> Option<u16> {
    let open = match connection.take() {
        // The proxy may close a connection between two requests, which is no failure.
        Some(mut open) => open.ready().await.is_ok().then_some(open),
        None => None,
    };
    let sender = connection.insert(match open {
        Some(open) => open,
        None => connect(proxy).await?,
    });
    let mut request = Request::get("/").header(HOST, call.host);
    if let Some(dtab) = call.dtab {
        request = request.header("l5d-dtab", dtab);
    }
    let response = sender.send_request(request.body(Empty::new()).ok()?).await.ok()?;
    let status = response.status().as_u16();
    response.into_body().collect().await.ok()?;
    Some(status)
}

async fn connect(proxy: SocketAddr) -> Option<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(proxy).await.ok()?;
    stream.set_nodelay(true).ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // Ends with its sender.
    tokio::spawn(connection);
    Some(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        fn check(millis: impl IntoIterator<Item = u64>, expected: Option<(u64, u64)>) {
            let mut seen = Seen::default();
            for ms in millis {
                let latency = Duration::from_millis(ms);
                seen.samples.push_back(Sample { at: now(), row: Row::Hello, latency });
            }
            let ms = Duration::from_millis;
            assert_eq!(
                seen.latency(Row::Hello),
                expected.map(|(p50, p99)| Latency { p50: ms(p50), p99: ms(p99) })
            );
            assert_eq!(seen.latency(Row::World), None);
        }
        check([], None);
        check([7], Some((7, 7)));
        check([9, 1], Some((1, 9)));
        check((1..=100).rev(), Some((50, 99)));
        check(1..=1000, Some((500, 990)));
    }

    fn now() -> Instant {
        Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_old_is_forgotten_but_stays_counted() {
        let mut seen = Seen::default();
        let sample = |at| Sample { at, row: Row::Hello, latency: Duration::from_millis(1) };
        seen.count(sample(now()), true);
        tokio::time::advance(Duration::from_secs(5)).await;
        seen.count(sample(now()), true);
        seen.count(sample(now()), false);
        seen.forget_before(now() - Duration::from_secs(4));
        assert_eq!((seen.samples.len(), seen.totals()), (1, Totals { answered: 2, failed: 1 }));
    }

    #[test]
    fn most_callers_say_hello() {
        let calls: Vec<Call> = (0..CALLERS).map(call).collect();
        let count = |wanted: fn(&Call) -> bool| calls.iter().filter(|c| wanted(c)).count();
        assert_eq!([count(|c| c.row == Row::Hello), count(|c| c.dtab.is_some())], [7, 1]);
    }
}
