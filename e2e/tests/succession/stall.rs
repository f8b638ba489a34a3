//! A worker thread that does not get on, in the real binary: a debugger's means (`ptrace`) stop that one thread.

use crate::site::Site;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;
use testkit::{PATIENCE, Process, each_width, eventually};
use tokio::time::Instant;

each_width!(a_worker_that_stands_still);

/// Stops a thread by its name for as long as it lives itself.
const HOLD: &str = r#"
import ctypes, os, signal, sys
SEIZE, INTERRUPT = 0x4206, 0x4207
libc = ctypes.CDLL(None, use_errno=True)
def ptrace(what, thread):
    if libc.ptrace(what, thread, 0, 0) != 0:
        print("cannot hold:", os.strerror(ctypes.get_errno()), flush=True)
        sys.exit(0)
tasks = "/proc/%s/task" % sys.argv[1]
[thread] = [int(t) for t in os.listdir(tasks) if open("%s/%s/comm" % (tasks, t)).read().strip() == sys.argv[2]]
ptrace(SEIZE, thread)
ptrace(INTERRUPT, thread)
os.waitpid(thread, 0x40000000)
print("holding", flush=True)
signal.pause()
"#;

fn alive(manager: &UnixDatagram) -> usize {
    let mut bytes = [0; 500];
    let mut count = 0;
    while let Ok(n) = manager.recv(&mut bytes) {
        count += usize::from(&bytes[..n] == b"WATCHDOG=1");
    }
    count
}

/// Liveness is red within 2 s and says who, readiness at once, and systemd's watchdog hears nothing; all recover.
async fn a_worker_that_stands_still(workers: usize) {
    let site = Site::new(workers).await;
    let manager = UnixDatagram::bind(site.path("notify")).expect("a socket");
    manager.set_nonblocking(true).expect("a socket");
    let socket = format!("NOTIFY_SOCKET={}", site.path("notify").display());
    let mut process = site.start_in("proxy", &[&socket, "WATCHDOG_USEC=100000"], &[]);
    site.ready().await;
    assert_eq!(site.ask("/admin/live").await, Some((200, "live\n".into())));
    let name = format!("worker-{}", workers - 1);
    let words = ["-c", HOLD, &process.pid().to_string(), &name].map(str::to_owned);
    let begun = Instant::now();
    let mut holder = Process::start("holder", Path::new("/usr/bin/python3"), words, site.folder.path());
    let line = holder.wait_line("the thread stands still", |l| l.contains("hold")).await;
    if line != "holding" {
        eprintln!("SKIPPED a_worker_that_stands_still: {line}");
        return;
    }
    let held = begun.elapsed();
    let red = || async { site.ask("/admin/live").await.is_some_and(|(status, _)| status == 503) };
    eventually(PATIENCE, "liveness is red", red).await;
    let took = begun.elapsed() - held;
    assert!(took <= Duration::from_millis(2_100), "{took:?}");
    let (_, why) = site.ask("/admin/live").await.expect("the admin server answers");
    assert!(why.starts_with(&format!("worker {} has not turned for ", workers - 1)), "{why}");
    assert_eq!(site.ask("/admin/ready").await.map(|(status, _)| status), Some(503));
    // Readiness takes a second to be sure of the silence: by then everything said before is in.
    alive(&manager);
    assert_eq!(site.ask("/admin/ready").await.map(|(status, _)| status), Some(503));
    assert_eq!(alive(&manager), 0, "twenty would have come");
    drop(holder);
    let green = || async { site.ask("/admin/live").await == Some((200, "live\n".into())) };
    eventually(PATIENCE, "liveness is green", green).await;
    eventually(PATIENCE, "the watchdog is told", || async { alive(&manager) > 0 }).await;
    site.ready().await;
    process.signal("TERM");
    assert_eq!(process.wait(PATIENCE).await.code(), Some(0));
}
