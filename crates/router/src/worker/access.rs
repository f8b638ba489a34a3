//! An answer's line in the access log (dataplane.md §4.5): one for each attempt that got an answer, retried ones too.

use crate::header::{Known, Name};
use crate::seam::{RequestHead, ResponseHead, Version};
use std::net::IpAddr;
use telemetry::{Entry, Lines};

/// Notes that `response` answers `request`. `wall`: nanoseconds since the Unix epoch.
#[inline(never)]
pub(super) fn note(
    log: &mut Lines,
    wall: u64,
    peer: IpAddr,
    request: &impl RequestHead,
    response: &impl ResponseHead,
) {
    let text = |name: &'static [u8]| request.get(Name::of(name)).unwrap_or_default();
    let entry = Entry {
        host: request.get(Known::Host.into()).unwrap_or_default(),
        peer,
        method: request.method(),
        target: target(request),
        version: match request.version() {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        },
        status: response.status(),
        length: response.length(),
        referer: text(b"Referer"),
        agent: text(b"User-Agent"),
    };
    log.add(wall, &entry);
}

/// The target as the back end got it; but where the caller used absolute form, as the caller wrote it.
fn target(request: &impl RequestHead) -> &[u8] {
    let received = request.received_target();
    if received.first() == Some(&b'/') { request.target() } else { received }
}
