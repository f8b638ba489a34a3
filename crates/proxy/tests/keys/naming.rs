//! Keys that decide what a request is called and where its name leads, asked of a running proxy (`/explain.json`).

use super::*;
use std::fs;
use testkit::Backend;

impl Running {
    /// Id and addresses of what a name is bound to.
    pub(crate) async fn bound(&self, name: &str) -> String {
        let target = format!("/explain.json?path={name}&wait=5000");
        let base = self.proxy.admin().to_string();
        let answer = admin::get(&base, &target, PATIENCE).await.unwrap_or_else(|error| panic!("{error}"));
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let choice = &json["choices"][0];
        let addrs = choice["addr"]["addrs"].as_array().cloned().unwrap_or_default();
        let addrs: Vec<String> = addrs
            .iter()
            .map(|addr| format!("{}:{}", addr["ip"].as_str().unwrap_or_default(), addr["port"]))
            .collect();
        format!("{} {}", choice["id"].as_str().unwrap_or_default(), addrs.join(" ")).trim().to_owned()
    }
}

/// A folder with the replicas of `web`: one on this host, one elsewhere.
fn disco() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("disco")).expect("a folder");
    fs::write(folder.path().join("disco/web"), "127.0.0.1 80\n10.9.9.9 81\n").expect("a file");
    fs::write(folder.path().join("web.dtab"), "/svc => /#/io.l5d.fs\n").expect("a file");
    folder
}

#[track_caller]
fn fs_namer(more: &str) -> String {
    format!("namers:\n- {{kind: io.l5d.fs, rootDir: '${{DIR}}/disco'{more}}}\n")
}

async fn check(top: &str, router: &str, name: &str, expected: &str) {
    let running = start_in(disco(), top, router).await;
    assert_eq!(running.bound(name).await, expected, "{top}{router}");
    running.stop().await;
}

const SVC: &str = "  dtab: /svc => /%23/io.l5d.fs";

/// `io.l5d.fs`: `rootDir`, `prefix`; `dtab`; the interpreters `default` and `io.l5d.fs` with `dtabFile`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn files_and_dtabs() {
    let svc = SVC.replace("%23", "#");
    let both = "127.0.0.1:80 10.9.9.9:81".split(' ').rev().collect::<Vec<_>>().join(" ");
    let web = format!("/#/io.l5d.fs/web {both}");
    check(&fs_namer(""), &svc, "/svc/web", &web).await;
    check(&fs_namer(""), "", "/svc/web", "").await;
    check(
        &fs_namer(", prefix: /files"),
        "  dtab: /svc => /#/files",
        "/svc/web",
        &format!("/#/files/web {both}"),
    )
    .await;
    let file = "  interpreter: {kind: io.l5d.fs, dtabFile: '${DIR}/web.dtab'}";
    check(&fs_namer(""), file, "/svc/web", &web).await;
    check(&fs_namer(""), "  interpreter: {kind: default}", "/svc/web", "").await;
}

/// Each transformer with its keys, on a namer and on an interpreter.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn transformers() {
    let rows = [
        (
            "{kind: io.l5d.port, port: 4141}",
            "/%/io.l5d.port/4141/#/io.l5d.fs/web 10.9.9.9:4141 127.0.0.1:4141",
        ),
        ("{kind: io.l5d.port, port: 1, prefix: /p}", "/%/p/#/io.l5d.fs/web 10.9.9.9:1 127.0.0.1:1"),
        ("{kind: io.l5d.localhost}", "/%/io.l5d.localhost/#/io.l5d.fs/web 127.0.0.1:80"),
        ("{kind: io.l5d.localhost, prefix: /here}", "/%/here/#/io.l5d.fs/web 127.0.0.1:80"),
        ("{kind: io.l5d.specificHost, host: 10.9.9.9}", "/%/io.l5d.specificHost/#/io.l5d.fs/web 10.9.9.9:81"),
        (
            "{kind: io.l5d.specificHost, host: 127.0.0.1, prefix: /there}",
            "/%/there/#/io.l5d.fs/web 127.0.0.1:80",
        ),
        ("{kind: io.l5d.replace, path: /$/inet/127.1/9}", "/%/io.l5d.replace/$/inet/127.1/9 127.0.0.1:9"),
        ("{kind: io.l5d.replace, path: /$/inet/127.1/9, prefix: /r}", "/%/r/$/inet/127.1/9 127.0.0.1:9"),
        ("{kind: io.l5d.const, path: /$/inet/127.1/9}", "/%/io.l5d.const/$/inet/127.1/9 127.0.0.1:9"),
        ("{kind: io.l5d.const, path: /$/inet/127.1/9, prefix: /c}", "/%/c/$/inet/127.1/9 127.0.0.1:9"),
    ];
    let svc = SVC.replace("%23", "#");
    for (transformer, expected) in rows {
        let on_namer = fs_namer(&format!(", transformers: [{transformer}]"));
        check(&on_namer, &svc, "/svc/web", expected).await;
        for interpreter in ["{kind: default", "{kind: io.l5d.fs, dtabFile: '${DIR}/web.dtab'"] {
            let router = format!("{svc}\n  interpreter: {interpreter}, transformers: [{transformer}]}}");
            check(&fs_namer(""), &router, "/svc/web", expected).await;
        }
    }
    // Only `const` finds something where nothing was.
    let none = |kind: &str| {
        format!(
            "{svc}\n  interpreter: {{kind: default, transformers: [{{kind: {kind}, path: /$/inet/127.1/9}}]}}"
        )
    };
    check(&fs_namer(""), &none("io.l5d.replace"), "/svc/none", "").await;
    check(&fs_namer(""), &none("io.l5d.const"), "/svc/none", "/%/io.l5d.const/$/inet/127.1/9 127.0.0.1:9")
        .await;
}

/// `io.l5d.rewrite`: `prefix`, `pattern`, `name`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rewrite() {
    let namers = |pattern: &str, name: &str| {
        fs_namer("")
            + &format!("- {{kind: io.l5d.rewrite, prefix: /rw, pattern: '{pattern}', name: '{name}'}}\n")
    };
    let web = "/#/io.l5d.fs/web 10.9.9.9:81 127.0.0.1:80";
    let router = "  dtab: /svc => /#/rw; /srv => /#/io.l5d.fs";
    check(&namers("/{s}/api", "/srv/{s}"), router, "/svc/web/api/rest", web).await;
    check(&namers("/{s}/api", "/srv/{s}"), router, "/svc/web/web", "").await;
    check(&namers("/{s}", "/srv/{s}"), router, "/svc/web/web", web).await;
    check(&namers("/{s}", "/$/inet/{s}/7"), router, "/svc/127.1", "/$/inet/127.1/7 127.0.0.1:7").await;
}

/// `dstPrefix`, and `header` of `io.l5d.header.token` and of `io.l5d.header`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn names_of_requests() {
    let web = Backend::text("web").await;
    let dtab = format!("  dtab: /x/blue => /$/inet/127.0.0.1/{}", web.address.port());
    let router = "  dstPrefix: /x\n  identifier: {kind: io.l5d.header.token, header: my-name}";
    let running = start("", &format!("{dtab}\n{router}")).await;
    let answer = running.ask("GET / HTTP/1.1\r\nHost: other\r\nmy-name: blue\r\n\r\n").await;
    assert_eq!((answer.status(), answer.text()), (200, "web".to_owned()));
    let answer = running.ask("GET / HTTP/1.1\r\nHost: blue\r\nmy-name: red\r\n\r\n").await;
    assert!(answer.text().contains("service name: /x/red\n"), "{}", answer.text());
    let answer = running.get("blue").await;
    assert!(answer.text().ends_with(" / my-name header is absent"), "{}", answer.text());
    running.stop().await;
    let router = "  dstPrefix: /x\n  identifier: {kind: io.l5d.header, header: my-path}";
    let running = start("", &format!("{dtab}\n{router}")).await;
    let answer = running.ask("GET / HTTP/1.1\r\nHost: other\r\nmy-path: /blue/sky\r\n\r\n").await;
    assert_eq!((answer.status(), answer.text()), (200, "web".to_owned()));
    assert_eq!(web.last().head.get("l5d-dst-service"), Some("/x/blue/sky"));
    running.stop().await;
}
