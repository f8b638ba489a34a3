//! `io.l5d.k8s.external`: the load balancers in front of Services (routing.md §2.6).

use std::net::SocketAddr;
use std::sync::Arc;

use ::names::{NameTree, Path};
use naming::{
    Addr, Address, BoundName, Live, Named, Namer, Reader, Resolver, Source, State, configured_prefix, inet,
    json_text,
};

use super::names::{Look, Names};
use super::{Parts, folded, parts};
use crate::cluster::{Cluster, one};
use crate::kinds::Service;

/// The namer: `/<namespace>/<port>/<service>`, and the value of a label where one is configured.
pub struct ExternalNamer {
    prefix: Path,
    elements: usize,
    names: Arc<Names<Entrances>>,
    resolver: Arc<dyn Resolver>,
}

impl ExternalNamer {
    /// Services of `cluster` under `/#` and `prefix`; load balancers known by name are found through `resolver`. With a
    /// `label`, names end with the value of that label.
    #[must_use]
    pub fn new(
        prefix: &Path,
        cluster: Cluster,
        label: Option<&str>,
        resolver: Arc<dyn Resolver>,
    ) -> ExternalNamer {
        let names = Names::new(Entrances { label: label.map(Into::into) }, cluster);
        let elements = 3 + usize::from(label.is_some());
        ExternalNamer { prefix: configured_prefix(prefix), elements, names, resolver }
    }
}

impl Namer for ExternalNamer {
    fn bind(&self, path: &Path, reader: &mut dyn Reader) -> State<NameTree<Named>> {
        let Some(name) = folded(path, self.elements) else { return State::Ok(NameTree::Neg) };
        reader.read(&self.names.exists(&name)).map(|exists| {
            if !exists {
                return NameTree::Neg;
            }
            // Looked up in lower case, and named as it was asked for.
            let id = self.prefix.concat(&path.take(self.elements));
            NameTree::Leaf(Named::Bound(BoundName { id, residual: path.skip(self.elements) }))
        })
    }

    fn addresses(&self, id: &Path, reader: &mut dyn Reader) -> Addr {
        let name = id.strip_prefix(&self.prefix).filter(|name| name.len() == self.elements);
        let Some(name) = name.and_then(|name| folded(&name, self.elements)) else { return Addr::Neg };
        let entrance = match reader.read(&self.names.found(&name)) {
            State::Pending => return Addr::Pending,
            State::Failed(text) => return Addr::Failed(text),
            State::Ok(None) => return Addr::Neg,
            State::Ok(Some(entrance)) => entrance,
        };
        match inet::resolve(&entrance.host, &*self.resolver, reader) {
            State::Pending => Addr::Pending,
            State::Failed(text) => Addr::Failed(text),
            State::Ok(ips) => {
                Addr::bound(ips.iter().map(|&ip| Address::new(SocketAddr::new(ip, entrance.port))).collect())
            }
        }
    }
}

/// Where a load balancer listens.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entrance {
    /// Name or IP.
    host: Arc<str>,
    port: u16,
}

struct Entrances {
    label: Option<Box<str>>,
}

/// The entrance to a port, by its name or number; of several the last one.
fn entrance(service: &Service, port: &str, label: Option<(&str, &str)>) -> Option<Entrance> {
    let labels = &service.metadata.labels;
    if !label.is_none_or(|(key, value)| labels.get(key).is_some_and(|is| is.eq_ignore_ascii_case(value))) {
        return None;
    }
    let number: Option<u16> = port.parse().ok();
    let is = |one: &&crate::kinds::ServicePort| match number {
        Some(number) => one.port == number,
        None => one.name.eq_ignore_ascii_case(port),
    };
    let port = service.spec.ports.iter().find(is)?.port;
    let mut hosts = service.status.load_balancer.ingress.iter().rev().filter_map(|entrance| {
        let named = entrance.hostname.as_deref().filter(|name| !name.is_empty());
        named.or(entrance.ip.as_deref()).filter(|host| !host.is_empty())
    });
    Some(Entrance { host: hosts.next()?.into(), port })
}

impl Look for Entrances {
    type Found = Entrance;
    type Sources = Live<Option<Arc<Service>>>;

    fn open(&self, cluster: &Cluster, name: &Path) -> Self::Sources {
        let Parts { namespace, service, .. } = parts(name, None, self.label.as_deref());
        cluster.object(namespace, service)
    }

    fn sources<'a>(&self, service: &'a Self::Sources) -> Vec<&'a dyn Source> {
        vec![service]
    }

    fn watched(&self, name: &Path) -> Vec<String> {
        let Parts { namespace, service, .. } = parts(name, None, self.label.as_deref());
        vec![Cluster::path_of(&one::<Service>(namespace, service))]
    }

    fn look(&self, name: &Path, service: &Self::Sources) -> State<Option<Entrance>> {
        let Parts { port, label, .. } = parts(name, None, self.label.as_deref());
        service.get().map(|service| service.and_then(|service| entrance(&service, port, label)))
    }

    fn json(&self, found: &Entrance) -> String {
        json_text(&format!("{}:{}", found.host, found.port))
    }
}

impl std::fmt::Debug for ExternalNamer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalNamer").field("names", &self.names.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        service: &serde_json::Value,
        port: &str,
        label: Option<(&str, &str)>,
        expected: Option<(&str, u16)>,
    ) {
        let service: Service = serde_json::from_value(service.clone()).unwrap();
        let expected = expected.map(|(host, port)| Entrance { host: host.into(), port });
        assert_eq!(entrance(&service, port, label), expected, "{port} {label:?}");
    }

    #[test]
    fn entrances() {
        let service = serde_json::json!({
            "metadata": {"name": "front", "labels": {"version": "V1"}},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "tls", "port": 443}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"ip": "192.0.2.10"}]}},
        });
        check(&service, "http", None, Some(("192.0.2.10", 80)));
        check(&service, "tls", None, Some(("192.0.2.10", 443)));
        check(&service, "80", None, Some(("192.0.2.10", 80)));
        check(&service, "8080", None, None);
        check(&service, "thrift", None, None);
        check(&service, "http", Some(("version", "v1")), Some(("192.0.2.10", 80)));
        check(&service, "http", Some(("version", "v2")), None);
        check(&service, "http", Some(("tier", "v1")), None);
    }

    #[test]
    fn a_name_goes_before_an_ip_and_no_entrance_is_no_name() {
        let with = |status: serde_json::Value| serde_json::json!({"metadata": {"name": "f"}, "spec": {"ports": [{"port": 80, "name": "http"}]}, "status": status});
        let entrance = serde_json::json!({"ip": "192.0.2.1", "hostname": "lb.example"});
        check(
            &with(serde_json::json!({"loadBalancer": {"ingress": [entrance]}})),
            "http",
            None,
            Some(("lb.example", 80)),
        );
        for empty in [
            serde_json::json!({"loadBalancer": {"ingress": null}}),
            serde_json::json!({"loadBalancer": {"ingress": [{"hostname": "", "ip": ""}]}}),
            serde_json::json!({"loadBalancer": {}}),
            serde_json::json!(null),
        ] {
            check(&with(empty), "http", None, None);
        }
    }
}
