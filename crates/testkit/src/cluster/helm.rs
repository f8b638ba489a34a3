//! Helm, for the chart of `deploy/`: a program of its own that not every machine has.

use super::Cluster;
use super::program::run;
use std::env;

/// `helm` with these arguments, `$WAYLEAVE_HELM` where that is set: what it printed.
///
/// # Errors
/// Its command line, status and output when it failed or is not there.
pub fn helm(args: &[&str]) -> Result<String, String> {
    run(&env::var("WAYLEAVE_HELM").unwrap_or_else(|_| "helm".to_owned()), args)
}

/// True where there is one; otherwise a line that begins `SKIPPED` says that `who` wanted it.
#[must_use]
pub fn helm_or_skipped(who: &str) -> bool {
    let there = helm(&["version"]);
    if let Err(why) = &there {
        eprintln!("SKIPPED {who}: no helm ({}); .ci/long cluster builds it", why.trim());
    }
    there.is_ok()
}

impl Cluster {
    /// `helm COMMAND` on this cluster, which has to succeed: what it printed.
    ///
    /// # Panics
    /// When it does not, with what it said.
    pub fn helm(&self, command: &str, args: &[&str]) -> String {
        let kubeconfig = self.kubeconfig().display().to_string();
        helm(&[&[command, "--kubeconfig", &kubeconfig], args].concat()).unwrap_or_else(|e| panic!("{e}"))
    }
}
