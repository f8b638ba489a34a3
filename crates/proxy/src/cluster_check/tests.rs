//! Scripted APIs, and what is said of them.

use super::*;
use names::{Dtab, Path};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// An API that answers from a table.
#[derive(Default)]
struct Fake {
    answers: BTreeMap<String, (u16, Value)>,
    /// `verb resource` that are not allowed.
    denied: Vec<&'static str>,
    /// Accounts that were asked about, and paths.
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn new() -> Fake {
        let fake = Fake::default().with("/version", json!({ "gitVersion": "v1.35.4" }));
        let groups = ["discovery.k8s.io/v1", "networking.k8s.io/v1"];
        groups.iter().fold(fake, |fake, group| fake.with(&format!("/apis/{group}"), json!({})))
    }

    fn with(mut self, path: &str, body: Value) -> Fake {
        self.answers.insert(path.to_owned(), (200, body));
        self
    }

    fn failing(mut self, path: &str, status: u16) -> Fake {
        self.answers.insert(path.to_owned(), (status, json!({ "message": "it is so" })));
        self
    }

    /// A Service in `default` with a port `http`, and its endpoints: address and node.
    fn service(self, name: &str, endpoints: &[(&str, &str)]) -> Fake {
        self.service_with(name, "http", &json!({ "ports": [{ "name": "http", "port": 80 }] }), endpoints)
    }

    fn service_with(mut self, name: &str, port: &str, spec: &Value, endpoints: &[(&str, &str)]) -> Fake {
        let services = self.answers.entry(SERVICES.to_owned()).or_insert((200, json!({ "items": [] })));
        let list = services.1["items"].as_array_mut().expect("a list");
        list.push(json!({ "metadata": { "name": name }, "spec": spec }));
        let of = |(ip, node): &(&str, &str)| json!({ "addresses": [ip], "nodeName": node, "conditions": { "ready": true } });
        let slice = json!({
            "endpoints": endpoints.iter().map(of).collect::<Vec<_>>(),
            "ports": [{ "name": port, "port": 7777 }],
        });
        let path = format!(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{name}"
        );
        self.with(&path, json!({ "items": [slice] }))
    }
}

const SERVICES: &str = "/api/v1/namespaces/default/services";
const NODES: &str = "/api/v1/nodes";

impl Api for Fake {
    fn place(&self) -> String {
        "http://localhost:8001".to_owned()
    }

    async fn get(&self, path: &str) -> Result<Reply, String> {
        self.asked.lock().unwrap().push(path.to_owned());
        let (status, body) =
            self.answers.get(path).cloned().unwrap_or((404, json!({ "message": "not found" })));
        if status == 0 { Err("connection refused".to_owned()) } else { Ok(Reply { status, body }) }
    }

    async fn post(&self, path: &str, body: Value) -> Result<Reply, String> {
        let user = body["spec"]["user"].as_str().unwrap_or("self");
        self.asked.lock().unwrap().push(format!("{path} {user}"));
        let of = &body["spec"]["resourceAttributes"];
        let of = format!("{} {}", of["verb"].as_str().unwrap(), of["resource"].as_str().unwrap());
        let status = json!({ "allowed": !self.denied.contains(&of.as_str()), "reason": "no role" });
        Ok(Reply { status: 201, body: json!({ "status": status }) })
    }
}

fn namers() -> Vec<KubernetesNamer> {
    let prefix: Path = "/io.l5d.k8s".parse().unwrap();
    vec![KubernetesNamer { prefix, namespace: None, endpoints: true }]
}

/// The configuration of walkthrough I, its outgoing router.
fn outgoing() -> Needs {
    let text =
        "/srv => /#/io.l5d.k8s/default/http; /host => /srv; /svc => /host; /host/world => /srv/world-v1";
    let dtab: Dtab = text.parse().unwrap();
    let mut needs = dtab::named(&dtab, &namers(), "outgoing");
    needs
        .transformers
        .insert(TransformerNeed { service: ("default".to_owned(), "l5d".to_owned()), host_network: false });
    needs.services.insert(ServiceNeed {
        namespace: "default".to_owned(),
        name: "l5d".to_owned(),
        port: "incoming".to_owned(),
        by: "transformer of outgoing".to_owned(),
        weight: Weight::Must,
        endpoints: true,
    });
    needs
}

/// A cluster in which all of it is well.
fn well() -> Fake {
    let node =
        |name: &str, range: &str| json!({ "metadata": { "name": name }, "spec": { "podCIDRs": [range] } });
    let incoming = json!({ "ports": [{ "name": "incoming", "port": 4141 }] });
    Fake::new()
        .with(NODES, json!({ "items": [node("a", "10.244.0.0/24"), node("b", "10.244.1.0/24")] }))
        .service("world-v1", &[("10.244.0.7", "a"), ("10.244.1.7", "b")])
        .service_with("l5d", "incoming", &incoming, &[("10.244.0.2", "a"), ("10.244.1.2", "b")])
}

async fn report(fake: &Fake, needs: &Needs) -> Report {
    check(fake, needs, &Account::Asking).await
}

/// The lines of the report that do not begin with the mark of a good one.
async fn complaints(fake: &Fake, needs: &Needs) -> String {
    let text = report(fake, needs).await.to_text(false);
    let of = text.lines().filter(|line| line.starts_with(['×', '‼', ' ']));
    of.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_good_cluster_is_called_good() {
    let report = report(&well(), &outgoing()).await;
    let expected = "\
kubernetes-api
--------------
√ the API at http://localhost:8001 answers: Kubernetes v1.35.4
√ it serves discovery.k8s.io/v1
√ it serves networking.k8s.io/v1

rights
------
√ whoever asks may list and watch endpoints in namespace default
√ whoever asks may list and watch services in namespace default
√ whoever asks may list and watch endpointslices in namespace default

nodes
-----
√ each node has a /24 of pod addresses
√ each proxy of Service default/l5d can be told from the others
√ each endpoint of default/world-v1 has a proxy in its /24

services
--------
√ Service default/l5d has a port incoming, 2 endpoints ready
√ Service default/world-v1 has a port http, 2 endpoints ready

Status check results are √
";
    assert_eq!(report.to_text(false), expected);
    assert_eq!(report.verdict(), Verdict::Good);
    assert_eq!(report.to_json()["success"], true);
    assert_eq!(report.to_json()["categories"][0]["checks"][1]["result"], "success");
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_all_that_is_said() {
    let report = report(&Fake::new().failing("/version", 0), &outgoing()).await;
    assert_eq!(report.sections.len(), 1);
    assert!(report.to_text(true).contains("\u{1b}[31m×\u{1b}[0m the API at http://localhost:8001 answers"));
    assert!(report.to_text(false).contains("\n    connection refused\n    look at the address"));
    assert_eq!(report.verdict(), Verdict::Failed);
}

/// Each row: what is different from a good cluster, and what is said.
#[tokio::test]
async fn what_is_wrong_is_told_with_a_hint() {
    let nodes =
        |range: &str| json!({ "items": [{ "metadata": { "name": "a" }, "spec": { "podCIDR": range } }] });
    let none = json!({ "items": [{ "metadata": { "name": "a" }, "spec": {} }] });
    let udp = json!({ "ports": [{ "name": "http", "port": 80, "protocol": "UDP" }] });
    let alias =
        json!({ "type": "ExternalName", "externalName": "a.b", "ports": [{ "name": "http", "port": 80 }] });
    let both = [("10.244.0.7", "a"), ("10.244.1.7", "b")];
    let rows: Vec<(Fake, &[&str])> = vec![
        (well().failing("/apis/discovery.k8s.io/v1", 404), &["× it serves discovery", "since Kubernetes 1.21"]),
        (Fake { denied: vec!["watch endpointslices"], ..well() }, &["× whoever asks may list and watch endpointslices in", "not allowed: watch, no role", "a RoleBinding in namespace default"]),
        (well().with(NODES, nodes("10.244.0.0/23")), &["× each node has a /24", "a has 10.244.0.0/23", "`hostNetwork: true`"]),
        (well().with(NODES, none), &["‼ each node has a /24", "does not say which addresses pods get on a"]),
        (well().failing(NODES, 403), &["‼ each node has a /24", "the API answered 403 it is so"]),
        (well().service("world-v1", &[("10.244.9.7", "b")]), &["× each endpoint of default/world-v1 has a proxy in its /24", "without: 10.244.9.7 on b"]),
        (well().service_with("l5d", "incoming", &json!({ "ports": [{ "name": "incoming", "port": 1 }] }), &both.map(|(_, node)| ("10.0.0.1", node))), &["× each proxy of Service default/l5d can be told", "10.0.0.0/24 is shared by a, b"]),
        (well().with(SERVICES, json!({ "items": [{ "metadata": { "name": "world-v2" } }] })), &["× Service default/world-v1 has", "there is no such Service", "asked for by dtab of outgoing, /host/world => /srv/world-v1", "there is a Service world-v2"]),
        (well().with(SERVICES, json!({ "items": [{ "metadata": { "name": "world-v1" }, "spec": { "ports": [{ "name": "web", "port": 81 }] } }] })), &["× Service default/world-v1 has a port http", "there is no such port: it has web (81)"]),
        (well().failing(SERVICES, 500), &["‼ Service default/world-v1", "the API answered 500"]),
    ];
    for (fake, expected) in rows {
        let got = complaints(&fake, &outgoing()).await;
        expected.iter().for_each(|part| assert!(got.contains(part), "{part} is not in\n{got}"));
    }
    let nobody = report(&well().service("world-v1", &[]), &outgoing()).await.to_text(false);
    assert!(nobody.contains("‼ Service default/world-v1 has a port http"), "{nobody}");
    assert!(!nobody.contains("each endpoint of default/world-v1"), "{nobody}");
    let world = |spec: &Value, port: &str, endpoints: &[(&str, &str)]| {
        let fake = Fake::new().service_with("world-v1", port, spec, endpoints);
        let mut needs = outgoing();
        needs.transformers.clear();
        needs.services.retain(|need| need.name == "world-v1");
        (fake, needs)
    };
    let http = json!({ "ports": [{ "name": "http", "port": 80 }] });
    let rows = [
        (
            world(&udp, "http", &both),
            "× Service default/world-v1 has a port http\n    its protocol is UDP, not TCP",
        ),
        (
            world(&alias, "http", &both),
            "‼ Service default/world-v1 has a port http\n    it is an ExternalName for \"a.b\"",
        ),
        (
            world(&http, "http", &[]),
            "‼ Service default/world-v1 has a port http\n    none of its 0 endpoints is ready",
        ),
        (
            world(&http, "web", &both),
            "× Service default/world-v1 has a port http\n    none of its endpoints has the port",
        ),
    ];
    for ((fake, needs), expected) in rows {
        let got = complaints(&fake, &needs).await;
        assert!(got.contains(expected), "{expected} is not in\n{got}");
    }
}

/// What is there to fall back on is no failure.
#[tokio::test]
async fn a_missing_alternative_is_a_warning() {
    let dtab: Dtab = "/svc/a => /#/io.l5d.k8s/default/http/gone | /$/inet/127.1/80".parse().unwrap();
    let got =
        complaints(&Fake::new().with(SERVICES, json!({ "items": [] })), &dtab::named(&dtab, &namers(), "r"))
            .await;
    assert!(got.starts_with("‼ Service default/gone has a port http"), "{got}");
}

/// Pods on other networks than the proxies' are matched by the names of their nodes.
#[tokio::test]
async fn node_names_are_matched_where_transformers_go_by_them() {
    let mut needs = outgoing();
    let transformer = TransformerNeed { host_network: true, ..needs.transformers.pop_first().unwrap() };
    needs.transformers.insert(transformer);
    let incoming = json!({ "ports": [{ "name": "incoming", "port": 4141 }] });
    let proxies = [("172.30.0.2", "a"), ("172.30.0.3", "b")];
    let cluster = || Fake::new().service_with("l5d", "incoming", &incoming, &proxies);
    let good = cluster().service("world-v1", &[("10.0.0.7", "a"), ("10.0.0.8", "b")]);
    assert_eq!(complaints(&good, &needs).await, "");
    assert!(!good.asked.lock().unwrap().iter().any(|path| path == NODES), "nodes need not be read");
    let bad = cluster().service("world-v1", &[("10.0.0.7", "a"), ("10.0.0.8", "c")]);
    let got = complaints(&bad, &needs).await;
    assert!(
        got.contains(
            "× each endpoint of default/world-v1 has a proxy on its node\n    without: 10.0.0.8 on c"
        ),
        "{got}"
    );
}

#[tokio::test]
async fn rights_of_another_account_are_looked_at_in_its_name() {
    let fake = well();
    let account = Account::Service("default".to_owned(), "l5d".to_owned());
    let report = check(&fake, &outgoing(), &account).await;
    assert_eq!(report.verdict(), Verdict::Good, "{}", report.to_text(false));
    let asked = fake.asked.lock().unwrap().clone();
    let review = "/apis/authorization.k8s.io/v1/subjectaccessreviews system:serviceaccount:default:l5d";
    assert_eq!(asked.iter().filter(|asked| *asked == review).count(), 6, "{asked:?}");
    assert!(report.to_text(false).contains("√ service account default/l5d may list and watch services in"));
}

#[tokio::test]
async fn ingresses_name_services_too() {
    let class = |controller: &str| json!({ "items": [{ "metadata": { "name": "linkerd" }, "spec": { "controller": controller } }] });
    let backend = |service: &str| json!({ "service": { "name": service, "port": { "name": "http" } } });
    let ingress = json!({
        "metadata": { "namespace": "default", "name": "hello-world" },
        "spec": {
            "ingressClassName": "linkerd",
            "defaultBackend": backend("world-v1"),
            "rules": [{ "host": "world.v2", "http": { "paths": [{ "backend": backend("world-v2") }] } }],
        },
    });
    let internal =
        json!({ "metadata": { "name": "in" }, "spec": { "controller": "wayleave.io/ingress-controller" } });
    let foreign = json!({ "metadata": { "annotations": { "kubernetes.io/ingress.class": "nginx" } } });
    let (classes, rules) =
        ("/apis/networking.k8s.io/v1/ingressclasses", "/apis/networking.k8s.io/v1/ingresses");
    let cluster = || {
        let fake = Fake::new().service("world-v1", &[("10.0.0.7", "a")]);
        fake.with(rules, json!({ "items": [foreign.clone(), ingress.clone()] }))
            .with(classes, class("wayleave.io/ingress-controller"))
    };
    let mut needs = Needs::default();
    needs.ingresses.insert(IngressNeed { namespace: None, class: "linkerd".to_owned(), status: true });
    let got = complaints(&cluster(), &needs).await;
    let expected = "× Service default/world-v2 has a port http\n    there is no such Service\n    \
                    asked for by Ingress default/hello-world\n    there is a Service world-v1";
    assert_eq!(got, expected);
    let text = report(&cluster(), &needs).await.to_text(false);
    assert!(text.contains("√ the cluster has Ingresses of class linkerd: 1"), "{text}");
    assert!(text.contains("√ whoever asks may patch ingresses/status in the whole cluster"), "{text}");
    let rows = [
        (
            cluster().with(classes, class("k8s.io/nginx")),
            "× IngressClass linkerd is ours\n    its controller is \"k8s.io/nginx\"",
        ),
        (
            cluster().with(classes, json!({ "items": [] })),
            "‼ IngressClass linkerd is ours\n    there is no such",
        ),
        (
            cluster().with(rules, json!({ "items": [foreign.clone()] })),
            "‼ the cluster has Ingresses of class linkerd\n    none of 1",
        ),
    ];
    for (fake, expected) in rows {
        let got = complaints(&fake, &needs).await;
        assert!(got.contains(expected), "{expected} is not in\n{got}");
    }
    let of_class = json!({ "metadata": {}, "spec": { "ingressClassName": "in" } });
    let more =
        cluster().with(rules, json!({ "items": [of_class] })).with(classes, json!({ "items": [internal] }));
    let text = report(&more, &needs).await.to_text(false);
    assert!(
        text.contains("√ the cluster has Ingresses of class linkerd: 1"),
        "classes of our controller count: {text}"
    );
}

#[tokio::test]
async fn a_dtab_in_a_config_map_is_read_and_followed() {
    let map = |dtab: &str| json!({ "items": [{ "data": { "l5d.dtab": dtab } }] });
    let path = "/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3Droutes";
    let needs = Needs {
        config_maps: vec![ConfigMapNeed {
            namespace: "default".to_owned(),
            name: "routes".to_owned(),
            key: "l5d.dtab".to_owned(),
            router: "web".to_owned(),
            dtab: "/svc => /host".parse().unwrap(),
            namers: namers(),
        }],
        ..Needs::default()
    };
    let cluster = || Fake::new().service("web", &[("10.0.0.7", "a")]);
    let rows = [
        (map("/host/a => /#/io.l5d.k8s/default/http/web"), ""),
        (
            map("/host/a => /#/io.l5d.k8s/default/http/wet"),
            "× Service default/wet has a port http\n    there is no such Service\n    asked for by dtab of web, /host/a => /#/io.l5d.k8s/default/http/wet\n    there is a Service web",
        ),
        (map("/host/a =>"), "× ConfigMap default/routes has a dtab at l5d.dtab for web"),
        (json!({ "items": [{ "data": { "dtab": "" } }] }), "it has no such key, only: dtab"),
    ];
    for (body, expected) in rows {
        let got = complaints(&cluster().with(path, body), &needs).await;
        assert!(
            if expected.is_empty() { got.is_empty() } else { got.contains(expected) },
            "{expected} is not in\n{got}"
        );
    }
    let none = cluster().with(path, json!({ "items": [] }));
    assert!(complaints(&none, &needs).await.contains("there is no such ConfigMap"));
}

/// Which Services a dtab leads to, and whether anything else could be meant.
#[test]
fn services_a_dtab_names() {
    let check = |dtab: &str, services: &[(&str, Weight)], namespaces: &[Option<&str>]| {
        let needs = dtab::named(&dtab.parse().unwrap(), &namers(), "r");
        let got: Vec<_> = needs
            .services
            .iter()
            .map(|need| (format!("{}/{}/{}", need.namespace, need.port, need.name), need.weight))
            .collect();
        let expected: Vec<_> = services.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        assert_eq!(got, expected, "{dtab}");
        let spaces: Vec<_> = needs.namespaces.iter().map(Option::as_deref).collect();
        assert_eq!(spaces, namespaces, "{dtab}");
    };
    let (must, may) = (Weight::Must, Weight::May);
    check("/svc => /#/io.l5d.k8s", &[], &[None]);
    check("/svc => /#/io.l5d.k8s/Default/http", &[], &[Some("default")]);
    check("/svc => /#/io.l5d.k8s/default/http/A", &[("default/http/a", must)], &[Some("default")]);
    check("/a => /b; /b => /#/io.l5d.k8s/n; /c => /a/80/x", &[("n/80/x", must)], &[Some("n")]);
    check("/s => /#/io.l5d.k8s/n/http; /s => /$/inet; /c => /s/x", &[("n/http/x", may)], &[Some("n")]);
    check(
        "/c => 1 * /#/io.l5d.k8s/n/p/x & 2 * /#/io.l5d.k8s/n/p/y",
        &[("n/p/x", may), ("n/p/y", may)],
        &[Some("n")],
    );
    check("/a => /b; /b => /a", &[], &[]);
    check("/svc => /#/io.l5d.fs", &[], &[]);
}
