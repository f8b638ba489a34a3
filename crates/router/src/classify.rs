//! Which outcome is a success, which a failure, which is worth another try (dataplane.md §5.4).

use crate::header::Known;
use crate::seam::ResponseHead;

/// What an attempt's outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A success.
    Success,
    /// A failure; trying again would be wrong or useless.
    Failure,
    /// A failure; another attempt may succeed and does no harm.
    Retryable,
}

impl Class {
    /// The value of `l5d-success-class`.
    pub(crate) const fn header(self) -> &'static [u8] {
        match self {
            Class::Success => b"1.0",
            Class::Failure | Class::Retryable => b"0.0",
        }
    }
}

/// A request's method, as far as classifiers tell methods apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET, HEAD, OPTIONS.
    Read,
    /// TRACE: a read that may be meant for a proxy on the way.
    Trace,
    /// PUT, DELETE.
    Idempotent,
    /// POST, PATCH.
    Write,
    /// Any other, CONNECT among them.
    Other,
}

impl Method {
    /// The kind of a method; case is significant (RFC 9110 §9.1).
    #[must_use]
    pub fn of(method: &[u8]) -> Method {
        match method {
            b"GET" | b"HEAD" | b"OPTIONS" => Method::Read,
            b"TRACE" => Method::Trace,
            b"PUT" | b"DELETE" => Method::Idempotent,
            b"POST" | b"PATCH" => Method::Write,
            _ => Method::Other,
        }
    }

    /// Whether sending it twice has the effect of sending it once (RFC 9110 §9.2.2).
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        matches!(self, Method::Read | Method::Trace | Method::Idempotent)
    }
}

/// The response classifiers of HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classifier {
    /// `io.l5d.http.nonRetryable5XX`: 5xx are failures, nothing is tried again.
    #[default]
    NonRetryable5xx,
    /// `io.l5d.http.retryableRead5XX`: failures of GET, HEAD, OPTIONS and TRACE are tried again.
    RetryableRead5xx,
    /// `io.l5d.http.retryableIdempotent5XX`: of PUT and DELETE also.
    RetryableIdempotent5xx,
    /// `io.l5d.http.retryableAll5XX`: of POST and PATCH also.
    RetryableAll5xx,
    /// `io.l5d.http.allSuccessful`: every reply is a success.
    AllSuccessful,
}

impl Classifier {
    /// Whether failures of this method are tried again.
    fn retries(self, method: Method) -> bool {
        match self {
            Classifier::NonRetryable5xx | Classifier::AllSuccessful => false,
            Classifier::RetryableRead5xx => matches!(method, Method::Read | Method::Trace),
            Classifier::RetryableIdempotent5xx => method.is_idempotent(),
            Classifier::RetryableAll5xx => method != Method::Other,
        }
    }

    /// The class of a reply. `replayable` says whether the request can be sent again at all.
    ///
    /// `l5d-retryable: true` asks for another attempt whatever the method. `false` is what a router below says that has
    /// tried again until its budget was spent: each router that did the same would multiply the load on what fails, so
    /// none does (user-demand.md B6).
    #[must_use]
    pub fn reply(self, method: Method, head: &impl ResponseHead, replayable: bool) -> Class {
        if self.is_success(head.status()) {
            return Class::Success;
        }
        let retries = match head.get(Known::L5dRetryable.into()) {
            Some(b"true") => true,
            Some(b"false") => false,
            _ => self.retries(method),
        };
        if replayable && retries { Class::Retryable } else { Class::Failure }
    }

    /// Whether a reply of this status is a success: 500 to 599 are failures of the server, whatever else there is is not.
    #[must_use]
    pub fn is_success(self, status: u16) -> bool {
        !(500..600).contains(&status) || self == Classifier::AllSuccessful
    }

    /// The class of an attempt without a reply: time-out, connection closed, malformed answer.
    #[must_use]
    pub fn no_reply(self, method: Method, replayable: bool) -> Class {
        if replayable && self.retries(method) { Class::Retryable } else { Class::Failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeResponse;

    const METHODS: [&str; 9] =
        ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH", "CONNECT"];

    /// Rows 6 to 11 of dataplane.md §13, as a table of classifier, methods it retries.
    #[test]
    fn which_methods_are_retried() {
        let check = |classifier: Classifier, retried: &[&str]| {
            for method in METHODS {
                let kind = Method::of(method.as_bytes());
                let want = if retried.contains(&method) { Class::Retryable } else { Class::Failure };
                for status in [500, 501, 502, 503, 504, 599] {
                    let reply = FakeResponse::new(status);
                    let expected =
                        if classifier == Classifier::AllSuccessful { Class::Success } else { want };
                    assert_eq!(classifier.reply(kind, &reply, true), expected, "{classifier:?} {method}");
                    assert_ne!(classifier.reply(kind, &reply, false), Class::Retryable, "streamed");
                }
                assert_eq!(classifier.no_reply(kind, true), want, "{classifier:?} {method}");
                assert_eq!(classifier.no_reply(kind, false), Class::Failure);
                for status in [101, 200, 204, 304, 404, 429, 499, 600, 999] {
                    assert_eq!(classifier.reply(kind, &FakeResponse::new(status), true), Class::Success);
                }
            }
        };
        check(Classifier::NonRetryable5xx, &[]);
        check(Classifier::RetryableRead5xx, &METHODS[..4]);
        check(Classifier::RetryableIdempotent5xx, &METHODS[..6]);
        check(Classifier::RetryableAll5xx, &METHODS[..8]);
        check(Classifier::AllSuccessful, &[]);
        assert_eq!(Method::of(b"get"), Method::Other, "methods are case-sensitive");
    }

    /// Rows 34 and 35: `l5d-retryable` works by default and for any method.
    #[test]
    fn l5d_retryable_makes_failures_retryable() {
        let check = |classifier: Classifier, status: u16, value: &str, replayable: bool, want: Class| {
            let mut reply = FakeResponse::new(status);
            reply.line("l5d-retryable", value);
            let got = classifier.reply(Method::of(b"POST"), &reply, replayable);
            assert_eq!(got, want, "{classifier:?} {status} {value}");
        };
        check(Classifier::NonRetryable5xx, 500, "true", true, Class::Retryable);
        check(Classifier::RetryableRead5xx, 500, "true", true, Class::Retryable);
        check(Classifier::NonRetryable5xx, 500, "false", true, Class::Failure);
        check(Classifier::NonRetryable5xx, 500, "true", false, Class::Failure);
        check(Classifier::NonRetryable5xx, 200, "true", true, Class::Success);
        check(Classifier::AllSuccessful, 500, "true", true, Class::Success);
    }
}
