//! `hostIP.sh`, which the old manifests call to find the proxy of their node (sample-apps.md §1.6).

use serde_json::json;
use std::path::Path;
use std::process::Command;
use testkit::{Backend, Play};

/// What it prints and what it says where the API answers so, asked so many times.
async fn run(plays: Vec<Play>, tries: u32, named: bool) -> (Result<String, String>, Backend) {
    let api = Backend::start(plays).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/helloworld/hostIP.sh");
    let mut command = Command::new("sh");
    command.arg(script).env("K8S_API", api.address.to_string()).env("HOST_IP_TRIES", tries.to_string());
    // What a pod has that uses the address for its proxy.
    command.env("http_proxy", "127.0.0.1:1").env("NS", "default").env_remove("POD_NAME");
    if named {
        command.env("POD_NAME", "hello-x");
    }
    let done = tokio::task::spawn_blocking(move || command.output().expect("sh runs")).await;
    let done = done.expect("running a program does not panic");
    let text = |of: Vec<u8>| String::from_utf8(of).expect("it says text");
    (if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }, api)
}

fn answer(status: &str, body: &serde_json::Value) -> Play {
    let body = body.to_string();
    Play::reply(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_asks_until_it_is_told() {
    if Command::new("jq").arg("--version").output().is_err() {
        eprintln!("SKIPPED hostIP.sh: jq is not installed");
        return;
    }
    let pod = json!({ "spec": { "containers": [{ "ports": [{ "hostIP": "1.1.1.1" }] }] },
        "status": { "hostIP": "172.30.0.12", "hostIPs": [{ "ip": "172.30.0.12" }] } });
    let unscheduled = json!({ "status": { "phase": "Pending" } });
    let forbidden = json!({ "message": "pods is forbidden" });

    let (said, api) = run(
        vec![answer("503 Away", &json!({})), answer("200 OK", &unscheduled), answer("200 OK", &pod)],
        9,
        true,
    )
    .await;
    assert_eq!(said.as_deref(), Ok("172.30.0.12\n"));
    let asked: Vec<String> =
        api.seen().iter().map(|seen| format!("{} {}", seen.head.method(), seen.head.target())).collect();
    assert_eq!(asked, ["GET /api/v1/namespaces/default/pods/hello-x"; 3]);

    let (said, _api) = run(vec![answer("403 Forbidden", &forbidden)], 1, true).await;
    let said = said.expect_err("it was not told");
    assert!(said.starts_with("hostIP.sh: ") && said.contains("pods is forbidden"), "{said}");
    assert!(said.contains("/api/v1/namespaces/default/pods/hello-x"), "{said}");

    let (said, _api) = run(vec![answer("200 OK", &pod)], 1, false).await;
    assert_eq!(said.as_ref().map_err(|e| e.contains("POD_NAME is not set")), Err(true), "{said:?}");
}
