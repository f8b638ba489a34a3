//! Changes the kernel tells of, in each way there is to make one: nothing is looked at otherwise within an hour.

use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;

/// Folders `a` and `b`, each with a folder `root`, and in it files `web` that tell which folder it is.
struct Ground {
    dir: TempDir,
}

fn ground() -> Ground {
    let ground = Ground { dir: tempfile::tempdir().unwrap() };
    for (folder, port) in [("a", 1), ("b", 2)] {
        fs::create_dir_all(ground.at(folder).join("root")).unwrap();
        ground.write(&format!("{folder}/root/web"), port);
    }
    ground
}

impl Ground {
    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, port: u16) {
        fs::write(self.at(name), format!("10.0.0.1 {port}\n")).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    /// Turns a link as careful programs do.
    fn turn(&self, to: &str, link: &str) {
        let new = self.at("new-link");
        symlink(to, &new).unwrap();
        fs::rename(&new, self.at(link)).unwrap();
    }

    /// Names of a namer over `root` that trusts the kernel.
    fn namer(&self, root: &str, interval: Duration) -> (Arc<FsNamer>, Binder<Clients>) {
        let namer = namer_at("/io.l5d.fs", self.at(root), Arc::new(NoHosts), interval, Changes::new);
        let namers = Namers::new(Arc::new(NoHosts)).with(&path("/io.l5d.fs"), namer.clone());
        let base = dtab("/svc=>/#/io.l5d.fs");
        let (binder, task) = Binder::new(Arc::new(namers), base, Clients, BinderSettings::default());
        tokio::spawn(task);
        (namer, binder)
    }
}

fn shown(file: &str, port: u16) -> String {
    format!("L(/#/io.l5d.fs/{file})[10.0.0.1:{port}]")
}

/// Port 1 is seen in `file` below `root`, then `change` is made, and port 2 is.
async fn check(way: &str, root: &str, file: &str, begin: fn(&Ground), change: fn(&Ground)) {
    let g = ground();
    begin(&g);
    let (namer, binder) = g.namer(root, POLL_INTERVAL);
    let web = binder.bind(&path(&format!("/svc/{file}")), &Dtab::empty());
    until_shows(&web, &shown(file, 1)).await;
    eprintln!("{way}");
    change(&g);
    until_shows(&web, &shown(file, 2)).await;
    assert_eq!(namer.watches(), path(&format!("/{file}")).elems().count(), "{way}");
}

fn nothing(_: &Ground) {}

#[tokio::test]
async fn files() {
    check("written in place", "a/root", "web", nothing, |g| g.write("a/root/web", 2)).await;
    check("renamed", "a/root", "web", nothing, |g| g.rename("b/root/web", "a/root/web")).await;
    check("deleted and made again", "a/root", "web", nothing, |g| {
        fs::remove_file(g.at("a/root/web")).unwrap();
        g.write("a/root/web", 2);
    })
    .await;
    check("moved away and back", "a/root", "web", nothing, |g| {
        g.rename("a/root/web", "web");
        g.write("web", 2);
        g.rename("web", "a/root/web");
    })
    .await;
    let linked = |g: &Ground| fs::hard_link(g.at("a/root/web"), g.at("other")).unwrap();
    check("written under another of its names", "a/root", "web", linked, |g| g.write("other", 2)).await;
}

#[tokio::test]
async fn links() {
    // As Kubernetes mounts a ConfigMap: web -> ..data/web, ..data -> ..1.
    let config_map = |g: &Ground| {
        for (folder, port) in [("..1", 1), ("..2", 2)] {
            fs::create_dir_all(g.at("map").join(folder)).unwrap();
            g.write(&format!("map/{folder}/web"), port);
        }
        g.turn("..1", "map/..data");
        g.turn("..data/web", "map/web");
    };
    check("a ConfigMap", "map", "web", config_map, |g| {
        g.turn("..2", "map/..data");
        fs::remove_dir_all(g.at("map/..1")).unwrap();
    })
    .await;
    let afar = |g: &Ground| {
        g.write("afar", 1);
        g.turn("../../afar", "a/root/web");
    };
    check("a file elsewhere, in place", "a/root", "web", afar, |g| g.write("afar", 2)).await;
    check("a file elsewhere, renamed", "a/root", "web", afar, |g| g.rename("b/root/web", "afar")).await;
    let of_folder = |g: &Ground| g.turn("a/root", "link");
    check("the directory's link", "link", "web", of_folder, |g| g.turn("b/root", "link")).await;
    check("a file behind it", "link", "web", of_folder, |g| g.write("a/root/web", 2)).await;
    let of_parent = |g: &Ground| g.turn("a", "link");
    check("a link on the way to it", "link/root", "web", of_parent, |g| g.turn("b", "link")).await;
}

#[tokio::test]
async fn folders() {
    check("the directory is another", "a/root", "web", nothing, |g| {
        g.rename("a/root", "away");
        g.rename("b/root", "a/root");
    })
    .await;
    check("the folder of the directory is another", "a/root", "web", nothing, |g| {
        g.rename("a", "away");
        g.rename("b", "a");
    })
    .await;
    check("the directory is made again", "a/root", "web", nothing, |g| {
        fs::remove_dir_all(g.at("a/root")).unwrap();
        fs::create_dir(g.at("a/root")).unwrap();
        g.write("a/root/web", 2);
    })
    .await;
    check("a folder in it is another", "a", "root/web", nothing, |g| {
        g.rename("a/root", "away");
        g.rename("b/root", "a/root");
    })
    .await;
    check("a file in a folder in it", "a", "root/web", nothing, |g| g.write("a/root/web", 2)).await;
}

/// What comes later is seen when it comes, folder by folder.
#[tokio::test]
async fn what_is_not_there_yet() {
    let g = ground();
    let (namer, binder) = g.namer("later/root", POLL_INTERVAL);
    let web = binder.bind(&path("/svc/sub/web"), &Dtab::empty());
    until("it is looked for", || namer.watches() == 1).await;
    fs::create_dir_all(g.at("later/root")).unwrap();
    until_shows(&web, "Neg").await;
    fs::create_dir(g.at("later/root/sub")).unwrap();
    g.write("later/root/sub/web", 1);
    until_shows(&web, &shown("sub/web", 1)).await;
}

/// A file that is written bit by bit is taken when it is closed, and not half of it. Only here is what is seen believed
/// so late that a busy machine makes no difference.
#[tokio::test]
async fn truncated_and_written_in_two_parts() {
    let g = ground();
    let (_namer, binder) = g.namer("a/root", Duration::from_secs(60));
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    until_shows(&web, &shown("web", 1)).await;
    let mut file = fs::File::create(g.at("a/root/web")).unwrap();
    tokio::time::sleep(BREATH * 4).await;
    file.write_all(b"10.0.0.1 2\n10.0.0.2 8").unwrap();
    tokio::time::sleep(BREATH * 4).await;
    assert_eq!(show(&web), shown("web", 1));
    file.write_all(b"080\n").unwrap();
    drop(file);
    until("the whole is seen", || show(&web) != shown("web", 1)).await;
    assert_eq!(show(&web), "L(/#/io.l5d.fs/web)[10.0.0.1:2 10.0.0.2:8080]");
}

/// Names that nobody uses any more are not watched any more, and begin anew.
#[tokio::test]
async fn what_nobody_uses_is_forgotten() {
    let g = ground();
    let (namer, binder) = g.namer("a/root", Duration::from_millis(10));
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    until_shows(&web, &shown("web", 1)).await;
    drop(web);
    until("no name is left", || namer.watches() == 0).await;
    g.write("a/root/web", 2);
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    until_shows(&web, &shown("web", 2)).await;
    g.write("a/root/web", 3);
    until_shows(&web, &shown("web", 3)).await;
}

/// However much is told, what is seen is one of the good sets, and in the end the last one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn constant_change() {
    let g = ground();
    g.write("a/root/web", 80);
    let (_namer, binder) = g.namer("a/root", POLL_INTERVAL);
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    until_shows(&web, &shown("web", 80)).await;
    stays_good(&web, &g.at("a/root")).await;
    g.write("last", 2);
    g.rename("last", "a/root/web");
    until_shows(&web, &shown("web", 2)).await;
}

/// Where the kernel has no watch left to give, or none at all, files are looked at. The limits are those of a user
/// namespace, in which the test runs itself again.
#[tokio::test]
async fn the_kernel_has_nothing_left_to_give() {
    const INSIDE: &str = "WAYLEAVE_TEST_LIMIT";
    if let Some(limit) = std::env::var_os(INSIDE) {
        return looked_at(&limit.to_string_lossy()).await;
    }
    let limited = |limit: &str, program: &std::path::Path| {
        let script = format!("echo {limit} && exec \"$0\" --nocapture --exact \"$1\"");
        std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "sh", "-c", &script])
            .arg(program)
            .arg("fs::tests::told::the_kernel_has_nothing_left_to_give")
            .env(INSIDE, limit)
            .output()
    };
    let limits = ["0 >/proc/sys/user/max_inotify_instances", "1 >/proc/sys/user/max_inotify_watches"];
    if !limited(limits[0], "true".as_ref()).is_ok_and(|done| done.status.success()) {
        eprintln!("SKIPPED: user namespaces cannot be made here");
        return;
    }
    for limit in limits {
        let done = limited(limit, &std::env::current_exe().unwrap()).unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{limit}: {said}");
    }
}

async fn looked_at(limit: &str) {
    let g = ground();
    let mut changes = Changes::new();
    changes.follow(&path("/web"), &g.at("a/root/web"));
    assert!(!changes.listens(), "{limit}");
    let (_namer, binder) = g.namer("a/root", INTERVAL);
    let web = binder.bind(&path("/svc/web"), &Dtab::empty());
    until_shows(&web, &shown("web", 1)).await;
    g.write("a/root/web", 2);
    until_shows(&web, &shown("web", 2)).await;
}
