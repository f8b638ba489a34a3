//! Every wait ends when it should.

use crate::world::{Settings, World, accept, back_end, head, rest};
use balance::{AccrualPolicy, Backoff, Nanos};
use router::{Classifier, PoolSettings, Retries, ServerSettings, ServicePartial};
use std::time::Duration;
use testkit::each_width;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

each_width!(
    attempt,
    total,
    total_in_a_back_off,
    total_in_a_body,
    of_the_server,
    connecting,
    connecting_takes_a_second,
    binding,
    after_many_requests,
    each_attempt_has_its_own_time,
    ages
);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";

async fn answered(world: &World, request: &[u8], status: &str, within: std::ops::Range<u64>) -> String {
    let begun = Instant::now();
    let answer = world.ask(request).await;
    let took = begun.elapsed().as_millis() as u64;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
    assert!(within.contains(&took), "{took} ms: {text}");
    text
}

/// dataplane.md §4.6: 503, on time, and the back end's connection is given up.
async fn attempt(workers: usize) {
    let (listener, address) = back_end().await;
    let settings = Settings { attempt_timeout: Some(Nanos::from_millis(200)), ..Settings::default() };
    let world = World::with(workers, address, settings).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        head(&mut io).await;
        rest(&mut io).await
    });
    let text = answered(&world, GET, "503", 200..900).await;
    assert!(text.contains("exceeded 200.milliseconds to $/inet/127.0.0.1/"), "{text}");
    back.await.expect("the connection ends");
    world.finish().await;
}

async fn total(workers: usize) {
    let (listener, address) = back_end().await;
    let total_timeout = Some(Nanos::from_millis(250));
    let service = ServicePartial { total_timeout, ..ServicePartial::default() };
    let world = World::with(workers, address, Settings { service, ..Settings::default() }).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        head(&mut io).await;
        // A head that never ends is no answer.
        let _ = io.write_all(b"HTTP/1.1 200 OK\r\nX-A: ").await;
        rest(&mut io).await
    });
    answered(&world, GET, "503", 250..900).await;
    back.await.expect("the connection ends");
    world.finish().await;
}

/// The total time holds while a retry is put off (user-demand.md §2.8, B4).
async fn total_in_a_back_off(workers: usize) {
    let web =
        testkit::Backend::start([testkit::Play::reply("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")])
            .await;
    let backoff = Backoff::Constant(Nanos::from_secs(60));
    let service = ServicePartial {
        total_timeout: Some(Nanos::from_millis(300)),
        classifier: Some(Classifier::RetryableRead5xx),
        retries: Some(Retries { backoff, ..Retries::default() }),
    };
    let world = World::with(workers, web.address, Settings { service, ..Settings::default() }).await;
    answered(&world, GET, "503", 300..900).await;
    assert_eq!(web.requests(), 1);
    drop(web);
    world.finish().await;
}

/// An answer that Linkerd would hold whole is covered to its last byte; a longer one, or one of unknown length, may take its
/// time once it has begun.
async fn total_in_a_body(workers: usize) {
    async fn check(workers: usize, framing: &str, begun: &str, rest_of_it: &str, whole: bool) {
        let (listener, address) = back_end().await;
        let total_timeout = Some(Nanos::from_millis(250));
        let service = ServicePartial { total_timeout, ..ServicePartial::default() };
        let world = World::with(workers, address, Settings { service, ..Settings::default() }).await;
        let parts = [format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{begun}"), rest_of_it.to_owned()];
        let back = tokio::spawn(async move {
            let mut io = accept(&listener).await;
            head(&mut io).await;
            for part in parts {
                let _ = io.write_all(part.as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        });
        let text = String::from_utf8_lossy(&world.ask(GET).await).into_owned();
        assert_eq!(text.contains("the end"), whole, "{framing}: {text}");
        // A small answer is held until it is whole, so there is still a way to say what happened.
        let status = if whole { "HTTP/1.1 200 " } else { "HTTP/1.1 503 " };
        assert!(text.starts_with(status), "{framing}: {text}");
        back.await.expect("no panic");
        world.finish().await;
    }
    let long = ".".repeat(6000);
    check(workers, "Content-Length: 10", "abc", "the end", false).await;
    check(workers, "Content-Length: 6007", &long, "the end", true).await;
    check(workers, "Transfer-Encoding: chunked", "3\r\nabc\r\n", "7\r\nthe end\r\n0\r\n\r\n", true).await;
}

/// dataplane.md §3.1: a server's own limit, whatever services allow.
async fn of_the_server(workers: usize) {
    let (listener, address) = back_end().await;
    let timeout = Some(Nanos::from_millis(300));
    let server = ServerSettings { timeout, ..ServerSettings::default() };
    let service = ServicePartial { total_timeout: Some(Nanos::from_secs(60)), ..ServicePartial::default() };
    let world = World::with(workers, address, Settings { service, server, ..Settings::default() }).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        let head = head(&mut io).await;
        rest(&mut io).await;
        head
    });
    let text = answered(&world, GET, "503", 300..900).await;
    let said = "exceeded 300.milliseconds to s while waiting for a response for an individual request, excluding \
                retries. Remote Info: Not Available";
    assert!(text.ends_with(said), "{text}");
    assert!(back.await.expect("the connection ends").contains("l5d-ctx-deadline: "));
    world.finish().await;
}

/// dataplane.md §6.2: TCP has a second.
async fn connecting_takes_a_second(workers: usize) {
    let (hole, _fill, _listener) = crate::world::black_hole().await;
    let accrual = Some(AccrualPolicy::ConsecutiveFailures {
        failures: 1,
        backoff: Backoff::Constant(Nanos::from_secs(9)),
    });
    let world = World::with(workers, hole, Settings { accrual, ..Settings::default() }).await;
    let text = answered(&world, GET, "502", 1000..1900).await;
    assert!(text.contains("Unable to establish connection to "), "{text}");
    assert_eq!((world.sum("/connects"), world.sum("/cancelled_connects")), (1.0, 0.0), "the caller's only");
    assert_eq!(world.summary("/failed_connect_latency_ms.count"), 1.0);
    world.finish().await;
}

async fn connecting(workers: usize) {
    let (hole, _fill, _listener) = crate::world::black_hole().await;
    let total_timeout = Some(Nanos::from_millis(300));
    let service = ServicePartial { total_timeout, ..ServicePartial::default() };
    let world = World::with(workers, hole, Settings { service, ..Settings::default() }).await;
    answered(&world, GET, "503", 300..900).await;
    assert_eq!(world.sum("/cancelled_connects"), 1.0);
    world.finish().await;
}

/// dataplane.md §4.6: `bindingTimeoutMs` runs until there is a connection, whether it is being made or waited for.
async fn binding(workers: usize) {
    let (hole, _fill, _listener) = crate::world::black_hole().await;
    let binding_timeout = Some(Nanos::from_millis(300));
    let world = World::with(workers, hole, Settings { binding_timeout, ..Settings::default() }).await;
    let text = answered(&world, GET, "502", 300..900).await;
    let want = "Exceeded 300.milliseconds binding timeout while connecting to /$/inet/127.0.0.1/";
    assert!(text.contains(want) && text.ends_with(" for name: /svc/web"), "{text}");
    assert_eq!((world.sum("/cancelled_connects"), world.sum("/service_creation/failures")), (1.0, 1.0));
    world.finish().await;

    let (listener, address) = back_end().await;
    let pool = Some(PoolSettings { max: 1, ..PoolSettings::default() });
    let world =
        World::with(workers, address, Settings { binding_timeout, pool, ..Settings::default() }).await;
    let mut first = world.caller().await;
    first.write_all(GET).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    let text = answered(&world, GET, "502", 300..900).await;
    assert!(text.contains(want), "{text}");
    // The one that has a connection may take its time.
    back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("room");
    assert!(head(&mut first).await.starts_with("HTTP/1.1 200 "));
    drop((first, back));
    world.finish().await;
}

/// A caller that has used up its task's budget in the runtime with requests before gets its time-out all the same.
async fn after_many_requests(workers: usize) {
    let (listener, address) = back_end().await;
    let settings = Settings { attempt_timeout: Some(Nanos::from_millis(200)), ..Settings::default() };
    let world = World::with(workers, address, settings).await;
    let back = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(accept(&listener).await);
        }
    });
    // Answered without a back end, so that nothing makes the task pause.
    for before in 122..130 {
        let mut many = "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n".repeat(before).into_bytes();
        many.extend_from_slice(GET);
        let begun = Instant::now();
        let answer = world.ask(&many).await;
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.matches("HTTP/1.1 502 ").count(), before);
        assert_eq!(text.matches("HTTP/1.1 503 ").count(), 1);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    back.abort();
    world.finish().await;
}

/// The first answer is tried again; the second attempt has the whole of its time, on a connection used before too.
async fn each_attempt_has_its_own_time(workers: usize) {
    let (listener, address) = back_end().await;
    let classifier = Some(Classifier::RetryableRead5xx);
    let settings = Settings {
        service: ServicePartial { classifier, ..ServicePartial::default() },
        attempt_timeout: Some(Nanos::from_millis(500)),
        ..Settings::default()
    };
    let world = World::with(workers, address, settings).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        for status in ["500 Oops", "200 OK"] {
            head(&mut io).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let reply = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
            if io.write_all(reply.as_bytes()).await.is_err() {
                return;
            }
        }
        rest(&mut io).await;
    });
    answered(&world, GET, "200", 600..1500).await;
    world.finish().await;
    back.await.expect("one connection, two requests");
}

/// A connection that served once only has an age too.
async fn ages(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let back = tokio::spawn(async move {
        let mut io = accept(&listener).await;
        head(&mut io).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        io.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .await
            .expect("room");
        rest(&mut io).await
    });
    answered(&world, GET, "200", 150..900).await;
    back.await.expect("the connection ends");
    let port = address.port();
    let age = world.summary(&format!("rt/out/client/$/inet/127.0.0.1/{port}/connection_duration.max"));
    assert!((140.0..900.0).contains(&age), "{age} ms");
    world.finish().await;
}
