//! What the cluster has of what is needed: Services, and who stands behind them.

use super::api::{Api, items};
use super::needs::Needs;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A namespace and a name in it.
pub(super) type Place = (String, String);

/// What was read, or why it could not be.
type Read<T> = Result<T, String>;

/// What was read of a cluster, once.
#[derive(Debug, Default)]
pub(super) struct Known {
    services: BTreeMap<String, Read<BTreeMap<String, Value>>>,
    endpoints: BTreeMap<Place, Read<Vec<Endpoint>>>,
}

/// A pod, or another address, behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) ip: String,
    pub(super) node: Option<String>,
    pub(super) ready: bool,
    /// Its ports that have a number, by name; an unnamed one has the empty name.
    pub(super) ports: Vec<String>,
}

impl Known {
    pub(super) async fn read(api: &impl Api, needs: &Needs) -> Known {
        let mut known = Known::default();
        let named = needs.services.iter().map(|need| (need.namespace.clone(), need.name.clone()));
        let proxies = needs.transformers.iter().map(|need| need.service.clone());
        let places: BTreeSet<Place> = named.chain(proxies).collect();
        let spaces = places.iter().map(|(namespace, _)| namespace).chain(needs.namespaces.iter().flatten());
        for namespace in spaces.collect::<BTreeSet<_>>() {
            let list = items(api, &format!("/api/v1/namespaces/{namespace}/services")).await;
            let by_name = |list: Vec<Value>| {
                let named =
                    |service: Value| Some((service["metadata"]["name"].as_str()?.to_owned(), service));
                list.into_iter().filter_map(named).collect()
            };
            known.services.insert(namespace.clone(), list.map(by_name));
        }
        for (namespace, name) in places {
            let path = format!(
                "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{name}"
            );
            let slices = items(api, &path).await.map(|slices| slices.iter().flat_map(of_slice).collect());
            known.endpoints.insert((namespace, name), slices);
        }
        known
    }

    /// All Services of a namespace.
    pub(super) fn services(&self, namespace: &str) -> Result<&BTreeMap<String, Value>, &str> {
        match self.services.get(namespace) {
            Some(Ok(services)) => Ok(services),
            Some(Err(why)) => Err(why),
            None => Err("it was not asked for"),
        }
    }

    /// All endpoints of a Service.
    pub(super) fn endpoints(&self, place: &Place) -> Result<&[Endpoint], &str> {
        match self.endpoints.get(place) {
            Some(Ok(endpoints)) => Ok(endpoints),
            Some(Err(why)) => Err(why),
            None => Err("they were not asked for"),
        }
    }
}

fn of_slice(slice: &Value) -> Vec<Endpoint> {
    let of = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let numbered = of(&slice["ports"]).into_iter().filter(|port| port["port"].is_u64());
    let ports: Vec<String> =
        numbered.map(|port| port["name"].as_str().unwrap_or_default().to_owned()).collect();
    let endpoint = |endpoint: &Value| {
        // What is not said counts as ready.
        let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
        let node = endpoint["nodeName"].as_str().map(str::to_owned);
        let ip = endpoint["addresses"][0].as_str()?.to_owned();
        Some(Endpoint { ip, node, ready, ports: ports.clone() })
    };
    of(&slice["endpoints"]).iter().filter_map(endpoint).collect()
}
