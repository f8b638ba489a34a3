//! From the document's words to the plain settings of the rooms that do the work.

use crate::document as doc;
use balance::{AccrualPolicy, Aperture, Backoff, Balancer, BudgetConfig, Nanos};
use config::Scopes;
use engines::{Compression, HttpSettings, Limits};
use router::{
    CacheSettings, Classifier, ClientPartial, Forwarded, HeaderPath, HeaderToken, Identifier, Ingress,
    IngressRules, Labeler, MethodAndHost, PathSegments, PoolSettings, Propagator, Retries, RouterSettings,
    Scope, Series, ServerSettings, ServicePartial, SessionSettings, SocketSettings, StaticName,
};
use std::sync::Arc;

const KB: usize = 1024;
/// Longest body that is held with `streamingEnabled: false`, in bytes; Linkerd's limit is 2 GiB.
const MOST_HELD: u64 = 64 << 20;

/// Settings of an HTTP router, as the decision machine wants them. `epoch`: wall time at the clock's origin; `rules`: those
/// of its identifiers of the kind `io.l5d.ingress`, in their order.
pub(crate) fn router(from: &doc::HttpRouter, epoch: u64, rules: &[Arc<IngressRules>]) -> RouterSettings {
    let mut rules = rules.iter().cloned();
    RouterSettings {
        label: from.label().to_owned(),
        dst_prefix: from.dst_prefix.clone(),
        dtab: from.dtab.clone(),
        identifiers: from.identifier.iter().map(|of| identifier(of, &mut rules)).collect(),
        propagator: match from.trace_propagator {
            doc::TracePropagator::Linkerd(_) => Propagator::Linkerd,
            doc::TracePropagator::Zipkin(_) => Propagator::Zipkin,
        },
        stream_after: u64::from(from.stream_after_content_length_kb) * KB as u64,
        binding_timeout: from.binding_timeout().into(),
        cache: CacheSettings {
            paths: from.binding_cache.paths as usize,
            idle_ttl: from.binding_cache.idle_ttl().into(),
            ..CacheSettings::default()
        },
        services: scopes(&from.service, service),
        clients: scopes(&from.client, client),
        servers: from.servers.iter().map(|of| server(of, from.label())).collect(),
        max_err_response: from.max_err_response_kb as usize * KB,
        max_headers: from.max_headers_kb as usize * KB,
        epoch,
        sample_salt: fastrand::u64(..),
        series: Series::at_most(from.max_metric_scopes as usize),
        ..RouterSettings::default()
    }
}

/// Settings of an HTTP router, as the engine wants them.
pub(crate) fn engine(from: &doc::HttpRouter) -> HttpSettings {
    HttpSettings {
        limits: Limits {
            initial_line: from.max_initial_line_kb as usize * KB,
            headers: from.max_headers_kb as usize * KB,
        },
        hold_body: u64::from(from.stream_after_content_length_kb) * KB as u64,
        hold_all: (!from.streaming_enabled).then_some(MOST_HELD),
        compression: compression(from.compression_level),
        tunnels: from.tunnels,
        ..HttpSettings::default()
    }
}

fn compression(level: i32) -> Compression {
    match u8::try_from(level) {
        Ok(0) => Compression::Never,
        Ok(level) => Compression::Every(level),
        Err(_) => Compression::Textual,
    }
}

fn identifier(from: &doc::Identifier, rules: &mut impl Iterator<Item = Arc<IngressRules>>) -> Identifier {
    match from {
        doc::Identifier::HeaderToken(on) => Identifier::HeaderToken(HeaderToken::new(on.header.as_bytes())),
        doc::Identifier::Header(on) => Identifier::Header(HeaderPath::new(on.header.as_bytes())),
        doc::Identifier::MethodAndHost(of) => {
            Identifier::MethodAndHost(MethodAndHost { uri: of.http_uri_in_dst })
        }
        doc::Identifier::Path(of) => {
            // Linkerd starts with less than none, and then finds too few in every request.
            let segments = usize::try_from(of.segments).unwrap_or(usize::MAX);
            Identifier::Path(PathSegments { segments, consume: of.consume })
        }
        doc::Identifier::Ingress(_) => Identifier::Ingress(Ingress::new(rules.next().unwrap_or_default())),
        doc::Identifier::Static(fixed) => Identifier::Static(StaticName::new(fixed.path.clone())),
    }
}

/// A server is named by what was configured, not by what it got (observability.md §2.4). `router` is the router's label.
fn server(from: &doc::HttpServer, router: &str) -> ServerSettings {
    let label = |from: &doc::Labeler| labeler(from, router);
    ServerSettings {
        label: format!("{}/{}", from.ip, from.port.value),
        clear_context: from.clear_context,
        forwarded: from
            .add_forwarded_header
            .as_ref()
            .map(|f| Forwarded { by: label(&f.by), r#for: label(&f.r#for) }),
        timestamp_header: from.timestamp_header.as_ref().map(|name| name.as_bytes().into()),
        max_call_depth: from.max_call_depth as usize,
        max_concurrent: from.max_concurrent_requests,
        timeout: from.timeout_ms.map(timeout).filter(|t| t.0 > 0),
        session: session(&from.server_session),
        socket: socket(&from.socket_options),
    }
}

fn labeler(from: &doc::Labeler, router: &str) -> Labeler {
    match from {
        doc::Labeler::Ip(_) => Labeler::Ip,
        doc::Labeler::IpPort(_) => Labeler::IpPort,
        doc::Labeler::RequestRandom(_) => Labeler::RequestRandom,
        doc::Labeler::ConnectionRandom(_) => Labeler::ConnectionRandom,
        doc::Labeler::Router(_) => Labeler::fixed(&format!("_{router}")),
        doc::Labeler::Static(s) => {
            Labeler::fixed(&format!("_{}", s.label.strip_prefix('_').unwrap_or(&s.label)))
        }
    }
}

/// Options of sockets: of a server, of a client, of the admin server.
pub(crate) fn socket(from: &doc::SocketOptions) -> SocketSettings {
    let limit = |ms: Option<u32>| ms.filter(|ms| *ms > 0).map(|ms| Nanos::from_millis(ms.into()));
    SocketSettings {
        no_delay: from.no_delay,
        reuse_addr: from.reuse_addr,
        reuse_port: from.reuse_port,
        read_timeout: limit(from.read_timeout_ms),
        write_timeout: limit(from.write_timeout_ms),
        keep_alive: from.keep_alive,
        backlog: from.backlog,
    }
}

/// What the admin server spends at most, as far as the document says.
pub(crate) fn admin_limits(socket: &SocketSettings) -> admin::Limits {
    let mut limits = admin::Limits::default();
    if let Some(read) = socket.read_timeout {
        (limits.head, limits.body) = (read.into(), read.into());
    }
    limits.write = socket.write_timeout.map(Into::into);
    limits
}

fn session(from: &doc::Session) -> SessionSettings {
    let limit = |ms: Option<u32>| ms.map(|ms| Nanos::from_millis(ms.into()));
    SessionSettings { idle: limit(from.idle_time_ms), life: limit(from.life_time_ms) }
}

fn pool(from: &doc::HostConnectionPool) -> PoolSettings {
    PoolSettings {
        min: from.min_size,
        max: from.max_size,
        max_waiters: from.max_waiters,
        idle: from.idle_time_ms.map(|ms| Nanos::from_millis(ms.into())),
    }
}

fn scopes<S, T>(from: &Scopes<S>, settings: impl Fn(&S) -> T) -> Vec<Scope<T>> {
    let scope = |e: &config::ScopeEntry<S>| Scope {
        pattern: Some(e.prefix.clone()),
        settings: settings(&e.settings),
    };
    from.entries.iter().map(scope).collect()
}

fn service(from: &doc::ServiceSettings) -> ServicePartial {
    ServicePartial {
        total_timeout: from.total_timeout_ms.map(timeout),
        retries: from
            .retries
            .as_ref()
            .map(|r| Retries { budget: budget(&r.budget), backoff: backoff(&r.backoff) }),
        classifier: from.response_classifier.as_ref().map(classifier),
    }
}

fn client(from: &doc::ClientSettings) -> ClientPartial {
    ClientPartial {
        balancer: from.load_balancer.as_ref().map(balancer),
        probation: from.load_balancer.as_ref().map(doc::LoadBalancer::enable_probation),
        accrual: from.failure_accrual.as_ref().map(accrual),
        fail_fast: from.fail_fast,
        requeue_budget: from.requeue_budget.as_ref().map(budget),
        attempt_timeout: from.request_attempt_timeout_ms.map(timeout),
        pool: from.host_connection_pool.as_ref().map(pool),
        session: from.client_session.as_ref().map(session),
        socket: from.socket_options.as_ref().map(socket),
    }
}

/// Nothing and less mean no time-out, which the router writes as 0.
fn timeout(ms: i32) -> Nanos {
    Nanos::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn classifier(from: &doc::Classifier) -> Classifier {
    match from {
        doc::Classifier::NonRetryable5xx(_) => Classifier::NonRetryable5xx,
        doc::Classifier::RetryableRead5xx(_) => Classifier::RetryableRead5xx,
        doc::Classifier::RetryableIdempotent5xx(_) => Classifier::RetryableIdempotent5xx,
        doc::Classifier::RetryableAll5xx(_) => Classifier::RetryableAll5xx,
        doc::Classifier::AllSuccessful(_) => Classifier::AllSuccessful,
    }
}

fn budget(from: &doc::RetryBudget) -> BudgetConfig {
    BudgetConfig {
        min_retries_per_sec: from.min_retries_per_sec,
        percent_can_retry: from.percent_can_retry,
        ttl: Nanos::from_secs(from.ttl_secs.unsigned_abs().into()),
    }
}

fn backoff(from: &doc::Backoff) -> Backoff {
    match from {
        doc::Backoff::Constant(c) => Backoff::Constant(Nanos::from_millis(c.ms.into())),
        doc::Backoff::Jittered(j) => Backoff::DecorrelatedJitter {
            min: Nanos::from_millis(j.min_ms.into()),
            max: Nanos::from_millis(j.max_ms.into()),
        },
    }
}

fn balancer(from: &doc::LoadBalancer) -> Balancer {
    match from {
        doc::LoadBalancer::P2c(p) => {
            Balancer::P2c { max_effort: p.max_effort, warm_up: Nanos::from_millis(p.warm_up_ms.into()) }
        }
        doc::LoadBalancer::Ewma(e) => {
            let decay = Nanos::from_millis(e.decay_time_ms.into());
            let warm_up = Nanos::from_millis(e.warm_up_ms.into());
            Balancer::Ewma { decay, max_effort: e.max_effort, warm_up }
        }
        doc::LoadBalancer::Aperture(a) => Balancer::Aperture(Aperture {
            smooth_window: Nanos::from_millis(a.smooth_window_ms.into()),
            low_load: a.low_load,
            high_load: a.high_load,
            min_aperture: a.min_aperture,
            max_effort: a.max_effort,
        }),
        doc::LoadBalancer::Heap(_) => Balancer::Heap,
        doc::LoadBalancer::RoundRobin(r) => Balancer::RoundRobin { max_effort: r.max_effort },
    }
}

fn accrual(from: &doc::FailureAccrual) -> AccrualPolicy {
    let pause = |given: &Option<doc::Backoff>| given.as_ref().map_or(AccrualPolicy::BACKOFF, backoff);
    match from {
        doc::FailureAccrual::None(_) => AccrualPolicy::None,
        doc::FailureAccrual::ConsecutiveFailures(c) => {
            AccrualPolicy::ConsecutiveFailures { failures: c.failures, backoff: pause(&c.backoff) }
        }
        doc::FailureAccrual::SuccessRate(s) => AccrualPolicy::SuccessRate {
            rate: s.success_rate,
            requests: s.requests.unsigned_abs(),
            backoff: pause(&s.backoff),
        },
        doc::FailureAccrual::SuccessRateWindowed(s) => AccrualPolicy::SuccessRateWindowed {
            rate: s.success_rate,
            window: Nanos::from_secs(s.window.unsigned_abs().into()),
            backoff: pause(&s.backoff),
        },
    }
}

#[cfg(test)]
mod tests;
