//! Whatever happens in whatever order: gauges come back to zero, and `requests` is `success` + `failures` in every scope.

use super::mesh::*;
use crate::seam::{Failure, OnResponse, Outcome, Sent, Step};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::{Balancer, Nanos};
use fastrand::Rng;

/// A request under way.
struct Live {
    ex: Box<Exchange>,
    head: FakeRequest,
    step: Option<Step>,
    forwarding: bool,
}

/// Plays one random event on a request; `None` when that ended it.
fn event(worker: &mut WorkerRouter, mut live: Live, now: Nanos, rng: &mut Rng) -> Option<Live> {
    if rng.u8(0..12) == 0 {
        if rng.bool() {
            worker.on_end(live.ex, Outcome::CallerGone, now);
        }
        return None;
    }
    if live.forwarding {
        let outcome = if rng.u8(0..5) == 0 { Outcome::ResponseCut } else { Outcome::Complete };
        worker.on_end(live.ex, outcome, now);
        return None;
    }
    let overdue = live.ex.deadline().is_some_and(|deadline| deadline <= now);
    let step = match live.step.take() {
        Some(Step::Reply(_)) => {
            worker.on_end(live.ex, Outcome::Complete, now);
            return None;
        }
        _ if overdue => worker.on_deadline(&mut live.ex, now),
        Some(Step::AwaitBinding(_) | Step::Delay(_)) => worker.resume(&mut live.ex, &mut live.head, now),
        _ => match attempt(worker, &mut live, now, rng) {
            Some(step) => step,
            None => {
                live.forwarding = true;
                return Some(live);
            }
        },
    };
    live.step = Some(step);
    Some(live)
}

/// A random end of an attempt; `None` when its answer is forwarded.
fn attempt(worker: &mut WorkerRouter, live: &mut Live, now: Nanos, rng: &mut Rng) -> Option<Step> {
    let sent = *rng.choice(&[Sent::Nothing, Sent::Some, Sent::SomeOnReused]).unwrap();
    let failure = match rng.u8(0..8) {
        0 => Failure::Connect { reason: "".into() },
        1 => Failure::Closed { reason: "".into(), sent },
        2 => Failure::Malformed { reason: "".into() },
        _ => {
            let mut reply = FakeResponse::new(*rng.choice(&[200, 200, 404, 500, 503, 999, 0]).unwrap());
            if rng.u8(0..6) == 0 {
                reply.line("finagle-http-nack", "true");
            }
            if rng.u8(0..6) == 0 {
                reply.line("l5d-retryable", "true");
            }
            return match worker.on_response(&mut live.ex, &mut live.head, &mut reply, now) {
                OnResponse::Forward | OnResponse::Substitute(_) | OnResponse::Extend(_) => None,
                OnResponse::Again(step) => Some(step),
            };
        }
    };
    Some(worker.on_failure(&mut live.ex, &mut live.head, failure, now))
}

fn settings(rng: &mut Rng) -> RouterSettings {
    use Classifier as C;
    let kinds = [C::NonRetryable5xx, C::RetryableRead5xx, C::RetryableAll5xx, C::AllSuccessful];
    let ms = |rng: &mut Rng| rng.bool().then(|| Nanos::from_millis(rng.u64(0..200)));
    let backoff = balance::Backoff::Constant(Nanos::from_millis(rng.u64(0..3)));
    let path = ServicePartial {
        total_timeout: ms(rng),
        retries: Some(Retries { backoff, ..Retries::default() }),
        classifier: rng.choice(&kinds).copied(),
    };
    let balancers =
        [Balancer::p2c(), Balancer::ewma(), Balancer::aperture(), Balancer::Heap, Balancer::round_robin()];
    let bound = ClientPartial {
        attempt_timeout: ms(rng),
        balancer: rng.choice(&balancers).copied(),
        fail_fast: Some(rng.bool()),
        probation: Some(rng.bool()),
        ..ClientPartial::default()
    };
    let cache = CacheSettings { paths: 4, overrides: 2, oneshots: 3, idle_ttl: Nanos::from_millis(500) };
    let base =
        RouterSettings { cache, binding_timeout: Nanos::from_millis(300), ..RouterSettings::default() };
    client(service(base, path), bound)
}

async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let dtab = "/svc=>/#/t | /$/inet/127.1/80; /svc/u=>/#/t/a & /#/t/b & $; /svc/n=>!";
    let mut mesh = Mesh::new(dtab, settings(&mut rng));
    mesh.stage.up("/a", &[1, 2]);
    mesh.stage.put("/x", naming::State::Ok(false));
    let mut live: Vec<Live> = Vec::new();
    for _ in 0..1500 {
        mesh.now = mesh.now + Nanos(rng.u64(0..3_000_000));
        match rng.u8(0..20) {
            0..7 if live.len() < 12 => {
                let mut head = FakeRequest::new(rng.choice(&["GET", "POST", "PUT"]).unwrap(), b"/");
                head.line("Host", rng.choice(&["a", "b", "u", "n", "x", "", "y"]).unwrap());
                if rng.u8(0..4) == 0 {
                    head.line("l5d-dtab", rng.choice(&["/q=>/r", "/svc=>/#/t/a", "bad", ""]).unwrap());
                }
                let arrival = arrival(at(1), mesh.now, rng.bool());
                let (ex, step) = mesh.worker.on_head(&mut head, arrival);
                live.push(Live { ex, head, step: Some(step), forwarding: false });
            }
            7 => mesh.worker.tick(mesh.now),
            8 => mesh.stage.up("/a", &[1, 2, 3, 4][..rng.usize(0..5)]),
            9 => mesh.stage.up("/b", &[7, 8][..rng.usize(0..3)]),
            10 => tokio::time::sleep(std::time::Duration::from_millis(rng.u64(1..1500))).await,
            _ if live.is_empty() => {}
            _ => {
                let picked = live.swap_remove(rng.usize(0..live.len()));
                live.extend(event(&mut mesh.worker, picked, mesh.now, &mut rng));
            }
        }
    }
    drop(live);
    let worker = &mut mesh.worker;
    worker.tick(mesh.now);
    let all = mesh.all_metrics();
    for (name, value) in &all {
        let gauge = name.rsplit('/').next().unwrap_or_default();
        if matches!(gauge, "pending" | "load" | "connections") {
            assert_eq!(*value, 0.0, "seed {seed}: {name}");
        }
        if let Some(scope) = name.strip_suffix("/requests") {
            let of = |what: &str| all.get(&format!("{scope}/{what}")).copied().unwrap_or(0.0);
            assert_eq!(*value, of("success") + of("failures"), "seed {seed}: {scope}");
        }
    }
    let answered = all["server/127.0.0.1/4140/requests"];
    let by_status: f64 = (1..6).map(|c| all[&format!("server/127.0.0.1/4140/status/{c}XX")]).sum();
    assert!(answered > 50.0 && by_status <= answered, "seed {seed}: {answered} {by_status}");
}

#[tokio::test(start_paused = true)]
async fn gauges_return_to_zero_and_sums_agree() {
    for seed in 0..40 {
        run(seed).await;
    }
}
