//! The replicas of a Service's port: a pure function of what the API says of the Service (routing.md §2.6).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use naming::{AddrSet, Address, Meta};

use crate::kinds::{EndpointSlice, Endpoints, Port, Service, ServicePort, TargetPort};

/// What is known of a Service and its replicas.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) endpoints: Written<'a>,
    pub(super) slices: &'a [Arc<EndpointSlice>],
    pub(super) service: Option<&'a Service>,
}

/// The Endpoints object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written<'a> {
    /// Nobody lets us read it.
    Unread,
    /// It is this, if there is one.
    Known(Option<&'a Endpoints>),
}

impl Default for Written<'_> {
    fn default() -> Self {
        Written::Known(None)
    }
}

/// What of it is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// A name, or a number of the Service.
    pub(super) port: &'a str,
    /// Label and value that the Service, or what lists its replicas, must have.
    pub(super) label: Option<(&'a str, &'a str)>,
}

impl Wanted<'_> {
    /// Whether the Service has to be known.
    pub(super) fn needs_service(port: &str, labelled: bool) -> bool {
        labelled || is_number(port)
    }
}

fn is_number(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Which port of each replica.
enum At<'a> {
    /// The same one on all.
    Number(u16),
    /// Each one's port with this name.
    Name(&'a str),
}

/// A part of the replicas, all with the same ports.
struct Part<'a> {
    ports: &'a [Port],
    ready: Vec<(IpAddr, Option<&'a str>)>,
    /// Those that are about to end and still answer.
    ending: Vec<(IpAddr, Option<&'a str>)>,
}

/// The replicas that are wanted: `None` when there is no such Service or port, which lets a dtab go on to its next
/// alternative; a set without replicas does not.
pub(super) fn replicas(facts: Facts<'_>, wanted: Wanted<'_>) -> Option<AddrSet> {
    let parts = parts(facts, wanted.label)?;
    let at = at(facts.service, &parts, wanted.port)?;
    let mut found = collect(&parts, &at, |part| &part.ready);
    // Better a replica that is about to end than none (as kube-proxy does).
    if found.is_empty() {
        found = collect(&parts, &at, |part| &part.ending);
    }
    let addresses = found.into_iter().map(|(socket, node)| Address {
        meta: node.map(|node| Meta::new([("nodeName", node)])).unwrap_or_default(),
        ..Address::new(socket)
    });
    Some(AddrSet::new(addresses.collect(), Meta::default()))
}

/// Both kinds of lists as one, but for what is a copy of something else, made later. Where the control plane makes slices of
/// pods, Endpoints are made of the same pods, and have nothing to add; slices that it makes of an Endpoints object have
/// nothing to add to that. `None` when the label is on none of it.
fn parts<'a>(facts: Facts<'a>, label: Option<(&str, &str)>) -> Option<Vec<Part<'a>>> {
    let has = |labels: &BTreeMap<Box<str>, Box<str>>| {
        // The value stands in a name, which is folded to lower case.
        label.is_none_or(|(key, value)| labels.get(key).is_some_and(|is| is.eq_ignore_ascii_case(value)))
    };
    let all = facts.service.is_some_and(|service| has(&service.metadata.labels));
    let of_pods = facts.slices.iter().any(|slice| slice.is_of_pods());
    let (written, mirrors) = match facts.endpoints {
        Written::Known(endpoints) => (endpoints.filter(|_| !of_pods), false),
        Written::Unread => (None, true),
    };
    let endpoints = written.filter(|endpoints| all || has(&endpoints.metadata.labels));
    let counts = |slice: &&Arc<EndpointSlice>| mirrors || !slice.is_mirror();
    let slices = facts.slices.iter().filter(counts).filter(|slice| all || has(&slice.metadata.labels));
    let mut parts: Vec<Part<'a>> = slices.map(|slice| of_slice(slice)).collect();
    parts.extend(endpoints.into_iter().flat_map(|endpoints| &endpoints.subsets).map(|subset| {
        Part {
            ports: &subset.ports,
            ready: subset
                .addresses
                .iter()
                .filter_map(|one| Some((one.ip.parse().ok()?, one.node_name.as_deref())))
                .collect(),
            ending: Vec::new(),
        }
    }));
    (all || label.is_none() || !parts.is_empty()).then_some(parts)
}

fn of_slice(slice: &EndpointSlice) -> Part<'_> {
    let (mut ready, mut ending) = (Vec::new(), Vec::new());
    for replica in &slice.endpoints {
        let ips = replica.addresses.iter().filter_map(|ip| ip.parse().ok());
        let known = ips.map(|ip| (ip, replica.node_name.as_deref()));
        if replica.is_ready() {
            ready.extend(known);
        } else if replica.is_ending() {
            ending.extend(known);
        }
    }
    Part { ports: &slice.ports, ready, ending }
}

/// Which port of the replicas `port` means; `None` when it means none.
fn at<'a>(service: Option<&'a Service>, parts: &[Part<'_>], port: &'a str) -> Option<At<'a>> {
    let known = |name: &str| parts.iter().any(|part| numbers(part.ports, name).next().is_some());
    if !is_number(port) {
        return known(port).then_some(At::Name(port));
    }
    let number: u16 = port.parse().ok()?;
    let ports = || service.into_iter().flat_map(|service| &service.spec.ports);
    let of_number = |port: &&ServicePort| port.port == number;
    // A Service may have the number twice, for TCP and for UDP.
    let tcp = ports().filter(of_number).find(|port| port.is_tcp());
    let ServicePort { name, port, target_port, .. } = tcp.or_else(|| ports().find(of_number))?;
    match target_port {
        None => Some(At::Number(*port)),
        Some(TargetPort::Number(number)) => Some(At::Number(*number)),
        // The ports of replicas bear the names of the Service's; in lists made by hand, those of the containers.
        Some(TargetPort::Name(target)) => {
            [name, target].into_iter().find(|name| !name.is_empty() && known(name)).map(|name| At::Name(name))
        }
    }
}

/// The numbers of the ports with this name that requests can be sent to.
fn numbers<'a>(ports: &'a [Port], name: &'a str) -> impl Iterator<Item = u16> + 'a {
    ports
        .iter()
        .filter(move |port| port.is_tcp() && port.name.eq_ignore_ascii_case(name))
        .filter_map(|port| port.port)
}

type Found<'a> = BTreeMap<SocketAddr, Option<&'a str>>;

/// Each address once, with its node if anybody names it.
fn collect<'a>(
    parts: &'a [Part<'_>],
    at: &At<'_>,
    which: impl Fn(&'a Part<'_>) -> &'a Vec<(IpAddr, Option<&'a str>)>,
) -> Found<'a> {
    let mut found = Found::new();
    for part in parts {
        let ports: Vec<u16> = match at {
            At::Number(number) => vec![*number],
            At::Name(name) => numbers(part.ports, name).collect(),
        };
        for &(ip, node) in which(part) {
            for &port in &ports {
                let known = found.entry(SocketAddr::new(ip, port)).or_default();
                *known = known.or(node);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
