//! Nobody can make the proxy hold more than its buffers, or keep the others waiting.

use crate::world::{World, accept, back_end, head, rest};
use std::time::Duration;
use testkit::each_width;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

each_width!(deaf_caller, deaf_back_end, flood_of_hints, half_written_hints, upload_and_early_answer);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n";

/// Bytes `io` takes until it has taken none for half a second.
async fn until_stuck(io: &mut TcpStream, block: &[u8]) -> usize {
    let mut taken = 0;
    while let Ok(Ok(n)) = tokio::time::timeout(Duration::from_millis(500), io.write(block)).await {
        taken += n;
        assert!(taken < 64 << 20, "nothing holds it back");
    }
    taken
}

/// A caller that does not read stops its back end: what is on the way is what kernels hold, and two buffers.
async fn deaf_caller(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.narrow_caller().await;
    io.write_all(GET).await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    let size = 64 << 20;
    back.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes())
        .await
        .expect("room");
    let block = vec![b'.'; 1 << 16];
    let stuck = until_stuck(&mut back, &block).await;
    // Once it reads, everything comes.
    let reading = tokio::spawn(async move { (rest(&mut io).await.0.len(), io).0 });
    let mut left = size - stuck;
    while left > 0 {
        let n = left.min(block.len());
        back.write_all(&block[..n]).await.expect("room");
        left -= n;
    }
    drop(back);
    // The caller's connection is kept; its end comes with the drain.
    world.finish().await;
    assert!(reading.await.expect("all of it") > size);
}

/// The other way round.
async fn deaf_back_end(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.caller().await;
    let size = 64 << 20;
    io.write_all(format!("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: {size}\r\n\r\n").as_bytes())
        .await
        .expect("room");
    let block = vec![b'.'; 1 << 16];
    let stuck = until_stuck(&mut io, &block).await;
    let reading = tokio::spawn(async move {
        let mut back = accept(&listener).await;
        head(&mut back).await;
        let mut body = vec![0; size];
        back.read_exact(&mut body).await.expect("all of it");
        back.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("room");
    });
    let mut left = size - stuck;
    while left > 0 {
        let n = left.min(block.len());
        io.write_all(&block[..n]).await.expect("room");
        left -= n;
    }
    assert!(head(&mut io).await.starts_with("HTTP/1.1 200 OK"));
    reading.await.expect("the whole body");
    drop(io);
    world.finish().await;
}

/// A back end that never comes to its answer is given up.
async fn flood_of_hints(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let flooding = tokio::spawn(async move {
        let mut back = accept(&listener).await;
        head(&mut back).await;
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(50);
        while back.write_all(hints.as_bytes()).await.is_ok() {}
    });
    let answer = world.ask(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.matches("HTTP/1.1 103 ").count() <= 65, "{text}");
    assert_eq!(text.matches("HTTP/1.1 502 ").count(), 1, "{text}");
    testkit::within("the back end is cut off", flooding).await.expect("no panic");
    world.finish().await;
}

/// An interim reply that is half written when the attempt fails is written to its end before the answer.
async fn half_written_hints(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.narrow_caller().await;
    io.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").await.expect("room");
    let mut back = accept(&listener).await;
    head(&mut back).await;
    let hints = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "x".repeat(8000));
    for _ in 0..60 {
        back.write_all(hints.as_bytes()).await.expect("room");
    }
    drop(back);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (answer, _) = rest(&mut io).await;
    let text = String::from_utf8_lossy(&answer);
    let mut left = &*text;
    for n in 0..60 {
        left = left.strip_prefix(hints.as_str()).unwrap_or_else(|| panic!("interim reply {n} is torn"));
    }
    assert!(left.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{left}");
    world.finish().await;
}

/// An answer comes through while an endless upload keeps its connection busy.
async fn upload_and_early_answer(workers: usize) {
    let (listener, address) = back_end().await;
    let world = World::start(workers, address).await;
    let mut io = world.caller().await;
    io.write_all(b"POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("room");
    let (mut from_proxy, mut to_proxy) = io.into_split();
    let block = [b"10000\r\n".as_slice(), &vec![b'.'; 1 << 16], b"\r\n"].concat();
    let pouring = tokio::spawn(async move { while to_proxy.write_all(&block).await.is_ok() {} });
    let swallowing = tokio::spawn(async move {
        let mut back = accept(&listener).await;
        head(&mut back).await;
        let mut sink = vec![0; 1 << 16];
        let mut answered = false;
        let mut taken = 0;
        while let Ok(n) = back.read(&mut sink).await
            && n > 0
        {
            taken += n;
            if taken > 8 << 20 && !answered {
                answered = true;
                let reply = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
                back.write_all(reply).await.expect("room");
            }
        }
    });
    let mut answer = vec![0; 12];
    testkit::within("the answer", from_proxy.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 413");
    testkit::within("the caller is told to stop", pouring).await.expect("no panic");
    testkit::within("the back end too", swallowing).await.expect("no panic");
    world.finish().await;
}
