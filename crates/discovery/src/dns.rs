//! Host names through DNS: each name in use is looked up again when its records expire (architecture.md §8).
//!
//! A server that does not answer changes nothing for a name that was found before; a server that says there is no such
//! name does. The resolver itself is made at the first host name, so a process that routes by literal addresses and files
//! never pays for it.

mod client;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use naming::{LINGER, Publisher, Reader, Resolver, State};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

pub(crate) use client::Client;
pub use client::DnsHost;

/// How names are looked up.
#[derive(Clone, Debug)]
pub struct DnsSettings {
    /// The servers to ask; none: those of the system, with its search domains and hosts file.
    pub servers: Vec<DnsHost>,
    /// Names are not looked up more often than this, whatever their records say; 1 s.
    pub min_ttl: Duration,
    /// Names are looked up at least this often; 5 min.
    pub max_ttl: Duration,
    /// When to ask again after an answer without records or no answer at all; 5 s.
    pub retry: Duration,
    /// How long one question waits for its answer; 5 s.
    pub timeout: Duration,
}

impl Default for DnsSettings {
    fn default() -> Self {
        DnsSettings {
            servers: Vec::new(),
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_secs(300),
            retry: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
        }
    }
}

type Ips = Arc<[IpAddr]>;

/// How many names are looked up again at a time. First look-ups do not wait: somebody waits for them.
const REFRESHES: usize = 32;

struct Inner {
    handle: Handle,
    client: Client,
    watches: Mutex<HashMap<Box<str>, Publisher<Ips>>>,
    refreshes: Semaphore,
}

/// Finds hosts through DNS. Clones share their names.
#[derive(Clone)]
pub struct Dns {
    inner: Arc<Inner>,
}

impl Dns {
    /// A resolver whose look-ups run on `handle`, the control runtime.
    #[must_use]
    pub fn new(handle: Handle, settings: DnsSettings) -> Dns {
        let (watches, client) = (Mutex::default(), Client::new(settings));
        let refreshes = Semaphore::new(REFRESHES);
        Dns { inner: Arc::new(Inner { handle, client, watches, refreshes }) }
    }

    /// How many names are looked up at the moment.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.inner.watches.lock().len()
    }
}

impl Resolver for Dns {
    fn resolve(&self, host: &str, reader: &mut dyn Reader) -> State<Arc<[IpAddr]>> {
        let host = host.to_ascii_lowercase();
        let live = {
            let mut watches = self.inner.watches.lock();
            match watches.get(host.as_str()) {
                Some(publisher) => publisher.live(),
                None => {
                    let publisher = Publisher::default();
                    let live = publisher.live();
                    watches.insert(host.as_str().into(), publisher.clone());
                    self.inner.handle.spawn(Inner::watch(Arc::clone(&self.inner), host, publisher));
                    live
                }
            }
        };
        reader.read(&live)
    }
}

/// What one look-up found, and when to ask again.
struct Answer {
    found: Result<Vec<IpAddr>, String>,
    again: Duration,
}

impl Inner {
    /// Keeps one name up to date until nobody has wanted it for a while.
    async fn watch(self: Arc<Self>, host: String, publisher: Publisher<Ips>) {
        loop {
            let turn = match publisher.get() {
                State::Pending => None,
                _ => self.refreshes.acquire().await.ok(),
            };
            let Answer { found, again } = self.look_up(&host).await;
            drop(turn);
            match found {
                Ok(ips) => publisher.set(State::Ok(ips.into())),
                Err(text) => {
                    // What was found before stays while the server cannot be asked.
                    if !matches!(publisher.get(), State::Ok(_)) {
                        publisher.set(State::failed(text));
                    } else {
                        publisher.doubt();
                        tracing::warn!(host, "{text}; the addresses found before stay in use");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(spread(again)) => {}
                () = publisher.closed(LINGER) => {
                    if self.retire(&host, &publisher) {
                        return;
                    }
                }
            }
        }
    }

    /// Takes an idle name off the table; false when somebody has just come back for it.
    fn retire(&self, host: &str, publisher: &Publisher<Ips>) -> bool {
        let mut watches = self.watches.lock();
        let idle = !publisher.is_observed();
        if idle {
            watches.remove(host);
        }
        idle
    }

    async fn look_up(&self, host: &str) -> Answer {
        let settings = self.client.settings();
        let Ok(name) = Name::from_utf8(host) else {
            // No server can know what is not even a name.
            return Answer { found: Ok(Vec::new()), again: settings.max_ttl };
        };
        let client = match self.client.get().await {
            Ok(client) => client,
            Err(error) => return Answer { found: Err(error), again: settings.retry },
        };
        match client.lookup_ip(name).await {
            Ok(lookup) => {
                let records = lookup.as_lookup().answers();
                let ttl = records.iter().map(|r| r.ttl).min().map(|s| Duration::from_secs(s.into()));
                let mut ips: Vec<IpAddr> = lookup.iter().collect();
                ips.sort_unstable();
                ips.dedup();
                let again = ttl.unwrap_or(settings.retry).clamp(settings.min_ttl, settings.max_ttl);
                Answer { found: Ok(ips), again }
            }
            Err(error) if says_no(&error) => Answer { found: Ok(Vec::new()), again: settings.retry },
            Err(error) => {
                self.client.unanswered();
                Answer { found: Err(format!("{host}: {error}")), again: settings.retry }
            }
        }
    }
}

/// Up to a tenth earlier, so that names found together are not all looked up together again.
fn spread(again: Duration) -> Duration {
    again.mul_f64(1.0 - fastrand::f64() / 10.0)
}

/// Whether a server has answered that the name has no addresses.
pub(crate) fn says_no(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
        }
        _ => false,
    }
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").field("watches", &self.watches()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
