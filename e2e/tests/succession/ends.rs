//! Ends and their exit codes, as `wayleave proxy --help` tells them.

use crate::site::Site;
use testkit::{Act, Backend, Client, PATIENCE, Play, each_width, eventually};

each_width!(cut_at_the_end_of_the_grace, a_second_signal);

/// 0: the operator has said how long requests may take. The log says how many did not make it.
async fn cut_at_the_end_of_the_grace(workers: usize) {
    let mut site = Site::new(workers).await;
    site.web = Backend::start([Play::acts([Act::Request, Act::Hang])]).await;
    site.configure(", shutdownGraceMs: 200");
    let mut process = site.start("proxy", &[], "linkerd.yaml");
    site.ready().await;
    let mut client = Client::connect(site.router).await;
    client.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n").await;
    site.web.wait_requests(1).await;
    process.signal("TERM");
    assert_eq!(process.wait(PATIENCE).await.code(), Some(0));
    assert!(process.log().contains("were cut connections=1"), "{}", process.log());
}

/// In a Kubernetes pod accepting goes on for 5 s, and nobody has to wait for it: a second signal ends it at once, with 3.
async fn a_second_signal(workers: usize) {
    let site = Site::new(workers).await;
    let mut process =
        site.start_in("proxy", &["KUBERNETES_SERVICE_HOST=10.0.0.1"], &["--log-format", "json"]);
    site.ready().await;
    process.signal("TERM");
    eventually(PATIENCE, "draining", || async {
        site.ask("/admin/ready").await == Some((503, "draining\n".into()))
    })
    .await;
    assert_eq!(Client::connect(site.router).await.get("/", "web").await.text(), "web", "it accepts");
    assert!(process.ended().is_none());
    process.signal("INT");
    assert_eq!(process.wait(PATIENCE).await.code(), Some(3));
    let log = process.log();
    let lines = log.lines().filter(|l| l.starts_with('{') && l.ends_with('}')).count();
    assert!(lines >= 4 && log.contains("\"message\":\"SIGTERM: draining\""), "{log}");
}

/// 1: not started, be it for the configuration or for the command line.
#[tokio::test]
async fn faults_at_the_start() {
    let site = Site::new(1).await;
    let check = async |name: &str, more: &[&str], config: &str, code: i32, text: &str| {
        let mut process = site.start(name, more, config);
        assert_eq!(process.wait(PATIENCE).await.code(), Some(code), "{}", process.log());
        assert!(process.log().contains(text), "{}", process.log());
    };
    check("missing", &[], "nothing.yaml", 1, "config is not a file: nothing.yaml").await;
    check("flag", &["--nonsense"], "linkerd.yaml", 1, "--nonsense").await;
    check("level", &["--log-level", "LOUD"], "linkerd.yaml", 1, "expected OFF, ERROR, WARNING").await;
}
