//! Five thousand services known to one proxy: what they cost in memory, in scraping and in looking at the dashboard, what
//! traffic feels of it, and that they are gone when nobody uses them any more (issue 6): `.ci/long scale`. A tenth of them is
//! looked at with every submission, in any build.

use std::net::SocketAddr;
use std::time::Duration;
use testkit::{Backend, Client, Setup, World, eventually, procfs, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

/// Bytes of a service, its client and the service within the client, when each has been used once and waits.
const MOST_BYTES: u64 = 100_000;
/// Bytes that a page with the dashboard gets each second.
const MOST_SHOWN: usize = 100_000;
/// How much longer the slowest of a hundred requests may take while metrics are scraped each second. The proxy, its caller
/// and its back end share the processors, so this bounds the scraper's share of them and no more.
const P99: Duration = Duration::from_millis(5);

/// What is measured, and within which bounds.
#[derive(Clone, Copy)]
struct Scale {
    services: usize,
    /// Processor time of a scrape, which is what it takes on a quiet machine.
    scrape: Duration,
    /// Processor time that a page with the dashboard takes each second.
    page: Duration,
    /// By how much the 99th percentile may grow.
    p99: Duration,
    /// After how many seconds a service is idle: long enough for the measurements, and short enough to wait for.
    ttl: u64,
}

/// Other tests run at the same time, and the binary may be one without optimisation: bounds that only what is wrong by far
/// can miss.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_services() {
    let scrape = Duration::from_millis(250);
    let p99 = Duration::from_millis(150);
    let page = Duration::from_millis(150);
    measure(Scale { services: 500, scrape, page, p99, ttl: 20 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of a minute or two, meaningful on a quiet machine and with a release build (WAYLEAVE_BIN)"]
async fn thousands_of_services() {
    let scrape = Duration::from_millis(200);
    let page = Duration::from_millis(40);
    measure(Scale { services: 5000, scrape, page, p99: P99, ttl: 60 }).await;
}

async fn measure(scale: Scale) {
    let web = Backend::text("web").await;
    let world = world(scale, &web).await;
    assert_eq!(world.get(&name(0)).await.status(), 200);
    let before = procfs::rss(world.process.pid());
    visit_all(&world, scale.services).await;
    let each = procfs::rss(world.process.pid()).saturating_sub(before) / scale.services as u64;
    eprintln!("{each} bytes for each service");
    assert!(each <= MOST_BYTES, "{each} bytes for each service");

    let took = fastest_scrape(&world, scale.services).await;
    assert!(took <= scale.scrape, "a scrape takes {took:?}");
    let (used, bytes) = dashboard(&world).await;
    eprintln!("a page with the dashboard: {used:?} of the proxy's processor time each second, {bytes} bytes");
    assert!(used <= scale.page, "each second of the dashboard takes {used:?}");
    assert!(bytes <= MOST_SHOWN, "each second of the dashboard is {bytes} bytes");
    // Other tests may be busy meanwhile: once in three times is proof that it can be.
    let mut pairs = Vec::new();
    while pairs.len() < 3 && pairs.last().is_none_or(|(alone, scraped)| *scraped > *alone + scale.p99) {
        pairs.push((p99(world.router, None).await, p99(world.router, Some(world.admin)).await));
    }
    eprintln!("p99 alone and while scraped each second {pairs:?}");
    assert!(pairs.last().is_some_and(|(alone, scraped)| *scraped <= *alone + scale.p99), "{pairs:?}");

    // The entry used last stays, whatever its age.
    eventually(Duration::from_secs(4 * scale.ttl), "idle services are gone", || async {
        // A scrape of thousands is no small thing, and other tests may be running.
        sleep(Duration::from_millis(500)).await;
        let (services, clients) = scopes(&scrape(world.admin).await.1);
        services <= 1 && clients <= 1
    })
    .await;
    drop(web);
    world.finish().await;
}

/// So many names of the same back end, and room for all of them.
async fn world(scale: Scale, web: &Backend) -> World {
    let mut setup = Setup::new().router(&format!(
        "  bindingCache: {{paths: {n}, trees: {n}, bounds: {n}, clients: {n}, idleTtlSecs: {ttl}}}",
        n = 2 * scale.services,
        ttl = scale.ttl
    ));
    for n in 0..scale.services {
        setup = setup.replicas(&name(n), &[web.address]);
    }
    setup.start(2).await
}

fn name(n: usize) -> String {
    format!("service-{n:04}")
}

/// Asks each service once.
async fn visit_all(world: &World, services: usize) {
    let mut callers = JoinSet::new();
    for first in 0..8 {
        let mut caller = world.client().await;
        callers.spawn(async move {
            for n in (first..services).step_by(8) {
                assert_eq!(caller.get("/", &name(n)).await.status(), 200);
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("a caller did not panic");
    }
}

async fn scrape(admin: SocketAddr) -> (Duration, String) {
    let mut client = Client::connect(admin).await;
    client.keep(1 << 30);
    let begun = Instant::now();
    let answer = client.get("/admin/metrics/prometheus", "admin").await;
    (begun.elapsed(), answer.text())
}

/// Services and clients a text of Prometheus tells of.
fn scopes(text: &str) -> (usize, usize) {
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    (count("rt:service:requests{"), count("rt:client:loadbalancer:size{"))
}

/// Processor time of the proxy for one of several scrapes, so that what else it does meanwhile does not count.
async fn fastest_scrape(world: &World, services: usize) -> Duration {
    let (pid, mut fastest) = (world.process.pid(), Duration::MAX);
    for _ in 0..4 {
        let before = processor_time(pid);
        let (took, text) = scrape(world.admin).await;
        let used = processor_time(pid) - before;
        eprintln!(
            "scrape of {} kB: {used:?} of the proxy's processor time, {took:?} in all",
            text.len() / 1024
        );
        assert_eq!(scopes(&text), (services, services));
        fastest = fastest.min(used);
    }
    fastest
}

/// Processor time and bytes of the dashboard's numbers, each second, for one who looks.
async fn dashboard(world: &World) -> (Duration, usize) {
    const EVENTS: usize = 4;
    let pid = world.process.pid();
    let (begun, before) = (Instant::now(), processor_time(pid));
    sleep(Duration::from_secs(4)).await;
    // What is done for thousands of services whoever looks at the page.
    let without = (processor_time(pid) - before).div_f64(begun.elapsed().as_secs_f64());
    eprintln!("without anybody to ask anything: {without:?} of processor time each second");
    let mut page = TcpStream::connect(world.admin).await.expect("it listens");
    page.write_all(b"GET /admin/events HTTP/1.1\r\nHost: admin\r\n\r\n").await.expect("there is room");
    let mut text = Vec::new();
    // The first is told at once.
    told(&mut page, &mut text, 1).await;
    let (begun, before, bytes) = (Instant::now(), processor_time(pid), text.len());
    told(&mut page, &mut text, 1 + EVENTS).await;
    let seconds = begun.elapsed().as_secs_f64();
    let with = (processor_time(pid) - before).div_f64(seconds);
    (with.saturating_sub(without), ((text.len() - bytes) as f64 / seconds) as usize)
}

/// Reads until there are so many events.
async fn told(page: &mut TcpStream, text: &mut Vec<u8>, events: usize) {
    while text.windows(6).filter(|bytes| bytes == b"data: ").count() < events {
        let n = within("the next event", page.read_buf(text)).await.expect("the connection stays");
        assert!(n > 0, "the stream has ended: {}", String::from_utf8_lossy(text));
    }
}

/// What a process has used of processors so far, in hundredths of a second.
fn processor_time(pid: u32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the proxy runs");
    // Behind the name, which may hold blanks: state, ten numbers, then user and system time.
    let behind = text.rsplit(')').next().unwrap_or_default();
    let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// The 99th percentile of steady requests for a few seconds, perhaps while somebody scrapes.
async fn p99(router: SocketAddr, scraped: Option<SocketAddr>) -> Duration {
    let scraper = scraped.map(|admin| {
        tokio::spawn(async move {
            let mut seconds = interval(Duration::from_secs(1));
            loop {
                seconds.tick().await;
                scrape(admin).await;
            }
        })
    });
    let mut caller = Client::connect(router).await;
    let (mut ticks, mut took) = (interval(Duration::from_millis(2)), Vec::new());
    for _ in 0..2000 {
        ticks.tick().await;
        let begun = Instant::now();
        assert_eq!(caller.get("/", &name(0)).await.status(), 200);
        took.push(begun.elapsed());
    }
    if let Some(scraper) = scraper {
        scraper.abort();
    }
    took.sort();
    took[took.len() * 99 / 100]
}
