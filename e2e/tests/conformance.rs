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
    let Some(cases) = shared(&format!("conformance/cases/{cases}")) else {
        eprintln!("SKIPPED conformance {cases}: ../shared/conformance is not there");
        return;
    };
    replay(&cases, workers);
}

/// As [`check`], with parts that are not built yet put into others: each text by another, everywhere in the file.
fn check_without(cases: &str, workers: usize, not_built: &[(&str, &str)]) {
    let Some(path) = shared(&format!("conformance/cases/{cases}")) else {
        eprintln!("SKIPPED conformance {cases}: ../shared/conformance is not there");
        return;
    };
    let mut text = std::fs::read_to_string(path).expect("a file of cases");
    for (part, instead) in not_built {
        assert!(text.contains(part), "{part} is not in {cases} (any more): the list is out of date");
        text = text.replace(part, instead);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let edited = folder.path().join(cases);
    std::fs::write(&edited, text).expect("the folder can be written");
    replay(&edited, workers);
}

fn replay(cases: &Path, workers: usize) {
    let replay = shared("conformance/replay.py").expect("beside its cases");
    let command = format!("{} proxy --workers {workers}", wayleave_binary().display());
    let deviations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deviations.txt");
    let output = Command::new("python3")
        .arg(replay)
        .args(["check", "--verbose", "--cmd", &command, "--deviations"])
        .args([deviations.as_path(), cases])
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

/// What the recorded configurations of the admin server have that is not built yet: HTTP/2, and two telemeters.
const H2: (&str, &str) = ("protocol: h2", "protocol: http");
const H2_SHOWN: (&str, &str) = (r#"{\"protocol\":\"h2\""#, r#"{\"protocol\":\"http\""#);
const TELEMETERS: (&str, &str) =
    (", {kind: io.l5d.influxdb}, {kind: io.l5d.recentRequests, sampleRate: 1.0}", "");
const TELEMETERS_SHOWN: (&str, &str) =
    (r#",{\"kind\":\"io.l5d.influxdb\"},{\"sampleRate\":1.0,\"kind\":\"io.l5d.recentRequests\"}"#, "");
const INFLUXDB: (&str, &str) = ("/admin/metrics/influxdb", "/admin/index.txt");

mod admin_linkerd {
    #[test]
    fn workers_1() {
        use super::{H2, H2_SHOWN, INFLUXDB, TELEMETERS, TELEMETERS_SHOWN};
        let not_built = [H2, H2_SHOWN, TELEMETERS, TELEMETERS_SHOWN, INFLUXDB];
        super::check_without("admin-linkerd-open.json", 1, &not_built);
    }
}

mod admin_security {
    #[test]
    fn workers_1() {
        super::check_without("admin-security-open.json", 1, &[super::TELEMETERS]);
    }
}
