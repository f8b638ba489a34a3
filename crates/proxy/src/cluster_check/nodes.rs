//! Whether a pod and the proxy of its node can be matched in the way the transformers do: by a /24 of addresses, or by the
//! name of the node (walkthroughs.md §0.3).

use super::api::{Api, items};
use super::known::{Endpoint, Known, Place};
use super::needs::{Needs, TransformerNeed};
use super::report::{Check, Section};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// How many nodes or pods are named one by one.
const SHOWN: usize = 3;

const USE_NODE_NAMES: &str =
    "set `hostNetwork: true` in the transformers and in the DaemonSet, as deploy/kustomize/cni does";

/// Checks of the nodes' address ranges, and of whether proxies are where pods are.
pub(super) async fn check(api: &impl Api, needs: &Needs, known: &Known) -> Section {
    let mut checks = Vec::new();
    if needs.local_net || needs.transformers.iter().any(|transformer| !transformer.host_network) {
        checks.push(match items(api, "/api/v1/nodes").await {
            Ok(nodes) => ranges(&nodes),
            Err(why) => {
                Check::warning(RANGES, why, "the proxy itself need not read nodes; ask as somebody who may")
            }
        });
    }
    for transformer in &needs.transformers {
        checks.extend(coverage(transformer, needs, known));
    }
    Section { title: "nodes", checks }
}

const RANGES: &str = "each node has a /24 of pod addresses";

/// Whether the range of each node is a /24.
fn ranges(nodes: &[Value]) -> Check {
    let name = |node: &Value| node["metadata"]["name"].as_str().unwrap_or("?").to_owned();
    let (mut without, mut other) = (Vec::new(), Vec::new());
    for node in nodes {
        let spec = &node["spec"];
        let listed = spec["podCIDRs"].as_array().into_iter().flatten().chain([&spec["podCIDR"]]);
        // Without IPv4 there is no /24.
        match listed.filter_map(Value::as_str).find(|range| !range.contains(':')) {
            None => without.push(name(node)),
            Some(range) if !range.ends_with("/24") => other.push(format!("{} has {range}", name(node))),
            Some(_) => {}
        }
    }
    if !other.is_empty() {
        return Check::failed(RANGES, some(&other), USE_NODE_NAMES);
    }
    if !without.is_empty() {
        let found = format!("the cluster does not say which addresses pods get on {}", some(&without));
        return Check::warning(
            RANGES,
            found,
            format!("where the network gives out addresses by itself, {USE_NODE_NAMES}"),
        );
    }
    Check::good(RANGES)
}

/// Whether each pod behind a Service that is named has a proxy where the transformer looks for it.
fn coverage(transformer: &TransformerNeed, needs: &Needs, known: &Known) -> Vec<Check> {
    let (namespace, name) = &transformer.service;
    let Ok(proxies) = known.endpoints(&transformer.service) else { return Vec::new() };
    let proxies: Vec<&Endpoint> = proxies.iter().filter(|proxy| proxy.ready).collect();
    if proxies.is_empty() {
        return Vec::new();
    }
    let mut checks = Vec::new();
    let what = format!("each proxy of Service {namespace}/{name} can be told from the others");
    if let Some((area, nodes)) = shared(transformer, &proxies) {
        checks.push(Check::failed(what, format!("{area} is shared by {}", some(&nodes)), USE_NODE_NAMES));
    } else {
        checks.push(Check::good(what));
    }
    let places = needs.services.iter().filter(|need| need.endpoints);
    let mut places: Vec<Place> = places.map(|need| (need.namespace.clone(), need.name.clone())).collect();
    places.retain(|place| *place != transformer.service);
    places.dedup();
    for place in places {
        checks.extend(covered(transformer, &proxies, &place, known));
    }
    checks
}

fn covered(
    transformer: &TransformerNeed,
    proxies: &[&Endpoint],
    place: &Place,
    known: &Known,
) -> Option<Check> {
    let pods: Vec<&Endpoint> = known.endpoints(place).ok()?.iter().filter(|pod| pod.ready).collect();
    if pods.is_empty() {
        // Nothing is true of nobody; that there is nobody is said of the Service.
        return None;
    }
    let there: Vec<_> = proxies.iter().filter_map(|proxy| area(transformer, proxy)).collect();
    let mut alone = Vec::new();
    for pod in pods {
        if area(transformer, pod).is_none_or(|area| !there.contains(&area)) {
            alone.push(format!("{} on {}", pod.ip, pod.node.as_deref().unwrap_or("an unknown node")));
        }
    }
    let what = format!("each endpoint of {}/{} has a proxy {}", place.0, place.1, near(transformer));
    if alone.is_empty() {
        return Some(Check::good(what));
    }
    let hint = if transformer.host_network {
        "is there a proxy on each node? Tolerations of the DaemonSet may be missing".to_owned()
    } else {
        format!("is there a proxy on each node? If so, {USE_NODE_NAMES}")
    };
    Some(Check::failed(what, format!("without: {}", some(&alone)), hint))
}

fn near(transformer: &TransformerNeed) -> &'static str {
    if transformer.host_network { "on its node" } else { "in its /24" }
}

/// What a transformer goes by, of an address.
fn area(transformer: &TransformerNeed, of: &Endpoint) -> Option<String> {
    if transformer.host_network {
        return of.node.clone();
    }
    let [a, b, c, _] = of.ip.parse::<Ipv4Addr>().ok()?.octets();
    Some(format!("{a}.{b}.{c}.0/24"))
}

/// What proxies of different nodes have in common though they should not.
fn shared(transformer: &TransformerNeed, proxies: &[&Endpoint]) -> Option<(String, Vec<String>)> {
    let mut by_area: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for proxy in proxies {
        let nodes = by_area.entry(area(transformer, proxy)?).or_default();
        let node = proxy.node.clone().unwrap_or_else(|| proxy.ip.clone());
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    by_area.into_iter().find(|(_, nodes)| nodes.len() > 1)
}

/// The first of a list, and how many more there are.
fn some(of: &[String]) -> String {
    let more = of.len().saturating_sub(SHOWN);
    let shown = of[..of.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
