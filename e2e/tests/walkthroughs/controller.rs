//! Part VIII: an ingress controller in a namespace of its own.

use crate::bed::{Bed, shipped};
use crate::{said, step};
use serde_json::{Value, json};

const NAMESPACE: &str = "l5d-system";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn part_8() {
    let Some(bed) = Bed::start("walkthrough VIII").await else { return };
    let bed = &bed;
    step("VIII.1", "the controller in its namespace", bed.mesh("ingress-controller", NAMESPACE)).await;
    step("VIII.2", "the admin page", admin(bed)).await;
    step("VIII.3", "the ConfigMap", config_map(bed)).await;
    step("VIII.4", "apps: nine pods", bed.apps(&["hello-world", "world-v2"])).await;
    let apps = bed.pods("default", "app in (hello, world-v1, world-v2)").await;
    assert_eq!(apps.len(), 9, "{apps:?}");
    let front = bed.outside(NAMESPACE, "l5d", "http").await;
    step("VIII.5", "before any Ingress", before_any(bed, &front)).await;
    step("VIII.6", "a rule is picked up", ruled(bed, &front)).await;
    let world = step("VIII.7", "the default backend", bed.curl(&[&front])).await;
    said::expect(&world, &["world"], 1);
    let earth = step("VIII.8", "the rule of a host", bed.curl(&["-H", "Host: world.v2", &front])).await;
    said::expect(&earth, &["earth"], 1);
    step("VIII.9", "Ingresses of other classes, and of none", classes(bed, &front)).await;
    step("", "a rule that is deleted is gone", deleted(bed, &front)).await;
}

async fn admin(bed: &Bed) {
    let admin = bed.outside(NAMESPACE, "l5d", "admin").await;
    let page = bed.curl(&[&format!("http://{admin}/")]).await;
    said::page(&page);
    assert_eq!(bed.curl(&[&format!("http://{admin}/admin/ping")]).await, "pong");
}

async fn config_map(bed: &Bed) {
    let path = "jsonpath={.data['config\\.yaml']}";
    let text = bed.cluster.kubectl(&["-n", NAMESPACE, "get", "cm", "l5d-config", "-o", path]).await;
    let ours =
        std::fs::read_to_string(shipped("kustomize/ingress-controller/config.yaml")).expect("it is shipped");
    assert_eq!(text, ours);
}

async fn before_any(bed: &Bed, front: &str) {
    let answer = bed.curl(&["-i", front]).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // The article shows a text; `clearContext: true` empties it, and takes `l5d-err` away (dataplane.md, row A6).
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("l5d-"), "{answer}");
}

async fn ruled(bed: &Bed, front: &str) {
    let file = shipped("kustomize/apps/hello-world-ingress.yaml");
    bed.cluster.kubectl(&["apply", "-f", &file]).await;
    bed.curl_until("the rule is picked up", &[front], |answer| {
        said::addresses(answer, &["world"], 1).is_some()
    })
    .await;
}

/// An Ingress for one host with `class` in the annotation, or none.
fn ingress(name: &str, class: Option<&str>) -> Value {
    let mut of = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name, "namespace": "default" },
        "spec": { "rules": [{ "host": format!("{name}.test"), "http": { "paths": [{
            "pathType": "ImplementationSpecific",
            "backend": { "service": { "name": "world-v2", "port": { "name": "http" } } },
        }] } }] },
    });
    if let Some(class) = class {
        of["metadata"]["annotations"] = json!({ "kubernetes.io/ingress.class": class });
    }
    of
}

/// The foreign one is written first, so that it has been seen when the other one is in use.
async fn classes(bed: &Bed, front: &str) {
    bed.cluster.apply(&ingress("foreign", Some("nginx")).to_string()).await;
    bed.cluster.apply(&ingress("classless", None).to_string()).await;
    let host = ["-H", "Host: classless.test", front];
    bed.curl_until("an Ingress without a class is used", &host, |a| {
        said::addresses(a, &["earth"], 1).is_some()
    })
    .await;
    let foreign = bed.curl(&["-H", "Host: foreign.test", front]).await;
    said::expect(&foreign, &["world"], 1);
}

async fn deleted(bed: &Bed, front: &str) {
    bed.cluster.kubectl(&["delete", "ingress", "classless"]).await;
    let host = ["-H", "Host: classless.test", front];
    bed.curl_until("the default backend again", &host, |a| said::addresses(a, &["world"], 1).is_some()).await;
}
