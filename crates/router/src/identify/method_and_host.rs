//! `io.l5d.methodAndHost`: version, method and host, and the target's path if wanted.

use super::Unnamed;
use super::path::without_query;
use crate::header::Known;
use crate::seam::{RequestHead, Version};
use names::PathBuilder;

/// Why it passes a request on.
pub(super) const REASON: &str = "HTTP/1.1 request missing hostname";

/// The identifier `io.l5d.methodAndHost`: `/1.1/<METHOD>/<host>`, of HTTP/1.0 requests `/1.0/<METHOD>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodAndHost {
    /// Whether the target's path, without its query, follows (`httpUriInDst`, false). Targets whose path is no name
    /// (`/a/`, `/a+b`) then have none.
    pub uri: bool,
}

impl MethodAndHost {
    pub(super) fn push(&self, head: &impl RequestHead, name: &mut PathBuilder) -> Result<(), Unnamed> {
        match head.version() {
            Version::Http11 => {
                let host = head.get(Known::Host.into()).filter(|host| !host.is_empty());
                let host = host.ok_or(Unnamed::Passed)?;
                name.push(b"1.1");
                name.push(head.method());
                name.push_with(|out| out.extend(host.iter().map(u8::to_ascii_lowercase)));
            }
            Version::Http10 => {
                name.push(b"1.0");
                name.push(head.method());
            }
        }
        if !self.uri {
            return Ok(());
        }
        let (path, _) = without_query(head.target());
        name.push_parsed(path).map_err(|error| Unnamed::Broken(error.to_string()))
    }
}
