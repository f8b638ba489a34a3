//! A network of one's own: fixed ports and addresses without fear of others.
//!
//! A test that needs one runs itself again inside (`unshare`), so everything it starts is inside too and the kernel takes
//! the namespace away with the process: nothing is left behind, not even by a crash.

use std::process::Command;

const INSIDE: &str = "TESTKIT_NAMESPACE";

/// Runs the test `name` (its full path in this test program) once more in a network and mount namespace of its own.
///
/// Returns true inside: the caller goes on with the test. Returns false outside, after the run inside has passed, or
/// after a loud message when this machine does not permit namespaces.
///
/// # Panics
/// When the test failed inside; on CI also when namespaces are not permitted.
#[must_use]
pub fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !permitted() {
        assert!(std::env::var_os("CI").is_none(), "{name}: CI must permit network namespaces");
        eprintln!("SKIPPED {name}: network namespaces are not permitted here");
        return false;
    }
    let test = std::env::current_exe().expect("a process knows its program");
    let script = "ip link set lo up && exec \"$0\" --exact \"$1\" --nocapture --test-threads=1";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", script])
        .arg(test)
        .arg(name)
        .env(INSIDE, "1")
        .status();
    assert!(status.is_ok_and(|s| s.success()), "{name} failed in its namespace");
    false
}

/// Whether namespaces can be made here.
#[must_use]
pub fn permitted() -> bool {
    let probe = Command::new("unshare").args(["--net", "--mount", "ip", "link", "set", "lo", "up"]).output();
    probe.is_ok_and(|o| o.status.success())
}
