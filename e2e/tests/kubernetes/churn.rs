//! Five hundred services of ten pods each, of which ten are used while all their pods are replaced one after the other: no
//! request fails, and what the API says is in use soon after it was heard.
//!
//! `WAYLEAVE_LONG=1` asks a thousand times a second and holds the proxy to 10 ms (issue 7; `.ci/long cluster`).

use super::bed::{Bed, Pod, end, long};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use testkit::{Metrics, PATIENCE, Pace, World, eventually};
use tokio::task::{JoinHandle, JoinSet};

const SERVICES: u16 = 500;
const USED: u16 = 10;
const PODS: u16 = 10;
/// Two changes of the API for each pod: a new one is there, the old one is not any more.
const CHANGES: f64 = (2 * USED * PODS) as f64;
/// As many proxies as that ask, with one worker and with four.
const WIDTHS: [usize; 2] = [1, 4];
const TOOK: &str = "rt/out/bindcache/client/update_latency_us";

/// Requests a second of all callers together.
fn rate() -> u32 {
    if long() { 1_000 } else { 200 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pods_of_ten_services_among_five_hundred() {
    let name = "churn::all_pods_of_ten_services_among_five_hundred";
    let Some(bed) = Bed::wide(name, "", WIDTHS[0]).await else { return };
    let other = bed.another(WIDTHS[1]).await;
    bed.create_all((0..SERVICES).map(|n| (service(n), pods(n).collect())).collect()).await;
    let mut fleets = Vec::new();
    for n in 0..USED {
        let mut fleet = Vec::new();
        for number in pods(n) {
            fleet.push((number, Pod::start(number).await));
        }
        fleets.push(fleet);
    }
    let readers: Arc<[Reader]> = [&bed.world, &other].map(Reader::start).into();
    let load = Load::start(&[&bed.world, &other]);
    let bed = Arc::new(bed);
    let mut rolls = JoinSet::new();
    for (n, fleet) in (0..USED).zip(fleets) {
        rolls.spawn(roll(bed.clone(), readers.clone(), n, fleet));
    }
    let fleets = rolls.join_all().await;
    for (_, pod) in fleets.iter().flatten() {
        pod.backend.wait_requests(1).await;
    }
    let requests = load.stop().await;
    for (reader, width) in readers.iter().zip(WIDTHS) {
        reader.judge(width).await;
    }
    eprintln!("{requests} requests, none failed");
    drop((fleets, readers));
    end(other).await;
    Arc::into_inner(bed).expect("nobody else has it any more").finish().await;
}

fn service(n: u16) -> String {
    format!("web-{n}")
}

/// The pods of a service at first; their successors come after those of all services.
fn pods(n: u16) -> std::ops::Range<u16> {
    n * PODS + 1..(n + 1) * PODS + 1
}

/// Replaces all pods of a service, one after the other, as a Deployment does; gives the new ones.
async fn roll(bed: Arc<Bed>, readers: Arc<[Reader]>, n: u16, mut fleet: Vec<(u16, Pod)>) -> Vec<(u16, Pod)> {
    let (name, numbers) =
        (service(n), |fleet: &[(u16, Pod)]| -> Vec<u16> { fleet.iter().map(|pod| pod.0).collect() });
    for reader in readers.iter() {
        reader.wait(&name, "size", f64::from(PODS)).await;
    }
    for (round, number) in pods(SERVICES + n).enumerate() {
        fleet.push((number, Pod::start(number).await));
        bed.set(&name, &numbers(&fleet)).await;
        // Not sooner, or both changes would be heard of together.
        for reader in readers.iter() {
            reader.wait(&name, "adds", f64::from(PODS) + (round + 1) as f64).await;
        }
        let (_, old) = fleet.remove(0);
        bed.set(&name, &numbers(&fleet)).await;
        // It goes on answering until nobody asks it any more.
        for reader in readers.iter() {
            reader.wait(&name, "removes", (round + 1) as f64).await;
        }
        eventually(PATIENCE, "nobody connected to a pod that is gone", || async { old.backend.open() == 0 })
            .await;
        old.backend.kill().await;
    }
    fleet
}

/// Callers of all used services, at two proxies.
struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<u64>,
}

impl Load {
    fn start(worlds: &[&World]) -> Load {
        let mut load = Load { stop: Arc::default(), callers: JoinSet::new() };
        let each = rate() / u32::from(USED) / worlds.len() as u32;
        let second = Pace { per_second: each, length: Duration::from_secs(1), patience: PATIENCE, fresh: 0 };
        for (world, n) in worlds.iter().flat_map(|world| (0..USED).map(move |n| (world, n))) {
            let (stop, proxy, host) = (load.stop.clone(), world.router, service(n));
            load.callers.spawn(async move {
                let mut sent = 0;
                while !stop.load(Ordering::Relaxed) {
                    let report = second.run(proxy, &host).await;
                    report.assert_flawless(1);
                    sent += report.total();
                }
                sent
            });
        }
        load
    }

    /// How many requests there were; none of them failed.
    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.iter().sum()
    }
}

/// A window of a minute of the metric: how many changes, their sum, the 50th and the 99th percentile in microseconds.
type Window = [f64; 4];

type Read = Mutex<(Metrics, Vec<Window>)>;

fn take(into: &Read, metrics: Metrics) {
    let window = ["count", "sum", "p50", "p99"].map(|part| metrics.get(&format!("{TOOK}.{part}")));
    let (latest, windows) = &mut *into.lock().unwrap_or_else(PoisonError::into_inner);
    if window[0] > 0.0 && windows.last() != Some(&window) {
        windows.push(window);
    }
    *latest = metrics;
}

/// Reads a proxy's metrics again and again, so that many can wait for them.
struct Reader {
    read: Arc<Read>,
    task: JoinHandle<()>,
}

impl Reader {
    fn start(world: &World) -> Reader {
        let read: Arc<Read> = Arc::default();
        let (into, admin) = (read.clone(), world.admin);
        let task = tokio::spawn(async move {
            loop {
                take(&into, Metrics::fetch(admin).await);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Reader { read, task }
    }

    /// Waits until a number of a service's balancer is at least so high.
    async fn wait(&self, service: &str, what: &str, least: f64) {
        let name = format!("rt/out/client/#/io.l5d.k8s/default/http/{service}/loadbalancer/{what}");
        eventually(2 * PATIENCE, &format!("{name} of {least}"), || async {
            self.read.lock().unwrap_or_else(PoisonError::into_inner).0.get(&name) >= least
        })
        .await;
    }

    fn windows(&self) -> Vec<Window> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// All changes were in use soon after they were heard. The metric is told once a minute.
    async fn judge(&self, width: usize) {
        let all = || async { self.windows().iter().map(|window| window[0]).sum::<f64>() >= CHANGES };
        eventually(Duration::from_secs(90), "a minute of all changes", all).await;
        let windows = self.windows();
        eprintln!("W={width}: count, sum, p50 and p99 in microseconds: {windows:?}");
        for [count, _, half, most] in windows {
            match long() {
                true => assert!(most <= 10_000.0, "W={width}: p99 of {count} changes: {most} us"),
                // Whoever builds something beside this test may take the processors for as long.
                false => assert!(half <= 100_000.0, "W={width}: median of {count} changes: {half} us"),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
