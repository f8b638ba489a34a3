//! From the document's words to the plain settings of the rooms that do the work.

use crate::document as doc;
use balance::{AccrualPolicy, Backoff, Balancer, BudgetConfig, Nanos};
use config::Scopes;
use engines::{Compression, HttpSettings, Limits};
use router::{
    CacheSettings, Classifier, ClientPartial, HeaderToken, Retries, RouterSettings, Scope, ServerSettings,
    ServicePartial,
};

const KB: usize = 1024;
/// Longest body that is held with `streamingEnabled: false`, in bytes; Linkerd's limit is 2 GiB.
const MOST_HELD: u64 = 64 << 20;

/// Settings of an HTTP router, as the decision machine wants them. `epoch`: wall time at the clock's origin.
pub(crate) fn router(from: &doc::HttpRouter, epoch: u64) -> RouterSettings {
    RouterSettings {
        label: from.label().to_owned(),
        dst_prefix: from.dst_prefix.clone(),
        dtab: from.dtab.clone(),
        identifier: identifier(&from.identifier),
        binding_timeout: from.binding_timeout().into(),
        cache: CacheSettings {
            paths: from.binding_cache.paths as usize,
            idle_ttl: from.binding_cache.idle_ttl().into(),
            ..CacheSettings::default()
        },
        services: scopes(&from.service, service),
        clients: scopes(&from.client, client),
        servers: from.servers.iter().map(server).collect(),
        max_err_response: from.max_err_response_kb as usize * KB,
        max_headers: from.max_headers_kb as usize * KB,
        epoch,
        sample_salt: fastrand::u64(..),
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

/// The document knows one kind so far; a list of several is refused there.
fn identifier(from: &[doc::Identifier]) -> HeaderToken {
    match from.first() {
        Some(doc::Identifier::HeaderToken(token)) => HeaderToken::new(token.header.as_bytes()),
        None => HeaderToken::default(),
    }
}

/// A server is named by what was configured, not by what it got (observability.md §2.4).
fn server(from: &doc::HttpServer) -> ServerSettings {
    ServerSettings { label: format!("{}/{}", from.ip, from.port.value) }
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
        accrual: from.failure_accrual.as_ref().map(accrual),
        requeue_budget: from.requeue_budget.as_ref().map(budget),
        attempt_timeout: from.request_attempt_timeout_ms.map(timeout),
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
        ttl: Nanos::from_secs(from.ttl_secs.into()),
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
        doc::LoadBalancer::P2c(p) => Balancer::P2c { max_effort: p.max_effort },
        doc::LoadBalancer::Ewma(e) => {
            Balancer::Ewma { decay: Nanos::from_millis(e.decay_time_ms.into()), max_effort: e.max_effort }
        }
    }
}

fn accrual(from: &doc::FailureAccrual) -> AccrualPolicy {
    match from {
        doc::FailureAccrual::None(_) => AccrualPolicy::None,
        doc::FailureAccrual::ConsecutiveFailures(c) => {
            let AccrualPolicy::ConsecutiveFailures { backoff: default, .. } = AccrualPolicy::default() else {
                return AccrualPolicy::None;
            };
            let backoff = c.backoff.as_ref().map_or(default, backoff);
            AccrualPolicy::ConsecutiveFailures { failures: c.failures, backoff }
        }
    }
}
