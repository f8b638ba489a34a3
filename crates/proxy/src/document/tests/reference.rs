//! The configurations of Linkerd's own repositories: each loads, or fails with nothing but lines about what is not
//! built yet. And the configurations our benchmarks write.

use super::{anywhere, wrong};
use config::{Node, Reason, Value};
use std::path::{Path, PathBuf};
use std::process::Command;

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");

/// What is called `routers` but belongs to another program, or is refused by Linkerd itself.
const NOT_LINKERD: [&str; 1] = ["linkerd-tcp.yml"];

/// Loads without a fault today. More may come, none may go.
const LOADS: [&str; 8] = [
    "examples/prometheus.yaml",
    "examples/static_namer.yaml",
    "examples/service-options.yaml",
    "examples/retries.yaml",
    "examples/rewriting.yaml",
    "getting-started/docker/linkerd.yaml",
    "getting-started/local/linkerd.yaml",
    "http-proxy/linkerd.yaml",
];

fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            yaml_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
}

/// The configurations in a file: itself, or the texts of Kubernetes manifests that are configurations.
fn configurations(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split("\n---") {
        let Ok(document) = config::Document::parse("part", part.as_bytes()) else { continue };
        if document.root.get("routers").is_some() {
            found.push(part.to_owned());
        } else {
            embedded(&document.root, &mut found);
        }
    }
    found
}

fn embedded(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Scalar(scalar) => {
            let document = config::Document::parse("embedded", scalar.text.as_bytes());
            if document.is_ok_and(|document| document.root.get("routers").is_some()) {
                found.push(scalar.text.clone());
            }
        }
        Value::List(items) => items.iter().for_each(|item| embedded(item, found)),
        Value::Object(entries) => entries.iter().for_each(|entry| embedded(&entry.value, found)),
        Value::Null | Value::Broken => {}
    }
}

/// All configurations of the reference files, each with the name of its file; none when the files are not there.
pub(super) fn reference_configurations() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["reference/linkerd", "reference/linkerd-examples"] {
        yaml_files(&Path::new(SHARED).join(folder), &mut files);
    }
    if files.is_empty() {
        eprintln!("SKIPPED: no reference files under {SHARED}/reference, nothing was checked");
    }
    files.retain(|file| !NOT_LINKERD.iter().any(|name| file.ends_with(name)));
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a file that was just listed");
        found.extend(configurations(&text).into_iter().map(|configuration| (file.clone(), configuration)));
    }
    found
}

#[test]
fn reference_configurations_load_or_are_not_built_yet() {
    let found = reference_configurations();
    if found.is_empty() {
        return;
    }
    let (mut loaded, mut faulty) = (Vec::new(), Vec::new());
    for (file, configuration) in &found {
        match anywhere(configuration) {
            Ok(_) => loaded.push(file.display().to_string()),
            Err(faults) => {
                faulty.extend(wrong(&faults).into_iter().map(|fault| format!("{}:{fault}", file.display())));
            }
        }
    }
    assert_eq!(faulty, Vec::<String>::new());
    assert!(found.len() >= 70, "only {} configurations found", found.len());
    for name in LOADS {
        assert!(loaded.iter().any(|file| file.ends_with(name)), "{name} does not load");
    }
}

/// `bench/lib/configs.sh` writes these; modes h1 and mesh1 are what this version must start with.
#[test]
fn benchmark_configurations_load() {
    let script = Path::new(SHARED).join("bench/lib/configs.sh");
    if !script.is_file() {
        eprintln!("SKIPPED: {} is absent, nothing was checked", script.display());
        return;
    }
    let folder = std::env::temp_dir().join(format!("wayleave-document-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let status = Command::new("bash")
        .args(["-euc", "source \"$1\"; mk_linkerd_configs", "configs", &script.display().to_string()])
        .env("RUN", &folder)
        .envs([("PROXY_PORT", "4140"), ("PROXY_H2_PORT", "4142"), ("PROXY_ADMIN_PORT", "9990")])
        .status()
        .expect("bash runs");
    let load = |name: &str| {
        let text = std::fs::read(folder.join(name)).expect("a file the script writes");
        super::super::load(name, &text)
    };
    let (h1, mesh1, tls) = (load("linkerd-h1.yaml"), load("linkerd-mesh1.yaml"), load("linkerd-tls.yaml"));
    std::fs::remove_dir_all(&folder).expect("the temporary folder goes away");
    assert!(status.success());
    assert!(h1.is_ok(), "{}", h1.expect_err("checked"));
    let mesh1 = mesh1.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((mesh1.namers.len(), mesh1.telemetry.len(), mesh1.warnings.len()), (1, 1, 0));
    let tls = tls.expect_err("server TLS is not built yet");
    assert!(tls.iter().all(|fault| fault.reason == Reason::NotBuilt), "{tls}");
}
