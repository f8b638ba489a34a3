//! Linkerd's own example configurations, unchanged: those that need only what is built start and route a request, the
//! others are refused with a line that says what is not built yet, and none is silently half understood.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::{Backend, Client, Process, eventually, namespace, wayleave_binary};

/// A Linkerd document: a file, or the part of a Kubernetes manifest that holds one.
struct Document {
    /// Path below the reference folder, with the number of the part when there are several.
    id: String,
    file: PathBuf,
    text: String,
}

fn reference() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/reference");
    path.canonicalize().ok()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of the reference can be read");
    for entry in entries.map(|e| e.expect("an entry can be read").path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            found.push(entry);
        }
    }
    found.sort();
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Block scalars (`key: |`) of a YAML text, without their indentation.
fn blocks(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        if !(line.trim_end().ends_with(": |") || line.trim_end().ends_with(": |-")) {
            continue;
        }
        let inside = |l: &&&str| l.trim().is_empty() || indent(l) > indent(line);
        let block: Vec<&str> = lines[i + 1..].iter().take_while(inside).copied().collect();
        let cut = block.iter().filter(|l| !l.trim().is_empty()).map(|l| indent(l)).min().unwrap_or(0);
        found.push(block.iter().map(|l| l.get(cut..).unwrap_or_default().to_owned() + "\n").collect());
    }
    found
}

fn documents(root: &Path) -> Vec<Document> {
    let mut all = Vec::new();
    files(root, &mut all);
    let mut documents = Vec::new();
    for file in all {
        let id = file.strip_prefix(root).expect("below the root").display().to_string();
        let text = fs::read_to_string(&file).expect("a reference file can be read");
        let is_linkerd = |t: &str| t.lines().any(|l| l.starts_with("routers:"));
        if is_linkerd(&text) {
            documents.push(Document { id, file, text });
            continue;
        }
        let parts = blocks(&text).into_iter().filter(|t| is_linkerd(t));
        documents.extend(parts.enumerate().map(|(n, text)| Document {
            id: format!("{id}#{n}"),
            file: file.clone(),
            text,
        }));
    }
    documents
}

/// What can be asked of a configuration that starts.
struct Row {
    id: &'static str,
    /// Folder below the reference it is started in.
    folder: &'static str,
    router: u16,
    admin: u16,
    host: &'static str,
    target: &'static str,
    /// A further header line, with its end.
    line: &'static str,
    backend: &'static str,
}

impl Row {
    /// Asks for this instead of `/`.
    const fn asking(mut self, target: &'static str) -> Row {
        self.target = target;
        self
    }

    /// Asks with this line, too.
    const fn saying(mut self, line: &'static str) -> Row {
        self.line = line;
        self
    }
}

const fn row(
    id: &'static str,
    folder: &'static str,
    ports: (u16, u16),
    host: &'static str,
    backend: &'static str,
) -> Row {
    Row { id, folder, router: ports.0, admin: ports.1, host, target: "/", line: "", backend }
}

/// In place of a back end: the process's own admin server, to which the configuration leads.
const ITS_ADMIN: &str = "";

const USUAL: (u16, u16) = (4140, 9990);

const STARTS: &[Row] = &[
    row("linkerd/linkerd/examples/fs.yaml", "linkerd", USUAL, "dog", "127.0.0.1:9999"),
    row("linkerd/linkerd/examples/http.yaml", "linkerd", USUAL, "any", "127.0.0.1:8888")
        .saying("l5d-name: /dog\r\n"),
    row("linkerd/linkerd/examples/influxdb.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/recent-requests.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/statsd.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/access-logs.yaml", "linkerd", USUAL, "any", ITS_ADMIN)
        .asking("/admin/ping"),
    row("linkerd/linkerd/examples/loadbalancer.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/socket-options.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/servicemesh.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/prometheus.yaml", "linkerd", USUAL, "dog", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/rewriting.yaml", "linkerd", USUAL, "any", "127.0.0.1:8888")
        .asking("/dog/api"),
    row("linkerd/linkerd/examples/retries.yaml", "linkerd", USUAL, "anything", "127.0.0.1:8888"),
    row("linkerd/linkerd/examples/service-options.yaml", "linkerd", USUAL, "foo", "127.0.0.1:8080"),
    row("linkerd/linkerd/examples/static_namer.yaml", "linkerd", USUAL, "anything", "127.0.0.1:8080"),
    row("linkerd-examples/http-proxy/linkerd.yaml", "linkerd-examples", USUAL, "webapp", "127.0.0.1:8888"),
    row(
        "linkerd-examples/getting-started/local/linkerd.yaml",
        "linkerd-examples/getting-started/local",
        USUAL,
        "hello",
        "127.0.0.1:8888",
    ),
    row(
        "linkerd-examples/getting-started/docker/linkerd.yaml",
        "linkerd-examples",
        USUAL,
        "hello",
        "127.0.0.1:80",
    ),
    row("linkerd-examples/add-steps/linkerd.yml", "linkerd-examples", USUAL, "any", "127.0.0.1:8501"),
    row("linkerd-examples/failure-accrual/linkerd.yml", "linkerd-examples", USUAL, "any", "127.0.0.1:8501"),
    row("linkerd-examples/influxdb/linkerd1.yml", "linkerd-examples", USUAL, "any", "127.0.0.1:8501"),
    row("linkerd-examples/influxdb/linkerd2.yml", "linkerd-examples", USUAL, "any", "127.0.0.1:8501"),
    row(
        "linkerd-examples/perf-baseline/linkerd1-perf/linkerd1-perf.yaml#0",
        "linkerd-examples",
        (4143, 4191),
        "any",
        "127.0.0.1:8080",
    ),
];

/// Those that need a cluster to route: here they start, answer on these ports (a router's and the admin server's) and end
/// well. What they do in a cluster, tests of the walkthroughs show.
const CLUSTER: &[(&str, u16, u16)] = &[
    ("linkerd-examples/add-steps/k8s/add-steps.yml#0", 4140, 9990),
    ("linkerd-examples/getting-started/k8s/linkerd.yml#0", 4140, 9990),
    ("linkerd-examples/k8s-daemonset/k8s/linkerd-cni-legacy.yml#0", 4140, 9990),
    ("linkerd-examples/k8s-daemonset/k8s/linkerd-cni.yml#0", 4140, 9990),
    ("linkerd-examples/k8s-daemonset/k8s/linkerd-ingress-controller.yml#0", 80, 9990),
    ("linkerd-examples/k8s-daemonset/k8s/linkerd-ingress.yml#0", 4142, 9990),
    ("linkerd-examples/k8s-daemonset/k8s/linkerd-latency.yml#0", 4140, 9990),
    ("linkerd-examples/k8s-daemonset/k8s/linkerd.yml#0", 4140, 9990),
    ("linkerd/linkerd/examples/k8s-servicemesh.yaml", 4140, 9990),
    ("linkerd/linkerd/examples/k8s.yaml", 4140, 9990),
];

/// Configurations of another program that happen to have routers.
const OTHERS: &[&str] = &["linkerd-examples/linkerd-tcp/linkerd-tcp.yml"];

/// A folder at a fixed place that a configuration names, removed with the test.
struct Fixed(&'static str);

impl Fixed {
    fn make(top: &'static str, folder: &str, name: &str, text: &str) -> Fixed {
        fs::create_dir_all(folder).expect("tests that need fixed paths run as root");
        fs::write(Path::new(folder).join(name), text).expect("the folder can be written");
        Fixed(top)
    }
}

impl Drop for Fixed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0);
    }
}

/// One test for both widths: the fixed folders are everybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_configurations() {
    let name = "known_configurations";
    let Some(root) = reference() else {
        eprintln!("SKIPPED {name}: ../shared/reference is not there");
        return;
    };
    if !namespace::inside(name) {
        return;
    }
    let all = documents(&root);
    let missing: Vec<_> = STARTS.iter().filter(|r| all.iter().all(|d| d.id != r.id)).map(|r| r.id).collect();
    assert!(all.len() > 60 && missing.is_empty(), "{} documents, without {missing:?}", all.len());
    let mut faults = Vec::new();
    for document in &all {
        let said = match STARTS.iter().find(|r| r.id == document.id) {
            Some(row) => match routes(document, row, &root, 1).await {
                Ok(()) => routes(document, row, &root, 4).await,
                fault => fault,
            },
            None => match CLUSTER.iter().find(|(id, ..)| *id == document.id) {
                Some((_, router, admin)) => starts(document, &root, [*router, *admin]).await,
                None => refused(document, &root).await,
            },
        };
        if let Err(fault) = said {
            faults.push(format!("{}: {fault}", document.id));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

fn start(document: &Document, folder: &Path, workers: usize) -> Process {
    let scratch = std::env::temp_dir().join(format!("wayleave-reference-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a temporary folder can be made");
    let config = if document.id.contains('#') { scratch.join("part.yaml") } else { document.file.clone() };
    if document.id.contains('#') {
        fs::write(&config, &document.text).expect("the temporary folder can be written");
    }
    // The reference may be read-only, so the log goes elsewhere; `exec` keeps the process number.
    let script = "cd \"$0\" && export POD_IP=10.0.0.1 NODE_NAME=n POD_NAMESPACE=default && exec \"$@\"";
    let program = wayleave_binary().display().to_string();
    let args = [
        "-c",
        script,
        &folder.display().to_string(),
        &program,
        "proxy",
        "--workers",
        &workers.to_string(),
        &config.display().to_string(),
    ];
    Process::start("proxy", Path::new("/bin/sh"), args, &scratch)
}

async fn routes(document: &Document, row: &Row, root: &Path, workers: usize) -> Result<(), String> {
    let _hello = Fixed::make("/io.buoyant", "/io.buoyant/disco", "hello", "localhost 80\n");
    // Names of containers in the reference.
    let _disco = ["app", "app1", "app2", "service1", "service2", "service3"]
        .map(|name| Fixed::make("/disco", "/disco", name, "localhost 8501\n"));
    let backend = match row.backend {
        ITS_ADMIN => None,
        at => {
            let at = at.parse().expect("the table's addresses are addresses");
            Some(Backend::start_at(at, [testkit::Play::text("here")]).await)
        }
    };
    let mut process = start(document, &root.join(row.folder), workers);
    let admin = SocketAddr::from(([127, 0, 0, 1], row.admin));
    let router = SocketAddr::from(([127, 0, 0, 1], row.router));
    eventually(testkit::PATIENCE, row.id, || {
        let ended = process.ended().is_some();
        async move {
            ended || (Client::try_connect(admin).await.is_ok() && Client::try_connect(router).await.is_ok())
        }
    })
    .await;
    if let Some(status) = process.ended() {
        return Err(format!("{status}: {}", process.log()));
    }
    let pong = Client::connect(admin).await.get("/admin/ping", "admin").await;
    let mut client = Client::connect(router).await;
    let Row { target, host, line, .. } = row;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{line}\r\n")).await;
    let answer = client.response().await;
    let (seen, want) = backend.as_ref().map_or((1, "pong"), |backend| (backend.requests(), "here"));
    drop(backend);
    process.signal("TERM");
    let status = process.wait(testkit::PATIENCE).await;
    if pong.text().trim() != "pong" || answer.text().trim() != want || seen == 0 || !status.success() {
        return Err(format!("{pong:?} {answer:?} {seen} {status}: {}", process.log()));
    }
    Ok(())
}

async fn starts(document: &Document, root: &Path, ports: [u16; 2]) -> Result<(), String> {
    let mut process = start(document, root, 1);
    eventually(testkit::PATIENCE, &document.id, || {
        let ended = process.ended().is_some();
        async move {
            let listens =
                async |port: u16| Client::try_connect(SocketAddr::from(([127, 0, 0, 1], port))).await.is_ok();
            ended || (listens(ports[0]).await && listens(ports[1]).await)
        }
    })
    .await;
    if let Some(status) = process.ended() {
        return Err(format!("{status}: {}", process.log()));
    }
    process.signal("TERM");
    let status = process.wait(testkit::PATIENCE).await;
    if status.success() { Ok(()) } else { Err(format!("{status}: {}", process.log())) }
}

async fn refused(document: &Document, root: &Path) -> Result<(), String> {
    let mut process = start(document, root, 1);
    let end = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Some(status) = process.ended() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    match end {
        Err(_) => Err(format!("was started: {}", process.log())),
        Ok(status) if status.success() => Err(format!("ended well: {}", process.log())),
        Ok(_) if OTHERS.contains(&document.id.as_str()) => Ok(()),
        Ok(_) if process.log().contains("not built yet") => Ok(()),
        Ok(_) => Err(format!("does not say what is not built yet: {}", process.log())),
    }
}
