//! The test bed itself: a real Kubernetes that comes, survives what it is there to survive, and goes without a trace.

#[path = "cluster/leftovers.rs"]
mod leftovers;
#[path = "cluster/manifests.rs"]
mod manifests;
#[path = "cluster/nodes.rs"]
mod nodes;

use serde_json::json;
use std::time::Duration;
use testkit::cluster::{Cluster, Level, Part};
use testkit::eventually;

/// How long what a cluster does may take on a machine with much else to do; a passing test waits for a second or two.
const LONG: Duration = Duration::from_secs(180);

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_keeps_what_it_was_told_over_a_kill() {
    let Some(cluster) = Cluster::start("an API server killed", Level::Api).await else { return };
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "told"}, "data": {"a": "1"}});
    cluster.create(MAPS, &map).await;
    assert_eq!(cluster.kubectl(&["get", "configmap", "told", "-o", "jsonpath={.data.a}"]).await, "1");

    cluster.kill(Part::Api).await;
    let away = cluster.session().await.try_call("GET", MAPS, None).await.expect("the front goes on");
    assert!(away.0 >= 500, "{away:?}");
    cluster.kill(Part::Etcd).await;
    cluster.restart(Part::Etcd);
    cluster.restart(Part::Api);
    cluster.ready().await;
    assert_eq!(cluster.get(&format!("{MAPS}/told")).await["data"], json!({"a": "1"}));
    // The version is a real one, which other parts of the house go by.
    assert_eq!(cluster.get("/version").await["gitVersion"], "v1.35.4");
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_make_slices_of_pods_that_are_only_played() {
    let Some(cluster) = Cluster::start("played nodes", Level::Played(3)).await else { return };
    cluster.apply(manifests::WEB).await;
    let first = ready_addresses(&cluster, 3).await;
    assert!(first.iter().all(|a| a.starts_with("10.244.")), "{first:?}");

    let before = pods(&cluster).await;
    cluster.kubectl(&["rollout", "restart", "deployment/web"]).await;
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=180s"]).await;
    eventually(LONG, "only new pods", || async {
        let now = pods(&cluster).await;
        now.len() == 3 && now.iter().all(|pod| !before.contains(pod))
    })
    .await;
    ready_addresses(&cluster, 3).await;

    cluster.kubectl(&["annotate", "pod", "--all", "testbed/ready=false"]).await;
    ready_addresses(&cluster, 0).await;
    cluster.kubectl(&["annotate", "pod", "--all", "--overwrite", "testbed/ready=true"]).await;
    ready_addresses(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_pod_lingers_as_long_as_it_is_told_to() {
    let Some(cluster) = Cluster::start("a pod that lingers", Level::Played(1)).await else { return };
    cluster.apply(manifests::WEB).await;
    ready_addresses(&cluster, 3).await;
    let pod = pods(&cluster).await.remove(0);
    cluster.kubectl(&["annotate", "pod", &pod, "testbed/linger=true"]).await;
    cluster.kubectl(&["delete", "pod", &pod, "--wait=false"]).await;
    eventually(LONG, "an endpoint that is terminating", || async {
        count(&cluster, "terminating").await == 1
    })
    .await;
    assert!(pods(&cluster).await.contains(&pod));
    cluster.kubectl(&["annotate", "pod", &pod, "testbed/linger-"]).await;
    eventually(LONG, "no endpoint that is terminating", || async {
        count(&cluster, "terminating").await == 0 && !pods(&cluster).await.contains(&pod)
    })
    .await;
}

async fn pods(cluster: &Cluster) -> Vec<String> {
    let list = cluster.get("/api/v1/namespaces/default/pods").await;
    let names = list["items"].as_array().into_iter().flatten();
    names.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
}

/// Endpoints of all slices with their addresses and conditions.
async fn endpoints(cluster: &Cluster) -> Vec<serde_json::Value> {
    let slices = cluster
        .get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb")
        .await;
    let of = |slice: &serde_json::Value| slice["endpoints"].as_array().cloned().unwrap_or_default();
    slices["items"].as_array().into_iter().flatten().flat_map(of).collect()
}

async fn count(cluster: &Cluster, condition: &str) -> usize {
    endpoints(cluster).await.iter().filter(|e| e["conditions"][condition] == true).count()
}

/// Waits until so many endpoints are ready, and returns their addresses.
async fn ready_addresses(cluster: &Cluster, expected: usize) -> Vec<String> {
    eventually(LONG, &format!("{expected} ready endpoints"), || async {
        count(cluster, "ready").await == expected
    })
    .await;
    let all = endpoints(cluster).await;
    let ready = all.iter().filter(|e| e["conditions"]["ready"] == true);
    ready.filter_map(|e| e["addresses"][0].as_str().map(str::to_owned)).collect()
}
