//! A configuration that changes under traffic: no request fails, no connection is lost, what is unchanged is kept
//! (docs/adr/0003).

mod entrances;
mod load;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use testkit::{Act, Backend, Client, Gate, PATIENCE, Play, Response, Setup, World, each_width, eventually};

each_width!(
    unchanged_clients_keep_what_they_know,
    budgets_stay_spent,
    requests_under_way_end_as_they_began,
    the_next_request_goes_by_the_new_dtab,
    the_next_request_goes_by_the_new_namers,
    what_is_wrong_changes_nothing,
    a_signal_is_enough,
    a_watched_file_is_followed,
    access_logs_go_on_or_move,
);

/// A world whose configuration can be written anew.
struct Changing {
    world: World,
}

impl Changing {
    async fn start(setup: Setup, workers: usize) -> Changing {
        Changing { world: setup.start(workers).await }
    }

    fn file(&self) -> PathBuf {
        self.world.disco().with_file_name("linkerd.yaml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).expect("the configuration can be read")
    }

    fn write(&self, text: &str) {
        replace(&self.file(), text);
    }

    /// Replaces `from`, which must be there.
    fn edit(&self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "no `{from}` in {text}");
        self.write(&text.replace(from, to));
    }

    async fn ask(&self, method: &str) -> Response {
        let mut admin = Client::connect(self.world.admin).await;
        admin
            .send(format!("{method} /admin/reload HTTP/1.1\r\nHost: admin\r\nContent-Length: 0\r\n\r\n"))
            .await;
        admin.response_to(method).await
    }

    /// Reloads, which must succeed; what the answer says.
    async fn reload(&self) -> String {
        let answer = self.ask("POST").await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.text()
    }
}

/// By rename, as careful operators do it.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("the test's folder can be written");
    fs::rename(&new, file).expect("a file can be renamed within a folder");
}

/// `GET /` for `host` on a connection that is there.
async fn get(client: &mut Client, host: &str) -> String {
    let answer = client.get("/", host).await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.text()
}

/// A replica marked dead stays dead, idle connections are used on, counters go on; also where the router is another one.
async fn unchanged_clients_keep_what_they_know(workers: usize) {
    let web = Backend::text("web").await;
    let closed = SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
    let accrual = "  client: {failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 1, \
                   backoff: {kind: constant, ms: 600000}}}";
    let setup = Setup::new().replicas("web", &[web.address, closed]).router(accrual);
    let changing = Changing::start(setup, workers).await;
    let removals = "rt/out/client/#/io.l5d.fs/web/failure_accrual/removals";
    let connects = "rt/out/client/#/io.l5d.fs/web/connects";
    let requests = "rt/out/client/#/io.l5d.fs/web/service/svc/web/requests";
    let mut client = changing.world.client().await;
    let mut sent = 0.0;
    while changing.world.metrics().await.get(removals) == 0.0 {
        get(&mut client, "web").await;
        sent += 1.0;
    }
    // Requests are counted when their callers have the answer.
    changing.world.wait_metric("rt/out/service/svc/web/requests", sent).await;
    let before = changing.world.metrics().await;
    changing.edit("  label: out\n", "  label: out\n  maxHeadersKB: 9\n");
    changing.reload().await;
    for _ in 0..20 {
        get(&mut client, "web").await;
    }
    changing.world.wait_metric(requests, before.get(requests) + 20.0).await;
    let after = changing.world.metrics().await;
    assert_eq!(after.get(removals), 1.0, "nobody had to find out again");
    assert_eq!(after.get("rt/out/client/#/io.l5d.fs/web/loadbalancer/available"), 1.0);
    assert_eq!(after.get(connects), before.get(connects), "the connection to the back end was kept");
    assert_eq!(after.get(&changing.world.server("connects")), before.get(&changing.world.server("connects")));
    // Another balancer is another client: it knows nothing yet, and its counters are the same ones all the same.
    changing.edit("client: {", "client: {loadBalancer: {kind: ewma}, ");
    changing.reload().await;
    get(&mut client, "web").await;
    changing.world.wait_metric(requests, after.get(requests) + 1.0).await;
    let other = changing.world.metrics().await;
    let algorithm = |of| other.get(&format!("rt/out/client/#/io.l5d.fs/web/loadbalancer/algorithm/{of}"));
    assert_eq!((algorithm("p2c_least_loaded"), algorithm("p2c_peak_ewma")), (0.0, 1.0));
    drop((client, web));
    changing.world.finish().await;
}

/// A retry budget that was spent before is spent after.
async fn budgets_stay_spent(workers: usize) {
    let web = Backend::start([Play::reply("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")]).await;
    let service = "  service: {responseClassifier: {kind: io.l5d.http.retryableRead5XX}, \
                   retries: {budget: {minRetriesPerSec: 0, percentCanRetry: 0.5, ttlSecs: 60}}}";
    let setup = Setup::new().replicas("web", &[web.address]).router(service);
    let changing = Changing::start(setup, workers).await;
    let mut client = changing.world.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/", "web").await.status(), 500);
    }
    assert!(web.requests() < 20, "the budget was enough for {} tries", web.requests());
    let balance = "rt/out/service/svc/web/retries/budget";
    let before = (changing.world.metrics().await.get(balance), web.requests());
    changing.edit("  label: out\n", "  label: out\n  maxHeadersKB: 9\n");
    changing.reload().await;
    assert_eq!(changing.world.metrics().await.get(balance), before.0);
    assert_eq!(client.get("/", "web").await.status(), 500);
    assert!(web.requests() <= before.1 + 2);
    drop((client, web));
    changing.world.finish().await;
}

async fn requests_under_way_end_as_they_began(workers: usize) {
    let gate = Gate::closed();
    let acts = [Act::Request, Act::Wait(gate.clone()), Play::write(Play::text_bytes("done"))];
    let web = Backend::start([Play::acts(acts)]).await;
    let other = Backend::text("other").await;
    let setup = Setup::new().replicas("web", &[web.address]).replicas("other", &[other.address]);
    let setup = setup.router("  maxHeadersKB: 8");
    let changing = Changing::start(setup, workers).await;
    let mut client = changing.world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    web.wait_requests(1).await;
    changing.edit("/svc => /#/io.l5d.fs;", "/svc => /#/io.l5d.fs; /svc/web => /#/io.l5d.fs/other;");
    for i in 0..3 {
        changing.edit(&format!("KB: {}", 8 + i), &format!("KB: {}", 9 + i));
        changing.reload().await;
    }
    assert_eq!(get(&mut changing.world.client().await, "web").await, "other");
    gate.open();
    assert_eq!(client.response().await.text(), "done");
    assert_eq!(get(&mut client, "web").await, "other", "the same connection goes on with the new router");
    drop((client, web, other));
    changing.world.finish().await;
}

async fn the_next_request_goes_by_the_new_dtab(workers: usize) {
    let (a, b) = (Backend::text("a").await, Backend::text("b").await);
    let to = |back: &Backend| format!("/svc => /$/inet/127.0.0.1/{};", back.address.port());
    let changing = Changing::start(Setup::new().dtab(&to(&a)), workers).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(changing.world.client().await);
    }
    for (from, back, expected) in [(&a, &b, "b"), (&b, &a, "a"), (&a, &b, "b")] {
        changing.edit(&to(from), &to(back));
        changing.reload().await;
        for client in &mut clients {
            assert_eq!(get(client, "web").await, expected);
        }
    }
    assert_eq!(changing.reload().await, "nothing has changed\n");
    drop((clients, a, b));
    changing.world.finish().await;
}

async fn what_is_wrong_changes_nothing(workers: usize) {
    let web = Backend::text("web").await;
    let changing = Changing::start(Setup::new().replicas("web", &[web.address]), workers).await;
    let good = changing.text();
    let mut client = changing.world.client().await;
    assert_eq!(changing.ask("GET").await.text(), "not reloaded since the start\n");
    for (bad, expected) in [
        (good.replace("  label: out", "  lable: out"), "linkerd.yaml:10:3: "),
        (good.replace("- protocol: http", "- protocol: htpt"), "did you mean `http`?"),
        (good[..good.len() / 2].to_owned(), "linkerd.yaml:"),
        ("\u{0}\u{1}garbage: [".to_owned(), "linkerd.yaml:1:"),
        (String::new(), "linkerd.yaml"),
    ] {
        changing.write(&bad);
        let answer = changing.ask("POST").await;
        assert_eq!(answer.status(), 400, "{bad}");
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert_eq!(changing.ask("GET").await.text(), answer.text(), "it can be read again later");
        assert_eq!(get(&mut client, "web").await, "web");
        let log = changing.world.process.log();
        assert!(log.contains("not reloaded") && log.contains(expected), "{log}");
    }
    let metrics = changing.world.metrics().await;
    assert_eq!((metrics.get("config/reloads/failure"), metrics.get("config/refused")), (5.0, 1.0));
    fs::remove_file(changing.file()).expect("the file is there");
    assert!(changing.ask("POST").await.text().contains("config is not a file"));
    changing.write(&good);
    assert_eq!(changing.reload().await, "nothing has changed\n");
    assert_eq!(changing.world.metrics().await.get("config/refused"), 0.0);
    drop((client, web));
    changing.world.finish().await;
}

async fn a_signal_is_enough(workers: usize) {
    let web = Backend::text("web").await;
    let changing = Changing::start(Setup::new().dtab("/svc => /nowhere;"), workers).await;
    let to = format!("/svc => /$/inet/127.0.0.1/{};", web.address.port());
    changing.edit("/svc => /nowhere;", &to);
    changing.world.process.signal("HUP");
    changing.world.wait_metric("config/reloads/success", 1.0).await;
    assert_eq!(get(&mut changing.world.client().await, "web").await, "web");
    assert!(changing.world.process.log().contains("changed routers[out].dtab ("));
    // A burst is one reload, or few.
    for _ in 0..20 {
        changing.world.process.signal("HUP");
    }
    changing.write(&changing.text().replace(&to, "/svc => /nowhere;"));
    changing.reload().await;
    assert_eq!(changing.world.get("web").await.status(), 502);
    drop(web);
    changing.world.finish().await;
}

/// `--watch`, with the ways in which files are replaced: by rename, in place and in halves, by the turn of a symbolic link
/// in the middle of the path (ConfigMaps).
async fn a_watched_file_is_followed(workers: usize) {
    let web = Backend::text("web").await;
    let good = format!("/svc => /$/inet/127.0.0.1/{};", web.address.port());
    let changing = Changing::start(Setup::new().watched().dtab("/svc => /nowhere;"), workers).await;
    let served = async |expected: u16| {
        let what = format!("requests are answered {expected}");
        eventually(PATIENCE, &what, || async { changing.world.get("web").await.status() == expected }).await;
    };
    let (bad_text, good_text) = (changing.text(), changing.text().replace("/svc => /nowhere;", &good));
    changing.write(&good_text);
    served(200).await;
    fs::write(changing.file(), &bad_text).expect("the file can be written");
    served(502).await;
    // Half of it, and the rest later: what is refused in between changes nothing.
    fs::write(changing.file(), &good_text[..good_text.len() / 2]).expect("the file can be written");
    changing.world.wait_metric("config/reloads/failure", 1.0).await;
    served(502).await;
    fs::write(changing.file(), &good_text).expect("the file can be written");
    served(200).await;
    // A ConfigMap: linkerd.yaml -> ..data/linkerd.yaml, ..data -> a folder of its own for each version.
    let folder = changing.file().parent().expect("a folder").to_owned();
    let version = |name: &str, text: &str| {
        fs::create_dir(folder.join(name)).expect("a new folder");
        fs::write(folder.join(name).join("linkerd.yaml"), text).expect("a new file");
        let link = folder.join("..data_tmp");
        std::os::unix::fs::symlink(name, &link).expect("a new link");
        fs::rename(&link, folder.join("..data")).expect("a link can be renamed");
    };
    version("..1", &good_text);
    fs::remove_file(changing.file()).expect("the file is there");
    std::os::unix::fs::symlink("..data/linkerd.yaml", changing.file()).expect("a new link");
    version("..2", &bad_text);
    served(502).await;
    version("..3", &good_text);
    served(200).await;
    drop(web);
    changing.world.finish().await;
}

/// A log that is written the same goes on under another router; one at another path begins there, and what waits for the
/// former one still gets to it.
async fn access_logs_go_on_or_move(workers: usize) {
    let web = Backend::text("web").await;
    let logs = "  httpAccessLog: ${DIR}/one.log\n  maxHeadersKB: 8";
    let changing = Changing::start(Setup::new().replicas("web", &[web.address]).router(logs), workers).await;
    let lines = |name: &str| {
        let file = changing.file().with_file_name(name);
        fs::read_to_string(file).map_or(0, |text| text.lines().count())
    };
    let mut client = changing.world.client().await;
    for (kb, log) in [(9, "one.log"), (10, "two.log"), (11, "two.log"), (12, "one.log")] {
        get(&mut client, "web").await;
        let text = changing.text();
        let at = text.find("maxHeadersKB: ").expect("the key is there");
        let old = text[at..].lines().next().expect("a line");
        let moved = text.replace(old, &format!("maxHeadersKB: {kb}")).replace("/one.log", "/LOG");
        changing.write(&moved.replace("/two.log", "/LOG").replace("/LOG", &format!("/{log}")));
        changing.reload().await;
    }
    get(&mut client, "web").await;
    let all = || async { (lines("one.log"), lines("two.log")) == (3, 2) };
    eventually(PATIENCE, "each line where it belongs", all).await;
    drop((client, web));
    changing.world.finish().await;
}

/// A namer that is another one is waited for: no request sees a name it does not know yet.
async fn the_next_request_goes_by_the_new_namers(workers: usize) {
    let (web, other) = (Backend::text("web").await, Backend::text("other").await);
    let changing = Changing::start(Setup::new().replicas("web", &[web.address]), workers).await;
    let mut client = changing.world.client().await;
    assert_eq!(get(&mut client, "web").await, "web");
    let folder = changing.file().with_file_name("elsewhere");
    fs::create_dir(&folder).expect("a new folder");
    let line = format!("{} {}\n", other.address.ip(), other.address.port());
    fs::write(folder.join("web"), line).expect("a new file");
    changing.edit("/disco\n", "/elsewhere\n");
    changing.reload().await;
    assert_eq!(get(&mut client, "web").await, "other");
    // What the former namer sees changes nothing any more.
    changing.world.set_replicas("web", &[]);
    for _ in 0..20 {
        assert_eq!(get(&mut client, "web").await, "other");
    }
    // One more, asked first, that knows nothing of the name.
    let empty = changing.file().with_file_name("empty");
    fs::create_dir(&empty).expect("a new folder");
    let namer = format!("namers:\n- kind: io.l5d.fs\n  prefix: /none\n  rootDir: {}\n", empty.display());
    changing.edit("namers:\n", &namer);
    changing.reload().await;
    assert_eq!(get(&mut client, "web").await, "other");
    drop((client, web, other));
    changing.world.finish().await;
}
