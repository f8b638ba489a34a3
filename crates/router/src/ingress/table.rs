//! All rules of all objects in the order in which they are tried, found by host.
//!
//! What Linkerd could be told keeps Linkerd's order: that of the objects and, in them, of the document. What only today's API
//! can say (`Exact`, `Prefix`, wildcards) has to go by how exactly it speaks, whatever the order: see [`ranked`].

use super::pattern::{Pattern, Regex};
use super::{IngressBackend, IngressObject, IngressRule, PathType};
use hashbrown::HashMap;
use names::Path;
use std::cmp::Reverse;
use std::fmt;
use std::sync::Arc;

/// The rules of all objects.
#[derive(Debug, Default)]
pub struct Table {
    /// In the order in which they are tried.
    rules: Vec<Rule>,
    /// Those of an exact host, by host; of a wildcard, by what stands behind its `*`; of all hosts.
    hosts: HashMap<Box<[u8]>, Vec<u32>>,
    domains: HashMap<Box<[u8]>, Vec<u32>>,
    anywhere: Vec<u32>,
    default: Option<Target>,
    objects: usize,
    /// Compiled expressions, for the table that follows.
    compiled: HashMap<Box<str>, Arc<Regex>>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    target: Target,
    pattern: Pattern,
    host: Host,
    path: Box<str>,
    path_type: PathType,
}

/// Whom a rule's host names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Host {
    Exactly(Box<[u8]>),
    /// One label and this, which begins with a dot.
    Under(Box<[u8]>),
    Any,
}

/// Where a rule leads, and whose rule it is.
#[derive(Clone, Debug)]
struct Target {
    /// `/<namespace>/<port>/<service>`.
    name: Path,
    /// `<namespace>/<name>` of the object.
    object: Arc<str>,
}

/// What a request found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'t> {
    target: &'t Target,
    rule: Option<&'t Rule>,
}

impl Found<'_> {
    /// The name behind `dstPrefix`: `/<namespace>/<port>/<service>`.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.target.name
    }
}

/// For people: which object, which path.
impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Rule { host, path, path_type, .. }) = self.rule else {
            return write!(f, "the default backend of Ingress {}", self.target.object);
        };
        let (star, host) = match host {
            Host::Exactly(host) => ("", &**host),
            Host::Under(domain) => ("*", &**domain),
            Host::Any => ("", &b"any host"[..]),
        };
        let host = String::from_utf8_lossy(host);
        let path = if path.is_empty() { "any path" } else { path };
        let kind = match path_type {
            PathType::Exact => "Exact",
            PathType::Prefix => "Prefix",
            PathType::Pattern => "ImplementationSpecific",
        };
        write!(f, "the rule {star}{host} {path} ({kind}) of Ingress {}", self.target.object)
    }
}

impl Table {
    /// The table of `objects`, which come in the order in which their rules are tried, listed ones first, those added or
    /// changed since behind them. `default_backends`: whether requests without a rule may go to one. Expressions that
    /// `before` has compiled are compiled no more.
    #[must_use]
    pub fn new(objects: &[IngressObject], default_backends: bool, before: Option<&Table>) -> Table {
        let mut table = Table { objects: objects.len(), ..Table::default() };
        for object in objects {
            let shown: Arc<str> = format!("{}/{}", object.namespace, object.name).into();
            for rule in &object.rules {
                table.add(object, &shown, rule, before);
            }
            if let Some(backend) = object.default.as_ref().filter(|_| default_backends) {
                table.default.get_or_insert_with(|| Target::new(object, &shown, backend));
            }
        }
        table.rules = ranked(table.rules);
        table.index();
        table
    }

    fn add(&mut self, object: &IngressObject, shown: &Arc<str>, rule: &IngressRule, before: Option<&Table>) {
        let compiled = &mut self.compiled;
        let compile = |text: &str| {
            let known = compiled.get(text).or_else(|| before?.compiled.get(text)).cloned();
            let regex = known.map_or_else(|| Regex::new(text).map(Arc::new), Ok)?;
            compiled.insert(text.into(), regex.clone());
            Ok(regex)
        };
        match Pattern::new(&rule.path, rule.path_type, compile) {
            Ok(pattern) => self.rules.push(Rule {
                target: Target::new(object, shown, &rule.backend),
                pattern,
                host: Host::new(rule.host.as_deref().unwrap_or_default()),
                path: rule.path.as_str().into(),
                path_type: rule.path_type,
            }),
            Err(why) => {
                let path = &rule.path;
                self.faults.push(format!("Ingress {shown}: the path {path} matches nothing: {why}"));
            }
        }
    }

    fn index(&mut self) {
        for (at, rule) in (0..).zip(&self.rules) {
            match &rule.host {
                Host::Exactly(host) => self.hosts.entry(host.clone()).or_default().push(at),
                Host::Under(domain) => self.domains.entry(domain.clone()).or_default().push(at),
                Host::Any => self.anywhere.push(at),
            }
        }
    }

    /// What is for a request with this host (without its port) and path (without its query): the first rule that is, or
    /// else a default backend. Neither locks nor allocates.
    #[must_use]
    pub fn find(&self, host: Option<&[u8]>, path: &[u8]) -> Option<Found<'_>> {
        let host = host.unwrap_or_default();
        let domain = host.iter().position(|byte| *byte == b'.').filter(|dot| *dot > 0);
        let exact = self.hosts.get(host).map_or(&[][..], Vec::as_slice);
        let under = domain.and_then(|dot| self.domains.get(&host[dot..])).map_or(&[][..], Vec::as_slice);
        let first =
            [exact, under, &self.anywhere].into_iter().filter_map(|list| self.first(list, path)).min();
        match first {
            Some(at) => {
                let rule = &self.rules[at as usize];
                Some(Found { target: &rule.target, rule: Some(rule) })
            }
            None => self.default.as_ref().map(|target| Found { target, rule: None }),
        }
    }

    /// The first rule of a list that is for `path`.
    #[inline]
    fn first(&self, list: &[u32], path: &[u8]) -> Option<u32> {
        list.iter().copied().find(|at| self.rules[*at as usize].pattern.matches(path))
    }

    /// The compiled expressions, by where they are.
    #[cfg(test)]
    pub(super) fn compiled(&self) -> impl Iterator<Item = *const Regex> {
        self.compiled.values().map(Arc::as_ptr)
    }

    /// How many objects and rules it is made of.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.objects, self.rules.len())
    }

    /// What is wrong with rules, which match nothing.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

impl Target {
    fn new(object: &IngressObject, shown: &Arc<str>, backend: &IngressBackend) -> Target {
        let name = Path::from_elems([&object.namespace, &backend.port, &backend.service]);
        Target { name, object: shown.clone() }
    }
}

impl Host {
    fn new(text: &str) -> Host {
        match text.strip_prefix('*') {
            _ if text.is_empty() => Host::Any,
            Some(domain) if domain.starts_with('.') => Host::Under(domain.as_bytes().into()),
            _ => Host::Exactly(text.as_bytes().into()),
        }
    }
}

/// The rules in the order in which they are tried.
///
/// `Exact` and `Prefix` rules for the same host share their places out among themselves, over all objects: exact paths
/// first, then the longer prefixes before the shorter ones. Expressions keep their places. Behind all of these come the
/// rules for wildcards, and behind those the `Exact` and `Prefix` rules for all hosts: a host that is named goes first.
fn ranked(rules: Vec<Rule>) -> Vec<Rule> {
    let mut typed: HashMap<Host, Vec<usize>> = HashMap::new();
    for (at, rule) in rules.iter().enumerate() {
        if rule.path_type != PathType::Pattern {
            typed.entry(rule.host.clone()).or_default().push(at);
        }
    }
    let mut places: Vec<usize> = (0..rules.len()).collect();
    for at in typed.values() {
        let mut best = at.clone();
        best.sort_by_key(|at| exactness(&rules[*at]));
        for (rule, place) in best.into_iter().zip(at) {
            places[rule] = *place;
        }
    }
    let mut placed: Vec<(u8, usize, Rule)> =
        rules.into_iter().zip(places).map(|(rule, place)| (rank(&rule), place, rule)).collect();
    placed.sort_by_key(|(rank, place, _)| (*rank, *place));
    placed.into_iter().map(|(.., rule)| rule).collect()
}

/// Less is more exact.
fn exactness(rule: &Rule) -> (bool, Reverse<usize>) {
    let length = rule.path.trim_end_matches('/').len();
    (rule.path_type != PathType::Exact, Reverse(length))
}

fn rank(rule: &Rule) -> u8 {
    match (&rule.host, rule.path_type) {
        (Host::Exactly(_), _) | (Host::Any, PathType::Pattern) => 0,
        (Host::Under(_), _) => 1,
        (Host::Any, _) => 2,
    }
}
