//! `io.l5d.k8s.configMap` and `io.l5d.k8s.daemonset`: what their keys do, with a scripted Kubernetes API.

use super::*;
use serde_json::{Value, json};
use testkit::KubeApi;

fn config_map(namespace: &str, name: &str, key: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "namespace": namespace, "name": name }, "data": { key: text },
    })
}

/// A router whose interpreter is `io.l5d.k8s.configMap` with these keys.
fn router(api: &KubeApi, keys: &str) -> String {
    let port = api.port();
    format!(
        "  interpreter: {{kind: io.l5d.k8s.configMap, experimental: true, host: 127.0.0.1, port: {port}, {keys}}}"
    )
}

impl Running {
    async fn soon_bound(&self, expected: &str) {
        eventually(PATIENCE, expected, || async { self.bound("/svc/web").await == expected }).await;
    }

    async fn interpreter_state(&self) -> String {
        let base = self.proxy.admin().to_string();
        let path = "/r/interpreter_state/io.l5d.k8s.configmap.json";
        let answer = admin::get(&base, path, PATIENCE).await.unwrap_or_else(|error| panic!("{error}"));
        String::from_utf8_lossy(&answer.body).into_owned()
    }
}

/// `host`, `port`, `name`, `filename`, `namespace`, `transformers`; valid, invalid, valid (user-demand.md §5).
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dtabs_of_config_maps() {
    let api = KubeApi::start().await;
    let running = start("", &router(&api, "name: dtabs, filename: web.dtab")).await;
    running.soon_bound("").await;
    let map = |text: &str| config_map("default", "dtabs", "web.dtab", text);
    api.put(map("/svc => /$/inet/127.1/1"));
    running.soon_bound("/$/inet/127.1/1 127.0.0.1:1").await;
    api.put(map("/svc => nowhere"));
    let faulty = "interpreter/io.l5d.k8s.configMap/default/dtabs/bad_dtabs";
    running.wait(faulty, 1.0).await;
    running.soon_bound("/$/inet/127.1/1 127.0.0.1:1").await;
    let state = running.interpreter_state().await;
    let told = ["/svc=>/$/inet/127.1/1", "expected but", "/api/v1/namespaces/default/configmaps/dtabs"];
    assert!(told.iter().all(|part| state.contains(part)), "{state}");
    api.put(map("/svc => /$/inet/127.1/2"));
    running.soon_bound("/$/inet/127.1/2 127.0.0.1:2").await;
    api.delete(&map(""));
    running.soon_bound("").await;
    running.stop().await;
    api.put(config_map("mesh", "other", "a", "/svc => /$/inet/127.1/3"));
    let keys = "namespace: mesh, name: other, filename: a, transformers: [{kind: io.l5d.port, port: 4}]";
    let running = start("", &router(&api, keys)).await;
    running.soon_bound("/%/io.l5d.port/4/$/inet/127.1/3 127.0.0.1:4").await;
    running.stop().await;
}

/// `experimental`: without it nothing starts.
#[test]
fn experimental() {
    let check = |key: &str| {
        let interpreter = format!("{{kind: io.l5d.k8s.configMap, name: a, filename: b{key}}}");
        let text =
            format!("routers: [{{protocol: http, interpreter: {interpreter}, servers: [{{port: 0}}]}}]");
        document::load("l.yaml", text.as_bytes()).map(drop).map_err(|faults| faults.to_string())
    };
    assert!(check("").is_err_and(|text| text.contains("ConfigMapInterpreter interpreter is experimental")));
    assert_eq!(check(", experimental: true"), Ok(()));
}

/// `namespace`, `service`, `port`, `k8sHost`, `k8sPort`, `hostNetwork`, `prefix` of `io.l5d.k8s.daemonset`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn gateways() {
    let api = KubeApi::start().await;
    let address = |ip: &str, node: &str| json!({ "ip": ip, "nodeName": node });
    let addresses = [address("127.0.0.9", "here"), address("10.1.0.9", "there")];
    api.put(json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": { "namespace": "mesh", "name": "l5d" },
        "subsets": [{ "addresses": addresses, "ports": [{ "name": "incoming", "port": 4141 }] }],
    }));
    let check = async |keys: &str, expected: &str| {
        let port = api.port();
        let transformer = format!(
            "{{kind: io.l5d.k8s.daemonset, k8sHost: 127.0.0.1, k8sPort: {port}, namespace: mesh, service: l5d, {keys}}}"
        );
        let router = format!(
            "  dtab: /svc => /$/inet/127.1/1\n  interpreter: {{kind: default, transformers: [{transformer}]}}"
        );
        let running = start("", &router).await;
        running.soon_bound(expected).await;
        running.stop().await;
    };
    let id = "/%/io.l5d.k8s.daemonset/mesh/incoming/l5d/$/inet/127.1/1";
    check("port: incoming", &format!("{id} 127.0.0.9:4141")).await;
    check("port: incoming, prefix: /gw", "/%/gw/$/inet/127.1/1 127.0.0.9:4141").await;
    // The address of this name is on no node, and so on none of theirs.
    check("port: incoming, hostNetwork: true", id).await;
    check("port: other", "/%/io.l5d.k8s.daemonset/mesh/other/l5d/$/inet/127.1/1").await;
}
