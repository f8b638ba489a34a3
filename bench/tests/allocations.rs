//! How often the allocator is called for a steady request: hardly ever (architecture.md §3).
//!
//! A whole proxy runs in this process with the configuration of the peer benchmark's mode `mesh1`; caller and back end
//! allocate nothing. Discovery looks at its files four times a second and a few other things happen once a second, so
//! requests are counted in rounds of a few milliseconds and the median round counts: it holds none of that.
//! A bound that does not hold leaves `dhat-heap.json` behind, which says who allocated.

use bench::traffic::{self, Caller};
use proxy::{Options, Proxy, document};
use serde_json::json;
use std::path::Path;
use testkit::KubeApi;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const HOSTS: usize = 4;
const WARM_UP: usize = 3_000;
const ROUNDS: usize = 40;
const ROUND: usize = 50;

/// One test, because there is one allocator to count.
#[test]
fn a_steady_request_hardly_allocates() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    replica_files(folder.path());

    // What a request may cost: calls of the allocator, for new blocks and grown ones.
    within(&runtime, &traffic::mesh_document(folder.path()), |caller| {
        check("GET", caller, traffic::get, 0.0);
        check("GET, chunked answer", caller, traffic::get_chunks, 0.0);
        check("GET, chunked answer, compressed", caller, traffic::get_gzip, 0.0);
        check("PUT, 100 bytes held", caller, traffic::put, 0.0);
        check("POST, 4 KB chunked", caller, traffic::post, 0.0);
    });
    within(&runtime, &traffic::entrance_document(folder.path()), |caller| {
        check("GET through all of the entrance", caller, traffic::get, 0.0);
    });
    let api = runtime.block_on(ingress_rules());
    within(&runtime, &traffic::ingress_document(folder.path(), api.port()), |caller| {
        check("GET by the rules of an Ingress", caller, traffic::get, 0.0);
    });
    let log = folder.path().join("access.log");
    let key = format!("  httpAccessLog: {}\n  servers:\n", log.display());
    let logged = traffic::mesh_document(folder.path()).replace("  servers:\n", &key);
    within(&runtime, &logged, |caller| check("GET with an access log", caller, traffic::get, 0.0));
    let lines = std::fs::read_to_string(log).unwrap().lines().count();
    assert_eq!(lines, WARM_UP + ROUNDS * ROUND, "each request has its line");
}

fn within(runtime: &tokio::runtime::Runtime, text: &str, ask: impl FnOnce(&mut Caller)) {
    let document = document::load("bench.yaml", text.as_bytes()).unwrap_or_else(|faults| panic!("{faults}"));
    let options = Options { workers: Some(1), ..Default::default() };
    let proxy = runtime.block_on(Proxy::start(&document, &options)).expect("the proxy starts");
    let mut caller = Caller::connect(proxy.servers()[0].address).expect("the proxy listens");
    ask(&mut caller);
    drop(caller);
    runtime.block_on(proxy.stop());
}

fn host(i: usize) -> String {
    format!("svc-{i:03}")
}

fn replica_files(folder: &Path) {
    let lines: String = (0..3)
        .map(|_| traffic::back_end().expect("a port is free"))
        .fold(String::new(), |all, at| all + &format!("{} {}\n", at.ip(), at.port()));
    for i in 0..HOSTS {
        std::fs::write(folder.join(host(i)), &lines).expect("the folder can be written");
    }
}

/// An API with rules of each kind for each host; those that fit come last.
async fn ingress_rules() -> KubeApi {
    let api = KubeApi::start().await;
    for host in (0..HOSTS).map(host) {
        let path = |kind: &str, path: &str, service: &str| json!({"pathType": kind, "path": path, "backend": {"service": {"name": service, "port": {"name": "http"}}}});
        let paths = json!([
            path("Exact", "/api/v1/items", "none"),
            path("Prefix", "/api/v2", "none"),
            path("ImplementationSpecific", "/api/.*/orders/.*", "none"),
            path("ImplementationSpecific", "/api/.*", &host),
        ]);
        api.put(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"namespace": "ns", "name": host},
            "spec": {"rules": [{"host": host, "http": {"paths": paths}}]},
        }));
    }
    api
}

fn check(what: &str, caller: &mut Caller, request: fn(&str) -> Vec<u8>, bound: f64) {
    let requests: Vec<_> = (0..HOSTS).map(|i| request(&host(i))).collect();
    ask(caller, &requests, WARM_UP);
    let mut rounds = [0; ROUNDS];
    let profiler = dhat::Profiler::builder().testing().build();
    let mut before = dhat::HeapStats::get().total_blocks;
    for round in &mut rounds {
        ask(caller, &requests, ROUND);
        let now = dhat::HeapStats::get().total_blocks;
        *round = now - before;
        before = now;
    }
    let all: u64 = rounds.iter().sum();
    rounds.sort_unstable();
    let per_request = rounds[ROUNDS / 2] as f64 / ROUND as f64;
    eprintln!(
        "{what}: {per_request} calls of the allocator per request (median round of {ROUND}); best {}, worst {}, all {} for {} requests",
        rounds[0],
        rounds[ROUNDS - 1],
        all,
        ROUNDS * ROUND
    );
    dhat::assert!(per_request <= bound, "{what}: {per_request} allocations per request, {bound} are allowed");
    drop(profiler);
}

fn ask(caller: &mut Caller, requests: &[Vec<u8>], n: usize) {
    for request in requests.iter().cycle().take(n) {
        caller.ask(request).expect("the proxy answers");
    }
}
