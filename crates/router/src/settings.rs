//! What a router is told when it is built: plain data, without a trace of the document it came from.

use crate::classify::Classifier;
use crate::connection::{ConnectionSettings, PoolSettings, SessionSettings, SocketSettings};
use crate::forwarded::Forwarded;
use crate::heritage::Heritage;
use crate::identify::Identifier;
use crate::recent::RecentRequests;
use crate::series::Series;
use crate::stats::Clock;
use crate::trace::Propagator;
use balance::{AccrualPolicy, Backoff, Balancer, BudgetConfig, Nanos};
use names::{Dtab, Path, PathPattern};
use telemetry::AccessLog;

/// Everything about one router.
#[derive(Clone, Debug)]
pub struct RouterSettings {
    /// Name in metrics, `rt/<label>/…`.
    pub label: String,
    /// Prefix of every identified name (`dstPrefix`, `/svc`).
    pub dst_prefix: Path,
    /// Base dtab.
    pub dtab: Dtab,
    /// Where the name comes from: asked in this order (`identifier`, the token of `Host`). At least one.
    pub identifiers: Vec<Identifier>,
    /// How trace ids travel (`tracePropagator`, `io.l5d.default`).
    pub propagator: Propagator,
    /// Answers with a body of known length up to this many bytes are taken for whole by TRACE
    /// (`streamAfterContentLengthKB`, 5 KB).
    pub stream_after: u64,
    /// How long a request waits for its name to be bound and the addresses to be known (`bindingTimeoutMs`, 10 s).
    pub binding_timeout: Nanos,
    /// Sizes of the caches.
    pub cache: CacheSettings,
    /// Settings by identified name; all that match apply, later ones win key by key (dataplane.md §6.1).
    pub services: Vec<Scope<ServicePartial>>,
    /// Settings by bound id, likewise.
    pub clients: Vec<Scope<ClientPartial>>,
    /// The servers, by [`ServerId`].
    pub servers: Vec<ServerSettings>,
    /// Longest body of a generated error, in characters (`maxErrResponseKB`, 5120 KB).
    pub max_err_response: usize,
    /// Longest value of `l5d-err`, in bytes (`maxHeadersKB`, 8 KB).
    pub max_headers: usize,
    /// Wall clock at `Nanos(0)`, nanoseconds since the Unix epoch: deadlines travel as wall time.
    pub epoch: u64,
    /// Mixed into trace ids before `l5d-sample` is applied; random per process.
    pub sample_salt: u64,
    /// Where each answer of a back end is noted (`httpAccessLog`); nowhere by default.
    pub access_log: Option<AccessLog>,
    /// Where the latest requests are noted (`io.l5d.recentRequests`); nowhere by default.
    pub recent: Option<RecentRequests>,
    /// How many services and clients have metrics of their own (`maxMetricScopes`, 30,000). Joins the router and its
    /// clients.
    pub series: Series,
    /// Joins the router and its clients, whose gauges have no clock of their own; the default will do.
    pub clock: Clock,
    /// What a router of the same label leaves to this one; the default is nothing.
    pub heritage: Heritage,
}

impl Default for RouterSettings {
    fn default() -> RouterSettings {
        RouterSettings {
            label: "http".to_owned(),
            dst_prefix: Path::from_elems([b"svc"]),
            dtab: Dtab::empty(),
            identifiers: vec![Identifier::default()],
            propagator: Propagator::default(),
            stream_after: 5 * 1024,
            binding_timeout: Nanos::from_secs(10),
            cache: CacheSettings::default(),
            services: Vec::new(),
            clients: Vec::new(),
            servers: Vec::new(),
            max_err_response: 5120 * 1024,
            max_headers: 8 * 1024,
            epoch: 0,
            sample_salt: 0,
            access_log: None,
            recent: None,
            series: Series::default(),
            clock: Clock::default(),
            heritage: Heritage::default(),
        }
    }
}

impl RouterSettings {
    /// Makes these the settings of the router that takes the place of one with the settings `before`: what is the same for
    /// all its generations is taken over.
    pub fn succeed(&mut self, before: &RouterSettings) {
        self.epoch = before.epoch;
        self.sample_salt = before.sample_salt;
        self.clock = before.clock.clone();
        self.heritage = before.heritage.successor();
        if self.series.has_limit_of(&before.series) {
            self.series = before.series.clone();
        }
    }

    /// The settings of the service `name`.
    #[must_use]
    pub fn service(&self, name: &Path) -> ServiceSettings {
        let mut merged = ServiceSettings::default();
        for ServicePartial { total_timeout, retries, classifier } in matching(&self.services, name) {
            merge(&mut merged.total_timeout, total_timeout.map(|t| Some(t).filter(|t| t.0 > 0)));
            merge(&mut merged.retries, *retries);
            merge(&mut merged.classifier, *classifier);
        }
        merged
    }

    /// The settings of the client of the bound id `id`.
    #[must_use]
    pub fn client(&self, id: &Path) -> ClientSettings {
        let mut merged = ClientSettings::default();
        for partial in matching(&self.clients, id) {
            let ClientPartial {
                balancer,
                probation,
                accrual,
                fail_fast,
                requeue_budget,
                attempt_timeout,
                ..
            } = partial;
            merge(&mut merged.connection.pool, partial.pool);
            merge(&mut merged.connection.session, partial.session);
            merge(&mut merged.connection.socket, partial.socket);
            merge(&mut merged.balancer, *balancer);
            merge(&mut merged.probation, *probation);
            merge(&mut merged.fail_fast, *fail_fast);
            merge(&mut merged.accrual, *accrual);
            merge(&mut merged.requeue_budget, *requeue_budget);
            merge(&mut merged.attempt_timeout, attempt_timeout.map(|t| Some(t).filter(|t| t.0 > 0)));
        }
        merged
    }
}

fn matching<'a, S>(scopes: &'a [Scope<S>], name: &Path) -> impl Iterator<Item = &'a S> {
    let name = name.clone();
    scopes
        .iter()
        .filter(move |scope| scope.pattern.as_ref().is_none_or(|pattern| pattern.matches(&name).is_some()))
        .map(|scope| &scope.settings)
}

fn merge<T>(into: &mut T, later: Option<T>) {
    if let Some(later) = later {
        *into = later;
    }
}

/// One server of a router: its place in [`RouterSettings::servers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerId(pub usize);

/// What the router knows of a server.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Name in metrics, `<ip>/<port>` as configured.
    pub label: String,
    /// Whether callers are strangers: what they say in `l5d-*` fields is dropped, and they hear nothing of the kind
    /// (`clearContext`, false; dataplane.md §7.4).
    pub clear_context: bool,
    /// What `Forwarded` tells (`addForwardedHeader`); none by default.
    pub forwarded: Option<Forwarded>,
    /// The field that carries the time of arrival in milliseconds since the Unix epoch (`timestampHeader`); none by
    /// default. Must be a legal name and none of [`crate::header::Known`].
    pub timestamp_header: Option<Box<[u8]>>,
    /// Most proxies a request may have come through (`maxCallDepth`, 1000).
    pub max_call_depth: usize,
    /// Most requests that may wait for their answer at a time; more are refused (`maxConcurrentRequests`, no limit).
    pub max_concurrent: Option<u32>,
    /// Time for a request as the server sees it, retries included (`timeoutMs`; none by default).
    pub timeout: Option<Nanos>,
    /// How long callers' connections live.
    pub session: SessionSettings,
    /// Options of the listening socket and of callers' connections.
    pub socket: SocketSettings,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            label: String::new(),
            clear_context: false,
            forwarded: None,
            timestamp_header: None,
            max_call_depth: 1000,
            max_concurrent: None,
            timeout: None,
            session: SessionSettings::default(),
            socket: SocketSettings::default(),
        }
    }
}

/// Settings for the names a pattern matches.
#[derive(Clone, Debug)]
pub struct Scope<S> {
    /// Which names; `None` is all.
    pub pattern: Option<PathPattern>,
    /// The keys that were given.
    pub settings: S,
}

impl<S> Scope<S> {
    /// Settings for all names (`io.l5d.global`).
    pub const fn global(settings: S) -> Scope<S> {
        Scope { pattern: None, settings }
    }

    /// Settings for the names that match `prefix` (`io.l5d.static`).
    #[must_use]
    pub fn of(prefix: &str, settings: S) -> Scope<S> {
        Scope { pattern: Some(PathPattern::parse(prefix)), settings }
    }
}

/// The keys of a `service` scope that were given.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServicePartial {
    /// `totalTimeoutMs`; 0 is none.
    pub total_timeout: Option<Nanos>,
    /// `retries`, replaced as a whole.
    pub retries: Option<Retries>,
    /// `responseClassifier`.
    pub classifier: Option<Classifier>,
}

/// The keys of a `client` scope that were given.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientPartial {
    /// `loadBalancer`.
    pub balancer: Option<Balancer>,
    /// `enableProbation` of `loadBalancer`, given whenever that is.
    pub probation: Option<bool>,
    /// `failureAccrual`.
    pub accrual: Option<AccrualPolicy>,
    /// `failFast`.
    pub fail_fast: Option<bool>,
    /// `requeueBudget`.
    pub requeue_budget: Option<BudgetConfig>,
    /// `requestAttemptTimeoutMs`; 0 is none.
    pub attempt_timeout: Option<Nanos>,
    /// `hostConnectionPool`, replaced as a whole.
    pub pool: Option<PoolSettings>,
    /// `clientSession`, replaced as a whole.
    pub session: Option<SessionSettings>,
    /// `socketOptions`, replaced as a whole.
    pub socket: Option<SocketSettings>,
}

/// How failed requests are tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// How many.
    pub budget: BudgetConfig,
    /// After which delays; none by default.
    pub backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { budget: BudgetConfig::default(), backoff: Backoff::NONE }
    }
}

/// The settings of one service.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServiceSettings {
    /// Time for a request including its retries; none by default.
    pub total_timeout: Option<Nanos>,
    /// Retries.
    pub retries: Retries,
    /// Response classifier.
    pub classifier: Classifier,
}

/// The settings of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClientSettings {
    /// Load balancer.
    pub balancer: Balancer,
    /// Whether an endpoint that discovery removes stays while it is healthy; no by default.
    pub probation: bool,
    /// Failure accrual.
    pub accrual: AccrualPolicy,
    /// Whether one failed connect takes an endpoint out at once; no by default.
    pub fail_fast: bool,
    /// Requeues.
    pub requeue_budget: BudgetConfig,
    /// Time for one attempt; none by default.
    pub attempt_timeout: Option<Nanos>,
    /// The connections to its endpoints.
    pub connection: ConnectionSettings,
}

/// Sizes of the caches (`bindingCache`, dataplane.md §2).
#[derive(Clone, Copy, Debug)]
pub struct CacheSettings {
    /// Names without a local dtab (1000).
    pub paths: usize,
    /// Names with a local dtab (250): what callers make up must not push out what everybody uses.
    pub overrides: usize,
    /// Requests that may run at a time on a binding of their own because the caches are full of names in use (100);
    /// more are answered 503.
    pub oneshots: usize,
    /// After how long without use an entry is dropped (600 s).
    pub idle_ttl: Nanos,
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings { paths: 1000, overrides: 250, oneshots: 100, idle_ttl: Nanos::from_secs(600) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout(ms: u64) -> ServicePartial {
        ServicePartial { total_timeout: Some(Nanos::from_millis(ms)), ..ServicePartial::default() }
    }

    /// dataplane.md §5.1: `/` → 100, `/svc/foo` → 200.
    #[test]
    fn later_scopes_win_key_by_key() {
        let classifier =
            ServicePartial { classifier: Some(Classifier::RetryableRead5xx), ..ServicePartial::default() };
        let settings = RouterSettings {
            services: vec![
                Scope::global(classifier),
                Scope::of("/svc", timeout(100)),
                Scope::of("/svc/foo", timeout(200)),
                Scope::of("/svc/none", timeout(0)),
            ],
            ..RouterSettings::default()
        };
        let check = |name: &str, want: Option<u64>| {
            let merged = settings.service(&name.parse().unwrap());
            assert_eq!(merged.total_timeout, want.map(Nanos::from_millis), "{name}");
            assert_eq!(merged.classifier, Classifier::RetryableRead5xx);
        };
        check("/svc/foo", Some(200));
        check("/svc/bar", Some(100));
        check("/svc/none", None);
        check("/other", None);
    }

    #[test]
    fn clients_go_by_their_id() {
        let settings = RouterSettings {
            clients: vec![
                Scope::of(
                    "/",
                    ClientPartial { accrual: Some(AccrualPolicy::None), ..ClientPartial::default() },
                ),
                Scope::of(
                    "/$/inet/127.1/*",
                    ClientPartial {
                        balancer: Some(Balancer::ewma()),
                        attempt_timeout: Some(Nanos::from_millis(5)),
                        ..ClientPartial::default()
                    },
                ),
            ],
            ..RouterSettings::default()
        };
        let local = settings.client(&"/$/inet/127.1/80".parse().unwrap());
        assert_eq!((local.balancer, local.accrual), (Balancer::ewma(), AccrualPolicy::None));
        assert_eq!(local.attempt_timeout, Some(Nanos::from_millis(5)));
        let other = settings.client(&"/#/io.l5d.fs/web".parse().unwrap());
        assert_eq!((other.balancer, other.accrual), (Balancer::p2c(), AccrualPolicy::None));
        let defaults = RouterSettings::default().client(&Path::empty());
        assert_eq!(defaults.accrual, AccrualPolicy::default());
    }
}
