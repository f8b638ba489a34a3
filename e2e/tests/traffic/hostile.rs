//! Callers that want to hurt: slow, deaf, or not speaking HTTP at all.

use std::time::Duration;
use testkit::{Act, Backend, Client, Gate, Load, Play, Setup, each_width, procfs};

each_width!(slow_loris, never_reads, never_reads_pipelined, garbage, aborts);

/// Two thousand callers with half a head each: the others notice nothing, and a half head costs little memory.
async fn slow_loris(workers: usize) {
    const CALLERS: usize = 2_000;
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    assert_eq!(world.get("web").await.status(), 200);
    let before = procfs::anonymous(world.process.pid());
    let mut slow = Vec::new();
    for _ in 0..CALLERS {
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHo").await;
        slow.push(client);
    }
    world.wait_metric(&world.server("connections"), CALLERS as f64).await;
    let load = Load::start(world.router, "web", 4);
    for part in ["s", "t", ":", " "] {
        for client in &mut slow {
            client.send(part).await;
        }
        load.pass(200).await;
    }
    load.stop().await.assert_flawless(800);
    let each = procfs::anonymous(world.process.pid()).saturating_sub(before) / CALLERS as u64;
    assert!(each < 20_000, "{each} bytes for each half head");
    // They were only slow: each still gets its answer.
    for client in &mut slow[..10] {
        client.send("web\r\n\r\n").await;
        assert_eq!(client.response().await.text(), "web");
    }
    drop((slow, web));
    world.finish().await;
}

/// A caller that asks for much and reads nothing holds back its own back end, and nobody else.
async fn never_reads(workers: usize) {
    const SIZE: u64 = 256 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    let big = Backend::start([Play::acts([Act::Request, Play::write(head), Act::Fill(SIZE)])]).await;
    let web = Backend::text("web").await;
    let setup = Setup::new().replicas("web", &[web.address]).replicas("big", &[big.address]);
    let world = setup.start(workers).await;
    assert_eq!(world.get("web").await.status(), 200);
    let before = procfs::anonymous(world.process.pid());
    let mut deaf = Vec::new();
    for _ in 0..8 {
        let mut client = world.client().await;
        client.send("GET / HTTP/1.1\r\nHost: big\r\n\r\n").await;
        deaf.push(client);
    }
    big.wait_requests(8).await;
    let load = Load::start(world.router, "web", 4);
    load.pass(1_000).await;
    load.stop().await.assert_flawless(1_000);
    let grown = procfs::anonymous(world.process.pid()).saturating_sub(before);
    assert!(grown < 2 << 20, "{grown} bytes for eight deaf callers");
    drop((deaf, big, web));
    world.finish().await;
}

/// One that sends requests for ever without reading answers is stopped by back-pressure.
async fn never_reads_pipelined(workers: usize) {
    let web = Backend::text(&"x".repeat(2_000)).await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    assert_eq!(world.get("web").await.status(), 200);
    let before = procfs::anonymous(world.process.pid());
    let mut client = world.client().await;
    let many = "GET / HTTP/1.1\r\nHost: web\r\n\r\n".repeat(100);
    let sent = client.send_until_stuck(many.as_bytes(), Duration::from_secs(2)).await;
    assert!(sent < 64 << 20, "{sent} bytes were taken from a caller that reads nothing");
    let grown = procfs::anonymous(world.process.pid()).saturating_sub(before);
    assert!(grown < 2 << 20, "{grown} bytes for one deaf caller");
    assert_eq!(world.get("web").await.status(), 200);
    drop((client, web));
    world.finish().await;
}

async fn garbage(workers: usize) {
    let web = Backend::text("web").await;
    let world = Setup::new().replicas("web", &[web.address]).start(workers).await;
    let mut noise = vec![0_u8; 4_000];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..100 {
        for byte in &mut noise {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = state.to_le_bytes()[0];
        }
        let mut client = world.client().await;
        let _ = client.try_send(&noise[..1 + round * 37]).await;
        client.finish_sending().await;
        let said = client.until_close().await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{said:?}");
        assert_eq!(web.requests(), 0);
    }
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-x\r\n\r\n",
        b"\0\0\0\0",
        b"\r\n\r\n\r\n\r\n",
    ] {
        let mut client = world.client().await;
        let _ = client.try_send(noise).await;
        client.finish_sending().await;
        let said = client.until_close().await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{said:?}");
    }
    assert_eq!(world.get("web").await.status(), 200);
    drop(web);
    world.finish().await;
}

/// Callers that go away at every stage, by closing and by resetting, leave nothing behind.
async fn aborts(workers: usize) {
    let gate = Gate::closed();
    let reply = "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n";
    let slow = Backend::start([Play::acts([
        Act::Request,
        Act::Wait(gate.clone()),
        Play::write(reply),
        Act::Fill(400_000),
    ])])
    .await;
    let world = Setup::new().replicas("slow", &[slow.address]).start(workers).await;
    let request = "POST / HTTP/1.1\r\nHost: slow\r\nContent-Length: 30\r\n\r\n012345678901234567890123456789";
    for cut in (0..=request.len()).step_by(3) {
        for reset in [false, true] {
            let mut client = world.client().await;
            client.send(&request[..cut]).await;
            end(client, reset);
        }
    }
    gate.open();
    for reset in [false, true, false, true] {
        let mut client = world.client().await;
        client.send(request).await;
        assert_eq!(client.head().await.status(), 200);
        end(client, reset);
    }
    world.wait_metric(&world.server("connections"), 0.0).await;
    assert_eq!(world.ask("POST", request).await.body.len, 400_000);
    drop(slow);
    world.finish().await;
}

fn end(client: Client, reset: bool) {
    if reset {
        client.reset();
    }
}
