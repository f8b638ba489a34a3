//! What cleans up behind a cluster, however the program that started it ends.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The script of a cluster that has more than processes and files to remove.
pub(super) const END: &str = "end";

/// Waits for the end of its input, which the kernel closes with the program that holds it; then removes what there is.
const SCRIPT: &str = "cat >/dev/null; cd /; [ ! -e \"$0/end\" ] || sh \"$0/end\" >\"$0.log\" 2>&1; \
    turns=0; while ! rm -rf \"$0\" 2>/dev/null; do turns=$((turns+1)); [ $turns -lt 200 ] || exit 1; sleep 0.05; done; rm -f \"$0.log\"";

/// A folder that goes with the program.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    folder: PathBuf,
}

impl Keeper {
    /// A fresh folder under the system's temporary one.
    ///
    /// # Panics
    /// When it cannot be made.
    pub(super) fn start() -> Keeper {
        let folder =
            tempfile::Builder::new().prefix("wayleave-bed-").tempdir().expect("a temporary folder").keep();
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(&folder)
            // Out of reach of an interrupt from the keyboard, which is for the test program.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        Keeper { child, folder }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says what has to be done, as a shell script, before the folder is removed.
    pub(super) fn at_end(&self, script: &str) {
        fs::write(self.folder.join(END), script).expect("the cluster's folder can be written");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It fails only when somebody else has waited for it: then it is gone as well.
        let _ = self.child.wait();
    }
}
