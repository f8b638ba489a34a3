//! Dtabs that callers make up: ten thousand of them leave memory and watches as they were (issue 4).

use testkit::{Backend, Client, PATIENCE, Setup, World, each_width, eventually, procfs};

each_width!(ten_thousand_dtabs);

/// Requests after which caches and allocator have taken what they take.
const WARM: usize = 2_000;
const ALL: usize = 10_000;
const MAY_GROW: u64 = 4 << 20;

/// Names that the file namer looks at, as its state says.
async fn watched(world: &World) -> usize {
    let state = Client::connect(world.admin).await.get("/namer_state/io.l5d.fs.json", "admin").await;
    assert_eq!(state.status(), 200);
    state.text().matches("\"watch\":").count()
}

/// A dtab nobody has sent before: names that do not exist, alternatives, unions, literal addresses.
fn made_up(n: usize, web: &Backend) -> String {
    let port = web.address.port();
    match n % 4 {
        0 => format!("/svc => /#/io.l5d.fs/gone-{n} | /#/io.l5d.fs"),
        1 => format!("/svc => /$/inet/127.0.0.1/{port}/{n}"),
        2 => format!("/svc => {}.5 * /#/io.l5d.fs & 0 * /#/io.l5d.fs/none-{n}", n % 7),
        _ => format!("/n{n} => /x ; /svc/web => /svc/n{n} | /#/io.l5d.fs/web"),
    }
}

async fn ten_thousand_dtabs(workers: usize) {
    let web = Backend::text("web").await;
    web.keep(0);
    let setup = Setup::new().replicas("web", &[web.address]).router("  bindingCache: {idleTtlSecs: 1}");
    let world = setup.start(workers).await;
    let mut client = world.client().await;
    let (mut watches, mut memory) = (0, 0);
    for n in 0..ALL {
        if n == WARM {
            memory = procfs::pss(world.process.pid());
        }
        let dtab = made_up(n, &web);
        client.send(format!("GET / HTTP/1.1\r\nHost: web\r\nl5d-dtab: {dtab}\r\n\r\n")).await;
        assert_eq!(client.response().await.text(), "web", "{dtab}");
        if n == 0 {
            watches = watched(&world).await;
        }
    }
    // What the last names took is given back within seconds, and not by waiting alone: the allocator ages as it is used.
    eventually(PATIENCE, &format!("memory is as it was: {memory} bytes"), || async {
        let served = world.client().await.get("/", "web").await.status();
        served == 200 && procfs::pss(world.process.pid()).saturating_sub(memory) < MAY_GROW
    })
    .await;
    // The newest name stays in the cache, and what exists is watched for half a minute longer.
    eventually(PATIENCE, "the watches of made-up names are closed", || async {
        watched(&world).await <= watches + 1
    })
    .await;
    let metrics = world.metrics().await;
    assert!(metrics.get("rt/out/bindcache/path/misses") >= ALL as f64);
    assert!(metrics.sum("rt/out/service/", "/requests") >= ALL as f64);
    drop((client, web));
    world.finish().await;
}
