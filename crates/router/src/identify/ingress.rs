//! `io.l5d.ingress`: the name is the port and Service that the rules of Kubernetes' Ingress objects have for the request's
//! host and path (routing.md §4).

use super::Unnamed;
use super::path::without_query;
use crate::answer;
use crate::header::Known;
use crate::ingress::{Found, IngressRules, Table};
use crate::seam::RequestHead;
use names::{Path, PathBuilder};
use std::sync::Arc;

/// Why it passes a request on.
pub(super) const REASON: &str = "no ingress rule matches";

/// What Linkerd says of a host with more than one colon.
const HOST: &str = "unable to parse host for request";

/// The identifier `io.l5d.ingress`. Equal when they read the same rules.
#[derive(Clone, Debug)]
pub struct Ingress(Arc<IngressRules>);

impl Ingress {
    /// The identifier that goes by these rules.
    #[must_use]
    pub const fn new(rules: Arc<IngressRules>) -> Ingress {
        Ingress(rules)
    }

    pub(super) fn push(&self, head: &impl RequestHead, name: &mut PathBuilder) -> Result<(), Unnamed> {
        let table = self.0.load();
        let Some(table) = &*table else { return Err(Unnamed::Unknown(self.0.clone())) };
        let found = find(table, head.get(Known::Host.into()), head.target())?;
        name.extend(found.name());
        Ok(())
    }

    /// The rule that a request goes by, for people.
    pub(super) fn rule(&self, head: &impl RequestHead) -> Option<String> {
        self.0.explain(head.get(Known::Host.into()), head.target()).ok().map(|(_, rule)| rule)
    }
}

impl PartialEq for Ingress {
    fn eq(&self, other: &Ingress) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Ingress {}

impl IngressRules {
    /// The name, behind `dstPrefix`, of a request with this `Host` field and target, and the rule it has it from; for those
    /// who ask, not for traffic.
    ///
    /// # Errors
    /// Why it has none.
    pub fn explain(&self, host: Option<&[u8]>, target: &[u8]) -> Result<(Path, String), String> {
        let table = self.load();
        let Some(table) = &*table else { return Err(answer::RULES_UNKNOWN.to_owned()) };
        match find(table, host, target) {
            Ok(found) => Ok((found.name().clone(), found.to_string())),
            Err(Unnamed::Broken(text)) => Err(text),
            Err(_) => Err(REASON.to_owned()),
        }
    }
}

#[inline]
fn find<'t>(table: &'t Table, host: Option<&[u8]>, target: &[u8]) -> Result<Found<'t>, Unnamed> {
    let host = host.map(without_port).transpose()?;
    let (path, _) = without_query(target);
    table.find(host, path).ok_or(Unnamed::Passed)
}

/// The host that a `Host` field names; an IPv6 address keeps its brackets.
fn without_port(value: &[u8]) -> Result<&[u8], Unnamed> {
    let end = match value.iter().position(|byte| *byte == b']') {
        Some(bracket) if value.starts_with(b"[") => bracket + 1,
        _ => 0,
    };
    let mut colons = value[end..].iter().enumerate().filter(|(_, byte)| **byte == b':');
    match (colons.next(), colons.next()) {
        (None, _) => Ok(value),
        (Some((at, _)), None) => Ok(&value[..end + at]),
        _ => Err(Unnamed::Broken(HOST.to_owned())),
    }
}
