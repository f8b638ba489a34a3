//! `io.l5d.dnssrv`: replica sets as SRV records (routing.md §2.8).
//!
//! Unlike hosts, a name that cannot be looked up any more is gone at once: its records are the list of its replicas, and
//! dtabs fall over to the next alternative.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::{Name, RData};
use names::{NameTree, Path};
use naming::{
    Addr, Address, BoundName, LINGER, Live, Named, Namer, Publisher, Reader, State, configured_prefix,
};
use parking_lot::Mutex;
use telemetry::{Counter, Histogram, Scope};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::dns::{Client, DnsSettings, says_no};

/// The replicas of a name; none when there is no such name.
type Replicas = Arc<[SocketAddr]>;

/// What is counted under `namer/<prefix>` (observability.md §2.4).
struct Stats {
    successes: Counter,
    failures: Counter,
    zero_results: Counter,
    unknown_hosts: Counter,
    unexpected_codes: Counter,
    duration: Histogram,
}

impl Stats {
    fn new(scope: &Scope) -> Stats {
        Stats {
            successes: scope.counter("lookup_successes_total"),
            failures: scope.counter("lookup_failures_total"),
            zero_results: scope.counter("lookup_zero_results_total"),
            unknown_hosts: scope.counter("unknown_srv_hosts_results_total"),
            unexpected_codes: scope.counter("unexpected_code_total"),
            duration: scope.histogram("request_duration_ms"),
        }
    }

    /// A look-up of SRV records has ended after so long.
    fn count(&self, ended: Result<(), &NetError>, took: Duration) {
        self.duration.record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        match ended {
            Ok(()) => self.successes.inc(),
            Err(error) if says_no(error) => self.zero_results.inc(),
            Err(error) => {
                self.failures.inc();
                if matches!(error, NetError::Dns(_)) {
                    self.unexpected_codes.inc();
                }
            }
        }
    }
}

struct Shared {
    client: Client,
    stats: Stats,
    refresh: Duration,
    handle: Handle,
    watches: Mutex<HashMap<Path, Watch>>,
}

/// One name in use. Existence and replicas are apart, so that a replica that comes or goes binds no name again.
#[derive(Clone)]
struct Watch {
    exists: Publisher<bool>,
    replicas: Publisher<Replicas>,
}

/// The namer.
pub struct DnsSrvNamer {
    prefix: Path,
    shared: Arc<Shared>,
}

impl DnsSrvNamer {
    /// Names under `/#` and `prefix`, looked up every `refresh` (at least 1 ms) as long as somebody uses them. Look-ups
    /// run on `handle`, the control runtime, and are counted in `scope`, which is `namer/<prefix>`.
    #[must_use]
    pub fn new(
        prefix: &Path,
        settings: DnsSettings,
        refresh: Duration,
        handle: Handle,
        scope: &Scope,
    ) -> DnsSrvNamer {
        let (watches, client) = (Mutex::default(), Client::new(settings));
        let refresh = refresh.max(Duration::from_millis(1));
        let stats = Stats::new(scope);
        let shared = Arc::new(Shared { client, stats, refresh, handle, watches });
        DnsSrvNamer { prefix: configured_prefix(prefix), shared }
    }

    /// How many names are looked up at the moment.
    #[must_use]
    pub fn watches(&self) -> usize {
        self.shared.watches.lock().len()
    }

    fn open<T: Clone + PartialEq + Send + 'static>(
        &self,
        name: &Path,
        part: impl Fn(&Watch) -> &Publisher<T>,
    ) -> Live<T> {
        let mut watches = self.shared.watches.lock();
        if let Some(watch) = watches.get(name) {
            return part(watch).live();
        }
        let watch = Watch { exists: Publisher::default(), replicas: Publisher::default() };
        let live = part(&watch).live();
        watches.insert(name.clone(), watch.clone());
        self.shared.handle.spawn(Shared::follow(Arc::clone(&self.shared), name.clone(), watch));
        live
    }
}

impl Namer for DnsSrvNamer {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let name = path.take(1);
        if name.is_empty() {
            return State::Ok(NameTree::Neg);
        }
        let live = self.open(&name, |watch| &watch.exists);
        reader.read(&live).map(|exists| {
            if !exists {
                return NameTree::Neg;
            }
            let bound = BoundName { id: self.prefix.concat(&name), residual: path.skip(1) };
            NameTree::Leaf(Named::Bound(bound))
        })
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let Some(name) = id.strip_prefix(&self.prefix).filter(|name| name.len() == 1) else {
            return Addr::Neg;
        };
        let live = self.open(&name, |watch| &watch.replicas);
        match reader.read(&live) {
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
            State::Ok(replicas) if replicas.is_empty() => Addr::Neg,
            State::Ok(replicas) => Addr::bound(replicas.iter().copied().map(Address::new).collect()),
        }
    }
}

impl Shared {
    /// Keeps one name up to date until nobody has wanted it for a while, or the namer is gone.
    async fn follow(self: Arc<Self>, path: Path, watch: Watch) {
        let host =
            path.first().and_then(|elem| std::str::from_utf8(elem).ok()).unwrap_or_default().to_owned();
        loop {
            let replicas = self.look_up(&host).await.unwrap_or_else(|error| {
                tracing::debug!(host, "{error}");
                Vec::new()
            });
            watch.exists.set(State::Ok(!replicas.is_empty()));
            watch.replicas.set(State::Ok(replicas.into()));
            let unused = async {
                watch.exists.closed(LINGER).await;
                watch.replicas.closed(LINGER).await;
            };
            tokio::select! {
                () = tokio::time::sleep(self.refresh) => {}
                () = unused => {}
            }
            let mut watches = self.watches.lock();
            let idle = |of: Option<Duration>| of.is_some_and(|idle| idle >= LINGER);
            if idle(watch.exists.idle_for()) && idle(watch.replicas.idle_for()) {
                watches.remove(&path);
                return;
            }
        }
    }

    /// All addresses of all targets; targets that cannot be found are left out.
    async fn look_up(&self, host: &str) -> Result<Vec<SocketAddr>, String> {
        let name = Name::from_utf8(host).map_err(|error| error.to_string())?;
        let client = self.client.get().await?;
        let begun = Instant::now();
        let lookup = client.srv_lookup(name).await;
        self.stats.count(lookup.as_ref().map(|_| ()), begun.elapsed());
        let lookup = lookup.map_err(|error| {
            if !says_no(&error) {
                self.client.unanswered();
            }
            error.to_string()
        })?;
        let mut sockets = Vec::new();
        for record in lookup.answers() {
            let RData::SRV(srv) = &record.data else { continue };
            match client.lookup_ip(srv.target.clone()).await {
                Ok(ips) => sockets.extend(ips.iter().map(|ip| SocketAddr::new(ip, srv.port))),
                Err(error) => {
                    self.stats.unknown_hosts.inc();
                    tracing::debug!(host, target = %srv.target, "{error}");
                }
            }
        }
        sockets.sort_unstable();
        sockets.dedup();
        Ok(sockets)
    }
}

impl std::fmt::Debug for DnsSrvNamer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsSrvNamer").field("watches", &self.watches()).finish_non_exhaustive()
    }
}
