//! Retry budgets and back-off, used by services (retries), clients (requeues) and failure accrual
//! (dataplane.md §5.2, §5.3).

use config::{Context, Fault, Places, config, kinds};

config! {
    /// How many retries are allowed: a share of the requests of the last seconds, and a few in any case.
    pub struct RetryBudget {
        /// Retries per second allowed on top of the share.
        min_retries_per_sec "minRetriesPerSec": u32 = "10", example "5";
        /// The share of requests that may be retried: 0.2 is one in five.
        percent_can_retry "percentCanRetry": f64 = "0.2", from 0 to 1000, check share, example "0.5";
        /// For how many seconds a request counts towards the budget.
        ttl_secs "ttlSecs": i32 = "10", from 1 to 60, check ttl, example "15";
    }
}

fn share(share: &f64) -> Result<(), String> {
    match *share {
        share if share < 0.0 => Err(format!("percentCanRetry must be non-negative: {share:?}")),
        share if share > 1000.0 => Err(format!("percentCanRetry must not be greater than 1000.0: {share:?}")),
        _ => Ok(()),
    }
}

fn ttl(seconds: &i32) -> Result<(), String> {
    match seconds {
        1..=60 => Ok(()),
        _ => Err(format!("ttl must be [1 second, 60 seconds]: {seconds}.seconds")),
    }
}

kinds! {
    /// How long to wait before trying again.
    pub enum Backoff: "backoff", key "kind" {
        "constant" => Constant(ConstantBackoff),
        "jittered" => Jittered(JitteredBackoff),
    }
}

config! {
    /// Always the same pause.
    pub struct ConstantBackoff {
        /// The pause, in milliseconds.
        ms "ms": u32 = "0", example "100";
    }
}

config! {
    /// Growing random pauses: the first is `minMs`, the next ones lie between the last and three times it, up to `maxMs`.
    pub struct JitteredBackoff {
        /// The shortest pause, in milliseconds.
        min_ms "minMs": u32 = "0", from 1, example "10";
        /// The longest pause, in milliseconds, not below `minMs`.
        max_ms "maxMs": u32 = "0", from 1, example "10000";
    }
    rule bounds;
}

/// Linkerd starts with bad bounds and then answers every request with 502; here they are faults of the document.
fn bounds(backoff: &JitteredBackoff, places: Places<'_>, cx: &mut Context) -> Option<()> {
    let mut fine = Some(());
    for (key, value) in [("minMs", backoff.min_ms), ("maxMs", backoff.max_ms)] {
        let message = match (value, places.has(key)) {
            (_, false) => format!("'{key}' must be specified"),
            (0, true) => format!("'{key}' must be positive"),
            _ => continue,
        };
        cx.fault(Fault::new(places.of(key), message).expected("milliseconds, 1 or more"));
        fine = None;
    }
    if fine.is_some() && backoff.min_ms > backoff.max_ms {
        let message =
            format!("'minMs' ({}) must not be greater than 'maxMs' ({})", backoff.min_ms, backoff.max_ms);
        cx.fault(Fault::new(places.of("minMs"), message));
        fine = None;
    }
    fine
}
