//! Part XI without TLS: Kubernetes first, then DNS. What is outside is a pod that answers as linkerd.io does
//! (sample-apps.md §5), and a name the cluster's DNS has for it.

use crate::bed::Bed;
use crate::{said, step};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn part_11_without_tls() {
    let Some(bed) = Bed::start("walkthrough XI").await else { return };
    let bed = &bed;
    step("XI.1", "mesh and apps", bed.mesh("egress", "default")).await;
    bed.apps(&["hello-world"]).await;
    bed.cluster.apply(&outside().to_string()).await;
    bed.rolled_out("outside", "deploy/linkerd").await;
    let node = bed.pods("default", "app=caller").await.remove(0).node_ip;
    let front = format!("http://{node}:4140");
    let hello = ["-H", "Host: hello", &front];
    bed.curl_until("the mesh knows the apps", &hello, said::is_hello_world).await;
    said::hello_world(&step("XI.2", "a Service comes first", bed.curl(&hello)).await);
    step("XI.3", "a name of DNS, port 80", external(bed, &front, NAME)).await;
    step("XI.3", "the same with its port", external(bed, &front, &format!("{NAME}:80"))).await;
    step("XI.6", "a name nobody has", unknown(bed, &front)).await;
}

/// A name only DNS knows: that of a Service in a namespace the dtab does not look in.
const NAME: &str = "linkerd.outside.svc.cluster.local";

async fn external(bed: &Bed, front: &str, host: &str) {
    let answer = bed.curl(&["-I", "-H", &format!("Host: {host}"), &format!("{front}/index.html")]).await;
    assert!(answer.starts_with("HTTP/1.1 301 Moved Permanently\r\n"), "{host}: {answer}");
}

async fn unknown(bed: &Bed, front: &str) {
    let answer = bed.curl(&["-i", "-H", "Host: no-such-name.invalid", front]).await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

/// A web server that sends everybody elsewhere.
fn outside() -> Value {
    let config = "pid /tmp/nginx.pid; error_log /dev/stderr; events {} \
                  http { access_log off; client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; \
                  uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e; \
                  server { listen 80; return 301 https://linkerd.io$request_uri; } }";
    let labels = json!({ "app": "linkerd" });
    let object = |kind: &str, api: &str, name: &str, mut rest: Value| {
        rest["kind"] = kind.into();
        rest["apiVersion"] = api.into();
        rest["metadata"] = json!({ "name": name, "namespace": "outside" });
        rest
    };
    let container = json!({
        "name": "linkerd", "image": "wayleave/nginx:latest", "imagePullPolicy": "IfNotPresent",
        "args": ["-c", "/config/nginx.conf"],
        "volumeMounts": [{ "name": "config", "mountPath": "/config" }, { "name": "tmp", "mountPath": "/tmp" }],
        "readinessProbe": { "tcpSocket": { "port": 80 } },
    });
    let volumes =
        json!([{ "name": "config", "configMap": { "name": "nginx" } }, { "name": "tmp", "emptyDir": {} }]);
    let sysctls = json!([{ "name": "net.ipv4.ip_unprivileged_port_start", "value": "80" }]);
    let pod =
        json!({ "securityContext": { "sysctls": sysctls }, "containers": [container], "volumes": volumes });
    let spec = json!({
        "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": pod },
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "outside" } },
        object("ConfigMap", "v1", "nginx", json!({ "data": { "nginx.conf": config } })),
        object("Deployment", "apps/v1", "linkerd", json!({ "spec": spec })),
        object("Service", "v1", "linkerd", json!({ "spec": { "selector": labels, "ports": [{ "port": 80 }] } })),
    ]})
}
