//! What a request costs the worker: processor time of its thread, and the round trip of one caller, through a whole
//! proxy in this process. The kernel's share is in both; `bench/run` compares them with peers.

use bench::timing::{Table, time};
use bench::traffic::{self, Caller};
use proxy::{Options, Proxy, document};
use std::fs;
use std::process::ExitCode;

const BATCHES: usize = 15;
const BATCH: usize = 2_000;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let back_end = traffic::back_end().expect("a port is free");
    fs::write(folder.path().join("svc-000"), format!("{} {}\n", back_end.ip(), back_end.port()))
        .expect("the folder can be written");
    let text = traffic::mesh_document(folder.path());
    let document = document::load("mesh1.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let options = Options { workers: Some(1), ..Default::default() };
    let proxy = runtime.block_on(Proxy::start(&document, &options)).expect("the proxy starts");
    let mut caller = Caller::connect(proxy.servers()[0].address).expect("the proxy accepts");

    let mut table = Table::new();
    request(&mut table, "GET", &mut caller, &traffic::get("svc-000"));
    request(&mut table, "GET, chunked answer", &mut caller, &traffic::get_chunks("svc-000"));
    request(&mut table, "PUT, 100 bytes held", &mut caller, &traffic::put("svc-000"));
    request(&mut table, "POST, 4 KB chunked", &mut caller, &traffic::post("svc-000"));
    drop(caller);
    runtime.block_on(proxy.stop());
    table.finish()
}

fn request(table: &mut Table, name: &str, caller: &mut Caller, request: &[u8]) {
    let mut batch = || {
        let before = worker_time();
        let took = time(|| (0..BATCH).for_each(|_| caller.ask(request).expect("the proxy answers")));
        let used = worker_time() - before;
        (took.as_nanos() as f64 / BATCH as f64, used / BATCH as f64)
    };
    batch();
    let (round_trips, worker): (Vec<_>, Vec<_>) = (0..BATCHES).map(|_| batch()).unzip();
    table.samples(&format!("{name}: processor time of the worker"), None, worker);
    table.samples(&format!("{name}: round trip"), None, round_trips);
}

/// Processor time of the worker's thread so far, in nanoseconds.
fn worker_time() -> f64 {
    let tasks = fs::read_dir("/proc/self/task").expect("/proc is there").flatten();
    let times = tasks
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|n| n.trim() == "worker-0"));
    times
        .filter_map(|task| {
            fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok()
        })
        .sum()
}
