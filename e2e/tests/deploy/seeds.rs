//! The configurations and the files they were taken from.

use super::{OVERLAYS, shipped};
use std::fs;
use std::path::Path;
use std::process::Command;

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
            read(format!("kustomize/{overlay}/{}", in_use(overlay))),
            "{overlay}"
        );
    }
}

/// The file of an overlay that its ConfigMap is made of.
fn in_use(overlay: &str) -> &'static str {
    if overlay == "egress" { "config-without-tls.yaml" } else { "config.yaml" }
}

/// A proxy starts with each of them. What is left out of one, because it is not built yet, is all that keeps it from starting:
/// when this fails because TLS is there, the overlay and the chart can go back to Linkerd's own text.
#[test]
fn proxies_start_with_what_is_in_use() {
    let check = |file: &str| {
        let done = Command::new(testkit::wayleave_binary()).arg("check").arg(shipped(file)).output();
        let done = done.expect("the binary runs");
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    for (overlay, _) in OVERLAYS {
        let (good, said) = check(&format!("kustomize/{overlay}/{}", in_use(overlay)));
        assert!(good, "{said}");
    }
    let (good, said) = check("kustomize/egress/config.yaml");
    assert!(
        !good
            && said.contains("key `tls` is known to Linkerd but not built yet")
            && said.contains(": 1 error"),
        "{said}"
    );
    let read =
        |name: &str| fs::read_to_string(shipped(&format!("kustomize/egress/{name}"))).expect("it is shipped");
    let whole = read("config.yaml");
    let (before, rest) = whole.split_once("  client:\n").expect("it has client settings");
    let (_, after) = rest.split_once("\n\n").expect("a blank line ends them");
    assert_eq!(read("config-without-tls.yaml"), format!("{before}\n{after}"), "nothing else is left out");
}
