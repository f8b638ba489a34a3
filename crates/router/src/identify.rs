//! From a request to its name (dataplane.md §4.2). One file for each kind of identifier; the table of them is [`Identifier`].

mod header;
mod header_token;
mod ingress;
mod method_and_host;
mod path;
mod static_name;

pub use header::HeaderPath;
pub use header_token::HeaderToken;
pub use ingress::Ingress;
pub use method_and_host::MethodAndHost;
pub use path::PathSegments;
pub use static_name::StaticName;

use crate::answer;
use crate::ingress::IngressRules;
use crate::seam::RequestHead;
use crate::settings::RouterSettings;
use names::{Path, PathBuilder};
use std::sync::Arc;

/// How a request gets its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// `io.l5d.header.token`
    HeaderToken(HeaderToken),
    /// `io.l5d.header`
    Header(HeaderPath),
    /// `io.l5d.methodAndHost`
    MethodAndHost(MethodAndHost),
    /// `io.l5d.path`
    Path(PathSegments),
    /// `io.l5d.static`
    Static(StaticName),
    /// `io.l5d.ingress`
    Ingress(Ingress),
}

impl Default for Identifier {
    fn default() -> Identifier {
        Identifier::HeaderToken(HeaderToken::default())
    }
}

/// Why one identifier gave no name.
#[derive(Debug)]
enum Unnamed {
    /// The request is none of its own: the next identifier is asked.
    Passed,
    /// The caller's value for a name is none, which ends the search.
    Faulty(String),
    /// It could not make a name of the request, which ends the search.
    Broken(String),
    /// The rules it goes by are not known yet.
    Unknown(Arc<IngressRules>),
}

/// Why a request has no name.
#[derive(Debug)]
pub(crate) enum Nameless {
    /// No identifier knows it; why not, in words.
    Unidentified(String),
    /// The only identifier failed, in these words.
    Broken(String),
    /// These rules have to be known first.
    Unknown(Arc<IngressRules>),
}

impl Identifier {
    /// Adds the name of a request to `name`.
    fn push(
        &self,
        head: &mut impl RequestHead,
        name: &mut PathBuilder,
        scratch: &mut Vec<u8>,
    ) -> Result<(), Unnamed> {
        match self {
            Identifier::HeaderToken(token) => token.push(head, name),
            Identifier::Header(header) => header.push(head, name),
            Identifier::MethodAndHost(parts) => parts.push(head, name),
            Identifier::Path(segments) => segments.push(head, name, scratch),
            Identifier::Static(fixed) => {
                name.extend(fixed.path());
                Ok(())
            }
            Identifier::Ingress(ingress) => ingress.push(head, name),
        }
    }

    /// Why it passes a request on.
    fn reason(&self) -> String {
        match self {
            Identifier::HeaderToken(token) => token.reason(),
            Identifier::Header(header) => header.reason(),
            Identifier::MethodAndHost(_) => method_and_host::REASON.to_owned(),
            Identifier::Path(_) => path::REASON.to_owned(),
            Identifier::Static(_) => String::new(),
            Identifier::Ingress(_) => ingress::REASON.to_owned(),
        }
    }
}

/// The name that a router of these settings gives to a request, and the rule it has it from, where it goes by rules; or why
/// it gives none: for those who ask, not for traffic.
///
/// # Errors
/// The reason, in the words a caller gets.
pub fn name_of(
    settings: &RouterSettings,
    head: &mut impl RequestHead,
) -> Result<(Path, Option<String>), String> {
    let (mut name, mut scratch) = (PathBuilder::new(), Vec::new());
    match identify(&settings.identifiers, &settings.dst_prefix, head, &mut name, &mut scratch) {
        Ok(Identifier::Ingress(ingress)) => Ok((name.to_path(), ingress.rule(head))),
        Ok(_) => Ok((name.to_path(), None)),
        Err(Nameless::Unidentified(reason) | Nameless::Broken(reason)) => Err(reason),
        Err(Nameless::Unknown(_)) => Err(answer::RULES_UNKNOWN.to_owned()),
    }
}

/// Spells the name of a request into `name`: that of the first identifier that knows it. Allocates only when none does.
///
/// An identifier that fails stops the search. What the caller then hears depends, as in Linkerd, on whether it was the
/// only one.
pub(crate) fn identify<'i>(
    identifiers: &'i [Identifier],
    prefix: &Path,
    head: &mut impl RequestHead,
    name: &mut PathBuilder,
    scratch: &mut Vec<u8>,
) -> Result<&'i Identifier, Nameless> {
    for identifier in identifiers {
        name.clear();
        name.extend(prefix);
        match identifier.push(head, name, scratch) {
            Ok(()) => return Ok(identifier),
            Err(Unnamed::Passed) => {}
            Err(Unnamed::Faulty(text)) => return Err(Nameless::Unidentified(text)),
            Err(Unnamed::Broken(text)) if identifiers.len() == 1 => return Err(Nameless::Broken(text)),
            Err(Unnamed::Broken(text)) => return Err(Nameless::Unidentified(text)),
            Err(Unnamed::Unknown(rules)) => return Err(Nameless::Unknown(rules)),
        }
    }
    Err(Nameless::Unidentified(identifiers.last().map(Identifier::reason).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
