//! What a service replies (sample-apps.md §1.2). No socket here, so that the rules can be tested in tables.

use crate::control;
use crate::go;
use crate::server::Announce;
use crate::settings::Settings;
use crate::upstream::Upstream;
use hyper::http::request::Parts;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A running service: its settings, and what the control endpoints can change.
pub(crate) struct Service {
    settings: Settings,
    /// Nanoseconds; not positive is none.
    latency: AtomicI64,
    /// Bits of an `f64`.
    failure_rate: AtomicU64,
    upstream: Upstream,
    announce: Announce,
}

/// A reply before it becomes HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Errors ask clients not to guess a content type.
    pub(crate) nosniff: bool,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Reply {
        Reply { status: 200, body: body.into(), nosniff: false }
    }

    /// As Go's `http.Error`: the text and a newline.
    pub(crate) fn error(status: u16, text: &str) -> Reply {
        Reply { status, body: format!("{text}\n").into_bytes(), nosniff: true }
    }
}

impl Service {
    pub(crate) fn new(settings: Settings, announce: Announce) -> Service {
        Service {
            latency: AtomicI64::new(settings.latency),
            failure_rate: AtomicU64::new(settings.failure_rate.to_bits()),
            upstream: Upstream::new(&settings.proxy),
            settings,
            announce,
        }
    }

    pub(crate) fn set_latency(&self, nanos: i64) {
        self.latency.store(nanos, Relaxed);
        (self.announce)(&format!("set latency to {}", go::show_duration(nanos)));
    }

    pub(crate) fn set_failure_rate(&self, rate: f64) {
        self.failure_rate.store(rate.to_bits(), Relaxed);
        (self.announce)(&format!("set failure rate to {rate}"));
    }

    /// The reply to a request.
    pub(crate) async fn answer(&self, request: &Parts) -> Reply {
        match control::answer(self, request) {
            Some(reply) => reply,
            None => self.greet(request).await,
        }
    }

    async fn greet(&self, request: &Parts) -> Reply {
        if let Ok(nanos @ 1..) = u64::try_from(self.latency.load(Relaxed)) {
            tokio::time::sleep(Duration::from_nanos(nanos)).await;
        }
        if fastrand::f64() < f64::from_bits(self.failure_rate.load(Relaxed)) {
            return Reply::error(500, "");
        }
        let mut out = self.settings.text.clone().into_bytes();
        if let Some(ip) = &self.settings.pod_ip {
            out.extend_from_slice(format!(" ({ip})").as_bytes());
        }
        if let Some(target) = &self.settings.target {
            match self.upstream.get(target, &request.headers).await {
                Ok(body) => {
                    out.push(b' ');
                    out.extend_from_slice(&body);
                }
                Err(text) => return Reply::error(503, &text),
            }
        }
        if self.settings.json {
            return Reply::ok(format!("{{\"api_result\":{}}}", go::json_string(&out)));
        }
        out.push(b'!');
        Reply::ok(out)
    }
}

#[cfg(test)]
mod tests;
