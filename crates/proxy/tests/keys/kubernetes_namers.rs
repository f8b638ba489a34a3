//! Keys of the namers of Kubernetes, on a scripted API.

use super::*;
use serde_json::json;
use testkit::KubeApi;

/// An API with the Service `web` of the namespace `prod`: one replica, a load balancer, and the label `version: v1`.
async fn api() -> KubeApi {
    let api = KubeApi::start().await;
    let meta = json!({"name": "web", "namespace": "prod", "labels": {"version": "v1"}});
    api.put(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"name": "http", "port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    }));
    api.put(json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": meta,
        "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "http", "port": 8080}]}],
    }));
    api
}

async fn bound_to(running: &Running, path: &str, expected: &str) {
    eventually(PATIENCE, &format!("{path} {expected}"), || async { running.bound(path).await == expected })
        .await;
}

/// `host`, `port`, `prefix`, `labelSelector` of `io.l5d.k8s`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn services() {
    let api = api().await;
    let at = format!("host: 127.0.0.1, port: {}", api.port());
    let namers = format!(
        "namers:\n- {{kind: io.l5d.k8s, {at}}}\n\
         - {{kind: io.l5d.k8s, {at}, prefix: /lab, labelSelector: version}}"
    );
    let running = start(&namers, "  dtab: /svc => /#/io.l5d.k8s; /lab => /#/lab").await;
    bound_to(&running, "/svc/prod/http/web", "/#/io.l5d.k8s/prod/http/web 10.0.0.1:8080").await;
    bound_to(&running, "/lab/prod/80/web/v1", "/#/lab/prod/80/web/v1 10.0.0.1:80").await;
    assert_eq!(running.bound("/svc/prod/http/none").await, running.bound("/lab/prod/80/web/v2").await);
    assert!(api.asked().iter().any(|asked| asked.starts_with("/api/v1/namespaces/prod/endpoints?")));
    running.stop().await;
}

/// Without `host` and `port` it is `localhost:8001`, where nobody runs in a pod and has no kubeconfig; with one of them the
/// other is the default.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_a_port() {
    let api = api().await;
    let running = start(
        &format!("namers: [{{kind: io.l5d.k8s, port: {}}}]", api.port()),
        "  dtab: /svc => /#/io.l5d.k8s",
    )
    .await;
    bound_to(&running, "/svc/prod/http/web", "/#/io.l5d.k8s/prod/http/web 10.0.0.1:8080").await;
    running.stop().await;
}

/// The variable that says the namespace in [`one_namespace`].
const VARIABLE: &str = "WAYLEAVE_TEST_NAMESPACE";

/// Runs a test of this program once more with the variable set: a process cannot change its own environment.
fn again(test: &str) {
    let program = std::env::current_exe().expect("a process knows its program");
    let args = ["--exact", test, "--nocapture"];
    let done = std::process::Command::new(program).args(args).env(VARIABLE, "prod").output();
    let done = done.expect("it runs already");
    let said = String::from_utf8_lossy(&done.stdout);
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}{why}");
}

/// `envVar`, `prefix` and `labelSelector` of `io.l5d.k8s.ns`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_namespace() {
    let Ok(namespace) = std::env::var(VARIABLE) else { return again("kubernetes_namers::one_namespace") };
    let api = KubeApi::start().await;
    let meta = json!({"name": "web", "namespace": namespace, "labels": {"version": "v1"}});
    api.put(json!({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": meta,
        "subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"name": "http", "port": 8080}]}],
    }));
    let at = format!("host: 127.0.0.1, port: {}, envVar: {VARIABLE}", api.port());
    let namers = format!(
        "namers:\n- {{kind: io.l5d.k8s.ns, {at}}}\n\
         - {{kind: io.l5d.k8s.ns, {at}, prefix: /own, labelSelector: version}}"
    );
    let running = start(&namers, "  dtab: /svc => /#/io.l5d.k8s.ns; /lab => /#/own").await;
    bound_to(&running, "/svc/http/web", "/#/io.l5d.k8s.ns/http/web 10.0.0.1:8080").await;
    bound_to(&running, "/lab/http/web/v1", "/#/own/http/web/v1 10.0.0.1:8080").await;
    running.stop().await;
    let unset = "namers: [{kind: io.l5d.k8s.ns, envVar: WAYLEAVE_TEST_UNSET}]";
    let refused = try_start_in(tempfile::tempdir().expect("a folder"), unset, "").await;
    let text = refused.map(|_| ()).expect_err("the variable is not set").to_string();
    assert!(text.contains("could not find namespace for envVar"), "{text}");
}

/// `prefix`, `labelSelector` and `experimental` of `io.l5d.k8s.external`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn load_balancers() {
    let api = api().await;
    let at = format!("host: 127.0.0.1, port: {}, experimental: true", api.port());
    let namers = format!(
        "namers:\n- {{kind: io.l5d.k8s.external, {at}}}\n\
         - {{kind: io.l5d.k8s.external, {at}, prefix: /out, labelSelector: version}}"
    );
    let running = start(&namers, "  dtab: /svc => /#/io.l5d.k8s.external; /lab => /#/out").await;
    bound_to(&running, "/svc/prod/http/web", "/#/io.l5d.k8s.external/prod/http/web 192.0.2.1:80").await;
    bound_to(&running, "/lab/prod/http/web/v1", "/#/out/prod/http/web/v1 192.0.2.1:80").await;
    running.stop().await;
    let text =
        "namers: [{kind: io.l5d.k8s.external}]\nrouters: [{protocol: http, servers: [{port: 4140}]}]\n";
    let refused = document::load("linkerd.yaml", text.as_bytes()).expect_err("experimental").to_string();
    assert!(refused.contains("The /#/io.l5d.k8s.external namer is experimental"), "{refused}");
}

/// Every watch has a place on the admin server, whoever wants it, and is listed there.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn watches_on_the_admin_server() {
    let api = api().await;
    let namers = format!("namers: [{{kind: io.l5d.k8s, host: 127.0.0.1, port: {}}}]", api.port());
    let running = start(&namers, "  dtab: /svc => /#/io.l5d.k8s").await;
    let told = async |path: &str| {
        let answer = admin::get(&running.proxy.admin().to_string(), path, PATIENCE).await;
        String::from_utf8_lossy(&answer.unwrap_or_else(|error| panic!("{error}")).body).into_owned()
    };
    let watches = async || -> serde_json::Value {
        serde_json::from_str(&told("/kubernetes_state.json").await).expect("it is JSON")
    };
    let name = format!("127.0.0.1:{}", api.port());
    assert_eq!(watches().await, json!({ &name: {} }), "nothing is watched that nobody uses");
    running.bound("/svc/prod/http/web").await;
    let path = "/api/v1/namespaces/prod/endpoints?fieldSelector=metadata.name%3Dweb";
    eventually(PATIENCE, "a watch that streams", || async {
        let watch = &watches().await[&name][path];
        watch["streaming"] == true && watch["restarts"] == 0 && watch["lastWordMsAgo"].is_u64()
    })
    .await;
    let index = told("/admin/index.txt").await;
    assert!(index.lines().any(|line| line == "/kubernetes_state.json"), "{index}");
    running.stop().await;
}
