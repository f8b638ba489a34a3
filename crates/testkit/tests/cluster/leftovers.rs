//! Nothing of a cluster outlives the program that started it, not even when that is killed.

use crate::LONG;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use testkit::cluster::{Cluster, Level};
use testkit::eventually;

const FOLDER: &str = "TESTKIT_CLUSTER_FOLDER";

/// Processes whose command line names `word`.
pub(crate) fn processes(word: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").expect("/proc can be read").filter_map(|entry| {
        let folder = entry.ok()?.path();
        let _number: u32 = folder.file_name()?.to_str()?.parse().ok()?;
        let line = fs::read(folder.join("cmdline")).ok()?;
        // A zombie has no command line any more.
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(word)).collect()
}

pub(crate) async fn nothing_of(folder: &Path) {
    let word = folder.display().to_string();
    eventually(LONG, &format!("nothing left of {word}"), || async {
        !folder.exists() && processes(&word).is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_goes_with_its_value() {
    let Some(cluster) = Cluster::start("a cluster that is dropped", Level::Played(2)).await else { return };
    let folder = cluster.folder().to_owned();
    assert!(processes(&folder.display().to_string()).len() >= 5);
    drop(cluster);
    nothing_of(&folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_goes_with_its_program() {
    // Inside: a cluster, and somebody who never lets it go.
    if let Some(told) = std::env::var_os(FOLDER) {
        let cluster = Cluster::start("a program that is killed", Level::Played(1)).await;
        let folder = cluster.as_ref().map(|c| c.folder().display().to_string()).unwrap_or_default();
        fs::write(PathBuf::from(&told).with_extension("new"), folder).unwrap();
        fs::rename(PathBuf::from(&told).with_extension("new"), told).unwrap();
        return std::future::pending().await;
    }
    let mine = tempfile::tempdir().unwrap();
    let told = mine.path().join("folder");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leftovers::a_cluster_goes_with_its_program", "--nocapture"])
        .env(FOLDER, &told)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    eventually(LONG, "a cluster in the other program", || async { told.exists() }).await;
    let folder = fs::read_to_string(&told).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    if !folder.is_empty() {
        nothing_of(Path::new(&folder)).await;
    }
}
