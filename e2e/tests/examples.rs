//! The files of `examples/`, started as they are: what each says to try does what it says, with real `curl`.
//!
//! `examples/README.md` explains the lines `# start:`, `# cluster:`, `# beside:`, `# try:`, `# expect:`, `# never:` and `# soon:`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use testkit::cluster::{Cluster, Level};
use testkit::{PATIENCE, Process, each_width, eventually, namespace, wayleave_binary};

each_width!(every_line_does_what_it_says);

/// How far a share may be off what was promised, in standard deviations.
const DEVIATIONS: f64 = 6.0;

/// Kinds of the reference that have nothing to show.
const KINDS_WITHOUT: &[(&str, &str)] =
    &[("io.l5d.commonMetrics", "does nothing but warn that it does nothing")];

/// A configuration and what it says about itself.
#[derive(Debug, Default, PartialEq)]
struct Example {
    name: String,
    /// Variables and the command that starts it, as a shell reads them.
    start: String,
    /// The objects of the Kubernetes API that it asks, a file.
    cluster: Option<String>,
    /// What runs beside the proxy, all the time.
    beside: Vec<String>,
    tries: Vec<Try>,
}

/// A command and what it promises.
#[derive(Debug, Default, PartialEq)]
struct Try {
    command: String,
    promises: Vec<Promise>,
}

#[derive(Debug, PartialEq)]
enum Promise {
    /// The output holds this.
    Expect(String),
    /// The output does not hold this.
    Never(String),
    /// As `Expect`, perhaps only when the command is repeated for a while.
    Soon(String),
    /// About so many percent of the lines hold this; `uniq -c` may have counted them.
    Share(f64, String),
}

impl Example {
    /// What a file says; a text for each thing it has to say and does not.
    fn parse(name: &str, text: &str) -> Result<Example, Vec<String>> {
        let mut found = Example { name: name.into(), ..Example::default() };
        let mut faults = Vec::new();
        for (number, line) in whole_lines(text) {
            if let Err(fault) = found.line(&line) {
                faults.push(format!("{name}:{number}: {fault}"));
            }
        }
        if !found.start.contains("wayleave proxy ") || !found.start.ends_with(&format!(" {name}")) {
            faults.push(format!("{name}: `# start:` has to be `wayleave proxy {name}`"));
        }
        if !found.tries.iter().any(|t| t.command.contains("curl ")) {
            faults.push(format!("{name}: there is no `# try:` with curl"));
        }
        let silent = found.tries.iter().filter(|t| t.promises.is_empty());
        faults.extend(silent.map(|t| format!("{name}: nothing is promised of `{}`", t.command)));
        if faults.is_empty() { Ok(found) } else { Err(faults) }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let Some((word, rest)) = line.strip_prefix("# ").and_then(|l| l.split_once(": ")) else {
            return Ok(());
        };
        let rest = rest.trim().to_owned();
        let promise = match word {
            "start" if self.start.is_empty() => {
                self.start = rest;
                return Ok(());
            }
            "start" => return Err("a second `# start:`".into()),
            "cluster" if folder().join(&rest).is_file() => {
                self.cluster = Some(rest);
                return Ok(());
            }
            "cluster" => return Err(format!("there is no {rest}")),
            "beside" => {
                self.beside.push(rest);
                return Ok(());
            }
            "try" => {
                self.tries.push(Try { command: rest, promises: Vec::new() });
                return Ok(());
            }
            "expect" => Promise::expect(rest)?,
            "never" => Promise::Never(rest),
            "soon" => Promise::Soon(rest),
            _ => return Ok(()),
        };
        let last = self.tries.last_mut().ok_or("a promise before the first `# try:`")?;
        last.promises.push(promise);
        Ok(())
    }
}

/// The lines of a file and where they stand; a command goes on in the comments below it that are indented further.
fn whole_lines(text: &str) -> Vec<(usize, String)> {
    let mut whole: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let more = line.trim_start().strip_prefix("#   ").map(str::trim);
        let last = whole.last_mut().filter(|(_, l)| l.starts_with("# try: ") || l.starts_with("# beside: "));
        match (more, last) {
            (Some(more), Some((_, last))) => *last = format!("{last}\n{more}"),
            _ => whole.push((number + 1, line.trim_start().to_owned())),
        }
    }
    whole
}

impl Promise {
    fn expect(text: String) -> Result<Promise, String> {
        let Some(share) = text.strip_prefix("about ") else { return Ok(Promise::Expect(text)) };
        let (percent, what) = share.split_once(" % ").ok_or("a share is `about N % TEXT`")?;
        let percent = percent.parse().map_err(|_| format!("`{percent}` is no number"))?;
        Ok(Promise::Share(percent, what.into()))
    }

    fn kept(&self, output: &str) -> Result<(), String> {
        match self {
            Promise::Expect(text) | Promise::Soon(text) if !output.contains(text) => {
                Err(format!("does not say `{text}`"))
            }
            Promise::Never(text) if output.contains(text) => Err(format!("says `{text}`")),
            Promise::Share(percent, text) => share(*percent / 100.0, text, output),
            _ => Ok(()),
        }
    }
}

/// Whether about such a share of the lines hold `text`.
fn share(promised: f64, text: &str, output: &str) -> Result<(), String> {
    let counted = output.lines().map(|line| {
        let (count, rest) = line.trim_start().split_once(' ').unwrap_or_default();
        count.parse().map_or((1.0, line), |n: f64| (n, rest))
    });
    let (mut all, mut those) = (0.0, 0.0);
    for (count, line) in counted {
        all += count;
        those += if line.contains(text) { count } else { 0.0 };
    }
    let deviation = (all * promised * (1.0 - promised)).sqrt();
    let near = (those - all * promised).abs() <= DEVIATIONS * deviation + 1.0;
    // With fewer than a hundred lines nearly every share would do.
    if all >= 100.0 && near { Ok(()) } else { Err(format!("{those} of {all} lines say `{text}`")) }
}

#[test]
fn what_files_say_is_understood() {
    let text = "# A title: with a colon.\n# start: A=b wayleave proxy x.yaml\n# beside: sleep 9\nrouters:\n\
                # cluster: kubernetes/objects.yaml\n\
                # try: curl -s here\n# expect: a\n# expect: about 10 % b\n# never: c\n\
                #   no command\n  # try: two\n  #      and three\n  # soon: d e\n";
    let one = vec![Promise::Expect("a".into()), Promise::Share(10.0, "b".into()), Promise::Never("c".into())];
    let tries = vec![
        Try { command: "curl -s here".into(), promises: one },
        Try { command: "two\nand three".into(), promises: vec![Promise::Soon("d e".into())] },
    ];
    let start = "A=b wayleave proxy x.yaml".into();
    let beside = vec!["sleep 9".into()];
    let cluster = Some("kubernetes/objects.yaml".into());
    let expected = Example { name: "x.yaml".into(), start, cluster, beside, tries };
    assert_eq!(Example::parse("x.yaml", text), Ok(expected));
}

#[test]
fn files_that_say_too_little_are_faulty() {
    let check = |text: &str, fault: &str| {
        let faults = Example::parse("x.yaml", text).expect_err("it says too little");
        assert!(faults.iter().any(|f| f.contains(fault)), "{fault} is not among {faults:?}");
    };
    let start = "# start: wayleave proxy x.yaml\n";
    check("", "`# start:` has to be");
    check("# start: wayleave proxy y.yaml\n# try: curl x\n# expect: y\n", "`# start:` has to be");
    check("# start: x.yaml\n# try: curl x\n# expect: y\n", "`# start:` has to be");
    check(start, "no `# try:` with curl");
    check(&format!("{start}# try: wayleave x\n# expect: y\n"), "no `# try:` with curl");
    check(&format!("{start}# try: curl x\n"), "nothing is promised of `curl x`");
    check(&format!("{start}# expect: x\n"), "x.yaml:2: a promise before");
    check(&format!("{start}{start}"), "x.yaml:2: a second");
    check(&format!("{start}# cluster: nosuch.yaml\n"), "x.yaml:2: there is no nosuch.yaml");
    check(&format!("{start}# try: curl x\n# expect: about x % y\n"), "`x` is no number");
}

#[test]
fn promises_can_be_broken() {
    let promise = |text: &str| Promise::expect(text.into()).expect("a promise");
    let lines = "a\n".repeat(90) + &"b\n".repeat(10);
    assert!(promise("a").kept("xay").is_ok() && promise("a").kept("x").is_err());
    assert!(Promise::Never("a".into()).kept("x").is_ok() && Promise::Never("a".into()).kept("xay").is_err());
    assert!(promise("about 10 % b").kept(&lines).is_ok());
    assert!(promise("about 10 % b").kept("     90 a\n     10 b\n").is_ok());
    assert!(promise("about 50 % b").kept(&lines).is_err());
    assert!(promise("about 10 % b").kept("b\n").is_err());
    assert!(promise("about 10 % b").kept("").is_err());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folder() -> PathBuf {
    root().join("examples")
}

/// Names and texts of all configurations.
fn files() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).expect("the examples are there");
    let paths = entries.map(|e| e.expect("an entry can be read").path());
    let mut found: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "yaml"))
        .map(|p| {
            let name = p.file_name().expect("a file has a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&p).expect("an example can be read"))
        })
        .collect();
    found.sort();
    assert!(found.len() > 20, "{} examples", found.len());
    found
}

fn examples() -> Vec<Example> {
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for (name, text) in files() {
        match Example::parse(&name, &text) {
            Ok(example) => all.push(example),
            Err(more) => faults.extend(more),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    all
}

/// The index links each file once, and nothing that is not there.
#[test]
fn the_index_is_complete() {
    let index = fs::read_to_string(folder().join("README.md")).expect("the index is there");
    for (name, _) in files() {
        let links = index.matches(&format!("]({name})")).count();
        assert_eq!(links, 1, "examples/README.md links {name} {links} times");
    }
    for link in index.split("](").skip(1).filter_map(|t| t.split(')').next()) {
        let file = link.split('#').next().unwrap_or_default();
        assert!(file.is_empty() || folder().join(file).exists(), "examples/README.md links {link}");
    }
}

/// A kind that is built is shown by some example; how is found by its name.
#[test]
fn every_kind_has_an_example() {
    let reference =
        fs::read_to_string(root().join("docs/reference/linkerd.md")).expect("the reference is there");
    let kinds = reference.lines().filter_map(|l| l.strip_prefix("### `")?.strip_suffix('`'));
    let all: String = files().into_iter().map(|(_, text)| text).collect();
    let shown = |kind: &str| {
        let key = if kind == "http" { "protocol" } else { "kind" };
        let quoted = [format!("{key}: {kind}"), format!("{key}: '{kind}'")];
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || ".:-".contains(c));
        quoted.iter().any(|q| all.match_indices(q).any(|(at, _)| ends(&all[at + q.len()..])))
    };
    let missing: Vec<_> =
        kinds.filter(|k| !shown(k) && KINDS_WITHOUT.iter().all(|(without, _)| without != k)).collect();
    assert!(missing.is_empty(), "no example has {missing:?}");
}

/// A copy of the folder, in which things may be tried that change it.
struct Stage {
    folder: tempfile::TempDir,
    path: String,
    /// The file that says where the cluster is; empty where there is none.
    kubeconfig: String,
}

impl Stage {
    fn new() -> Stage {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        copy(&self::folder(), folder.path());
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("the folder can be written");
        std::os::unix::fs::symlink(wayleave_binary(), bin.join("wayleave"))
            .expect("the folder can be written");
        // dnsmasq is where only root's shells look.
        let path = format!("{}:{}:/usr/sbin", bin.display(), std::env::var("PATH").unwrap_or_default());
        Stage { folder, path, kubeconfig: String::new() }
    }

    /// Asks this cluster from here on, whose objects are those of `file`.
    async fn ask(&mut self, cluster: &Cluster, file: &str) {
        let objects = fs::read_to_string(self.folder.path().join(file)).expect("the objects can be read");
        cluster.apply(&objects).await;
        let kubectl = format!("#!/bin/sh\nexec {} kubectl \"$@\"\n", cluster.program().display());
        let at = self.folder.path().join("bin/kubectl");
        fs::write(&at, kubectl).expect("the folder can be written");
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).expect("it was just written");
        self.kubeconfig = cluster.kubeconfig().display().to_string();
    }

    fn run(&self, command: &str) -> Output {
        let mut bash = Command::new("timeout");
        bash.args(["--kill-after=1", "30", "bash", "-c", command]);
        bash.current_dir(self.folder.path()).env("PATH", &self.path);
        // Where processes on one machine meet; each stage is a machine of its own.
        bash.env("RUNTIME_DIRECTORY", self.folder.path()).env("KUBECONFIG", &self.kubeconfig);
        bash.output().expect("bash and timeout are installed")
    }

    fn start(&self, name: &str, command: &str) -> Process {
        let here = self.folder.path().display();
        let variables =
            format!("PATH='{}' RUNTIME_DIRECTORY='{here}' KUBECONFIG='{}'", self.path, self.kubeconfig);
        let script = format!("export {variables}; {command}");
        Process::start(name, Path::new("bash"), ["-c", &script], self.folder.path())
    }

    /// Runs a command once, or until what it promises comes soon has come.
    async fn attempt(&self, one: &Try) -> Result<(), String> {
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            let output = self.run(&one.command);
            let text = String::from_utf8_lossy(&output.stdout);
            let broken: Vec<_> = one.promises.iter().filter_map(|p| p.kept(&text).err()).collect();
            if output.status.success() && broken.is_empty() {
                return Ok(());
            }
            let patient = one.promises.iter().any(|p| matches!(p, Promise::Soon(_)));
            if !patient || tokio::time::Instant::now() > end {
                let err = String::from_utf8_lossy(&output.stderr);
                return Err(format!(
                    "`{}` {}\n{}:\n{text}{err}",
                    one.command,
                    broken.join(", "),
                    output.status
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("the examples can be read") {
        let path = entry.expect("an entry can be read").path();
        let to = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            fs::create_dir(&to).expect("the temporary folder can be written");
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("the temporary folder can be written");
        }
    }
}

/// Faultless, without a warning, and without a rule that cannot do what it seems to.
#[test]
fn all_pass_check_and_lint() {
    let stage = Stage::new();
    let names: Vec<_> = examples().into_iter().map(|e| e.name).collect();
    let names = names.join(" ");
    for command in ["check", "lint --deny-warnings"] {
        let output =
            stage.run(&format!("POD_IP=127.0.0.1 POD_NAMESPACE=default wayleave {command} {names} 2>&1"));
        let text = String::from_utf8_lossy(&output.stdout);
        let warned = command == "check" && text.contains("warning");
        assert!(output.status.success() && !warned, "wayleave {command}:\n{text}");
    }
}

async fn every_line_does_what_it_says(workers: usize) {
    if !namespace::inside(&format!("every_line_does_what_it_says::workers_{workers}")) {
        return;
    }
    let only = std::env::var("EXAMPLE").unwrap_or_default();
    let chosen: Vec<_> = examples().into_iter().filter(|e| e.name.contains(&only)).collect();
    assert!(!chosen.is_empty(), "no example has `{only}` in its name");
    let mut faults = Vec::new();
    // One for all that need one.
    let mut cluster = None;
    for example in chosen {
        if example.cluster.is_some() && cluster.is_none() {
            cluster = Cluster::start(&example.name, Level::Api).await;
        }
        if example.cluster.is_some() && cluster.is_none() {
            continue;
        }
        if let Err(fault) = drive(&example, cluster.as_ref(), workers).await {
            faults.push(format!("{}: {fault}", example.name));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

async fn drive(example: &Example, cluster: Option<&Cluster>, workers: usize) -> Result<(), String> {
    let mut stage = Stage::new();
    if let Some((cluster, file)) = cluster.zip(example.cluster.as_deref()) {
        stage.ask(cluster, file).await;
    }
    let mut backends = stage.start("backends", "exec python3 backends.py");
    let beside: Vec<_> = example.beside.iter().map(|c| stage.start("beside", &format!("exec {c}"))).collect();
    backends.wait_line("the back ends", |l| l.starts_with("ready: ")).await;
    let flags = format!("wayleave proxy --workers {workers} ");
    let start = example.start.replacen("wayleave proxy ", &flags, 1);
    let mut proxy = stage.start("proxy", &format!("exec env {start}"));
    let mut ended = None;
    eventually(PATIENCE, &example.name, || {
        ended = proxy.ended();
        let done = ended.is_some() || proxy.log().lines().any(|l| l.contains("initialized"));
        async move { done }
    })
    .await;
    if let Some(status) = ended {
        return Err(format!("{status}: {}", proxy.log()));
    }
    for one in &example.tries {
        stage.attempt(one).await.map_err(|fault| format!("{fault}\nthe proxy said:\n{}", proxy.log()))?;
    }
    drop(beside);
    proxy.signal("TERM");
    let status = proxy.wait(PATIENCE).await;
    if status.success() { Ok(()) } else { Err(format!("{status}: {}", proxy.log())) }
}
