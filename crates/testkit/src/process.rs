//! The real binary as a process: found, built when needed, started with its output kept, ended with the test.

use crate::wait::{PATIENCE, eventually};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The `wayleave` binary of the profile this test was built with, brought up to date once in each test program.
///
/// `WAYLEAVE_BIN` names another one.
///
/// # Panics
/// When it cannot be built.
pub fn wayleave_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("WAYLEAVE_BIN") {
        Some(path) => path.into(),
        None => build("wayleave"),
    })
}

/// The `helloworld` binary of the same profile, brought up to date once in each test program.
///
/// # Panics
/// When it cannot be built.
pub fn helloworld_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| build("helloworld"))
}

/// Cargo itself says when there is nothing to do: a test never runs a stale binary.
fn build(package: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its program");
    let mut folders = test.ancestors().skip(1).filter(|folder| !folder.ends_with("deps"));
    let folder = folders.next().expect("tests are in target/<profile>/deps, programs beside it").to_owned();
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "-p", package, "--profile", profile])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.is_ok_and(|s| s.success()), "cannot build the {package} binary");
    folder.join(package)
}

/// A running program whose output goes to a file. It is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` in `folder`; standard output and error go to `folder/NAME.log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        folder: &Path,
    ) -> Process {
        Process::start_on(name, program, args, folder, Stdio::null())
    }

    /// The same with something as its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_on<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        folder: &Path,
        input: Stdio,
    ) -> Process {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log).expect("the test's folder can be written");
        let err = out.try_clone().expect("a file can be opened twice");
        let child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .stdin(input)
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("start {}: {e}", program.display()));
        Process { child, log }
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours can be waited for")
    }

    /// Waits until it has ended; panics with its output when it has not after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let mut status = None;
        let end = tokio::time::Instant::now() + deadline;
        while status.is_none() {
            status = self.ended();
            assert!(
                tokio::time::Instant::now() < end,
                "still running after {deadline:?}; it said:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        status.expect("the loop ends with a status")
    }

    /// Sends a signal by its name (`TERM`, `INT`, `STOP`, `CONT`, `KILL`).
    ///
    /// # Panics
    /// When there is no such process any more.
    pub fn signal(&self, name: &str) {
        let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(done.is_ok_and(|s| s.success()), "cannot send {name} to {}", self.pid());
    }

    /// Waits until a line of its output satisfies `pred`, and returns that line.
    pub async fn wait_line(&mut self, what: &str, pred: impl Fn(&str) -> bool) -> String {
        let mut found = None;
        eventually(PATIENCE, what, || {
            found = self.log().lines().find(|l| pred(l)).map(str::to_owned);
            let ended = self.ended();
            assert!(
                found.is_some() || ended.is_none(),
                "ended with {ended:?} before {what}:\n{}",
                self.log()
            );
            let done = found.is_some();
            async move { done }
        })
        .await;
        found.expect("the wait ends with a line")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let gone: io::Result<ExitStatus> = self.child.kill().and_then(|()| self.child.wait());
        drop(gone);
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4_000);
            let from = (from..log.len()).find(|i| log.is_char_boundary(*i)).unwrap_or(log.len());
            eprintln!("--- output of {} ---\n{}", self.log.display(), &log[from..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_output_and_status() {
        let folder = tempfile::tempdir().unwrap();
        let mut p = Process::start(
            "sh",
            Path::new("/bin/sh"),
            ["-c", "echo out; echo err >&2; exit 3"],
            folder.path(),
        );
        assert_eq!(p.wait(PATIENCE).await.code(), Some(3));
        assert_eq!(p.log(), "out\nerr\n");
    }

    #[tokio::test]
    async fn signals_arrive() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
        let mut p = Process::start("sh", Path::new("/bin/sh"), ["-c", script], folder.path());
        assert_eq!(p.wait_line("ready", |l| l == "ready").await, "ready");
        p.signal("TERM");
        assert_eq!(p.wait(PATIENCE).await.code(), Some(7));
    }
}
