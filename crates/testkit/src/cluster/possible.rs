//! Whether this machine can have a cluster of a level, and what is said where it cannot.

use super::Level;
use super::program::{program, run};

/// True where it can; otherwise says so, on CI by a panic.
pub(super) fn or_skipped(who: &str, level: Level) -> bool {
    let Err(why) = possible(level) else { return true };
    let ci = ["CI", "WAYLEAVE_CI"].into_iter().find(|name| std::env::var_os(name).is_some());
    if let Some(ci) = ci {
        panic!("{who}: {why}. Where {ci} is set, a cluster must be possible");
    }
    eprintln!("SKIPPED {who}: {why}");
    false
}

fn possible(_level: Level) -> Result<(), String> {
    run("openssl", ["version"]).map_err(|e| format!("no openssl for the cluster's keys ({})", e.trim()))?;
    program().map(drop).map_err(|e| format!("no Kubernetes: {e}"))
}
