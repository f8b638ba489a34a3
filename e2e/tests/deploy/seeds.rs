//! The configurations and the files they were taken from.

use super::{OVERLAYS, shipped};
use std::fs;
use std::path::Path;

/// The file of the reference for each overlay.
const SEEDS: [(&str, &str); 5] = [
    ("daemonset", "linkerd.yml"),
    ("cni", "linkerd-cni.yml"),
    ("ingress", "linkerd-ingress.yml"),
    ("egress", "linkerd-egress.yaml"),
    ("ingress-controller", "linkerd-ingress-controller.yml"),
];

/// walkthroughs.md §0.1: the configuration inside the ConfigMaps is loaded unchanged.
#[test]
fn each_configuration_is_the_seeds_to_the_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/reference/linkerd-examples/k8s-daemonset/k8s");
    let Ok(folder) = folder.canonicalize() else {
        eprintln!("SKIPPED each_configuration_is_the_seeds_to_the_byte: the reference is not here");
        return;
    };
    for (overlay, file) in SEEDS {
        let text = fs::read_to_string(folder.join(file)).expect("the reference has the file");
        let objects = testkit::cluster::documents(&text);
        let map = super::the(&objects, "ConfigMap");
        let ours =
            fs::read_to_string(shipped(&format!("kustomize/{overlay}/config.yaml"))).expect("it is shipped");
        assert_eq!(Some(ours.as_str()), map["data"]["config.yaml"].as_str(), "{overlay}");
    }
}

/// The chart has the same texts: its files are links to them.
#[test]
fn the_chart_has_the_same_configurations() {
    let mut listed: Vec<String> = fs::read_dir(shipped("chart/wayleave/files"))
        .expect("the chart has files")
        .map(|entry| entry.expect("an entry can be read").file_name().display().to_string())
        .collect();
    listed.sort();
    let mut expected: Vec<String> = OVERLAYS.iter().map(|(overlay, _)| format!("{overlay}.yaml")).collect();
    expected.sort();
    assert_eq!(listed, expected);
    for (overlay, _) in OVERLAYS {
        let read = |path: String| fs::read_to_string(shipped(&path)).expect("a shipped file can be read");
        assert_eq!(
            read(format!("chart/wayleave/files/{overlay}.yaml")),
            read(format!("kustomize/{overlay}/config.yaml")),
            "{overlay}"
        );
    }
}
