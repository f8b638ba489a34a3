//! Which replica gets the next request: weights, probation, replicas out of reach, and what is learnt of requests that nobody
//! waits for any more (dataplane.md §6.2 to §6.4).

use super::mesh::*;
use crate::seam::{Outcome, Step};
use crate::testing::{FakeRequest, FakeResponse};
use crate::*;
use balance::{AccrualPolicy, Aperture, Backoff, Balancer, Nanos};
use naming::{Addr, Address};

const LB: &str = "client/#/t/web/loadbalancer";
const CLIENT: &str = "client/#/t/web";

fn with(partial: ClientPartial) -> Mesh {
    Mesh::new("/svc=>/#/t", client(RouterSettings::default(), partial))
}

fn balanced(balancer: Balancer) -> Mesh {
    with(ClientPartial { balancer: Some(balancer), ..Default::default() })
}

/// Where so many requests go, one after the other; how many reach each of the ports 1, 2, 3 …
pub(super) async fn spread(mesh: &mut Mesh, requests: usize, ports: usize) -> Vec<usize> {
    let mut counts = vec![0; ports];
    for _ in 0..requests {
        let got = mesh.get("web", &[status(200)]).await;
        assert_eq!(got.status, 200, "{}", got.body);
        counts[usize::from(got.saw[0].0) - 1] += 1;
    }
    counts
}

/// The replicas of `web`, ports 1, 2, 3 … with these weights.
fn weighing(mesh: &Mesh, weights: &[f64]) {
    let addresses = weights.iter().zip(1..).map(|(w, port)| Address::new(at(port)).weighing(*w));
    mesh.stage.serve("/web", Addr::bound(addresses.collect()));
    mesh.stage.put("/web", naming::State::Ok(true));
}

#[tokio::test(start_paused = true)]
async fn weights_decide_the_shares_whatever_the_balancer() {
    let all =
        [Balancer::p2c(), Balancer::ewma(), Balancer::aperture(), Balancer::Heap, Balancer::round_robin()];
    for balancer in all {
        let check = async |weights: &[f64], want: &[f64]| {
            let mut mesh = balanced(balancer);
            weighing(&mesh, weights);
            let counts = spread(&mut mesh, 3_000, weights.len()).await;
            for (count, share) in counts.iter().zip(want) {
                let got = *count as f64 / 3_000.0;
                assert!((got - share).abs() < 0.04, "{balancer:?} {weights:?}: {counts:?}");
            }
            mesh
        };
        let mut mesh = check(&[9.0, 1.0], &[0.9, 0.1]).await;
        mesh.check(LB, "size 2, meanweight 5, num_weight_classes 2, busy_weight_classes 0");
        // None is no share, and no share at all where nobody has one is the same for all.
        check(&[0.0, 1.0], &[0.0, 1.0]).await;
        check(&[f64::NAN, 1.0, -3.0], &[0.0, 1.0, 0.0]).await;
    }
    // Groups of one weight: two of 0.5 have as much as one of 1.
    let mut mesh = balanced(Balancer::round_robin());
    weighing(&mesh, &[0.5, 1.0, 0.5]);
    let counts = spread(&mut mesh, 4_000, 3).await;
    assert!(counts[1].abs_diff(2_000) < 150 && counts[0].abs_diff(counts[2]) <= 1, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_replicas_are_dead_is_passed_over() {
    let mut mesh = balanced(Balancer::p2c());
    weighing(&mesh, &[99.0, 1.0]);
    let mut script = |port| if port == 1 { Does::Refuses } else { status(200) };
    for _ in 0..20 {
        let mut request = FakeRequest::get("/");
        request.line("Host", "web");
        assert_eq!(mesh.play(request, true, &mut script).await.status, 200);
    }
    mesh.check(LB, "available 1, busy_weight_classes 1");
    assert_eq!(spread(&mut mesh, 50, 2).await, [0, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_weights_keeps_what_is_known() {
    let mut mesh = balanced(Balancer::ewma());
    weighing(&mesh, &[1.0, 1.0]);
    spread(&mut mesh, 10, 2).await;
    weighing(&mesh, &[1.0, 3.0]);
    settle().await;
    mesh.check(LB, "adds 2, removes 0, size 2, meanweight 2");
    assert!(spread(&mut mesh, 1_000, 2).await[1] > 650);
}

/// Lets the binder's task publish what changed.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn round_robin_goes_on_where_it_was_when_others_join() {
    let mut mesh = balanced(Balancer::round_robin());
    mesh.stage.up("/web", &[1, 2, 3, 4]);
    assert_eq!(spread(&mut mesh, 40, 4).await, [10; 4]);
    mesh.stage.up("/web", &[1, 2, 3, 4, 5]);
    settle().await;
    assert_eq!(spread(&mut mesh, 50, 5).await, [10; 5]);
}

/// All requests of one worker at a time need one replica; the others are there when it goes.
#[tokio::test(start_paused = true)]
async fn an_aperture_uses_no_more_replicas_than_it_needs() {
    let mut mesh = balanced(Balancer::aperture());
    mesh.stage.up("/web", &[1, 2, 3, 4, 5]);
    let counts = spread(&mut mesh, 100, 5).await;
    assert_eq!(counts.iter().filter(|n| **n > 0).count(), 1, "{counts:?}");
    mesh.check(LB, "logical_aperture 1, physical_aperture 1, algorithm/aperture_least_loaded 1");
    // Forty requests at a time for ten seconds need all.
    let mut running = Vec::new();
    for round in 0..400 {
        mesh.advance(25);
        let mut head = FakeRequest::get("/");
        head.line("Host", "web");
        let arrival = arrival(at(9), mesh.now, true);
        let (ex, step) = mesh.worker.on_head(&mut head, arrival);
        assert!(matches!(step, Step::Send));
        running.push((ex, head));
        if round >= 40 {
            finish(&mut mesh, running.remove(0));
        }
    }
    mesh.check(LB, "logical_aperture 5");
    while let Some(live) = running.pop() {
        finish(&mut mesh, live);
    }
    mesh.advance(60_000);
    spread(&mut mesh, 10, 5).await;
    mesh.check(LB, "logical_aperture 1, load 0");
    let wide = Aperture { min_aperture: 4, ..Aperture::default() };
    let mut mesh = balanced(Balancer::Aperture(wide));
    mesh.stage.up("/web", &[1, 2, 3, 4, 5]);
    let counts = spread(&mut mesh, 400, 5).await;
    assert_eq!(counts.iter().filter(|n| **n > 0).count(), 4, "{counts:?}");
}

fn finish(mesh: &mut Mesh, (mut ex, mut head): (Box<Exchange>, FakeRequest)) {
    let mut reply = FakeResponse::new(200);
    let _ = mesh.worker.on_response(&mut ex, &mut head, &mut reply, mesh.now);
    mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
}

fn probation() -> ClientPartial {
    ClientPartial { balancer: Some(Balancer::round_robin()), probation: Some(true), ..Default::default() }
}

/// `enableProbation`: what discovery removes stays until it fails.
#[tokio::test(start_paused = true)]
async fn a_removed_replica_stays_while_it_is_healthy() {
    let mut mesh = with(probation());
    mesh.stage.up("/web", &[1, 2]);
    assert_eq!(spread(&mut mesh, 10, 2).await, [5, 5]);
    mesh.stage.up("/web", &[1]);
    settle().await;
    assert_eq!(spread(&mut mesh, 10, 2).await, [5, 5], "still healthy");
    mesh.check(LB, "size 2, removes 0");
    // Discovery brings it back: nothing has happened.
    mesh.stage.up("/web", &[1, 2]);
    settle().await;
    let mut fails = |port| if port == 2 { status(500) } else { status(200) };
    for _ in 0..20 {
        mesh.play(get_web(), true, &mut fails).await;
    }
    mesh.check(LB, "size 2, available 1, removes 0");
    mesh.check(CLIENT, "failure_accrual/removals 1");
    // Removed while it is dead: gone at once.
    mesh.stage.up("/web", &[1]);
    settle().await;
    mesh.check(LB, "size 1, removes 1");
}

fn get_web() -> FakeRequest {
    let mut request = FakeRequest::get("/");
    request.line("Host", "web");
    request
}

#[tokio::test(start_paused = true)]
async fn a_removed_replica_goes_when_it_fails() {
    let none = ClientPartial { accrual: Some(AccrualPolicy::None), ..probation() };
    // By the accrual policy, or by one refused connection whatever the policy.
    for (partial, does, most) in [(probation(), status(500), 5), (none, Does::Refuses, 1)] {
        let mut mesh = with(partial);
        mesh.stage.up("/web", &[1, 2, 3]);
        spread(&mut mesh, 3, 3).await;
        mesh.stage.up("/web", &[1]);
        settle().await;
        let mut failed = 0;
        let mut fails = |port| {
            if port == 2 {
                failed += 1;
                return does.clone();
            }
            status(200)
        };
        for _ in 0..60 {
            mesh.play(get_web(), true, &mut fails).await;
        }
        assert_eq!(failed, most);
        mesh.check(LB, "size 2, available 2, removes 1");
        assert_eq!(spread(&mut mesh, 10, 3).await, [5, 0, 5], "the healthy one is still there");
    }
    // Without probation it goes with discovery.
    let mut mesh = with(ClientPartial { probation: Some(false), ..probation() });
    mesh.stage.up("/web", &[1, 2]);
    spread(&mut mesh, 2, 2).await;
    mesh.stage.up("/web", &[1]);
    settle().await;
    assert_eq!(spread(&mut mesh, 10, 2).await, [10, 0]);
}

fn fail_fast() -> ClientPartial {
    ClientPartial { fail_fast: Some(true), accrual: Some(AccrualPolicy::None), ..Default::default() }
}

/// `failFast` (dataplane.md §4.6, §6.2): one refused connection, and then nobody waits for another until it is time.
#[tokio::test(start_paused = true)]
async fn fail_fast_marks_down_at_once() {
    let mut mesh = with(fail_fast());
    mesh.stage.up("/web", &[1]);
    let got = mesh.get("web", &[Does::Refuses]).await;
    assert_eq!((got.status, got.saw.len()), (502, 1), "no other replica to try");
    assert!(got.body.starts_with("Unable to establish connection to 127.0.0.1:1."), "{}", got.body);
    for _ in 0..3 {
        let got = mesh.get("web", &[status(200)]).await;
        assert_eq!((got.status, got.saw.len()), (502, 0), "nothing is tried");
        assert!(got.body.starts_with("Endpoint #/t/web is marked down. For more details see: https://"));
        assert!(got.generated_header("l5d-err").is_some());
    }
    mesh.check(CLIENT, "failfast/marked_dead 1, failfast/marked_available 0, available 0, pending 0");
    mesh.check(CLIENT, "failures/marked_down 3, service_creation/failures 4");
    mesh.check("service/svc/web", "requests 4, failures 4, failures/marked_down 3");
    // A second later one request finds out; it is refused, and the next delay is one to two seconds.
    mesh.advance(1_001);
    assert_eq!(mesh.get("web", &[Does::Refuses]).await.saw.len(), 1);
    assert_eq!(mesh.get("web", &[status(200)]).await.saw.len(), 0);
    mesh.advance(990);
    assert_eq!(mesh.get("web", &[status(200)]).await.saw.len(), 0);
    mesh.advance(1_100);
    assert_eq!(mesh.get("web", &[status(200)]).await.status, 200);
    mesh.check(CLIENT, "failfast/marked_dead 1, failfast/marked_available 1, available 1");
    assert_eq!(mesh.get("web", &[status(200)]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn fail_fast_hurts_nobody_while_another_replica_is_there() {
    let mut mesh = with(fail_fast());
    mesh.stage.up("/web", &[1, 2]);
    assert_eq!(refusals(&mut mesh, 300).await, 1, "300 ms are less than a second");
    // Without failFast it would be asked half the time.
    let mut mesh = with(ClientPartial { fail_fast: Some(false), ..fail_fast() });
    mesh.stage.up("/web", &[1, 2]);
    assert!(refusals(&mut mesh, 300).await > 100);
}

/// So many requests while port 1 refuses connections, none of which fails; how often it was tried.
async fn refusals(mesh: &mut Mesh, requests: usize) -> usize {
    let mut refused = 0;
    let mut script = |port| {
        if port != 1 {
            return status(200);
        }
        refused += 1;
        Does::Refuses
    };
    for _ in 0..requests {
        assert_eq!(mesh.play(get_web(), true, &mut script).await.status, 200);
    }
    refused
}

#[tokio::test(start_paused = true)]
async fn a_dropped_reconnect_is_given_back() {
    let mut mesh = with(fail_fast());
    mesh.stage.up("/web", &[1]);
    mesh.get("web", &[Does::Refuses]).await;
    mesh.advance(1_001);
    for _ in 0..3 {
        let mut head = get_web();
        let (ex, step) = mesh.worker.on_head(&mut head, arrival(at(9), mesh.now, true));
        assert!(matches!(step, Step::Send));
        drop(ex);
    }
    assert_eq!(mesh.get("web", &[status(200)]).await.status, 200);
}

/// Connects that fail speak against the endpoint in both ways, but the back-off of its answers, which may be minutes, must
/// not keep requests from one that can be reached again.
#[tokio::test(start_paused = true)]
async fn a_reconnect_does_not_wait_for_the_back_off_of_answers() {
    let accrual =
        AccrualPolicy::ConsecutiveFailures { failures: 1, backoff: Backoff::Constant(Nanos::from_secs(300)) };
    let mut mesh = with(ClientPartial { accrual: Some(accrual), ..fail_fast() });
    mesh.stage.up("/web", &[1]);
    assert_eq!(mesh.get("web", &[Does::Refuses]).await.saw.len(), 1);
    assert_eq!(mesh.get("web", &[status(200)]).await.saw.len(), 0, "marked down");
    mesh.advance(1_001);
    assert_eq!(mesh.get("web", &[status(200)]).await.status, 200, "a second later it is tried");
    assert_eq!(mesh.get("web", &[status(200)]).await.status, 200);
    mesh.check(CLIENT, "failfast/marked_available 1, failure_accrual/removals 1, failure_accrual/revivals 0");
}

/// The other way round: a probe claimed for a request that is not sent is there for the next.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_not_sent_gives_its_probe_back() {
    let accrual = AccrualPolicy::ConsecutiveFailures {
        failures: 1,
        backoff: Backoff::Constant(Nanos::from_millis(100)),
    };
    let mut mesh = with(ClientPartial { accrual: Some(accrual), ..fail_fast() });
    mesh.stage.up("/web", &[1]);
    assert_eq!(mesh.get("web", &[Does::Refuses]).await.saw.len(), 1);
    mesh.advance(200);
    for _ in 0..3 {
        assert_eq!(mesh.get("web", &[status(200)]).await.saw.len(), 0, "marked down for a second");
    }
    mesh.advance(1_001);
    assert_eq!(mesh.get("web", &[status(200)]).await.status, 200);
    mesh.check(CLIENT, "failure_accrual/probes 1, failure_accrual/revivals 1, available 1");
}

/// Whoever cannot use a replica goes to the others by their weights, too.
#[tokio::test(start_paused = true)]
async fn weights_decide_who_stands_in() {
    let partial = ClientPartial { accrual: Some(AccrualPolicy::None), ..Default::default() };
    let mut mesh = with(partial);
    weighing(&mesh, &[1.0, 3.0, 96.0]);
    let mut counts = [0, 0];
    for _ in 0..2_000 {
        let mut script = |port| if port == 3 { Does::Refuses } else { status(200) };
        let got = mesh.play(get_web(), true, &mut script).await;
        counts[usize::from(got.saw.last().unwrap().0) - 1] += 1;
    }
    assert!(counts[1] > 1_400 && counts[1] < 1_600, "three of four: {counts:?}");
}

/// A replica whose answers go on is not taken for one that does not answer.
#[tokio::test(start_paused = true)]
async fn streams_do_not_starve_their_replica() {
    let partial = ClientPartial { balancer: Some(Balancer::ewma()), ..Default::default() };
    let mut mesh = with(partial);
    mesh.stage.up("/web", &[1, 2]);
    spread(&mut mesh, 100, 2).await;
    let mut head = get_web();
    let (mut ex, step) = mesh.worker.on_head(&mut head, arrival(at(9), mesh.now, true));
    assert!(matches!(step, Step::Send));
    let port = usize::from(ex.endpoint().address.port());
    mesh.advance(1);
    let _ = mesh.worker.on_response(&mut ex, &mut head, &mut FakeResponse::new(200), mesh.now);
    mesh.advance(5_000);
    spread(&mut mesh, 10, 2).await;
    // One more request outstanding makes it twice as heavy, and the average of the other decays no faster than its own.
    let mut others = Vec::new();
    for _ in 0..3 {
        let mut head = get_web();
        let (ex, _) = mesh.worker.on_head(&mut head, arrival(at(9), mesh.now, true));
        others.push((usize::from(ex.endpoint().address.port()), ex));
    }
    assert!(others.iter().any(|(at, _)| *at == port), "nobody else gets a request while the stream goes on");
    mesh.worker.on_end(ex, Outcome::Complete, mesh.now);
    drop(others);
    mesh.check(CLIENT, "loadbalancer/load 0");
}

/// A success counts when its answer is whole, a failure when it is known.
#[tokio::test(start_paused = true)]
async fn a_replica_that_dies_in_every_body_is_dead() {
    let accrual =
        AccrualPolicy::ConsecutiveFailures { failures: 3, backoff: Backoff::Constant(Nanos::from_secs(10)) };
    let mut mesh = with(ClientPartial { accrual: Some(accrual), ..Default::default() });
    mesh.stage.up("/web", &[1]);
    for _ in 0..2 {
        mesh.get("web", &[Does::Cuts]).await;
    }
    mesh.get("web", &[status(200)]).await;
    for dead in [0, 0, 1] {
        mesh.get("web", &[Does::Cuts]).await;
        mesh.check(CLIENT, &format!("failure_accrual/removals {dead}"));
    }
    // The head of the probe's answer is enough for the others; what breaks off then counts afresh.
    mesh.advance(10_000);
    mesh.get("web", &[Does::Cuts]).await;
    mesh.check(CLIENT, "failure_accrual/probes 1, failure_accrual/revivals 1, failure_accrual/removals 1");
    for dead in [1, 2] {
        mesh.get("web", &[Does::Cuts]).await;
        mesh.check(CLIENT, &format!("failure_accrual/removals {dead}"));
    }
}

/// A probe that is refused is a probe that failed: the next one waits for the next back-off.
#[tokio::test(start_paused = true)]
async fn a_refused_probe_waits_for_the_next_back_off() {
    let accrual =
        AccrualPolicy::ConsecutiveFailures { failures: 1, backoff: Backoff::Constant(Nanos::from_secs(10)) };
    let mut mesh = with(ClientPartial { accrual: Some(accrual), ..Default::default() });
    mesh.stage.up("/web", &[1, 2]);
    let mut refused = 0;
    for _ in 0..5 {
        refused += refusals(&mut mesh, 200).await;
        mesh.advance(10_000);
    }
    assert_eq!(refused, 5, "once to find out that it is dead, then once each ten seconds");
    mesh.check(
        CLIENT,
        "failure_accrual/removals 1, failure_accrual/probes 4, failure_accrual/removed_for_ms 50000",
    );
}

/// Callers that give up must not make a replica that hangs look idle and quick (user-demand.md F15).
#[tokio::test(start_paused = true)]
async fn what_callers_gave_up_makes_a_replica_look_slow() {
    let mut mesh = with(ClientPartial {
        balancer: Some(Balancer::ewma()),
        accrual: Some(AccrualPolicy::None),
        ..Default::default()
    });
    mesh.stage.up("/web", &[1, 2, 3]);
    let mut hung = 0;
    for _ in 0..300 {
        let mut head = get_web();
        let (mut ex, step) = mesh.worker.on_head(&mut head, arrival(at(9), mesh.now, true));
        let step = match step {
            Step::AwaitBinding(wait) => {
                wait.await;
                mesh.worker.resume(&mut ex, &mut head, mesh.now)
            }
            step => step,
        };
        assert!(matches!(step, Step::Send));
        if ex.endpoint().address.port() == 1 {
            hung += 1;
            mesh.advance(1_000);
            mesh.worker.on_end(ex, Outcome::CallerGone, mesh.now);
        } else {
            mesh.advance(5);
            finish(&mut mesh, (ex, head));
        }
    }
    assert!(hung <= 2, "{hung} of 300 callers ran out of patience");
    mesh.check("server/127.0.0.1/4140", &format!("requests {}, failures 0, pending 0", 300 - hung));
}

/// A router whose retries are spent says so to the router above, which then does not retry either; nobody else is told.
#[tokio::test(start_paused = true)]
async fn routers_above_are_told_when_retries_are_spent() {
    let mut mesh = Mesh::new("/svc=>/$/inet/1", classifier(Classifier::RetryableRead5xx));
    let got = mesh.get("web", &[status(500)]).await;
    let answer = got.response.expect("a forwarded answer");
    assert_eq!((got.saw.len(), answer.all("l5d-retryable").len()), (101, 0), "a plain caller");
    let mut relayed = get_web();
    relayed.line("Via", "1.1 linkerd");
    let got = mesh.send(relayed.clone(), &[status(500)]).await;
    let mut answer = got.response.expect("a forwarded answer");
    assert_eq!((got.saw.len(), answer.all("l5d-retryable")), (1, vec!["false".to_owned()]));
    let got = mesh.send(relayed.clone(), &[Does::Babbles]).await;
    assert_eq!(got.generated_header("l5d-retryable").as_deref(), Some("false"), "{}", got.body);
    // The one above, with a budget that nobody has touched.
    let mut above = Mesh::new("/svc=>/$/inet/1", classifier(Classifier::RetryableRead5xx));
    let got = above.send(relayed, &[Does::Answers(answer.clone())]).await;
    let passed = got.response.expect("a forwarded answer");
    assert_eq!((got.saw.len(), passed.all("l5d-retryable")), (1, vec!["false".to_owned()]), "and so on up");
    // An answer that never was due for a retry says nothing.
    answer = FakeResponse::new(500);
    let mut write = FakeRequest::new("POST", b"/");
    write.line("Host", "web").line("Via", "1.1 linkerd");
    let got = above.send(write, &[Does::Answers(answer)]).await;
    assert!(got.response.expect("a forwarded answer").all("l5d-retryable").is_empty());
}
