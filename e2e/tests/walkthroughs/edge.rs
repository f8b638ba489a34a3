//! Parts V and VI: requests from outside by domain, an edge in front, and requests that are staged by themselves.

use crate::bed::{Bed, shipped};
use crate::{said, step};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::eventually;

const OVERRIDE: &str = "l5d-dtab: /host/world => /srv/world-v2;";
const WWW: &str = "Host: www.hello.world";

/// How long the kubelet may take to hand out a changed ConfigMap, and the proxy to go over to it.
const CHANGE: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn parts_5_and_6() {
    let Some(bed) = Bed::start("walkthroughs V and VI").await else { return };
    step("V.1", "mesh and ingress router", bed.mesh("ingress", "default")).await;
    step("V.3", "apps: twelve pods", bed.apps(&["hello-world", "api", "world-v2"])).await;
    let apps = bed.pods("default", "app in (hello, world-v1, world-v2, api)").await;
    assert_eq!(apps.len(), 12, "{apps:?}");
    let front = bed.outside("default", "l5d", "ingress").await;
    let bed = &bed;
    let get = |headers: &'static [&'static str]| {
        let front = front.clone();
        async move { bed.curl(&with(headers, &front)).await }
    };
    bed.curl_until("the mesh knows the apps", &with(&[WWW], &front), said::is_hello_world).await;
    said::hello_world(&step("V.4", "by domain", get(&[WWW])).await);
    said::api(&step("V.5", "the api", get(&["Host: api.hello.world"])).await);
    step("V.6", "an unknown domain", unknown_domain(bed, &front)).await;
    said::hello_earth(&step("V.7", "an override", get(&[WWW, OVERRIDE])).await);
    said::hello_world(&step("VI.2", "baseline", get(&[WWW])).await);
    said::hello_earth(&step("VI.3", "a request that is staged", get(&[WWW, OVERRIDE])).await);
    step("VI.4", "staged and other requests side by side", isolated(bed, &front)).await;
    step("VI.5", "the dtab playground", playground(bed)).await;
    step("VI.6", "an application that does not pass the context on", forgetful(bed, &front)).await;
    step("V.8", "nginx as the edge", nginx(bed)).await;
    step("V.13", "a router that takes no context from outside", cleared(bed, &front)).await;
}

/// Arguments of curl: headers and the address.
fn with<'a>(headers: &[&'a str], address: &'a str) -> Vec<&'a str> {
    let mut args: Vec<&str> = headers.iter().flat_map(|header| ["-H", *header]).collect();
    args.push(address);
    args
}

async fn unknown_domain(bed: &Bed, front: &str) {
    let mut args = with(&["Host: foo"], front);
    args.push("-i");
    let answer = bed.curl(&args).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(answer.to_lowercase().contains("\nl5d-err: "), "{answer}");
    assert!(answer.contains("/svc/foo"), "the body names what was asked for: {answer}");
}

async fn isolated(bed: &Bed, front: &str) {
    let (plain, staged) = (with(&[WWW], front), with(&[WWW, OVERRIDE], front));
    for _ in 0..15 {
        let (plain, staged) = tokio::join!(bed.curl(&plain), bed.curl(&staged));
        said::hello_world(&plain);
        said::hello_earth(&staged);
    }
}

async fn playground(bed: &Bed) {
    let admin = bed.outside("default", "l5d", "admin").await;
    let body = r#"{"namespace":"outgoing","dtab":"/svc=>/host;/host=>/srv;/srv=>/#/io.l5d.k8s/default/http;/host/world=>/srv/world-v1","path":"/svc/world"}"#;
    let args = [
        "-X",
        "POST",
        "-H",
        "Content-Type: application/json",
        "-d",
        body,
        &format!("http://{admin}/delegator.json"),
    ];
    let answer = bed.curl(&args).await;
    for part in ["/svc/world", "/host/world", "/srv/world-v1", "/#/io.l5d.k8s/default/http/world-v1"] {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
}

async fn nginx(bed: &Bed) {
    bed.apps(&["nginx"]).await;
    let edge = bed.outside("default", "nginx", "http").await;
    let bare = bed.curl_until("the edge answers", &[&edge], |answer| answer == "200 OK").await;
    assert_eq!(bare, "200 OK");
    let www = [WWW];
    said::hello_world(&step("V.9", "through the edge", bed.curl(&with(&www, &edge))).await);
    said::api(
        &step("V.9", "the api through the edge", bed.curl(&with(&["Host: api.hello.world"], &edge))).await,
    );
    let sent = with(&[www[0], OVERRIDE], &edge);
    said::hello_world(&step("V.10", "an override from outside is dropped", bed.curl(&sent)).await);
    let mut employee = with(&www, &edge);
    employee.extend(["--cookie", "special_employee_cookie=dogfood"]);
    said::hello_earth(&step("V.11", "an employee", bed.curl(&employee)).await);
    said::hello_world(&step("V.12", "anybody else", bed.curl(&with(&www, &edge))).await);
}

/// `hello` calls through an nginx in its own pod that drops the context, as an application would that knows nothing of it.
async fn forgetful(bed: &Bed, front: &str) {
    let staged = with(&[WWW, OVERRIDE], front);
    let changes = without_context().to_string();
    bed.cluster.kubectl(&["patch", "deployment", "hello", "--type=strategic", "-p", &changes]).await;
    bed.rolled_out("default", "deploy/hello").await;
    bed.curl_until("an override that is lost", &staged, said::is_hello_world).await;
    bed.cluster.kubectl(&["delete", "deployment", "hello"]).await;
    bed.apps(&["hello-world"]).await;
    bed.curl_until("an override that is passed on", &staged, said::is_hello_earth).await;
}

/// What is changed in the pods of `hello`.
fn without_context() -> Value {
    let config = "load_module /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so; pid /tmp/nginx.pid; \
                  error_log /dev/stderr; events {} http { access_log off; client_body_temp_path /tmp/a; \
                  proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e; \
                  server { listen 127.0.0.1:8080; location / { more_clear_input_headers 'l5d-ctx-*'; \
                  proxy_set_header Host \\$host; proxy_pass http://$NODE_IP:4140; } } }";
    let script =
        format!("cat >/tmp/nginx.conf <<END\n{config}\nEND\nexec nginx -c /tmp/nginx.conf -g 'daemon off;'");
    let node = json!({ "name": "NODE_IP", "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } });
    let nginx = json!({
        "name": "forgetful", "image": "wayleave/nginx:latest", "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", script], "env": [node],
        "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
    });
    let service = json!({ "name": "service", "env": [{ "name": "http_proxy", "value": "127.0.0.1:8080" }] });
    json!({ "spec": { "template": { "spec": {
        "containers": [service, nginx], "volumes": [{ "name": "tmp", "emptyDir": {} }],
    } } } })
}

/// The ConfigMap is changed as anybody would, and the proxies follow it.
async fn cleared(bed: &Bed, front: &str) {
    let file = shipped("kustomize/ingress/config.yaml");
    let text = std::fs::read_to_string(file).expect("it is shipped");
    let (before, after) = text.split_once("- port: 4142\n").expect("the ingress router's server");
    let text = format!("{before}- port: 4142\n    clearContext: true\n{after}");
    let data = json!({ "data": { "config.yaml": text } }).to_string();
    bed.cluster.kubectl(&["patch", "configmap", "l5d-config", "-p", &data]).await;
    // A pod that is changed has its ConfigMaps looked at at once, otherwise the kubelet takes a minute.
    bed.cluster.kubectl(&["annotate", "pods", "-l", "app=l5d", "configured=again"]).await;
    let proxies = bed.pods("default", "app=l5d").await;
    for proxy in &proxies {
        let config = format!("http://{}:9990/config.json", proxy.ip);
        eventually(CHANGE, "a proxy with the changed configuration", || async {
            bed.curl(&[&config]).await.contains("clearContext")
        })
        .await;
    }
    for _ in 0..5 {
        said::hello_world(&bed.curl(&with(&[WWW, OVERRIDE], front)).await);
    }
    assert_eq!(bed.pods("default", "app=l5d").await, proxies, "nobody was replaced for it");
}
