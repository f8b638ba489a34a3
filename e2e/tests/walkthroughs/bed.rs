//! A cluster of three real nodes, a caller on each, and what a person types.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;
use testkit::cluster::{Cluster, Image, Level};
use testkit::eventually;

/// How long images, pods and routes may take on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(180);

/// A cluster with callers.
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
}

/// A pod that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) ip: String,
    pub(crate) node: String,
    pub(crate) node_ip: String,
}

impl Bed {
    /// Three nodes and a pod with curl on each; `None` where this machine cannot have them.
    pub(crate) async fn start(who: &str) -> Option<Bed> {
        let cluster = Cluster::start(who, Level::Real(3)).await?;
        cluster.load(&[Image::wayleave(), Image::helloworld(), Image::nginx()]).await;
        let bed = Bed { cluster };
        bed.cluster.apply(&callers().to_string()).await;
        bed.rolled_out("default", "ds/caller").await;
        Some(bed)
    }

    /// `kubectl apply -k deploy/kustomize/OVERLAY`, until its proxies are ready.
    pub(crate) async fn mesh(&self, overlay: &str, namespace: &str) {
        self.cluster.kubectl(&["apply", "-k", &shipped(&format!("kustomize/{overlay}"))]).await;
        self.rolled_out(namespace, "ds/l5d").await;
    }

    /// `kubectl apply -f deploy/kustomize/apps/FILE`, until all its pods are ready.
    pub(crate) async fn apps(&self, files: &[&str]) {
        for file in files {
            self.cluster.kubectl(&["apply", "-f", &shipped(&format!("kustomize/apps/{file}.yaml"))]).await;
        }
        let all = self.cluster.kubectl(&["get", "deployments", "-o", "name"]).await;
        for deployment in all.lines() {
            self.rolled_out("default", deployment).await;
        }
    }

    pub(crate) async fn rolled_out(&self, namespace: &str, what: &str) {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        self.cluster.kubectl(&["-n", namespace, "rollout", "status", what, &timeout]).await;
    }

    /// The running pods with a label, those that are ending left out.
    pub(crate) async fn pods(&self, namespace: &str, label: &str) -> Vec<Pod> {
        let text = self.cluster.kubectl(&["-n", namespace, "get", "pods", "-l", label, "-o", "json"]).await;
        let list: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        let pods = list["items"].as_array().map_or(&[][..], Vec::as_slice);
        let there = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let word = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        let pod = |pod: &Value| Pod {
            name: word(&pod["metadata"]["name"]),
            ip: word(&pod["status"]["podIP"]),
            node: word(&pod["spec"]["nodeName"]),
            node_ip: word(&pod["status"]["hostIP"]),
        };
        there.map(pod).collect()
    }

    /// `curl -s` with these arguments in the caller of a node.
    pub(crate) async fn curl_on(&self, caller: &Pod, args: &[&str]) -> String {
        self.try_curl_on(caller, args).await.unwrap_or_else(|e| panic!("{e}"))
    }

    async fn try_curl_on(&self, caller: &Pod, args: &[&str]) -> Result<String, String> {
        let mut words = vec!["exec", &caller.name, "--", "curl", "-s", "--max-time", "20"];
        words.extend(args);
        self.cluster.try_kubectl(&words).await
    }

    /// `curl -s` with these arguments in any caller.
    pub(crate) async fn curl(&self, args: &[&str]) -> String {
        let callers = self.pods("default", "app=caller").await;
        self.curl_on(&callers[0], args).await
    }

    /// The same again and again until the answer is as it should be: what was just applied takes a moment.
    pub(crate) async fn curl_until(&self, what: &str, args: &[&str], fits: impl Fn(&str) -> bool) -> String {
        let answer = std::sync::Mutex::new(String::new());
        eventually(PATIENCE, what, || async {
            let now = self.curl(args).await;
            let good = fits(&now);
            *answer.lock().expect("nobody panics with it") = now;
            good
        })
        .await;
        answer.into_inner().expect("nobody panics with it")
    }

    /// An address of a node and the port a Service's port has there, for `curl` from outside. Nodes learn a moment after the
    /// pods are ready where the port leads, and refuse connections until then.
    pub(crate) async fn outside(&self, namespace: &str, service: &str, port: &str) -> String {
        let path = format!("jsonpath={{.spec.ports[?(@.name=='{port}')].nodePort}}");
        let port = self.cluster.kubectl(&["-n", namespace, "get", "service", service, "-o", &path]).await;
        let caller = self.pods("default", "app=caller").await.swap_remove(0);
        let address = format!("{}:{}", caller.node_ip, port.trim());
        eventually(PATIENCE, &format!("{address} is open"), || async {
            self.try_curl_on(&caller, &[&address]).await.is_ok()
        })
        .await;
        address
    }

    /// All metrics of a proxy, `name: number`, by `/admin/metrics.json`.
    pub(crate) async fn metrics(&self, proxy: &Pod) -> Value {
        let text = self.curl(&[&format!("http://{}:9990/admin/metrics.json", proxy.ip)]).await;
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// `wayleave explain` in a proxy's own pod, as JSON.
    pub(crate) async fn explained(&self, proxy: &Pod, router: &str, name: &str) -> Value {
        let explain = [
            "wayleave",
            "explain",
            "--admin",
            "http://127.0.0.1:9990",
            "--router",
            router,
            "--output",
            "json",
            name,
        ];
        let words: Vec<&str> = ["exec", &proxy.name, "--"].into_iter().chain(explain).collect();
        let text = self.cluster.kubectl(&words).await;
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }
}

/// Addresses (`ip:port`) of everything a name may be sent to, and the ids.
pub(crate) fn choices(explained: &Value) -> (Vec<String>, Vec<String>) {
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let (mut addresses, mut ids) = (Vec::new(), Vec::new());
    for choice in list(&explained["choices"]) {
        ids.push(choice["id"].as_str().unwrap_or_default().to_owned());
        for addr in list(&choice["addr"]["addrs"]) {
            addresses.push(format!("{}:{}", addr["ip"].as_str().unwrap_or_default(), addr["port"]));
        }
    }
    (addresses, ids)
}

pub(crate) fn shipped(path: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path).display().to_string()
}

/// One pod with curl on each node, which knows its node's proxy as an application would.
fn callers() -> Value {
    let field =
        |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "caller" },
        "spec": {
            "selector": { "matchLabels": { "app": "caller" } },
            "template": {
                "metadata": { "labels": { "app": "caller" } },
                "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "containers": [{
                        "name": "caller", "image": "wayleave/helloworld:latest", "imagePullPolicy": "IfNotPresent",
                        "command": ["sleep", "1000000"], "env": [field("NODE_IP", "status.hostIP")],
                    }],
                },
            },
        },
    })
}
