//! The one program that is every part of Kubernetes: found, built when needed, started on a leash.

use crate::process::Process;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where its source and its script are.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testkit/kube");

/// The program, built once on a machine (`testkit/kube/build` says how and where it is kept).
///
/// # Errors
/// Why it cannot be had: what the script printed.
pub(super) fn program() -> Result<&'static Path, &'static str> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(build).as_deref().map_err(String::as_str)
}

fn build() -> Result<PathBuf, String> {
    // What it says while it builds is for whoever waits; errors are the last of it.
    let done = Command::new(Path::new(SOURCE).join("build")).stderr(Stdio::inherit()).output();
    let done = done.map_err(|e| format!("{SOURCE}/build: {e}"))?;
    match done.status.success() {
        true => Ok(PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())),
        false => Err(format!("{SOURCE}/build: {}; it says why above", done.status)),
    }
}

/// Where a part runs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Folder for its files, and its log.
    pub(super) folder: PathBuf,
    /// Network namespace by its name, `None` for the test's own.
    pub(super) network: Option<String>,
}

impl Place {
    /// A command as it has to be called to run there.
    pub(super) fn words(&self, program: &Path, args: &[String]) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(network) = &self.network {
            words.extend(["nsenter".to_owned(), format!("--net=/run/netns/{network}"), "--".to_owned()]);
        }
        words.push(program.display().to_string());
        words.extend_from_slice(args);
        words
    }

    /// Starts a part of Kubernetes: its output in `LOG.log`, ended when this program ends, in whatever way.
    pub(super) fn start(&self, log: &str, part: &str, args: &[String]) -> Process {
        let program = program().unwrap_or_else(|e| panic!("{e}"));
        let mut all = vec!["--leash".to_owned(), part.to_owned()];
        all.extend_from_slice(args);
        let words = self.words(program, &all);
        Process::start_on(log, Path::new(&words[0]), &words[1..], &self.folder, Stdio::piped())
    }
}

/// Runs a program to its end.
///
/// # Errors
/// Its output, when it failed.
pub(super) fn run<A: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = A>,
) -> Result<String, String> {
    let args: Vec<A> = args.into_iter().collect();
    let line =
        || args.iter().map(|a| a.as_ref().to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let done = Command::new(program)
        .args(args.iter().map(AsRef::as_ref))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{program}: {e}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match done.status.success() {
        true => Ok(text(&done.stdout)),
        false => Err(format!(
            "{program} {}: {}\n{}{}",
            line(),
            done.status,
            text(&done.stdout),
            text(&done.stderr)
        )),
    }
}
