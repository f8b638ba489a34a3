//! Whether this machine can have a cluster of a level, and what is said where it cannot.

use super::Level;
use super::groups::Hierarchy;
use super::nodes::PLUGINS;
use super::program::{program, run};
use crate::namespace;
use std::path::Path;

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

fn possible(level: Level) -> Result<(), String> {
    run("openssl", ["version"]).map_err(|e| format!("no openssl for the cluster's keys ({})", e.trim()))?;
    if matches!(level, Level::Real(_)) {
        nodes_possible()?;
    }
    program().map(drop).map_err(|e| format!("no Kubernetes: {e}"))
}

fn nodes_possible() -> Result<(), String> {
    for (tool, asked) in
        [("containerd", "--version"), ("runc", "--version"), ("nft", "--version"), ("ip", "-V")]
    {
        run(tool, [asked]).map_err(|e| format!("real nodes need {tool} ({})", e.trim()))?;
    }
    if !Path::new(PLUGINS).join("ptp").exists() {
        return Err(format!("real nodes need {PLUGINS}/ptp (containernetworking-plugins)"));
    }
    Hierarchy::all().map_err(|e| format!("real nodes need cgroups: {e}"))?;
    match namespace::permitted() {
        true => Ok(()),
        false => Err("real nodes need network and mount namespaces, which are not permitted here".to_owned()),
    }
}
