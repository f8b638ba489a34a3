//! Wayleave against what the real Linkerd 1.7.5 was recorded doing; every difference must be listed with its reason.

use std::path::Path;
use std::process::Command;
use testkit::wayleave_binary;

/// The steering repository's folder beside this one.
fn shared(path: &str) -> Option<std::path::PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    path.exists().then_some(path)
}

fn check(cases: &str, workers: usize) {
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
    assert!(differs.is_empty(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary = said.lines().rfind(|l| l.contains("as recorded")).expect("replay.py sums up");
    eprintln!("{summary}");
}

/// One test for each file and width, so that a failure names both.
macro_rules! recorded {
    ($($name:ident: $file:literal),* $(,)?) => {
        $(mod $name {
            #[test]
            fn workers_1() {
                super::check($file, 1);
            }

            #[test]
            fn workers_4() {
                super::check($file, 4);
            }
        })*
    };
}

recorded! {
    http_basic: "http-basic-open.json",
    http_clear: "http-clear-open.json",
    http_limits: "http-limits-open.json",
    http_id_header: "http-id-header-open.json",
    http_id_host: "http-id-host-open.json",
    http_id_hosturi: "http-id-hosturi-open.json",
    http_id_list: "http-id-list-open.json",
    http_id_path1: "http-id-path1-open.json",
    http_id_path2consume: "http-id-path2consume-open.json",
    http_id_static: "http-id-static-open.json",
    http_id_token: "http-id-token-open.json",
    http_class_all_successful: "http-class-allSuccessful-open.json",
    http_class_non_retryable: "http-class-nonRetryable5XX-open.json",
    http_class_retryable_all: "http-class-retryableAll5XX-open.json",
    http_class_retryable_idempotent: "http-class-retryableIdempotent5XX-open.json",
    http_class_retryable_read: "http-class-retryableRead5XX-open.json",
    access_log: "accesslog-http.json",
    names: "names-open.json",
}
