//! `wayleave explain` as a command: of a configuration, of a running proxy, and what the environment decides.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use testkit::{Backend, Setup, wayleave_binary};

fn explain(arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(wayleave_binary());
    command.arg("explain").args(arguments).current_dir(folder);
    command.env_remove("POD_IP").env_remove("NODE_NAME").envs(environment.iter().copied());
    command.output().expect("the binary runs")
}

fn said(of: &Output) -> String {
    String::from_utf8_lossy(&of.stdout).into_owned() + &String::from_utf8_lossy(&of.stderr)
}

/// A running proxy says what its file says, with the places of that file; the exit code tells whether somebody is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_running_proxy() {
    let web = Backend::text("web").await;
    let world =
        Setup::new().dtab("/srv => /#/io.l5d.fs ;\n/svc => /srv | ! ;").replicas("web", &[web.address]);
    let world = world.start(1).await;
    let admin = format!("http://{}", world.admin);
    let folder = tempfile::tempdir().expect("a folder");
    let of = explain(&["--admin", &admin, "/svc/web"], folder.path(), &[]);
    let text = said(&of);
    assert!(of.status.success(), "{text}");
    for expected in [&format!("{}", web.address), "requests are sent to the addresses above", "linkerd.yaml:"]
    {
        assert!(text.contains(expected), "{expected} is missing:\n{text}");
    }
    let of = explain(&["--admin", &admin, "--host", "none"], folder.path(), &[]);
    assert!(!of.status.success() && said(&of).contains("the name leads to `!`"), "{}", said(&of));
    let nobody = explain(&["--admin", "127.0.0.1:1", "/svc/web"], folder.path(), &[]);
    assert!(!nobody.status.success() && said(&nobody).contains("cannot connect"), "{}", said(&nobody));
    drop(web);
    world.finish().await;
}

/// The transformer `io.l5d.k8s.localnode` with `hostNetwork` and `prefix`; rows 76 and 77 of routing.md §9.
#[test]
fn local_nodes() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("disco")).expect("a folder");
    fs::write(folder.path().join("disco/users"), "10.0.0.1 8080\n").expect("a file");
    let id = |transformer: &str, environment: &[(&str, &str)]| {
        let text = format!(
            "namers: [{{kind: io.l5d.fs, rootDir: disco}}]\nrouters:\n- protocol: http\n  servers: [{{port: 0}}]\n  \
             dtab: /svc => /#/io.l5d.fs\n  interpreter: {{kind: default, transformers: [{transformer}]}}\n"
        );
        fs::write(folder.path().join("linkerd.yaml"), text).expect("a file");
        let of = explain(&["linkerd.yaml", "/svc/users"], folder.path(), environment);
        let text = said(&of);
        let choice = text.lines().find_map(|line| line.trim().strip_prefix("100 %  "));
        choice.map_or_else(|| text.trim().to_owned(), str::to_owned)
    };
    let local = "{kind: io.l5d.k8s.localnode}";
    let here = [("POD_IP", "10.0.0.9")];
    assert_eq!(id(local, &here), "/%/io.l5d.k8s.localnode/10.0.0.9/#/io.l5d.fs/users, 10.0.0.1:8080");
    assert_eq!(
        id(&format!("{local}, {{kind: io.l5d.port, port: 4141}}"), &here),
        "/%/io.l5d.port/4141/%/io.l5d.k8s.localnode/10.0.0.9/#/io.l5d.fs/users, 10.0.0.1:4141",
        "row 76"
    );
    assert_eq!(
        id(local, &[("POD_IP", "10.9.9.9")]),
        "/%/io.l5d.k8s.localnode/10.9.9.9/#/io.l5d.fs/users, there are no such addresses",
        "row 77"
    );
    let prefixed = "{kind: io.l5d.k8s.localnode, prefix: /node}";
    assert_eq!(id(prefixed, &here), "/%/node/10.0.0.9/#/io.l5d.fs/users, 10.0.0.1:8080");
    let by_name = "{kind: io.l5d.k8s.localnode, hostNetwork: true}";
    let named = id(by_name, &[("NODE_NAME", "n1")]);
    assert_eq!(named, "/%/io.l5d.k8s.localnode/n1/#/io.l5d.fs/users, there are no such addresses");
    assert_eq!(id(local, &[]), "linkerd.yaml:6:47: POD_IP env variable must be set to the pod's IP");
    assert_eq!(
        id(by_name, &[]),
        "linkerd.yaml:6:89: NODE_NAME env variable must be set to the node's name",
        "the place of the key that asks for it"
    );
}
