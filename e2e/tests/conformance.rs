//! Wayleave against what the real Linkerd 1.7.5 was recorded doing; every difference must be listed with its reason.

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::cluster::{Cluster, Level};
use testkit::{each_width, wayleave_binary};

/// The steering repository's folder beside this one.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(path);
    path.exists().then_some(path)
}

/// A file of this repository's `docs`.
fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// A file of recorded cases; `None`, with a line that says so, when it is not there.
fn recorded(cases: &str) -> Option<PathBuf> {
    let path = shared(&format!("conformance/cases/{cases}"));
    if path.is_none() {
        eprintln!("SKIPPED conformance {cases}: ../shared/conformance is not there");
    }
    path
}

/// What `replay.py` says of some cases: its output and its complaints. `api` is the front of a Kubernetes API, for those
/// that need one.
fn replay(cases: &Path, workers: usize, options: &[&OsStr], api: Option<SocketAddr>) -> (String, String) {
    let replay = shared("conformance/replay.py").expect("beside its cases");
    let command = format!("{} proxy --workers {workers}", wayleave_binary().display());
    let output = Command::new("python3")
        .arg(replay)
        .args(["check", "--verbose", "--cmd", &command])
        .args(options)
        .arg(cases)
        .envs(api.map(|front| ("REPLAY_K8S", front.to_string())))
        .output()
        .expect("python3 is installed");
    let [out, err] = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    (out, err)
}

fn check(cases: &str, workers: usize) {
    if let Some(cases) = recorded(cases) {
        check_file(&cases, workers, None);
    }
}

/// As [`check`], over the objects of a real API server.
async fn check_on_cluster(cases: &'static str, workers: usize) {
    let Some(path) = recorded(cases) else { return };
    let Some(cluster) = Cluster::start(cases, Level::Api).await else { return };
    let front = cluster.front();
    let done = tokio::task::spawn_blocking(move || check_file(&path, workers, Some(front))).await;
    done.unwrap_or_else(|failed| panic!("{cases} with {workers} workers: {failed}"));
}

/// As [`check`], with parts that are not built yet put into others: each text by another, everywhere in the file.
fn check_without(cases: &str, workers: usize, not_built: &[(&str, &str)]) {
    let Some(path) = recorded(cases) else { return };
    let mut text = fs::read_to_string(path).expect("a file of cases");
    for (part, instead) in not_built {
        assert!(text.contains(part), "{part} is not in {cases} (any more): the list is out of date");
        text = text.replace(part, instead);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let edited = folder.path().join(cases);
    fs::write(&edited, text).expect("the folder can be written");
    check_file(&edited, workers, None);
}

fn check_file(cases: &Path, workers: usize, api: Option<SocketAddr>) {
    let deviations = docs("deviations.txt");
    let options = [OsStr::new("--deviations"), deviations.as_os_str()];
    let (said, errors) = replay(cases, workers, &options, api);
    let differs: Vec<&str> = said.lines().filter_map(|l| l.strip_prefix("DIFFERS ")).collect();
    assert!(differs.is_empty(), "{said}\n{errors}");
    let summary = said.lines().rfind(|l| l.contains("as recorded")).expect("replay.py sums up");
    eprintln!("{summary}");
}

/// Idle connections belong to workers: how many there are depends on which workers the callers' connections went to.
const POOLS: [&str; 4] = ["connects", "connections", "connect_latency_ms", "pool_cached"];

/// The metrics after a fixed workload: a case is hundreds of values, so each one that differs has to be listed, and no
/// more than those may be.
fn check_metrics(cases: &str, workers: usize) {
    let Some(cases) = recorded(cases) else { return };
    let (said, errors) = replay(&cases, workers, &[], None);
    let listed = fs::read_to_string(docs("deviations-metrics.txt")).expect("the list is there");
    let listed: Vec<&str> = listed.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let pool = |line: &str| workers > 1 && POOLS.iter().any(|name| line.contains(name));
    let listed: Vec<&str> = listed.into_iter().filter(|line| !pool(line)).collect();
    let differs = said.lines().filter_map(|l| l.strip_prefix("    "));
    let differs: Vec<&str> = differs.filter(|line| !pool(line)).collect();
    let unlisted: Vec<_> = differs.iter().filter(|d| !listed.contains(d)).collect();
    assert!(unlisted.is_empty(), "not in docs/deviations-metrics.txt: {unlisted:#?}\n{errors}");
    let stale: Vec<_> = listed.iter().filter(|l| !differs.contains(l)).collect();
    assert!(
        stale.is_empty(),
        "as recorded, and yet in docs/deviations-metrics.txt: {stale:#?}\n{said}\n{errors}"
    );
    assert!(said.lines().any(|l| l.contains("as recorded")), "replay.py sums up: {said}\n{errors}");
}

#[test]
fn metrics_workers_1() {
    check_metrics("metrics-http-1.json", 1);
}

#[test]
fn metrics_workers_4() {
    check_metrics("metrics-http-1.json", 4);
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

async fn kubernetes_names(workers: usize) {
    check_on_cluster("k8s-names-open.json", workers).await;
}

each_width!(kubernetes_names);

/// What the recorded configurations of the admin server have that is not built yet: HTTP/2.
const H2: (&str, &str) = ("protocol: h2", "protocol: http");
const H2_SHOWN: (&str, &str) = (r#"{\"protocol\":\"h2\""#, r#"{\"protocol\":\"http\""#);
mod admin_linkerd {
    #[test]
    fn workers_1() {
        use super::{H2, H2_SHOWN};
        super::check_without("admin-linkerd-open.json", 1, &[H2, H2_SHOWN]);
    }
}

mod admin_security {
    #[test]
    fn workers_1() {
        super::check("admin-security-open.json", 1);
    }
}
