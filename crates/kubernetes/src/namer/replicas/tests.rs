//! Which replicas a port of a Service has: rows of routing.md §2.6 and §9, and what EndpointSlices add.

#![expect(
    clippy::needless_pass_by_value,
    clippy::redundant_clone,
    reason = "values are written where they are passed, row by row"
)]

use super::*;
use serde_json::{Value, json};

#[derive(Default)]
struct World {
    endpoints: Option<Endpoints>,
    /// Endpoints may not be read.
    unread: bool,
    slices: Vec<Arc<EndpointSlice>>,
    service: Option<Service>,
}

/// `{10.0.0.1, ...}` as subset addresses.
fn ready(ips: &[&str]) -> Value {
    ips.iter().map(|ip| json!({"ip": ip})).collect()
}

fn meta(labels: Value) -> Value {
    json!({"name": "web", "labels": labels})
}

impl World {
    fn endpoints(mut self, subsets: Value) -> World {
        self.endpoints = Some(read(json!({"metadata": meta(json!(null)), "subsets": subsets})));
        self
    }

    fn slice(self, ports: Value, endpoints: Value) -> World {
        self.slice_of(json!(null), ports, endpoints)
    }

    fn slice_of(mut self, labels: Value, ports: Value, endpoints: Value) -> World {
        self.slices
            .push(Arc::new(read(json!({"metadata": meta(labels), "ports": ports, "endpoints": endpoints}))));
        self
    }

    fn service(mut self, labels: Value, ports: Value) -> World {
        self.service = Some(read(json!({"metadata": meta(labels), "spec": {"ports": ports}, "status": {}})));
        self
    }

    fn found(&self, port: &str, label: Option<(&str, &str)>) -> Option<AddrSet> {
        let service = self.service.as_ref();
        let endpoints = if self.unread { Written::Unread } else { Written::Known(self.endpoints.as_ref()) };
        let facts = Facts { endpoints, slices: &self.slices, service };
        replicas(facts, Wanted { port, label })
    }

    #[track_caller]
    fn check(&self, port: &str, expected: Option<&str>) {
        self.check_labelled(port, None, expected);
    }

    #[track_caller]
    fn check_labelled(&self, port: &str, label: Option<(&str, &str)>, expected: Option<&str>) {
        let shown = self.found(port, label).map(|set| {
            let all: Vec<String> = set.addresses.iter().map(|address| address.socket.to_string()).collect();
            all.join(" ")
        });
        assert_eq!(shown.as_deref(), expected, "{port} {label:?}");
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

const KEPT: &str = "endpointslice.kubernetes.io/managed-by";

/// Rows 48 to 51: the worked example.
#[test]
fn sessions() {
    let world = World::default()
        .endpoints(json!([{
            "addresses": ready(&["10.248.4.9", "10.248.7.11", "10.248.8.9"]),
            "ports": [{"name": "http", "port": 8083}],
        }]))
        .service(json!(null), json!([{"port": 80, "targetPort": 54321}, {"port": 9990}]));
    world.check("http", Some("10.248.4.9:8083 10.248.7.11:8083 10.248.8.9:8083"));
    world.check("80", Some("10.248.4.9:54321 10.248.7.11:54321 10.248.8.9:54321"));
    world.check("080", Some("10.248.4.9:54321 10.248.7.11:54321 10.248.8.9:54321"));
    world.check("9990", Some("10.248.4.9:9990 10.248.7.11:9990 10.248.8.9:9990"));
    for unknown in ["555", "thrift", "54321", "99999999", ""] {
        world.check(unknown, None);
    }
}

/// A target port by name: what Kubernetes calls it in its lists is the name of the Service's port.
#[test]
fn target_ports_by_name() {
    let auth = |port: Value| World::default().service(json!(null), json!([port]));
    let endpoints = json!([{"addresses": ready(&["10.0.0.1"]), "ports": [{"name": "http", "port": 8082}]}]);
    auth(json!({"port": 80, "targetPort": "http"}))
        .endpoints(endpoints.clone())
        .check("80", Some("10.0.0.1:8082"));
    let named = json!({"name": "http", "port": 80, "targetPort": "container"});
    auth(named).endpoints(endpoints.clone()).check("80", Some("10.0.0.1:8082"));
    auth(json!({"port": 80, "targetPort": "other"})).endpoints(endpoints).check("80", None);
    auth(json!({"port": 80, "targetPort": "http"})).check("80", None);
}

/// Row 52, and what else has no subsets.
#[test]
fn nothing_there() {
    World::default().check("http", None);
    World::default().check("80", None);
    for subsets in [json!(null), json!([])] {
        let world = World::default().endpoints(subsets).service(json!(null), json!([{"port": 80}]));
        world.check("http", None);
        // As recorded: the Service has the port, so there is no next alternative.
        world.check("80", Some(""));
    }
    let unready =
        json!([{"notReadyAddresses": ready(&["10.0.0.1"]), "ports": [{"name": "http", "port": 1}]}]);
    World::default().endpoints(unready).check("http", Some(""));
}

#[test]
fn subsets_keep_their_own_ports() {
    let world = World::default().endpoints(json!([
        {"addresses": ready(&["10.0.0.1"]), "ports": [{"name": "http", "port": 8080}]},
        {"addresses": ready(&["10.0.0.2"]), "ports": [{"name": "http", "port": 9090}]},
    ]));
    world.check("http", Some("10.0.0.1:8080 10.0.0.2:9090"));
}

#[test]
fn only_tcp_by_name() {
    let ports = json!([{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "web", "port": 80, "protocol": "tcp"}]);
    let world = World::default().endpoints(json!([{"addresses": ready(&["10.0.0.1"]), "ports": ports}]));
    world.check("dns", None);
    world.check("web", Some("10.0.0.1:80"));
}

#[test]
fn both_kinds_of_lists_are_one_set() {
    let ports = json!([{"name": "http", "port": 80}]);
    let world = World::default()
        .endpoints(json!([{"addresses": ready(&["10.0.0.1", "10.0.0.2"]), "ports": ports}]))
        .slice(
            ports.clone(),
            json!([{"addresses": ["10.0.0.2"], "nodeName": "n"}, {"addresses": ["10.0.0.3"]}]),
        );
    world.check("http", Some("10.0.0.1:80 10.0.0.2:80 10.0.0.3:80"));
    let found = world.found("http", None).unwrap();
    assert_eq!(found.addresses[1].meta.get("nodeName").map(|node| &**node), Some("n"));
    assert_eq!(found.addresses[0].meta, Meta::default());
}

/// Endpoints are written later than slices: where there are slices of the control plane, they are out of date.
#[test]
fn slices_of_the_control_plane_speak_for_themselves() {
    let ports = json!([{"name": "http", "port": 80}]);
    for (by, expected) in
        [("endpointslice-controller.k8s.io", "10.0.0.2:80"), ("somebody", "10.0.0.1:80 10.0.0.2:80")]
    {
        let world = World::default()
            .endpoints(json!([{"addresses": ready(&["10.0.0.1"]), "ports": ports}]))
            .slice_of(json!({KEPT: by}), ports.clone(), json!([{"addresses": ["10.0.0.2"]}]));
        world.check("http", Some(expected));
    }
    // Scaled to nothing: the controller leaves a slice without ports.
    let world = World::default()
        .endpoints(json!([{"addresses": ready(&["10.0.0.1"]), "ports": ports}]))
        .slice_of(json!({KEPT: "endpointslice-controller.k8s.io"}), json!(null), json!([]));
    world.check("http", None);
}

/// Of Endpoints that somebody writes the control plane makes slices, later: they count where Endpoints may not be read.
#[test]
fn endpoints_speak_for_their_mirrors() {
    let ports = json!([{"name": "http", "port": 80}]);
    let mirrored = || {
        let labels = json!({KEPT: "endpointslicemirroring-controller.k8s.io"});
        World::default().slice_of(labels, ports.clone(), json!([{"addresses": ["10.0.0.2"]}]))
    };
    let written = |ips: &[&str]| mirrored().endpoints(json!([{"addresses": ready(ips), "ports": ports}]));
    written(&["10.0.0.1"]).check("http", Some("10.0.0.1:80"));
    written(&[]).check("http", Some(""));
    // The Endpoints are gone, and the slice is about to be.
    mirrored().check("http", None);
    World { unread: true, ..mirrored() }.check("http", Some("10.0.0.2:80"));
    // Somebody's own slice beside it counts in any case.
    let both = |world: World| world.slice(ports.clone(), json!([{"addresses": ["10.0.0.3"]}]));
    both(written(&["10.0.0.1"])).check("http", Some("10.0.0.1:80 10.0.0.3:80"));
    both(World { unread: true, ..mirrored() }).check("http", Some("10.0.0.2:80 10.0.0.3:80"));
}

/// As recorded: a number of UDP is answered; where TCP has the same one, that is meant.
#[test]
fn a_number_of_tcp_goes_before_the_same_of_udp() {
    let udp = json!({"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353});
    let tcp = json!({"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 5354});
    let world = |ports: Value| {
        World::default()
            .endpoints(json!([{"addresses": ready(&["10.0.0.1"]), "ports": null}]))
            .service(json!(null), ports)
    };
    world(json!([udp])).check("53", Some("10.0.0.1:5353"));
    world(json!([udp, tcp])).check("53", Some("10.0.0.1:5354"));
    world(json!([tcp, udp])).check("53", Some("10.0.0.1:5354"));
}

#[test]
fn readiness() {
    let replica = |ip: &str, ready: Value, serving: Value, terminating: Value| {
        let conditions = json!({"ready": ready, "serving": serving, "terminating": terminating});
        json!({"addresses": [ip], "conditions": conditions})
    };
    let (yes, no, unsaid) = (json!(true), json!(false), json!(null));
    let ports = json!([{"name": "http", "port": 80}]);
    let world = |replicas: &[Value]| World::default().slice(ports.clone(), json!(replicas));
    let ready = replica("10.0.0.1", yes.clone(), yes.clone(), no.clone());
    let unsaid = replica("10.0.0.2", unsaid.clone(), unsaid.clone(), unsaid.clone());
    let broken = replica("10.0.0.3", no.clone(), no.clone(), no.clone());
    let ending = replica("10.0.0.4", no.clone(), yes.clone(), yes.clone());
    let gone = replica("10.0.0.5", no.clone(), no.clone(), yes.clone());
    world(&[ready, unsaid, broken.clone(), ending.clone(), gone.clone()])
        .check("http", Some("10.0.0.1:80 10.0.0.2:80"));
    world(&[broken.clone(), ending, gone.clone()]).check("http", Some("10.0.0.4:80"));
    world(&[broken, gone]).check("http", Some(""));
    World::default()
        .slice(ports.clone(), json!([{"addresses": ["10.0.0.9"]}]))
        .check("http", Some("10.0.0.9:80"));
}

#[test]
fn both_families_and_no_host_names() {
    let ports = json!([{"name": "http", "port": 80}]);
    let world = World::default()
        .slice(ports.clone(), json!([{"addresses": ["10.0.0.1"]}]))
        .slice(ports.clone(), json!([{"addresses": ["fd00::1"]}]))
        .slice(ports, json!([{"addresses": ["host.example"]}]));
    world.check("http", Some("10.0.0.1:80 [fd00::1]:80"));
}

#[test]
fn labels() {
    let ports = json!([{"name": "http", "port": 80}]);
    let of = |service: Value, endpoints: Value, slice: Value| {
        let mut world = World::default()
            .service(service, json!([{"port": 80}]))
            .slice_of(slice, ports.clone(), json!([{"addresses": ["10.0.0.2"]}]))
            .endpoints(json!([{"addresses": ready(&["10.0.0.1"]), "ports": ports}]));
        world.endpoints.as_mut().unwrap().metadata.labels = read(endpoints);
        world
    };
    let (v1, none) = (json!({"version": "V1"}), json!({}));
    let wanted = Some(("version", "v1"));
    let check = |world: World, expected: Option<&str>| {
        world.check_labelled("http", wanted, expected);
        world.check_labelled("80", wanted, expected);
    };
    check(of(v1.clone(), none.clone(), none.clone()), Some("10.0.0.1:80 10.0.0.2:80"));
    check(of(none.clone(), v1.clone(), none.clone()), Some("10.0.0.1:80"));
    check(of(none.clone(), none.clone(), v1), Some("10.0.0.2:80"));
    check(of(none.clone(), json!({"version": "v2"}), none.clone()), None);
    check(of(none.clone(), json!({"other": "v1"}), none), None);
}
