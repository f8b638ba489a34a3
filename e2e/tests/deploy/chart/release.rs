//! A release on a real API server: installed, upgraded, rolled back, removed with all that was made for it.

use crate::{OVERLAYS, place};
use testkit::cluster::{Cluster, Level, helm_or_skipped};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_comes_changes_and_goes() {
    let who = "a_release_comes_changes_and_goes";
    if !helm_or_skipped(who) {
        return;
    }
    let Some(cluster) = Cluster::start(who, Level::Api).await else { return };
    for (preset, namespace) in OVERLAYS {
        let chart = place("chart/wayleave");
        let set = format!("preset={preset}");
        let of = ["wayleave", &chart, "--namespace", namespace, "--create-namespace", "--set", &set];
        let said = cluster.helm("install", &of);
        assert!(said.contains("rollout status ds/l5d"), "what to do next: {said}");
        assert_eq!(image(&cluster, namespace).await, "wayleave/wayleave:0.1.0", "{preset}");
        cluster.helm("upgrade", &[&of[..], &["--set", "image.tag=next"]].concat());
        assert_eq!(image(&cluster, namespace).await, "wayleave/wayleave:next", "{preset}");
        cluster.helm("rollback", &["wayleave", "1", "--namespace", namespace]);
        assert_eq!(image(&cluster, namespace).await, "wayleave/wayleave:0.1.0", "{preset}");
        cluster.helm("uninstall", &["wayleave", "--namespace", namespace]);
        assert_eq!(left(&cluster).await, "", "{preset}");
    }
}

async fn image(cluster: &Cluster, namespace: &str) -> String {
    let path = "jsonpath={.spec.template.spec.containers[0].image}";
    cluster.kubectl(&["-n", namespace, "get", "ds/l5d", "-o", path]).await
}

/// What is there that belongs to a release.
async fn left(cluster: &Cluster) -> String {
    let kinds = "daemonsets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,clusterroles,\
                 clusterrolebindings,ingressclasses";
    let of = "app.kubernetes.io/managed-by=Helm";
    let ours = cluster.kubectl(&["get", kinds, "-A", "-l", of, "-o", "name"]).await;
    // Helm's own notes.
    ours + &cluster.kubectl(&["get", "secrets", "-A", "-l", "owner=helm", "-o", "name"]).await
}
