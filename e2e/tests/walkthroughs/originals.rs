//! What somebody has who comes from Linkerd 1.x: the examples' own manifests, their images and today's API groups exchanged and
//! nothing else. The applications find their proxy by `hostIP.sh` (II.4), each linkerd has its `kubectl proxy` beside it.
//!
//! `hello-world-grpc-legacy.yaml` is not among them: our helloworld speaks no gRPC before the proxy does (HTTP/2).

use crate::bed::Bed;
use crate::{said, step};
use std::path::Path;
use testkit::cluster::{Image, convert};

const SEEDS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/linkerd-examples/k8s-daemonset/k8s");

/// The meshes of the examples that have a router for applications, and what else has to be applied with them.
const MESHES: [&[&str]; 4] = [
    &["linkerd.yml"],
    // It has no roles of its own: they come with the first.
    &["linkerd-rbac.yml", "linkerd-cni-legacy.yml"],
    &["linkerd-cni.yml"],
    // The last, because the steps of part V go on with it.
    &["linkerd-ingress.yml"],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn parts_1_2_and_5_with_the_manifests_of_the_examples() {
    if !Path::new(SEEDS).is_dir() {
        eprintln!("SKIPPED walkthroughs with the manifests of the examples: the reference is not here");
        return;
    }
    let Some(bed) = Bed::start("walkthroughs with the manifests of the examples").await else { return };
    let bed = &bed;
    bed.cluster.load(&[Image::kubectl()]).await;
    step("I.3", "what a node's name is in the cluster's DNS", node_name(bed)).await;
    step("", "linkerd-rbac.yml: what the pods' account may do", apply(bed, "linkerd-rbac.yml")).await;
    step("II.4", "hello-world-legacy.yml, api-legacy.yml: nine pods", legacy_apps(bed)).await;
    for files in MESHES {
        let row = if files.concat().contains("cni") { "II.5" } else { "I.1" };
        step(row, &files.join(", "), mesh(bed, files)).await;
        step("II.4", "applications find the proxy of their node", through_each_node(bed)).await;
    }
    step("V.3", "world-v2.yml", apply(bed, "world-v2.yml")).await;
    replicas(bed, "world-v2").await;
    step("V.4", "by domain, the api, and an override", by_domain(bed)).await;
}

async fn apply(bed: &Bed, file: &str) {
    let text = std::fs::read_to_string(Path::new(SEEDS).join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    bed.cluster.apply(&convert(&text.replace("tutum/dnsutils:latest", "buoyantio/helloworld:0.1.6"))).await;
}

/// walkthroughs.md §0.1: an address in its log means that manifests with the name of the node can be used.
async fn node_name(bed: &Bed) {
    apply(bed, "node-name-test.yml").await;
    let done = "--for=jsonpath={.status.phase}=Succeeded";
    bed.cluster.kubectl(&["wait", done, "pod/node-name-test", "--timeout=180s"]).await;
    let log = bed.cluster.kubectl(&["logs", "node-name-test"]).await;
    let path = "jsonpath={.status.hostIP}";
    let address = bed.cluster.kubectl(&["get", "pod", "node-name-test", "-o", path]).await;
    assert!(log.contains(&format!("Address: {address}")), "{address} is not in {log}");
}

async fn legacy_apps(bed: &Bed) {
    for file in ["hello-world-legacy.yml", "api-legacy.yml"] {
        apply(bed, file).await;
    }
    for app in ["hello", "world-v1", "api"] {
        replicas(bed, app).await;
    }
}

/// Waits until the three pods of a ReplicationController run.
async fn replicas(bed: &Bed, app: &str) {
    let ready = "--for=jsonpath={.status.readyReplicas}=3";
    bed.cluster.kubectl(&["wait", ready, &format!("rc/{app}"), "--timeout=180s"]).await;
}

async fn mesh(bed: &Bed, files: &[&str]) {
    bed.cluster
        .kubectl(&["delete", "--ignore-not-found", "ds/l5d", "configmap/l5d-config", "service/l5d"])
        .await;
    for file in files {
        apply(bed, file).await;
    }
    bed.rolled_out("default", "ds/l5d").await;
}

/// `hello` is asked by way of each node, and calls `world` by way of its own.
async fn through_each_node(bed: &Bed) {
    for caller in bed.pods("default", "app=caller").await {
        // These pods have no probes: a proxy that runs need not listen yet.
        let proxy = format!("http://{}:4140", caller.node_ip);
        bed.curl_until("hello answers", &["-x", &proxy, "http://hello"], said::is_hello_world).await;
        bed.curl_until("the api answers", &["-x", &proxy, "http://api"], said::is_api).await;
    }
}

async fn by_domain(bed: &Bed) {
    let front = bed.outside("default", "l5d", "ingress").await;
    let (www, api) = (["-H", "Host: www.hello.world", &front], ["-H", "Host: api.hello.world", &front]);
    said::hello_world(&bed.curl(&www).await);
    said::api(&bed.curl(&api).await);
    let staged = [&["-H", "l5d-dtab: /host/world => /srv/world-v2;"], &www[..]].concat();
    bed.curl_until("the mesh knows world-v2", &staged, said::is_hello_earth).await;
}
