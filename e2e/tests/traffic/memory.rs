//! A gigabyte each way passes through, and the proxy does not grow with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use testkit::{Act, Backend, Client, Play, Setup, World, each_width, procfs};

each_width!(gigabyte_down, gigabyte_up, gigabyte_up_chunked);

const GIB: u64 = 1 << 30;
const MAY_GROW: u64 = 4 << 20;

/// Watches the proxy's memory until dropped.
struct Watch {
    peak: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
    base: u64,
}

impl Watch {
    fn start(world: &World) -> Watch {
        let pid = world.process.pid();
        let base = procfs::anonymous(pid);
        let watch = Watch { peak: Arc::new(base.into()), done: Arc::default(), base };
        let (peak, done) = (watch.peak.clone(), watch.done.clone());
        tokio::spawn(async move {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(procfs::anonymous(pid), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        watch
    }

    fn assert_flat(self) {
        self.done.store(true, Ordering::Relaxed);
        let grown = self.peak.load(Ordering::Relaxed) - self.base;
        assert!(grown < MAY_GROW, "grew by {grown} bytes from {}", self.base);
    }
}

async fn world(workers: usize, plays: Vec<Play>) -> (World, Backend) {
    let warm = Backend::text("warm").await;
    let web = Backend::start(plays).await;
    web.keep(0);
    let setup = Setup::new().replicas("web", &[web.address]).replicas("warm", &[warm.address]);
    let world = setup.start(workers).await;
    for _ in 0..20 {
        assert_eq!(world.get("warm").await.status(), 200);
    }
    (world, web)
}

async fn gigabyte_down(workers: usize) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {GIB}\r\n\r\n");
    let (world, web) =
        world(workers, vec![Play::acts([Act::Request, Play::write(head), Act::Fill(GIB)])]).await;
    let mut client = world.client().await;
    client.keep(0);
    let watch = Watch::start(&world);
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    let head = client.head().await;
    let body =
        tokio::time::timeout(Duration::from_secs(120), client.body(head.response_framing("GET"))).await;
    assert_eq!(body.expect("a gigabyte in two minutes").expect("the whole body").len, GIB);
    watch.assert_flat();
    drop((client, web));
    world.finish().await;
}

fn counts() -> Vec<Play> {
    vec![Play::answer(|seen| Play::text_bytes(&seen.body.len.to_string()))]
}

async fn pour(client: &mut Client, block: &[u8], times: u64) {
    for _ in 0..times {
        client.send(block).await;
    }
}

async fn gigabyte_up(workers: usize) {
    let (world, web) = world(workers, counts()).await;
    let mut client = world.client().await;
    let watch = Watch::start(&world);
    client.send(format!("POST / HTTP/1.1\r\nHost: web\r\nContent-Length: {GIB}\r\n\r\n")).await;
    pour(&mut client, &vec![b'.'; 1 << 16], GIB >> 16).await;
    assert_eq!(client.response().await.text(), GIB.to_string());
    watch.assert_flat();
    drop((client, web));
    world.finish().await;
}

async fn gigabyte_up_chunked(workers: usize) {
    let (world, web) = world(workers, counts()).await;
    let mut client = world.client().await;
    let watch = Watch::start(&world);
    client.send("POST / HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    let block = [b"10000\r\n".as_slice(), &vec![b'.'; 1 << 16], b"\r\n"].concat();
    pour(&mut client, &block, GIB >> 16).await;
    client.send("0\r\n\r\n").await;
    assert_eq!(client.response().await.text(), GIB.to_string());
    watch.assert_flat();
    drop((client, web));
    world.finish().await;
}
