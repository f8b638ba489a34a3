//! The README's first configuration and `curl` lines, as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::{Backend, Client, Play, Process, eventually, namespace, wayleave_binary};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"))
        .expect("the README is there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_configuration() {
    if !namespace::inside("first_configuration") {
        return;
    }
    let text = readme();
    let config = text.split("```yaml\n").nth(1).and_then(|t| t.split("```").next()).expect("a configuration");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("disco")).expect("the folder can be written");
    fs::write(folder.path().join("disco/hello"), "127.0.0.1 8888\n").expect("the folder can be written");
    fs::write(folder.path().join("linkerd.yaml"), config).expect("the folder can be written");
    let at = "127.0.0.1:8888".parse().expect("an address");
    let backend = Backend::start_at(at, [Play::text("from the replica")]).await;
    let mut proxy = Process::start("proxy", wayleave_binary(), ["proxy", "linkerd.yaml"], folder.path());
    let admin = "127.0.0.1:9990".parse().expect("an address");
    eventually(testkit::PATIENCE, "the proxy is ready", || async {
        Client::try_connect(admin).await.is_ok()
    })
    .await;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| l.starts_with("curl ")).collect();
    let expected = [
        "from the replica",
        "service name: /svc/nobody",
        "from the replica",
        "\"rt/http/server/127.0.0.1/4140/requests\"",
        "rt:server:requests{rt=\"http\"",
        "127.0.0.1:8888",
        "\"id\":\"/#/io.l5d.fs/hello\"",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        let run = Command::new("bash").args(["-c", line]).output().expect("bash and curl are installed");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(run.status.success() && said.contains(expected), "{line}\n{said}");
    }
    asks(&text, folder.path());
    drop(backend);
    proxy.signal("INT");
    assert!(proxy.wait(testkit::PATIENCE).await.success());
}

/// The README's questions to a configuration: `check`, `lint` and `explain` answer without a fault.
fn asks(text: &str, folder: &Path) {
    let program = "target/release/wayleave ";
    let words = ["check", "lint", "explain"];
    let is_question = |l: &&str| words.iter().any(|w| l.starts_with(&format!("{program}{w} ")));
    let lines: Vec<&str> = text.lines().map(str::trim).filter(is_question).collect();
    // Of a configuration each, and `explain` of the running proxy too.
    assert_eq!(lines.len(), words.len() + 1, "{lines:#?}");
    for line in lines {
        let line = line.replacen(program, &format!("{} ", wayleave_binary().display()), 1);
        let run =
            Command::new("bash").args(["-c", &line]).current_dir(folder).output().expect("bash is there");
        assert!(run.status.success(), "{line}\n{}", String::from_utf8_lossy(&run.stderr));
        let explained = String::from_utf8_lossy(&run.stdout).contains("127.0.0.1:8888");
        assert!(explained || !line.contains("explain"), "{line} does not name the replica");
    }
}
