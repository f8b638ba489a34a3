//! What `deploy/` ships: its configurations are Linkerd's to the byte, its objects fit together, a real API server takes them,
//! the rights they give are those that are needed and no others.

mod api;
mod chart;
mod host_ip;
mod objects;
mod seeds;

use serde_json::Value;
use std::path::PathBuf;
use testkit::cluster::Cluster;

/// The overlays: folder, namespace.
const OVERLAYS: [(&str, &str); 5] = [
    ("daemonset", "default"),
    ("cni", "default"),
    ("ingress", "default"),
    ("egress", "default"),
    ("ingress-controller", "l5d-system"),
];

/// A path below `deploy/`.
fn shipped(path: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy").canonicalize();
    root.expect("deploy/ is part of the repository").join(path)
}

/// The same as text, for a command line.
fn place(path: &str) -> String {
    shipped(path).display().to_string()
}

/// The objects an overlay stands for.
async fn rendered(cluster: &Cluster, overlay: &str) -> Vec<Value> {
    let text = cluster.kubectl(&["kustomize", &place(&format!("kustomize/{overlay}"))]).await;
    testkit::cluster::documents(&text)
}

/// The objects of a kind.
fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The one object of a kind.
fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "one {kind} of {objects:#?}");
    found[0]
}

/// The items of a list; none where there is no list.
fn items(of: &Value) -> &[Value] {
    of.as_array().map_or(&[], Vec::as_slice)
}
