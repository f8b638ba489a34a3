//! The test bed by hand: a cluster that stays until it is told to go.
//!
//! `cargo run -p testkit -- cluster up 3` starts one with three real nodes, `… cluster down` removes it. In between a
//! process of this program holds it: what holds a cluster and ends takes it along.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use testkit::cluster::{Cluster, Image, Level};
use testkit::eventually;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
The test bed's Kubernetes, by hand.

  cargo run -p testkit -- cluster up [NODES]     so many real nodes, 3 when not said (root; containerd, runc, CNI plugins, nft)
  cargo run -p testkit -- cluster up api         the API server alone
  cargo run -p testkit -- cluster up played [NODES]   controllers, scheduler and nodes that are only played
  cargo run -p testkit -- cluster down           removes it, with all that was in it
";

/// How long building and starting may take, and removing.
const PATIENCE: Duration = Duration::from_secs(1200);

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["cluster", "up", rest @ ..] if level(rest).is_some() => up(rest).await,
        ["cluster", "hold", rest @ ..] if level(rest).is_some() => hold(rest).await,
        ["cluster", "down"] => down().await,
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(text) => {
            // Nobody reads on a closed output.
            let _ = write!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            let _ = writeln!(io::stderr(), "{}", text.trim_end());
            ExitCode::FAILURE
        }
    }
}

fn level(words: &[&str]) -> Option<Level> {
    let nodes = |text: &str| text.parse().ok().filter(|n| (1..=20).contains(n));
    match words {
        [] => Some(Level::Real(3)),
        ["api"] => Some(Level::Api),
        ["played"] => Some(Level::Played(3)),
        ["played", count] => nodes(count).map(Level::Played),
        [count] => nodes(count).map(Level::Real),
        _ => None,
    }
}

/// Where this checkout's cluster by hand is noted.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/cluster")
}

/// The number of the process that holds it and what it has said, if there is one.
fn holder() -> Option<(u32, String)> {
    let number: u32 = fs::read_to_string(folder().join("pid")).ok()?.trim().parse().ok()?;
    let line = fs::read_to_string(format!("/proc/{number}/cmdline")).ok()?;
    line.contains("\0hold\0").then(|| (number, fs::read_to_string(folder().join("told")).unwrap_or_default()))
}

async fn up(words: &[&str]) -> Result<String, String> {
    if let Some((_, told)) = holder() {
        return Err(format!(
            "there is one already; `cargo run -p testkit -- cluster down` removes it\n{told}"
        ));
    }
    let folder = folder();
    let failed = |e: io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(&folder).map_err(failed)?;
    let _ = fs::remove_file(folder.join("told"));
    let log = File::create(folder.join("log")).map_err(failed)?;
    let myself = std::env::current_exe().map_err(failed)?;
    let mut child = Command::new(myself)
        .args(["cluster", "hold"])
        .args(if words.is_empty() { &["3"] } else { words })
        // An interrupt from the keyboard is for this one.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        .spawn()
        .map_err(failed)?;
    fs::write(folder.join("pid"), child.id().to_string()).map_err(failed)?;
    let mut ended = None;
    eventually(PATIENCE, "a cluster", || {
        ended = child.try_wait().ok().flatten();
        let done = ended.is_some() || folder.join("told").exists();
        async move { done }
    })
    .await;
    match ended {
        None => fs::read_to_string(folder.join("told")).map_err(failed),
        Some(_) => Err(fs::read_to_string(folder.join("log")).map_err(failed)?),
    }
}

/// Is the process that holds it.
async fn hold(words: &[&str]) -> Result<String, String> {
    let level = level(words).expect("looked at before");
    let mut term = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    let cluster = Cluster::start("a cluster by hand", level).await.ok_or("this machine cannot have it")?;
    if matches!(level, Level::Real(_)) {
        cluster.load(&[Image::wayleave(), Image::helloworld()]).await;
        // The edge of walkthrough V is for whoever has one.
        if Path::new("/usr/sbin/nginx").exists() {
            cluster.load(&[Image::nginx()]).await;
        }
    }
    let (new, told) = (folder().join("new"), folder().join("told"));
    fs::write(&new, tell(&cluster, level))
        .and_then(|()| fs::rename(&new, &told))
        .map_err(|e| e.to_string())?;
    term.recv().await;
    drop(cluster);
    let _ = fs::remove_file(told);
    Ok(String::new())
}

fn tell(cluster: &Cluster, level: Level) -> String {
    let (kubeconfig, front) = (cluster.kubeconfig().display(), cluster.front());
    let nodes = match level {
        Level::Real(nodes) => format!(
            "There are {nodes} nodes, which have images of wayleave, helloworld and (where this machine has it) nginx.\n\
             In the network of the nodes:      nsenter --net=/run/netns/{}-c curl http://{}:PORT/\n",
            cluster.prefix().unwrap_or_default(),
            cluster.node_address(1)
        ),
        Level::Played(nodes) => format!("There are {nodes} nodes that are only played.\n"),
        Level::Api => String::new(),
    };
    format!(
        "kubeconfig: {kubeconfig}\nthe API as plain HTTP: http://{front}\n{nodes}\nType next:\n\
         \x20 export KUBECONFIG={kubeconfig}\n\
         \x20 alias kubectl='{} kubectl'\n\
         \x20 kubectl get nodes\n\
         and in the end:\n\
         \x20 cargo run -p testkit -- cluster down\n",
        cluster.program().display()
    )
}

async fn down() -> Result<String, String> {
    let Some((number, _)) = holder() else { return Ok("there is none\n".to_owned()) };
    let sent = Command::new("sh").args(["-c", &format!("kill -TERM {number}")]).status();
    sent.map_err(|e| e.to_string())?;
    eventually(PATIENCE, "the end of the cluster", || async { holder().is_none() }).await;
    Ok("it is gone\n".to_owned())
}
