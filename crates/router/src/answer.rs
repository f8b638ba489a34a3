//! The answers the proxy makes itself: their status, text and headers (dataplane.md §4.6, routing.md §1.7). One fault is
//! one value, and here is the only place that turns it into words.

use crate::seam::Generated;
use crate::text;
use crate::trace::TraceId;
use balance::Nanos;
use names::{Dtab, Path};
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Why a request failed. The name in the metrics is `failures/<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The classifier calls the reply a failure.
    Classified,
    /// No identifier gave it a name.
    Unidentified,
    /// A dtab header that does not parse.
    BadDtab,
    /// The name leads nowhere, or to nobody.
    Unroutable,
    /// The name was not bound in time.
    BindingTimeout,
    /// The name could not be bound.
    BindingFailed,
    /// No connection.
    Connect,
    /// The connection ended before the reply.
    Closed,
    /// The reply broke the protocol.
    Malformed,
    /// The attempt took too long.
    AttemptTimeout,
    /// All attempts together took too long.
    TotalTimeout,
    /// The back end refused to process it.
    Nack,
    /// Too many names at a time.
    Overload,
    /// The reply broke off after its head.
    Cut,
    /// No connect was tried, because the one before had failed (`failFast`).
    MarkedDown,
    /// It has come through too many proxies.
    TooManyHops,
    /// The only identifier failed.
    IdentifierFailed,
    /// Too many requests wait for a connection already.
    TooManyWaiters,
    /// The server has as many requests under way as it may.
    TooManyRequests,
    /// The server's own time for a request was over.
    ServerTimeout,
}

impl Fault {
    /// All faults, in the order of their declaration.
    pub(crate) const NAMES: [&'static str; 20] = [
        "failures/classified",
        "failures/unidentified",
        "failures/bad_dtab",
        "failures/unroutable",
        "failures/binding_timeout",
        "failures/binding_failed",
        "failures/connect",
        "failures/closed",
        "failures/malformed",
        "failures/attempt_timeout",
        "failures/total_timeout",
        "failures/nack",
        "failures/overload",
        "failures/cut",
        "failures/marked_down",
        "failures/too_many_hops",
        "failures/identifier_failed",
        "failures/too_many_waiters",
        "failures/too_many_requests",
        "failures/server_timeout",
    ];

    /// The status of the answer.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Fault::Unidentified | Fault::BadDtab | Fault::TooManyHops => 400,
            Fault::AttemptTimeout
            | Fault::TotalTimeout
            | Fault::ServerTimeout
            | Fault::TooManyRequests
            | Fault::Overload => 503,
            _ => 502,
        }
    }
}

/// Limits of generated answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest body, in characters.
    pub(crate) body: usize,
    /// Longest value of `l5d-err`, in bytes.
    pub(crate) header: usize,
}

/// An answer a stranger may see: without what only proxies should know (`clearContext`, dataplane.md §7.4).
pub(crate) fn cleared(mut answer: Generated) -> Generated {
    if answer.headers.iter().any(|(name, _)| *name == "l5d-err") {
        answer.body.clear();
    }
    answer.headers.retain(|(name, _)| !name.starts_with("l5d-"));
    answer
}

/// The answer to a request that failed with this message. `retryable` tells the next router whether to try again, if there
/// is something to tell.
pub(crate) fn answer(fault: Fault, message: &str, retryable: Option<bool>, limits: Limits) -> Generated {
    let end = message.char_indices().nth(limits.body).map_or(message.len(), |(at, _)| at);
    let mut headers = vec![("l5d-err", text::form_encoded(message, limits.header))];
    if let Some(retryable) = retryable {
        headers.push(("l5d-retryable", retryable.to_string().into_bytes()));
    }
    headers.push(("Content-Type", b"text/plain".to_vec()));
    Generated {
        status: fault.status(),
        headers,
        body: message.as_bytes()[..end].to_vec(),
        last_if_head: false,
    }
}

/// The answer to a request beyond `maxConcurrentRequests` (dataplane.md §3.1): safe to send again, elsewhere.
pub(crate) fn refusal() -> Generated {
    let headers = vec![("Retry-After", b"0".to_vec()), ("finagle-http-nack", b"true".to_vec())];
    let body = b"Request was not processed by the server due to an error and is safe to retry".to_vec();
    Generated { status: Fault::TooManyRequests.status(), headers, body, last_if_head: true }
}

/// A request no identifier knows; `reason` says why.
pub(crate) fn unidentified(method: &[u8], target: &[u8], peer: SocketAddr, reason: &str) -> String {
    let (method, target) = (text::readable(method), text::readable(target));
    format!(r#"Unknown destination: Request("{method} {target}", from /{peer}) / {reason}"#)
}

/// The rules of `io.l5d.ingress` are not known: the API has not answered since the start.
pub(crate) const RULES_UNKNOWN: &str =
    "The Ingress rules are not known yet: no answer from the Kubernetes API";

/// A request that waited for them in vain.
pub(crate) fn rules_timeout(timeout: Nanos) -> String {
    format!(
        "Exceeded {} binding timeout while waiting for the rules of io.l5d.ingress. {RULES_UNKNOWN}; \
         see the log of the proxy for what keeps it from one.",
        text::duration(timeout)
    )
}

/// A request that has come through more proxies than it may.
pub(crate) fn too_many_hops(limit: usize) -> String {
    format!("Maximum number of calls ({limit}) has been exceeded. Please check for proxy loops.")
}

/// A name that leads nowhere.
pub(crate) fn unroutable(service: &Path, base: &str, local: &Dtab) -> String {
    let local = dtab_lines(local);
    format!(
        "Unable to route request!\n\nservice name: {service}\ndtab:\n\nbase dtab:\n{base}override dtab:\n{local}"
    )
}

/// One line an entry; an empty dtab is an empty line.
pub(crate) fn dtab_lines(dtab: &Dtab) -> String {
    let mut out = String::new();
    for entry in dtab.entries() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {} => {}", entry.prefix, entry.dst);
    }
    if dtab.is_empty() {
        out.push('\n');
    }
    out
}

/// No connection to an endpoint.
pub(crate) fn unconnected(service: &Path, client: &Path, all: &[SocketAddr], selected: SocketAddr) -> String {
    let all = all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "Unable to establish connection to {selected}.\n\nservice name: {service}\nclient name: {client}\n\
         addresses: [{all}]\nselected address: {selected}\n"
    )
}

/// No connection was tried (`failFast`).
pub(crate) fn marked_down(client: &str) -> String {
    format!(
        "Endpoint {client} is marked down. For more details see: https://twitter.github.io/finagle/guide/FAQ.html\
         #why-do-clients-see-com-twitter-finagle-failedfastexception-s"
    )
}

/// A name that was not bound in time; `tree` when it was, but the addresses were missing.
pub(crate) fn binding_timeout(timeout: Nanos, service: &Path, tree: Option<&str>) -> String {
    let timeout = text::duration(timeout);
    match tree {
        None => format!("Exceeded {timeout} binding timeout while resolving name: {service}"),
        Some(tree) => {
            format!("Exceeded {timeout} binding timeout while connecting to {tree} for name: {service}")
        }
    }
}

/// An attempt that took too long.
pub(crate) fn attempt_timeout(timeout: Nanos, client: &str, at: SocketAddr, trace: &TraceId) -> String {
    format!(
        "exceeded {} to {client} while waiting for a response for an individual request, excluding retries. \
         Remote Info: Upstream Address: Not Available, Upstream id: Not Available, Downstream Address: /{at}, \
         Downstream label: {client}, Trace Id: {:016x}.{:016x}<:{:016x}",
        text::duration(timeout),
        trace.trace,
        trace.span,
        trace.parent
    )
}

/// A request whose attempts together took too long.
pub(crate) fn total_timeout(timeout: Nanos) -> String {
    format!(
        "exceeded {} to unspecified while waiting for a response for the request, including retries (if applicable). \
         Remote Info: Not Available",
        text::duration(timeout)
    )
}

/// A request that took longer than its server allows (`timeoutMs`).
pub(crate) fn server_timeout(timeout: Nanos, server: &str) -> String {
    format!(
        "exceeded {} to {server} while waiting for a response for an individual request, excluding retries. Remote \
         Info: Not Available",
        text::duration(timeout)
    )
}

/// Something went wrong on a connection.
pub(crate) fn transport(what: &str, reason: &str, at: SocketAddr, client: &str) -> String {
    let colon = if reason.is_empty() { "" } else { ": " };
    format!(
        "{what}{colon}{reason} at remote address: /{at} from service: {client}. Remote Info: Not Available"
    )
}

/// The back end refused a request that may be sent again.
pub(crate) const NACKED: &str = "The request was Nacked by the server";
/// The back end refused a request that must not be sent again.
pub(crate) const NACKED_FOR_GOOD: &str = "The request was Nacked by the server and should not be retried";
/// More requests wait for a connection than `maxWaiters` allows; the name callers of Linkerd know it by.
pub(crate) const TOO_MANY_WAITERS: &str = "com.twitter.finagle.TooManyWaitersException";
/// No connection because this machine can make no more of them; `reason` is the system's words.
pub(crate) fn exhausted(reason: &str) -> String {
    format!("The proxy can open no further connection: {reason} (see its limit of open files and its memory)")
}

/// No room for another name.
pub(crate) const OVERLOAD: &str =
    "Too many names are in use at the same time: the binding cache and its one-shots are full";

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { body: 1000, header: 1000 };

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn header(answer: &Generated, name: &str) -> Option<String> {
        let (_, value) = answer.headers.iter().find(|(n, _)| *n == name)?;
        Some(String::from_utf8(value.clone()).unwrap())
    }

    /// The bodies of dataplane.md §4.6 and of the recorded cases dst-dead and host-with-port.
    #[test]
    fn bodies() {
        let check = |got: String, want: &str| assert_eq!(got, want);
        let service: Path = "/svc/ralph-machio".parse().unwrap();
        let base: Dtab = "/svc/felix=>/p/cat;/a=>0.5*/b & 0.5*/$/nil".parse().unwrap();
        check(
            unroutable(&service, &dtab_lines(&base), &Dtab::empty()),
            "Unable to route request!\n\nservice name: /svc/ralph-machio\ndtab:\n\nbase dtab:\n  /svc/felix => /p/cat\n  \
             /a => 0.50*/b & 0.50*/$/nil\noverride dtab:\n\n",
        );
        check(
            unroutable(&service, &dtab_lines(&Dtab::empty()), &"/x=>/y".parse().unwrap()),
            "Unable to route request!\n\nservice name: /svc/ralph-machio\ndtab:\n\nbase dtab:\n\noverride dtab:\n  \
             /x => /y\n",
        );
        check(
            unconnected(
                &"/svc/test".parse().unwrap(),
                &"/$/inet/127.1/1234".parse().unwrap(),
                &[at(1234), at(9)],
                at(1234),
            ),
            "Unable to establish connection to 127.0.0.1:1234.\n\nservice name: /svc/test\nclient name: \
             /$/inet/127.1/1234\naddresses: [127.0.0.1:1234, 127.0.0.1:9]\nselected address: 127.0.0.1:1234\n",
        );
        check(
            unidentified(b"GET", b"/a/b", at(53450), "my-header header is absent"),
            "Unknown destination: Request(\"GET /a/b\", from /127.0.0.1:53450) / my-header header is absent",
        );
        check(
            binding_timeout(Nanos::from_millis(700), &service, None),
            "Exceeded 700.milliseconds binding timeout while resolving name: /svc/ralph-machio",
        );
        check(
            binding_timeout(Nanos::from_secs(10), &service, Some("/#/x")),
            "Exceeded 10.seconds binding timeout while connecting to /#/x for name: /svc/ralph-machio",
        );
        let trace = TraceId { trace: 0xa, trace_high: None, parent: 0xb, span: 0xc, flags: 0 };
        check(
            attempt_timeout(Nanos::from_millis(300), "$/inet/127.1/8080", at(8080), &trace),
            "exceeded 300.milliseconds to $/inet/127.1/8080 while waiting for a response for an individual request, \
             excluding retries. Remote Info: Upstream Address: Not Available, Upstream id: Not Available, Downstream \
             Address: /127.0.0.1:8080, Downstream label: $/inet/127.1/8080, Trace Id: \
             000000000000000a.000000000000000c<:000000000000000b",
        );
        check(
            total_timeout(Nanos::from_millis(400)),
            "exceeded 400.milliseconds to unspecified while waiting for a response for the request, including retries \
             (if applicable). Remote Info: Not Available",
        );
        check(
            transport("Connection closed", "reset by peer", at(80), "x"),
            "Connection closed: reset by peer at remote address: /127.0.0.1:80 from service: x. Remote Info: Not \
             Available",
        );
    }

    /// Row 40 of dataplane.md §13, and the limits.
    #[test]
    fn form_of_an_answer() {
        let reply = answer(Fault::Unidentified, "foo\nbar", None, LIMITS);
        assert_eq!((reply.status, reply.body.as_slice()), (400, b"foo\nbar".as_slice()));
        assert_eq!(header(&reply, "l5d-err").as_deref(), Some("foo%0Abar"));
        assert_eq!(header(&reply, "Content-Type").as_deref(), Some("text/plain"));
        assert_eq!(header(&reply, "l5d-retryable"), None);

        let reply = answer(Fault::Closed, "äöü\n", Some(true), Limits { body: 2, header: 7 });
        assert_eq!((reply.status, reply.body.as_slice()), (502, "äö".as_bytes()));
        assert_eq!(header(&reply, "l5d-err").as_deref(), Some("%E4%F6"));
        assert_eq!(header(&reply, "l5d-retryable").as_deref(), Some("true"));
        assert_eq!(answer(Fault::TotalTimeout, "", None, LIMITS).status, 503);
    }

    #[test]
    fn hostile_bytes_in_messages() {
        let text = unidentified(b"G\xffT", b"/\x00\xe9", at(1), "h\u{e9}\n");
        let reply = answer(Fault::Unidentified, &text, None, LIMITS);
        assert!(reply.headers[0].1.iter().all(u8::is_ascii_graphic), "{reply:?}");
    }
}
