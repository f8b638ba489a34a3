//! The invariants of ARCHITECTURE.md that can be read off the sources, so that they stay true.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top to the bottom; an arrow may only point to a later one.
const ROOMS: &[&str] = &[
    "wayleave",
    "proxy",
    "namerd",
    "handover",
    "admin",
    "engines",
    "router",
    "discovery",
    "kubernetes",
    "mesh-api",
    "naming",
    "telemetry",
    "tls",
    "balance",
    "config",
    "names",
];

/// Rooms that may use tokio's sockets: the request path's, the admin server's, discovery's, and the one where two processes
/// meet.
const SOCKETS: &[&str] = &["engines", "admin", "discovery", "handover"];

/// Rooms above them that may hold sockets of the standard library: the linker listens before anything is started.
const LISTENS: &[&str] = &["proxy"];

/// Not the proxy: the demo's own back ends and callers.
const DEMO: &str = "crates/wayleave/src/demo";

/// Nor this: a telemeter that sends by itself, from the control world.
const SENDS: &str = "crates/proxy/src/telemeters/statsd.rs";

/// Files that may be longer than 500 lines, each with the reason.
const LONG: &[(&str, &str)] = &[];

/// Process-wide values that can change, each with the reason why it is no shared state.
const STATICS: &[(&str, &str)] = &[
    ("crates/balance/src/budget.rs", "never changes: its address tells threads apart"),
    ("crates/router/src/client.rs", "numbers only have to differ"),
    ("crates/router/src/endpoint.rs", "numbers only have to differ"),
    ("crates/testkit/src/cluster/program.rs", "the bed's program is built once in each test program"),
    ("crates/testkit/src/ports.rs", "ports are a resource of the machine"),
    ("crates/testkit/src/process.rs", "binaries are built once in each test program"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|e| e.expect("an entry can be read").path()) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "corpus" {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Path below the workspace and text of every Rust file.
fn sources() -> Vec<(String, String)> {
    let (root, mut found) = (root(), Vec::new());
    walk(&root, &mut found);
    found.sort();
    let relative = |p: &Path| p.strip_prefix(&root).expect("below the root").display().to_string();
    found.iter().map(|p| (relative(p), fs::read_to_string(p).expect("a source can be read"))).collect()
}

/// Sources of one room, without its tests.
fn of_room<'a>(all: &'a [(String, String)], room: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let prefix = format!("crates/{room}/src/");
    let is_test = |p: &str| p.ends_with("/tests.rs") || p.contains("/tests/");
    all.iter()
        .filter(move |(p, _)| p.starts_with(&prefix) && !is_test(p))
        .map(|(p, t)| (p.as_str(), t.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()))
}

/// Tables of a Cargo.toml with their keys.
fn manifest(path: &Path) -> BTreeMap<String, Vec<String>> {
    let (mut tables, mut table) = (BTreeMap::<String, Vec<String>>::new(), String::new());
    for line in fs::read_to_string(path).expect("a manifest can be read").lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').into();
        } else if let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let key = key.trim().split('.').next().unwrap_or_default();
            tables.entry(table.clone()).or_default().push(key.into());
        }
    }
    tables
}

fn manifests() -> Vec<(String, BTreeMap<String, Vec<String>>)> {
    let mut found = Vec::new();
    for folder in ["crates", "apps"] {
        for entry in fs::read_dir(root().join(folder)).expect("the workspace's folders can be read") {
            let path = entry.expect("an entry can be read").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            if path.join("Cargo.toml").exists() {
                found.push((name, manifest(&path.join("Cargo.toml"))));
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    found.sort();
    found
}

fn keys<'a>(tables: &'a BTreeMap<String, Vec<String>>, table: &str) -> &'a [String] {
    tables.get(table).map_or(&[], Vec::as_slice)
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn arrows_point_down() {
    let rank = |room: &str| ROOMS.iter().position(|r| *r == room);
    let mut faults = Vec::new();
    for (room, tables) in manifests() {
        if room != "testkit" && room != "helloworld" && rank(&room).is_none() {
            faults.push(format!("{room} has no place in the house: add it to ROOMS and ARCHITECTURE.md"));
        }
        for needed in keys(&tables, "dependencies") {
            if needed == "testkit" {
                faults.push(format!("{room} uses testkit outside its tests"));
            }
            if let (Some(from), Some(to)) = (rank(&room), rank(needed))
                && to <= from
            {
                faults.push(format!("{room} -> {needed} points up"));
            }
        }
    }
    none(&faults);
}

#[test]
fn rooms_know_only_their_own_world() {
    let rows: &[(&[&str], &[&str])] = &[
        (&["names", "balance", "telemetry", "config"], &["tokio", "hyper", "h2", "http", "socket2"]),
        (&["naming", "router"], &["hyper", "hyper-util", "h2", "http", "httparse", "socket2"]),
    ];
    let all: BTreeMap<_, _> = manifests().into_iter().collect();
    let mut faults = Vec::new();
    for (rooms, strangers) in rows {
        for room in *rooms {
            let used = all.get(*room).map_or(&[][..], |t| keys(t, "dependencies"));
            let bad = used.iter().filter(|d| strangers.contains(&d.as_str()));
            faults.extend(bad.map(|d| format!("{room} depends on {d}")));
        }
    }
    none(&faults);
}

#[test]
fn pure_rooms_read_no_clock_and_no_files() {
    let (all, mut faults) = (sources(), Vec::new());
    for room in ["names", "balance"] {
        for (path, text) in of_room(&all, room) {
            let words = ["Instant", "SystemTime", "std::fs", "std::net::Tcp", "std::thread", "tokio"];
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            let bad = code.filter(|l| words.iter().any(|w| l.contains(w)));
            faults.extend(bad.map(|l| format!("{path}: {}", l.trim())));
        }
    }
    none(&faults);
}

#[test]
fn only_some_rooms_open_sockets() {
    let (all, mut faults) = (sources(), Vec::new());
    for room in ROOMS.iter().filter(|r| !SOCKETS.contains(r)) {
        for (path, text) in of_room(&all, room).filter(|(p, _)| !p.starts_with(DEMO) && *p != SENDS) {
            let words = ["tokio::net", "TcpStream", "UdpSocket", "UnixStream", "TcpListener"];
            let words = &words[..if LISTENS.contains(room) { 4 } else { 5 }];
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            let bad = code.filter(|l| words.iter().any(|w| l.contains(w)));
            faults.extend(bad.map(|l| format!("{path}: {}", l.trim())));
        }
    }
    none(&faults);
}

#[test]
fn files_are_short_and_say_why_they_exist() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > 500 && LONG.iter().all(|(p, _)| *p != path) {
            faults.push(format!("{path}: {lines} lines"));
        }
        if path.ends_with("/mod.rs") {
            faults.push(format!("{path}: foo.rs beside foo/ instead"));
        }
        let opens = text
            .lines()
            .find(|l| !l.trim().is_empty())
            .is_some_and(|l| l.starts_with("//!") || l.starts_with("#!["));
        let is_test = path.ends_with("/tests.rs") || path.contains("/tests/");
        if !opens && !is_test {
            faults.push(format!("{path}: does not open with why it exists (//!)"));
        }
    }
    none(&faults);
}

#[test]
fn nothing_is_shared_by_the_whole_process() {
    let cells = ["Atomic", "Mutex", "RwLock", "OnceLock", "LazyLock", "OnceCell"];
    let mut faults = Vec::new();
    for (path, text) in sources().iter().filter(|(p, _)| p.starts_with("crates/") && p.contains("/src/")) {
        let statics = text.lines().map(str::trim).filter(|l| {
            let l = l.strip_prefix("pub ").or_else(|| l.strip_prefix("pub(crate) ")).unwrap_or(l);
            l.starts_with("static ") && cells.iter().any(|c| l.contains(c)) || l.starts_with("thread_local!")
        });
        if STATICS.iter().all(|(p, _)| p != path) {
            faults.extend(statics.map(|l| format!("{path}: {l}")));
        }
    }
    none(&faults);
}

#[test]
fn every_crate_obeys_the_lints() {
    let faults: Vec<String> = manifests()
        .into_iter()
        .filter(|(_, t)| !keys(t, "lints").contains(&"workspace".to_owned()))
        .map(|(room, _)| format!("{room}: no `[lints] workspace = true`"))
        .collect();
    none(&faults);
}
