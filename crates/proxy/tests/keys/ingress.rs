//! `io.l5d.ingress`: names by the rules of Ingress objects of a scripted Kubernetes API, and what its keys do.

use super::*;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::{Backend, KubeApi};
use tokio::time::Instant;

/// A router that is named by `io.l5d.ingress` with these further keys, and sends `/svc/<namespace>/http/<name>` to the port
/// that `to` says.
fn router(api: &KubeApi, keys: &str, to: &[(&str, SocketAddr)]) -> String {
    let entries: String =
        to.iter().map(|(name, at)| format!("/svc/{name} => /$/inet/{}/{}; ", at.ip(), at.port())).collect();
    let port = api.port();
    format!(
        "  identifier: {{kind: io.l5d.ingress, host: 127.0.0.1, port: {port}{keys}}}\n  dtab: '{entries}'"
    )
}

/// An Ingress of the namespace `ns`: one rule for `host`, all paths, to the port `http` of `service`.
fn ingress(name: &str, class: Option<&str>, host: &str, service: &str) -> Value {
    in_namespace("ns", name, class, &json!([{ "host": host, "http": { "paths": [path("", "", service)] } }]))
}

fn in_namespace(namespace: &str, name: &str, class: Option<&str>, rules: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "namespace": namespace, "name": name },
        "spec": { "ingressClassName": class, "rules": rules },
    })
}

fn path(path_type: &str, path: &str, service: &str) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "name": "http" } } });
    json!({ "path": path, "pathType": path_type, "backend": backend })
}

/// How soon a rule that changes or goes has to be known (user-demand.md §5).
const SOON: Duration = Duration::from_secs(1);

const NOBODY: &str = "no ingress rule matches";

impl Running {
    /// Waits until a request for this host and path is answered with a text that ends so; how long that took.
    async fn soon(&self, host: &str, path: &str, text: &str) -> Duration {
        let begun = Instant::now();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        eventually(PATIENCE, &format!("{host}{path}: {text}"), || async {
            self.ask(&request).await.text().ends_with(text)
        })
        .await;
        begun.elapsed()
    }
}

/// `host`, `port`; rules that come, change, change their class and go; walkthroughs.md VIII.5 to 9.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn live_rules() {
    let (one, two) = (Backend::text("one").await, Backend::text("two").await);
    let api = KubeApi::start().await;
    let to = [("ns/http/one", one.address), ("ns/http/two", two.address)];
    let running = start("", &router(&api, "", &to)).await;
    running.soon("web", "/", NOBODY).await;
    let mut took = Vec::new();
    let web = ingress("web", Some("linkerd"), "web", "one");
    api.put(web.clone());
    took.push(running.soon("web", "/any", "one").await);
    running.soon("web:8080", "/", "one").await;
    running.soon("other", "/", NOBODY).await;
    api.put(ingress("web", None, "web", "two"));
    took.push(running.soon("web", "/", "two").await);
    // Moved to another class, its rules are gone.
    api.put(ingress("web", Some("nginx"), "web", "two"));
    took.push(running.soon("web", "/", NOBODY).await);
    api.put(web.clone());
    took.push(running.soon("web", "/", "one").await);
    api.delete(&web);
    took.push(running.soon("web", "/", NOBODY).await);
    let rules = json!([{ "http": { "paths": [path("Exact", "/x", "one"), path("Prefix", "/x", "two")] } }]);
    api.put(in_namespace("ns", "paths", None, &rules));
    running.soon("web", "/x?q", "one").await;
    running.soon("web", "/x/y", "two").await;
    running.soon("web", "/xy", NOBODY).await;
    // Most of them: the machine may be busy with something else for a second.
    took.sort();
    assert!(took[took.len() / 2] <= SOON, "{took:?}");
    running.stop().await;
}

/// `namespace`, `ingressClassAnnotation`, `ignoreDefaultBackends`; classes whose controller we are.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn which_objects_count() {
    let here = Backend::text("here").await;
    let api = KubeApi::start().await;
    let all = json!([{ "http": { "paths": [path("Prefix", "/", "s")] } }]);
    let backend = json!({ "service": { "name": "s", "port": { "name": "http" } } });
    let mut default = in_namespace("default", "default", None, &json!([]));
    default["spec"]["defaultBackend"] = backend;
    let class = |controller: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": { "name": "inner" }, "spec": { "controller": controller },
        })
    };
    let to = [("ns/http/s", here.address), ("default/http/s", here.address)];
    let check = async |keys: &str, objects: &[&Value], expected: &str| {
        for object in objects {
            api.put((*object).clone());
        }
        let running = start("", &router(&api, keys, &to)).await;
        running.soon("web", "/", expected).await;
        running.stop().await;
        objects.iter().for_each(|object| api.delete(object));
    };
    let inner = in_namespace("ns", "web", Some("inner"), &all);
    check("", &[&inner], NOBODY).await;
    check(", ingressClassAnnotation: inner", &[&inner], "here").await;
    check("", &[&inner, &class("wayleave.io/ingress-controller")], "here").await;
    check("", &[&inner, &class("k8s.io/ingress-nginx")], NOBODY).await;
    let unclassed = in_namespace("ns", "web", None, &all);
    check(", namespace: ns", &[&unclassed], "here").await;
    check(", namespace: default", &[&unclassed], NOBODY).await;
    check("", &[&default], "here").await;
    check(", ignoreDefaultBackends: true", &[&default], NOBODY).await;
}

/// `statusAddress`: written where something else stands, and only there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn status_address() {
    let api = KubeApi::start().await;
    api.put(ingress("ours", None, "a", "s"));
    api.put(ingress("theirs", Some("nginx"), "b", "s"));
    let mut known = ingress("known", None, "c", "s");
    known["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "203.0.113.7" }] } });
    api.put(known);
    let written = || -> Vec<String> { api.asked().into_iter().filter(|a| a.starts_with("PATCH")).collect() };
    let running = start("", &router(&api, ", statusAddress: 203.0.113.7", &[])).await;
    running.wait("ingress/linkerd/status_writes", 1.0).await;
    let path = "PATCH /apis/networking.k8s.io/v1/namespaces/ns/ingresses";
    assert_eq!(written(), [format!("{path}/ours/status")]);
    running.stop().await;
    let running = start("", &router(&api, ", statusAddress: lb.example.com", &[])).await;
    running.wait("ingress/linkerd/status_writes", 2.0).await;
    let mut both = written().split_off(1);
    both.sort();
    assert_eq!(both, [format!("{path}/known/status"), format!("{path}/ours/status")]);
    running.stop().await;
    let running = start("", &router(&api, "", &[])).await;
    running.soon("x", "/", NOBODY).await;
    assert_eq!(written().len(), 3, "nothing is written unasked");
    running.stop().await;
}

/// Requests wait for the first rules, which outlive the API; explanations know the rule.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_api_comes_late_and_goes() {
    let here = Backend::text("here").await;
    let mut api = KubeApi::start().await;
    api.put(in_namespace("ns", "web", None, &json!([{ "http": { "paths": [path("Prefix", "/x", "s")] } }])));
    api.hold_lists(true);
    let to = [("ns/http/s", here.address)];
    let early = start("", &router(&api, ", namespace: ns", &to)).await;
    let short = format!("{}\n  bindingTimeoutMs: 100", router(&api, "", &to));
    let impatient = start("", &short).await;
    let answer = impatient.get("web").await;
    let text = "Exceeded 100.milliseconds binding timeout while waiting for the rules of io.l5d.ingress.";
    assert!(answer.status() == 502 && answer.text().starts_with(text), "{}", answer.text());
    impatient.stop().await;
    let (answer, ()) = tokio::join!(early.ask("GET /x HTTP/1.1\r\nHost: web\r\n\r\n"), async {
        eventually(PATIENCE, "the request waits", || async {
            early.metrics().await.get("rt/r/server/127.0.0.1/0/pending") == 1.0
        })
        .await;
        api.hold_lists(false);
    });
    assert_eq!(answer.text(), "here");
    api.kill().await;
    early.soon("web", "/x/y", "here").await;
    let base = early.proxy.admin().to_string();
    let explained = admin::get(&base, "/explain?host=web&target=/x/z&wait=0", PATIENCE).await;
    let text = String::from_utf8_lossy(&explained.expect("an answer").body).into_owned();
    assert!(text.contains("the rule any host /x (Prefix) of Ingress ns/web"), "{text}");
    early.stop().await;
}
