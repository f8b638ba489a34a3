//! Keys of `service` and `client`: retries, time-outs, budgets, failure accrual.

use super::*;
use std::time::Duration;
use testkit::{Backend, Play};
use tokio::time::Instant;

const FAILED: &str = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n";
const READS: &str = "  service: {responseClassifier: {kind: io.l5d.http.retryableRead5XX}}";

fn failure() -> Play {
    Play::reply(FAILED)
}

/// All built response classifiers, by the methods they retry and what they count.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn classifiers() {
    let rows = [
        ("nonRetryable5XX", "", 1.0),
        ("retryableRead5XX", "GET", 1.0),
        ("retryableIdempotent5XX", "GET PUT", 1.0),
        ("retryableAll5XX", "GET PUT POST", 1.0),
        ("allSuccessful", "", 0.0),
    ];
    for (kind, retried, failures) in rows {
        for method in ["GET", "PUT", "POST"] {
            let web = Backend::start([failure(), Play::text("ok")]).await;
            let classifier = format!("  service: {{responseClassifier: {{kind: io.l5d.http.{kind}}}}}");
            let running = start("", &format!("{}\n{classifier}", all_to(web.address))).await;
            let answer =
                running.ask(&format!("{method} / HTTP/1.1\r\nHost: web\r\nContent-Length: 0\r\n\r\n")).await;
            let again = retried.split(' ').any(|name| name == method);
            assert_eq!(answer.status(), if again { 200 } else { 500 }, "{kind} {method}");
            let failed = if again { 0.0 } else { failures };
            // Counted when the answer has been sent.
            running.wait("rt/r/service/svc/web/requests", 1.0).await;
            assert_eq!(
                running.metrics().await.get("rt/r/service/svc/web/failures"),
                failed,
                "{kind} {method}"
            );
            running.stop().await;
        }
    }
}

/// `totalTimeoutMs` of a service, `requestAttemptTimeoutMs` of a client, and none by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn timeouts() {
    for key in ["  service: {totalTimeoutMs: 150}", "  client: {requestAttemptTimeoutMs: 150}"] {
        let web = Backend::start([Play::never_answer()]).await;
        let running = start("", &format!("{}\n{key}", all_to(web.address))).await;
        let answer = running.get("web").await;
        assert!(
            answer.status() == 503 && answer.text().starts_with("exceeded 150.milliseconds to "),
            "{key}: {answer:?}"
        );
        running.stop().await;
    }
    let slow = Play::drip(Play::text_bytes("late"), Duration::from_millis(8));
    let web = Backend::start([slow]).await;
    let running = start("", &all_to(web.address)).await;
    assert_eq!(running.get("web").await.text(), "late");
    running.stop().await;
}

/// `budget` of retries and `requeueBudget`: what is in them at the start is `minRetriesPerSec` times `ttlSecs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn budgets() {
    let budgets = async |keys: &str| {
        let web = Backend::text("ok").await;
        let running = start("", &format!("{}\n{keys}", all_to(web.address))).await;
        assert_eq!(running.get("web").await.status(), 200);
        let metrics = running.metrics().await;
        let client = format!("rt/r/client/$/inet/127.0.0.1/{}/retries/budget", web.address.port());
        let both = (metrics.get("rt/r/service/svc/web/retries/budget"), metrics.get(&client));
        running.stop().await;
        both
    };
    assert_eq!(budgets("").await, (100.0, 100.0));
    assert_eq!(budgets("  service: {retries: {budget: {ttlSecs: 5}}}").await, (50.0, 100.0));
    assert_eq!(budgets("  client: {requeueBudget: {minRetriesPerSec: 3}}").await, (100.0, 30.0));
    let whole = "  service: {retries: {budget: {minRetriesPerSec: 0, percentCanRetry: 2.0}}}";
    assert_eq!(budgets(whole).await, (2.0, 100.0), "two retries for each request");
}

/// `backoff` of retries: `constant` with `ms`, `jittered` with `minMs` and `maxMs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn back_off() {
    let took = async |backoff: &str| {
        let web = Backend::start([failure(), failure(), Play::text("ok")]).await;
        let keys = READS.trim_end_matches('}').to_owned() + &format!("}}, retries: {{backoff: {backoff}}}}}");
        let running = start("", &format!("{}\n{keys}", all_to(web.address))).await;
        let start = Instant::now();
        assert_eq!(running.get("web").await.text(), "ok");
        let took = start.elapsed();
        running.stop().await;
        took.as_millis()
    };
    let constant = took("{kind: constant, ms: 200}").await;
    assert!((400..3_000).contains(&constant), "{constant}");
    let jittered = took("{kind: jittered, minMs: 200, maxMs: 220}").await;
    assert!((400..3_000).contains(&jittered), "{jittered}");
    // Without `maxMs` as a bound the second pause might be 3 s.
    let short = took("{kind: jittered, minMs: 1, maxMs: 2}").await;
    assert!(short < constant, "{short} {constant}");
}

/// `failureAccrual`: each kind with its numbers, and `backoff`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failure_accrual() {
    let counted = async |accrual: &str, requests: usize| {
        let web = Backend::start([failure()]).await;
        let keys = format!("{}\n  client: {{failureAccrual: {accrual}}}", all_to(web.address));
        let running = start("", &keys).await;
        for _ in 0..requests {
            assert_eq!(running.get("web").await.status(), 500);
        }
        let client = format!("rt/r/client/$/inet/127.0.0.1/{}/failure_accrual", web.address.port());
        (running, web, client)
    };
    let removed = async |accrual: &str, requests: usize| {
        let (running, _web, client) = counted(accrual, requests).await;
        let removals = running.metrics().await.get(&format!("{client}/removals"));
        running.stop().await;
        removals
    };
    assert_eq!(removed("{kind: io.l5d.consecutiveFailures, failures: 5}", 4).await, 0.0);
    assert_eq!(removed("{kind: io.l5d.consecutiveFailures, failures: 3}", 4).await, 1.0);
    assert_eq!(removed("{kind: none}", 8).await, 0.0);
    assert_eq!(removed("{kind: io.l5d.successRate, successRate: 0.9, requests: 6}", 4).await, 0.0);
    assert_eq!(removed("{kind: io.l5d.successRate, successRate: 0.9, requests: 3}", 4).await, 1.0);
    assert_eq!(removed("{kind: io.l5d.successRate, requests: 3}", 4).await, 0.0, "no rate is too low");
    assert_eq!(removed("{kind: io.l5d.successRateWindowed, successRate: 0.9, window: 600}", 4).await, 0.0);
    let soon = "{kind: io.l5d.consecutiveFailures, failures: 1, backoff: {kind: constant, ms: 50}}";
    let (running, web, client) = counted(soon, 1).await;
    web.play([Play::text("well")]);
    // By default five seconds would pass.
    let start = Instant::now();
    eventually(PATIENCE, "the replica is back", || async {
        running.get("web").await;
        running.metrics().await.get(&format!("{client}/revivals")) == 1.0
    })
    .await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    running.stop().await;
}
