//! Which system calls a steady request makes: two receives, two sends, its share of waiting, nothing else
//! (BASELINES.md §2: four fifths of a request's cost is the kernel's).
//!
//! The real binary runs with the configuration of the peer benchmark's mode `mesh1` and one worker; strace follows all
//! of its threads while one caller sends requests on one connection.

use bench::traffic::{self, Caller};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use testkit::{PATIENCE, Process, Setup, World, eventually};

const WARM_UP: usize = 500;
const REQUESTS: usize = 2_000;

/// Calls that a request must make, exactly.
const TRANSFERS: [(&str, usize); 2] = [("recvfrom", 2), ("sendto", 2)];
/// With a single connection the worker sleeps twice in each request: until the request, and until the answer.
const WAITS: usize = 2;
/// Calls of everything that goes by time, whatever the number of requests: one look of discovery at its files makes
/// about 70 calls on several threads, four times a second.
const BACKGROUND: usize = 150;
const BACKGROUND_PER_SECOND: f64 = 300.0;

/// Calls by thread name and system call.
type Calls = BTreeMap<(String, String), usize>;

#[tokio::test]
async fn a_steady_request_makes_four_transfers_and_nothing_else() {
    if let Err(why) = may_trace() {
        eprintln!("SKIPPED: system calls cannot be counted here: {why}");
        return;
    }
    let at: Vec<_> = (0..3).map(|_| traffic::back_end().unwrap()).collect();
    let world = Setup::new().router(traffic::MESH_ROUTER).replicas("svc-000", &at).start(1).await;
    let mut caller = Caller::connect(world.router).unwrap();
    let request = traffic::get("svc-000");
    ask(&mut caller, &request, WARM_UP);

    let folder = tempfile::tempdir().unwrap();
    let (calls, seconds) = traced(&world, folder.path(), || ask(&mut caller, &request, REQUESTS)).await;
    println!("{REQUESTS} requests in {seconds:.2} s of tracing: {calls:#?}");
    for (name, per_request) in TRANSFERS {
        assert_eq!(on_worker(&calls, name), per_request * REQUESTS, "{name} of the worker: {calls:#?}");
    }
    let background = BACKGROUND + (BACKGROUND_PER_SECOND * seconds) as usize;
    let waits = on_worker(&calls, "epoll_wait");
    assert!(waits <= WAITS * REQUESTS + background, "{waits} waits of the worker: {calls:#?}");
    let transfers = TRANSFERS.map(|(name, _)| name);
    let is_other = |call: &str| call != "epoll_wait" && !transfers.contains(&call);
    let other = count(&calls, |thread, call| thread != WORKER || is_other(call));
    assert!(
        other <= background,
        "{other} calls beside transfers and waits, {background} go by time: {calls:#?}"
    );
    let alone = count(&calls, |thread, call| thread == WORKER && is_other(call));
    assert!(alone * 20 <= REQUESTS, "{alone} other calls of the worker: {calls:#?}");
}

const WORKER: &str = "worker-0";

fn count(calls: &Calls, which: impl Fn(&str, &str) -> bool) -> usize {
    calls.iter().filter(|((thread, call), _)| which(thread, call)).map(|(_, n)| n).sum()
}

fn on_worker(calls: &Calls, name: &str) -> usize {
    count(calls, |thread, call| thread == WORKER && call == name)
}

fn ask(caller: &mut Caller, request: &[u8], n: usize) {
    for _ in 0..n {
        caller.ask(request).expect("the proxy answers");
    }
}

/// Whether strace is there and the kernel lets it trace.
fn may_trace() -> Result<(), String> {
    let run = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let run = run.map_err(|e| format!("strace does not start: {e} (Debian: apt-get install strace)"))?;
    if run.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&run.stderr).into_owned()) }
}

/// What the proxy's threads call while `work` runs, and for how long they were traced.
async fn traced(world: &World, folder: &Path, work: impl FnOnce()) -> (Calls, f64) {
    let threads = threads(world.process.pid());
    let pid = world.process.pid().to_string();
    let trace = folder.join("trace");
    let args = ["-f", "-p", &pid, "-s", "0", "-o", &trace.display().to_string()].map(str::to_owned);
    let mut strace = Process::start(
        "strace",
        Path::new("/usr/bin/env"),
        ["strace".to_owned()].iter().chain(&args),
        folder,
    );
    eventually(PATIENCE, "strace is attached to all threads", || async { all_traced(&pid) }).await;
    let took = bench::timing::time(work).as_secs_f64();
    strace.signal("INT");
    strace.wait(PATIENCE).await;
    (parse(&fs::read_to_string(&trace).expect("strace has written"), &threads), took)
}

/// Thread names by number.
fn threads(pid: u32) -> BTreeMap<String, String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the proxy runs").flatten();
    tasks
        .map(|task| {
            let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            (task.file_name().to_string_lossy().into_owned(), name.trim().to_owned())
        })
        .collect()
}

fn all_traced(pid: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the proxy runs").flatten();
    tasks.map(|task| fs::read_to_string(task.path().join("status")).unwrap_or_default()).all(|status| {
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}

/// Counts the lines `THREAD call(…`; a call that another thread's interrupted is written twice and counted once.
fn parse(trace: &str, threads: &BTreeMap<String, String>) -> Calls {
    let mut calls = Calls::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        if call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let name = threads.get(thread).map_or("new thread", String::as_str).to_owned();
            *calls.entry((name, call.to_owned())).or_default() += 1;
        }
    }
    calls
}

#[test]
fn lines_of_strace_are_read() {
    let threads = [("7", "worker-0"), ("8", "control")].map(|(t, n)| (t.to_owned(), n.to_owned()));
    let trace = "7     recvfrom(9, \"\"..., 16384, 0, NULL, NULL) = 540\n\
                 7     epoll_wait(3,  <unfinished ...>\n\
                 8     futex(0x1, FUTEX_WAKE, 1) = 0\n\
                 7     <... epoll_wait resumed>[], 1024, -1) = 1\n\
                 9     futex(0x1, FUTEX_WAIT, 1 <unfinished ...>\n\
                 8     --- SIGCONT {si_signo=SIGCONT} ---\n\
                 8     +++ exited with 0 +++\n";
    let shown: Vec<_> = parse(trace, &BTreeMap::from(threads)).into_iter().collect();
    let of = |thread: &str, call: &str, n| ((thread.to_owned(), call.to_owned()), n);
    let wanted = [
        of("control", "futex", 1),
        of("new thread", "futex", 1),
        of("worker-0", "epoll_wait", 1),
        of("worker-0", "recvfrom", 1),
    ];
    assert_eq!(shown, wanted);
}
