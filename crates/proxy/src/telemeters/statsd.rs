//! `io.l5d.statsd`: sends what has changed to a StatsD server, each second, over UDP (observability.md §5).
//!
//! Nobody answers, and packets may be lost; that the server is not there must disturb nothing.

use crate::document as doc;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::Duration;
use telemetry::{Metrics, Statsd, StatsdRates};
use tokio::time::{MissedTickBehavior, interval};

/// How often counters and samples are sent.
const ROUND: Duration = Duration::from_secs(1);
/// After how many rounds the server's name is looked up again.
const LOOKUP: u64 = 60;
/// After how many rounds a name that was not found is looked up again.
const AGAIN: u64 = 5;

/// Runs until it is dropped.
pub(super) async fn run(to: doc::Statsd, metrics: Metrics) {
    let mut statsd = Statsd::new(StatsdRates { prefix: to.prefix.clone(), sample_rate: to.sample_rate });
    let gauges = u64::from(to.gauge_interval_ms).div_ceil(ROUND.as_millis() as u64).max(1);
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut server = Server { to, socket: None, lookup: 0, told: false };
    for round in 0u64.. {
        rounds.tick().await;
        server.find(round).await;
        let due = round % gauges == 0;
        // Without a server nothing is taken for sent: what has been counted meanwhile is told when it is there.
        let Some(socket) = &server.socket else { continue };
        let mut lost = None;
        let mut send = |datagram: &str| lost = socket.send(datagram.as_bytes()).err().or(lost.take());
        statsd.round(&metrics, due, &mut fastrand::f64, &mut send);
        if let Some(error) = lost {
            server.lost(&error);
        }
    }
}

struct Server {
    to: doc::Statsd,
    socket: Option<UdpSocket>,
    /// The round of the next lookup.
    lookup: u64,
    /// Whether the log knows that something is wrong.
    told: bool,
}

impl Server {
    /// Looks the server up when it is time.
    async fn find(&mut self, round: u64) {
        if round < self.lookup {
            return;
        }
        let (host, port) = (self.to.hostname.clone(), self.to.port);
        let found = tokio::task::spawn_blocking(move || connect(&host, port)).await;
        match found.unwrap_or_else(|broken| Err(io::Error::other(broken))) {
            Ok(socket) => {
                self.socket = Some(socket);
                self.lookup = round + LOOKUP;
            }
            Err(error) => {
                // What worked before goes on working.
                self.lookup = round + AGAIN;
                self.lost(&error);
            }
        }
    }

    /// Told once: a server that is away would fill the log.
    fn lost(&mut self, error: &io::Error) {
        if !self.told {
            self.told = true;
            tracing::warn!("io.l5d.statsd: cannot send to {}:{}: {error}", self.to.hostname, self.to.port);
        }
    }
}

/// A socket that sends to the first address of the name.
fn connect(host: &str, port: u16) -> io::Result<UdpSocket> {
    let mut found = (host, port).to_socket_addrs()?;
    let at = found.next().ok_or_else(|| io::Error::other("the name has no address"))?;
    let any: SocketAddr =
        if at.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    // A full buffer loses packets; it holds up nobody.
    socket.set_nonblocking(true)?;
    socket.connect(at)?;
    Ok(socket)
}
