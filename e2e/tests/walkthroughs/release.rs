//! Part I once more, the mesh installed by the Helm chart: `helm install --wait` on real nodes, an upgrade, and what is left.

use crate::bed::{Bed, shipped};
use crate::{mesh, said, step};
use testkit::cluster::helm_or_skipped;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs real nodes: .ci/long cluster"]
async fn part_1_by_the_chart() {
    if !helm_or_skipped("part_1_by_the_chart") {
        return;
    }
    let Some(bed) = Bed::start("walkthrough I by the chart").await else { return };
    let bed = &bed;
    let chart = shipped("chart/wayleave");
    let of = [
        "wayleave",
        &chart,
        "--namespace",
        "default",
        "--set",
        "image.tag=latest",
        "--wait",
        "--timeout=180s",
    ];
    step("I.1", "helm install --wait: a ready proxy on each node", async {
        bed.cluster.helm("install", &of);
        mesh::one_on_each_node(bed).await;
    })
    .await;
    step("I.4", "apps: three of each", mesh::apps(bed)).await;
    step("I.5", "traffic through each node's proxy", mesh::traffic(bed)).await;
    step("", "helm upgrade --wait", async {
        bed.cluster.helm("upgrade", &[&of[..], &["--set", "podLabels.next=yes"]].concat());
        let changed = bed.pods("default", "app=l5d,next=yes").await;
        assert_eq!(changed.len(), 3, "{changed:?}");
    })
    .await;
    let front = format!("http://{}:4140", bed.pods("default", "app=caller").await[0].node_ip);
    bed.curl_until("traffic goes on", &["-x", &front, "http://hello"], said::is_hello_world).await;
    step("", "helm uninstall --wait: nothing is left", async {
        bed.cluster.helm("uninstall", &["wayleave", "--namespace", "default", "--wait"]);
        assert_eq!(bed.pods("default", "app=l5d").await, []);
    })
    .await;
}
