//! `wayleave demo`, driven as a newcomer would: start it, copy each line it prints, see what it promised.
//!
//! The demo prints each thing to try as a comment and, on the next line, one shell command that holds `curl `. What the
//! comment puts in double quotes must be in the command's output, or must not be where `no ` stands before it;
//! `about N in M` says how often all that is so when the command is repeated.

use std::path::Path;
use std::process::{Command, Output};
use testkit::{Process, each_width, eventually, namespace, wayleave_binary};

each_width!(every_line_does_what_it_says);

/// One thing to try.
#[derive(Debug, PartialEq)]
struct Line {
    command: String,
    promises: Vec<String>,
    /// What must not be in the output.
    absent: Vec<String>,
    /// `about N in M`.
    share: Option<(f64, f64)>,
}

impl Line {
    /// All of a text.
    fn all(text: &str) -> Vec<Line> {
        text.lines()
            .zip(text.lines().skip(1))
            .filter_map(|(comment, command)| Line::parse(comment, command))
            .collect()
    }

    fn parse(comment: &str, command: &str) -> Option<Line> {
        let comment = comment.trim_start().strip_prefix("# ")?;
        if !command.contains("curl ") {
            return None;
        }
        let (mut promises, mut absent) = (Vec::new(), Vec::new());
        let parts: Vec<&str> = comment.split('"').collect();
        for pair in parts.chunks_exact(2) {
            let list = if pair[0].ends_with("no ") { &mut absent } else { &mut promises };
            list.push(pair[1].to_owned());
        }
        let words: Vec<&str> = comment.split_whitespace().collect();
        let share = words.windows(4).find(|w| w[0] == "about" && w[2] == "in");
        let share = share.and_then(|w| Some((w[1].parse().ok()?, w[3].parse().ok()?)));
        Some(Line { command: command.trim().into(), promises, absent, share })
    }

    fn run(&self) -> Output {
        let run = Command::new("bash").args(["-c", &self.command]).output();
        run.expect("bash and curl are installed")
    }

    fn kept(&self, output: &Output) -> bool {
        let text = String::from_utf8_lossy(&output.stdout);
        output.status.success()
            && self.promises.iter().all(|p| text.contains(p))
            && !self.absent.iter().any(|p| text.contains(p))
    }
}

#[test]
fn lines_are_understood() {
    let text = "# says \"Hello world!!\"\ncurl -s http://127.0.0.1:4140\n\n# About 1 in 10: about 1 in 10 says \"a\", no \"b\".\ncurl -s x\n# nothing\n";
    let line = |command: &str, promises: &[&str], absent: &[&str], share| Line {
        command: command.into(),
        promises: promises.iter().map(|s| (*s).to_owned()).collect(),
        absent: absent.iter().map(|s| (*s).to_owned()).collect(),
        share,
    };
    let expected = [
        line("curl -s http://127.0.0.1:4140", &["Hello world!!"], &[], None),
        line("curl -s x", &["a"], &["b"], Some((1.0, 10.0))),
    ];
    assert_eq!(Line::all(text), expected);
    assert_eq!(Line::parse("success rate 100 %", "curl -s x"), None);
}

async fn every_line_does_what_it_says(workers: usize) {
    if !namespace::inside(&format!("every_line_does_what_it_says::workers_{workers}")) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let args = ["demo".to_owned(), "--workers".into(), workers.to_string()];
    let mut demo = Process::start("demo", wayleave_binary(), args, folder.path());
    demo.wait_line("a curl line", |l| l.starts_with("curl ")).await;
    // The lines come together; the last one is there when nothing was added for a while.
    let mut lines = Vec::new();
    eventually(testkit::PATIENCE, "all lines", || {
        let now: Vec<Line> = Line::all(&demo.log());
        let same = now.len() == lines.len() && now.len() >= 10;
        lines = now;
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            same
        }
    })
    .await;
    for line in &lines {
        check(line);
        assert!(demo.ended().is_none(), "the demo ended:\n{}", demo.log());
    }
    // After everything that was tried, replicas killed included, the first line still does what it says, every time.
    let plain = &lines[0];
    for _ in 0..50 {
        let output = plain.run();
        assert!(plain.kept(&output), "{plain:?}: {output:?}");
    }
    demo.signal("INT");
    let status = demo.wait(std::time::Duration::from_secs(20)).await;
    assert!(status.success(), "{status}:\n{}", demo.log());
    let log = demo.log();
    let failed = |what: &str| log.lines().any(|l| l.contains(what) && l.contains(", 0 "));
    assert!(failed("so far: ") && failed("the demo's own callers: "), "something failed:\n{log}");
    let path =
        log.split_whitespace().find(|word| word.ends_with("/linkerd.yaml")).expect("the path of the file");
    assert!(!Path::new(path).parent().is_some_and(Path::exists), "{path} is still there");
}

fn check(line: &Line) {
    let Some((n, of)) = line.share else {
        let output = line.run();
        assert!(line.kept(&output), "{line:?}: {output:?}");
        return;
    };
    const TIMES: u32 = 300;
    let kept = (0..TIMES).filter(|_| line.kept(&line.run())).count() as f64;
    let share = n / of;
    let deviation = (f64::from(TIMES) * share * (1.0 - share)).sqrt();
    let expected = f64::from(TIMES) * share;
    assert!(
        (kept - expected).abs() <= 6.0 * deviation + 1.0,
        "{line:?}: {kept} of {TIMES}, about {expected} promised"
    );
}
