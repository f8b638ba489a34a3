//! Wayleave against what the real Linkerd 1.7.5 was recorded doing; every difference must be listed with its reason.

use std::path::Path;
use std::process::Command;
use testkit::wayleave_binary;

/// The steering repository's folder beside this one.
fn shared(path: &str) -> Option<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    path.exists().then_some(path)
}

/// Cases of what later issues build; a deviation is for what was decided, never for work not done yet.
const NOT_BUILT_YET: &[&str] = &["http-basic-open/trace-max-forwards-bad"];

fn check(cases: &str, workers: usize, not_built_yet: &[&str]) {
    let (Some(replay), Some(cases)) =
        (shared("conformance/replay.py"), shared(&format!("conformance/cases/{cases}")))
    else {
        eprintln!("SKIPPED conformance {cases}: ../shared/conformance is not there");
        return;
    };
    let command = format!("{} proxy --workers {workers}", wayleave_binary().display());
    let deviations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deviations.txt");
    let output = Command::new("python3")
        .arg(replay)
        .args(["check", "--verbose", "--cmd", &command, "--deviations"])
        .args([&deviations, &cases])
        .output()
        .expect("python3 is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let differs: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("DIFFERS ")).collect();
    assert_eq!(differs, not_built_yet, "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary = said.lines().rfind(|l| l.contains("as recorded")).expect("replay.py sums up");
    eprintln!("{summary}");
}

#[test]
fn http_basic_workers_1() {
    check("http-basic-open.json", 1, NOT_BUILT_YET);
}

#[test]
fn http_basic_workers_4() {
    check("http-basic-open.json", 4, NOT_BUILT_YET);
}

/// Delegation: every dtab and path of the recordings.
#[test]
fn names() {
    check("names-open.json", 1, &[]);
}
