//! Real nodes: what only they can show. `.ci/long cluster` runs these.

use crate::LONG;
use crate::leftovers::{nothing_of, processes};
use std::fs;
use testkit::cluster::{Cluster, Image, Level};
use testkit::eventually;

const PODS: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: local}
spec:
  selector: {matchLabels: {app: local}}
  template:
    metadata: {labels: {app: local}}
    spec:
      containers:
      - name: web
        image: wayleave/helloworld:latest
        args: ['-addr=:8080', '-text=hello']
        imagePullPolicy: IfNotPresent
        ports: [{containerPort: 8080, hostPort: 4140}]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec:
  selector: {app: local}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: caller}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: caller, image: 'wayleave/helloworld:latest', imagePullPolicy: IfNotPresent, command: [sleep, infinity]}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real nodes: .ci/long cluster"]
async fn three_nodes_run_pods_that_find_one_another() {
    let Some(cluster) = Cluster::start("three real nodes", Level::Real(3)).await else { return };
    let (folder, prefix) = (cluster.folder().to_owned(), cluster.prefix().unwrap().to_owned());
    cluster.load(&[Image::helloworld()]).await;
    cluster.apply(PODS).await;
    cluster.kubectl(&["rollout", "status", "daemonset/local", "--timeout=180s"]).await;
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/caller", "--timeout=180s"]).await;

    for node in 1..=3 {
        let url = format!("http://{}:4140/", cluster.node_address(node));
        cluster.run_at(0, &["curl", "-sSf", "--max-time", "5", &url]).await.unwrap();
    }
    for name in ["local", "local.default.svc.cluster.local", "node-2:4140"] {
        let url = format!("http://{name}/");
        eventually(LONG, &url, || async {
            let args = ["exec", "caller", "--", "curl", "-sSf", "--max-time", "2", &url];
            cluster.try_kubectl(&args).await.is_ok()
        })
        .await;
    }

    drop(cluster);
    nothing_of(&folder).await;
    assert_eq!(processes(&prefix), Vec::<String>::new());
    for file in ["/proc/mounts", "/proc/net/dev"] {
        let text = fs::read_to_string(file).unwrap();
        let left: Vec<_> =
            text.lines().filter(|l| l.contains(&prefix) || l.contains(folder.to_str().unwrap())).collect();
        assert!(left.is_empty(), "{file}: {left:?}");
    }
    let groups =
        std::process::Command::new("find").args(["/sys/fs/cgroup", "-name", &prefix]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&groups.stdout), "");
    assert!(fs::read_dir("/run/netns").map_or(true, |all| {
        all.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with(&prefix))
    }));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "real nodes: .ci/long cluster"]
async fn two_clusters_side_by_side_and_a_node_that_loses_its_power() {
    let (one, other) = tokio::join!(
        Cluster::start("one of two clusters", Level::Real(1)),
        Cluster::start("the other of two clusters", Level::Real(1)),
    );
    let (Some(one), Some(other)) = (one, other) else { return };
    one.load(&[Image::helloworld()]).await;
    one.apply(PODS).await;
    one.kubectl(&["rollout", "status", "daemonset/local", "--timeout=180s"]).await;
    assert_eq!(other.get("/api/v1/namespaces/default/pods").await["items"], serde_json::json!([]));

    let url = format!("http://{}:4140/", one.node_address(1));
    let ask = ["curl", "-sSf", "--max-time", "2", &url];
    one.run_at(0, &ask).await.unwrap();
    other.run_at(0, &ask).await.unwrap_err();
    one.cut(1);
    one.run_at(0, &ask).await.unwrap_err();
    // A power cut takes no part of the control plane with it, and what is switched on again has its pods again.
    one.switch_on_again(1);
    eventually(LONG, "the pod of before", || async { one.run_at(0, &ask).await.is_ok() }).await;
    other.node_ready(1).await;
}
