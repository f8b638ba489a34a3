//! `docs/migration.md`, step by step: the commands of its `sh` blocks in their order, in one shell each, and what they
//! promise to print. The part of the old Linkerd is played by a second Wayleave on the same file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::{Backend, PATIENCE, Play, Process, eventually, namespace, wayleave_binary};

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(path).expect("the documents are there")
}

/// The fenced blocks of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|block| block.split("```").next()).collect()
}

/// A command of the guide and what its output has to hold.
#[derive(Debug, PartialEq)]
struct Step<'a> {
    command: &'a str,
    prints: Vec<&'a str>,
}

fn steps<'a>(blocks: &[&'a str]) -> Vec<Step<'a>> {
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks.iter().flat_map(|b| b.lines()) {
        match line.strip_prefix("# prints: ") {
            Some(text) => steps.last_mut().expect("a command comes first").prints.push(text),
            None => steps.push(Step { command: line, prints: Vec::new() }),
        }
    }
    steps
}

#[test]
fn steps_are_found() {
    let text =
        "a\n```sh\none\n# prints: x y\ntwo &\n```\nb\n```yaml\nc: d\n```\n```sh\nthree\n# prints: z\n```\n";
    let step = |command, prints| Step { command, prints };
    let expected = [step("one", vec!["x y"]), step("two &", vec![]), step("three", vec!["z"])];
    assert_eq!(steps(&blocks(text, "sh")), expected);
    assert_eq!(blocks(text, "yaml"), ["c: d\n"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_step_does_what_it_says() {
    if !namespace::inside("every_step_does_what_it_says") {
        return;
    }
    let guide = text("docs/migration.md");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("the folder can be written");
    std::os::unix::fs::symlink(wayleave_binary(), bin.join("wayleave")).expect("the folder can be written");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    fs::write(folder.path().join("linkerd.yaml"), blocks(&guide, "yaml")[0])
        .expect("the folder can be written");
    let at = "127.0.0.1:8888".parse().expect("an address");
    let backend = Backend::start_at(at, [Play::text("from the replica")]).await;

    let mut proxies = Vec::new();
    let mut steps = steps(&blocks(&guide, "sh")).into_iter();
    // The first one makes what the old Linkerd is started on.
    run(&steps.next().expect("there are steps"), folder.path(), &path);
    let mut old = Process::start("old", wayleave_binary(), ["proxy", "linkerd.yaml"], folder.path());
    old.wait_line("the old proxy", |l| l.contains("initialized")).await;
    proxies.push(old);
    for (number, step) in steps.enumerate() {
        match step.command.strip_suffix(" &") {
            Some(command) => {
                let script = format!("export PATH='{path}'; exec {command}");
                let name = format!("step-{number}");
                proxies.push(Process::start(&name, Path::new("bash"), ["-c", &script], folder.path()));
            }
            None => run(&step, folder.path(), &path),
        }
    }
    // The guide ends each of them: the old one, its shadow, and the new one in its place.
    assert_eq!(proxies.len(), 3);
    for proxy in &mut proxies {
        let status = proxy.wait(PATIENCE).await;
        assert!(status.success(), "{status}:\n{}", proxy.log());
    }
    eventually(PATIENCE, "all connections are closed", || async { backend.open() == 0 }).await;
}

fn run(step: &Step, folder: &Path, path: &str) {
    let limited = ["--kill-after=1", "20", "bash", "-c", step.command];
    let run = Command::new("timeout").args(limited).current_dir(folder).env("PATH", path).output();
    let run = run.expect("bash and timeout are installed");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let all = step.prints.iter().all(|text| out.contains(text));
    assert!(run.status.success() && all, "{step:?}\n{}\n{out}{err}", run.status);
}

/// What stands between backticks, but for whole examples such as `forwardClientCert: true`.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).map(|q| q.split(": ").next().unwrap_or_default()).collect()
}

/// The guide names all that the reference calls not built yet, and nothing that is built.
#[test]
fn what_is_not_built_is_said() {
    let (guide, reference) = (text("docs/migration.md"), text("docs/reference/linkerd.md"));
    let missing = ["Not built yet: ", "Built with this value only: "];
    let missing: BTreeSet<&str> = reference
        .lines()
        .filter_map(|line| missing.iter().find_map(|m| line.strip_prefix(m)))
        .flat_map(quoted)
        .collect();
    let section = guide.split("\n## Not built yet\n").nth(1).and_then(|t| t.split("\n## ").next());
    let table: String = section.expect("the section").lines().filter(|l| l.starts_with('|')).collect();
    assert!(missing.len() > 10, "{missing:?}");
    assert_eq!(quoted(&table), missing);
}

/// Links lead somewhere.
#[test]
fn links_are_not_dead() {
    let guide = text("docs/migration.md");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let links: Vec<_> = guide.split("](").skip(1).filter_map(|t| t.split(')').next()).collect();
    assert!(links.len() > 4, "{links:?}");
    for link in links {
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        assert!(file.is_empty() || docs.join(file).exists(), "docs/migration.md links {link}");
        let title = format!("\n## {}", anchor.replace('-', " "));
        assert!(anchor.is_empty() || guide.to_lowercase().contains(&title), "no title for {link}");
    }
}
