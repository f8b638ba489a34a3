//! `wayleave demo`, driven as a newcomer would: start it, copy each line it prints, see what it promised.
//!
//! The demo prints every line to try as one shell command that holds `curl `, followed by a comment. What the comment puts
//! in double quotes must be in the command's output; `about N in M` says how often that is so when the line is repeated.

use std::path::Path;
use std::process::{Command, Output};
use testkit::{Process, each_width, eventually, namespace, wayleave_binary};

each_width!(every_line_does_what_it_says);

/// One line of the demo.
#[derive(Debug, PartialEq)]
struct Line {
    command: String,
    promises: Vec<String>,
    /// `about N in M`.
    share: Option<(f64, f64)>,
}

impl Line {
    fn parse(text: &str) -> Option<Line> {
        let text = text.trim_start_matches(['$', ' ']);
        let (command, comment) = text.rsplit_once(" # ")?;
        if !command.contains("curl ") {
            return None;
        }
        let promises = comment.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let words: Vec<&str> = comment.split_whitespace().collect();
        let share = words.windows(4).find(|w| w[0] == "about" && w[2] == "in");
        let share =
            share.and_then(|w| Some((w[1].parse().ok()?, w[3].trim_end_matches([':', ',']).parse().ok()?)));
        Some(Line { command: command.trim().into(), promises, share })
    }

    fn run(&self) -> Output {
        let run = Command::new("bash").args(["-c", &self.command]).output();
        run.expect("bash and curl are installed")
    }

    fn kept(&self, output: &Output) -> bool {
        let text = String::from_utf8_lossy(&output.stdout);
        output.status.success() && self.promises.iter().all(|p| text.contains(p))
    }
}

#[test]
fn lines_are_understood() {
    let line = Line::parse("  $ curl -s -H 'Host: hello' http://127.0.0.1:4140   # says \"Hello world!!\"");
    let command = "curl -s -H 'Host: hello' http://127.0.0.1:4140".into();
    assert_eq!(line, Some(Line { command, promises: vec!["Hello world!!".into()], share: None }));
    let line = Line::parse("curl -s x # about 1 in 10 says \"earth\"").expect("a line");
    assert_eq!((line.share, line.promises.as_slice()), (Some((1.0, 10.0)), &["earth".to_owned()][..]));
    assert_eq!(Line::parse("success rate 100 % # of all"), None);
}

async fn every_line_does_what_it_says(workers: usize) {
    if !namespace::inside(&format!("every_line_does_what_it_says::workers_{workers}")) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let args = ["demo".to_owned(), "--workers".into(), workers.to_string()];
    let mut demo = Process::start("demo", wayleave_binary(), args, folder.path());
    demo.wait_line("a curl line", |l| Line::parse(l).is_some()).await;
    // The lines come together; the last one is there when nothing was added for a while.
    let mut lines = Vec::new();
    eventually(testkit::PATIENCE, "all lines", || {
        let now: Vec<Line> = demo.log().lines().filter_map(Line::parse).collect();
        let same = now.len() == lines.len() && now.len() >= 4;
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
    assert!(Path::new(folder.path()).exists());
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
