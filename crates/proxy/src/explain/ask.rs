//! Asking: which name a request gets, and answers that may take a moment to come.

use super::{TARGET, Unexplained};
use crate::document as doc;
use names::{Dtab, Path};
use naming::{Hook, Reader, Source, SourceId, Subscription};
use router::IngressRules;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

type Headers = [(String, String)];

/// The headers of a request that a router takes notice of: not the `l5d-*` fields of strangers, where all its servers have
/// `clearContext` (dataplane.md §7.4). By which server a request comes in nobody has said.
pub(super) fn taken<'a>(from: &doc::HttpRouter, headers: &'a Headers) -> Cow<'a, Headers> {
    let strangers = !from.servers.is_empty() && from.servers.iter().all(|server| server.clear_context);
    if !strangers {
        return Cow::Borrowed(headers);
    }
    let context = |name: &str| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("l5d-"));
    headers.iter().filter(|(name, _)| !context(name)).cloned().collect()
}

/// The name a router's identifiers give to a request of which only the headers, and perhaps the target, are known, and how.
/// `rules` are those of its identifiers of the kind `io.l5d.ingress`, which are waited for.
pub(super) async fn identify(
    from: &doc::HttpRouter,
    headers: &Headers,
    rules: &[Arc<IngressRules>],
    wait: Duration,
) -> Result<(Path, String), Unexplained> {
    let mut missing = "";
    let mut rules = rules.iter();
    for identifier in from.identifier.iter() {
        let header = match identifier {
            doc::Identifier::HeaderToken(token) => &token.header,
            doc::Identifier::Header(path) => &path.header,
            doc::Identifier::Static(fixed) => {
                return Ok((from.dst_prefix.concat(&fixed.path), said(identifier, &fixed.path, from)));
            }
            doc::Identifier::Ingress(_) => {
                let Some(rules) = rules.next() else { continue };
                // Rules that do not come are told of below.
                let _ = timeout_at(Instant::now() + wait, rules.known()).await;
                match by_rules(rules, headers) {
                    Ok((rest, rule)) => {
                        return Ok((from.dst_prefix.concat(&rest), said(identifier, &rule, from)));
                    }
                    Err(why) if from.identifier.len() == 1 => {
                        return Err(Unexplained(format!("the request has no name: {why} (status 400)")));
                    }
                    Err(_) => continue,
                }
            }
            doc::Identifier::MethodAndHost(_) | doc::Identifier::Path(_) => {
                let kind = identifier.kind();
                let text = format!("`{kind}` names requests by more than their headers; give a name instead");
                return Err(Unexplained(text));
            }
        };
        let value = values(headers, header).next().unwrap_or_default();
        if value.is_empty() {
            missing = header;
            continue;
        }
        let rest = match identifier {
            doc::Identifier::Header(_) => Path::parse(value.as_bytes())
                .map_err(|error| Unexplained(format!("{header}: {error} (status 400)")))?,
            _ => Path::from_elems([value]),
        };
        let line = format!("{header}: {value}");
        return Ok((from.dst_prefix.concat(&rest), said(identifier, &line, from)));
    }
    let text = format!("the request has no name: its header `{missing}` is absent or empty (status 400)");
    Err(Unexplained(text))
}

/// The name, and the rule that gives it.
fn by_rules(rules: &IngressRules, headers: &Headers) -> Result<(Path, String), String> {
    let host = values(headers, "host").next().map(str::as_bytes);
    let target = values(headers, TARGET).next().unwrap_or("/");
    rules.explain(host, target.as_bytes())
}

fn said(identifier: &doc::Identifier, what: &dyn std::fmt::Display, from: &doc::HttpRouter) -> String {
    format!("{}: `{what}` below `{}`", identifier.kind(), from.dst_prefix)
}

/// The dtab that travels in a request's headers (routing.md §7).
pub(crate) fn local_dtab(headers: &Headers) -> Result<Dtab, Unexplained> {
    let mut local = Dtab::empty();
    for name in ["l5d-ctx-dtab", "l5d-dtab"] {
        for value in values(headers, name) {
            let dtab: Dtab = value.parse().map_err(|e| Unexplained(format!("{name}: {e} (status 400)")))?;
            local = local.concat(&dtab);
        }
    }
    Ok(local)
}

fn values<'a>(headers: &'a Headers, name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Keeps all live values that were read under observation, and rings when one changes.
#[derive(Default)]
struct Watcher {
    bell: Arc<Bell>,
    held: HashMap<SourceId, Subscription>,
}

#[derive(Default)]
struct Bell(Notify);

impl Hook for Bell {
    fn changed(&self, _: SourceId, _: Instant) {
        self.0.notify_one();
    }
}

impl Reader for Watcher {
    fn note(&mut self, source: &dyn Source) {
        let bell = || source.subscribe(self.bell.clone());
        self.held.entry(source.id()).or_insert_with(bell);
    }
}

/// Asks again whenever something changes, until nothing is pending or the time is over; the last answer.
pub(super) async fn settled<T>(
    mut ask: impl FnMut(&mut dyn Reader) -> T,
    pending: impl Fn(&T) -> bool,
    wait: Duration,
) -> T {
    let until = Instant::now() + wait;
    let mut watcher = Watcher::default();
    loop {
        let answer = ask(&mut watcher);
        let bell = watcher.bell.clone();
        if !pending(&answer) || timeout_at(until, bell.0.notified()).await.is_err() {
            return answer;
        }
    }
}
