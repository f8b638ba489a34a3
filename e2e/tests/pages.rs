//! The admin server's pages in a real browser: live numbers, the dtab page by keyboard, light and dark, at phone width, and
//! without serious faults for axe-core. Pictures are left in `target/pages/pictures`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use testkit::{Backend, Client, KubeApi, Load, Setup, free_port};

const BROWSER: &str = "/usr/bin/chromium";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The folder with the packages of `pages/package.json`, or why they are not to be had.
fn packages() -> Result<PathBuf, String> {
    if !Path::new(BROWSER).exists() {
        return Err("there is no chromium (Debian: apt-get install chromium)".to_owned());
    }
    let folder = here("../target/pages");
    let (manifest, wanted) = (folder.join("package.json"), here("tests/pages/package.json"));
    let wanted = fs::read_to_string(wanted).expect("it is beside this file");
    let installed = fs::read_to_string(&manifest).is_ok_and(|text| text == wanted)
        && ["axe-core", "playwright-core"].iter().all(|name| folder.join("node_modules").join(name).exists());
    if !installed {
        fs::create_dir_all(&folder).expect("target can be written");
        fs::write(&manifest, wanted).expect("target can be written");
        let npm = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
        let ran = Command::new("npm").args(npm).arg(&folder).output();
        let ran = ran.map_err(|error| format!("there is no npm (Debian: apt-get install npm): {error}"))?;
        if !ran.status.success() {
            return Err(format!("npm install: {}", said(&ran)));
        }
    }
    Ok(folder)
}

fn said(of: &Output) -> String {
    String::from_utf8_lossy(&of.stdout).into_owned() + &String::from_utf8_lossy(&of.stderr)
}

/// A router over files, and over two Kubernetes APIs.
fn document(api: u16, nobody: u16) -> String {
    format!(
        "admin: {{ip: 127.0.0.1, port: ${{ADMIN}}}}
usage: {{enabled: false}}
namers:
- {{kind: io.l5d.fs, rootDir: '${{DIR}}/disco'}}
- {{kind: io.l5d.k8s, host: 127.0.0.1, port: {api}}}
- {{kind: io.l5d.k8s, host: 127.0.0.1, port: {nobody}, prefix: /gone}}
routers:
- protocol: http
  label: out
  dtab: |
    /srv => /#/io.l5d.fs ;
    /svc => /srv ;
    /svc/good => /#/io.l5d.k8s/default/http/good ;
    /svc/gone => /#/gone/default/http/gone ;
  servers: [{{ip: 127.0.0.1, port: ${{ROUTER}}}}]
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_in_a_browser() {
    let folder = match packages() {
        Ok(folder) => folder,
        Err(why) => {
            println!("SKIPPED pages_in_a_browser: {why}");
            return;
        }
    };
    let web = Backend::text("web").await;
    let api = KubeApi::start().await;
    let world = Setup::new().document(&document(api.port(), free_port())).replicas("web", &[web.address]);
    let world = world.start(1).await;
    // Two names that Kubernetes is asked for; one API answers, behind the other port nobody listens.
    assert_eq!(world.get("good").await.status(), 502);
    let gone = world.router;
    let gone = tokio::spawn(async move { Client::connect(gone).await.get("/", "gone").await });
    let load = Load::start(world.router, "web", 1);
    let (pictures, admin) = (folder.join("pictures"), format!("http://{}", world.admin));
    fs::create_dir_all(&pictures).expect("target can be written");
    let looked = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.arg(here("tests/pages/check.mjs")).args([&admin]).arg(&folder).arg(&pictures);
        node.output().expect("node is installed")
    });
    let looked = looked.await.expect("it does not panic");
    assert!(looked.status.success(), "{}", said(&looked));
    assert!(said(&looked).contains(": 0 faults"), "{}", said(&looked));
    load.stop().await;
    assert_eq!(gone.await.expect("it does not panic").status(), 502);
    // The proxy's streams end with the API, so that its descriptors are what they were.
    drop((web, api));
    world.finish().await;
}
