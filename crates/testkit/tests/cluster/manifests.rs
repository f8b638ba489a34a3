//! What the tests apply, and the seeds' own manifests.

use std::fs;
use std::path::Path;
use testkit::cluster::{Cluster, Level, convert, documents};

pub(crate) const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web
        ports: [{name: http, containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
";

/// Where the manifests of linkerd-examples are, beside a checkout.
const SEEDS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/reference/linkerd-examples/k8s-daemonset/k8s");

#[tokio::test(flavor = "multi_thread")]
async fn the_seeds_manifests_apply() {
    let seeds = Path::new(SEEDS);
    if !seeds.is_dir() {
        eprintln!("SKIPPED the seeds' manifests: ../shared/reference is not there");
        return;
    }
    let Some(cluster) = Cluster::start("the seeds' manifests", Level::Api).await else { return };
    // servicemesh.yml wants it to be there.
    cluster.kubectl(&["create", "namespace", "linkerd"]).await;
    let mut files: Vec<_> = fs::read_dir(seeds).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // The configurations as they are, the rest in today's words.
        for map in documents(&text).iter().filter(|o| o["kind"] == "ConfigMap") {
            let name = map["metadata"]["name"].as_str().unwrap();
            cluster.apply(&map.to_string()).await;
            let namespace = map["metadata"]["namespace"].as_str().unwrap_or("default");
            let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
            assert_eq!(cluster.get(&path).await["data"], map["data"], "{} {name}", file.display());
        }
        let all = convert(&text);
        let said = cluster.apply(&all).await;
        assert_eq!(said.lines().count(), documents(&text).len(), "{}:\n{said}", file.display());
        cluster.remove(&all).await;
    }
}
