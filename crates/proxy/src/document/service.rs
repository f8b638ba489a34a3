//! `service`: what holds for a name as callers say it (dataplane.md §5).

use super::budget::{Backoff, RetryBudget};
use super::millis;
use config::{config, kinds};
use std::time::Duration;

config! {
    /// What holds for the names that match: timeouts, retries, what counts as a failure.
    pub scope struct ServiceSettings {
        /// How long a request may take with all its retries, in milliseconds; 0 or less is no limit.
        total_timeout_ms "totalTimeoutMs": i32, example "1000";
        /// How failed requests are retried.
        retries "retries": Retries = "{}", example "{budget: {percentCanRetry: 0.5}}";
        /// Which answers are failures, and which of those may be retried.
        response_classifier "responseClassifier": Classifier = "{kind: io.l5d.http.nonRetryable5XX}",
            example "{kind: io.l5d.http.retryableRead5XX}";
    }
}

impl ServiceSettings {
    /// The limit of a request with all its retries, if there is one.
    pub fn total_timeout(&self) -> Option<Duration> {
        millis(self.total_timeout_ms)
    }
}

config! {
    /// Retries of requests whose failure the classifier calls retryable.
    pub struct Retries {
        /// How many.
        budget "budget": RetryBudget = "{}", example "{minRetriesPerSec: 5, percentCanRetry: 0.5, ttlSecs: 15}";
        /// After which pause.
        backoff "backoff": Backoff = "{kind: constant, ms: 0}", example "{kind: jittered, minMs: 10, maxMs: 10000}";
    }
}

config! {
    /// A kind that is told by its name alone.
    pub struct NoKeys {}
}

kinds! {
    /// Decides from method and answer whether a request failed and may be retried.
    pub enum Classifier: "response classifier", key "kind" {
        /// Answers of 500 and more are failures; none is retried.
        "io.l5d.http.nonRetryable5XX" => NonRetryable5xx(NoKeys),
        /// Answers of 500 and more are failures; those to GET, HEAD, OPTIONS and TRACE are retried.
        "io.l5d.http.retryableRead5XX" => RetryableRead5xx(NoKeys),
        /// Answers of 500 and more are failures; those to reads, PUT and DELETE are retried.
        "io.l5d.http.retryableIdempotent5XX" => RetryableIdempotent5xx(NoKeys),
        /// Answers of 500 and more are failures, and all are retried.
        "io.l5d.http.retryableAll5XX" => RetryableAll5xx(NoKeys),
        /// Every answer is a success.
        "io.l5d.http.allSuccessful" => AllSuccessful(NoKeys),
    }
}
